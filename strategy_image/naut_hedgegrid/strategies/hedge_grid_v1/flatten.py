"""The flatten of one leg: a loop that is safe to enter at any point and ends only when the venue says flat.

Cancel the leg's orders → wait until each is terminal → read the venue → close exactly what it shows, in parts that the
venue takes → wait → read again, for ever. It holds no plan that a crash could lose: what to do next follows from the
ledger, the venue's answer and the clock alone. Entries and take-profits are cancelled in one go, entries first: a fill
that slips in between is seen by the read, which comes only after all of them are terminal. Stops stay until nothing is
left to protect, so that a crash in between isn't naked; where the venue would let a stop turn the leg round (the
backtest), they go first.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from naut_hedgegrid.domain.grid import OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument, Leg, OrderKind, Role
from naut_hedgegrid.grid.exits import market_parts
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Actions

ANSWER_SECONDS = 5.0
"""An order or a read that the venue hasn't answered for so long is asked for again."""
DEADLINE_SECONDS = 30.0
"""Not flat after this long: reported as Failed, with the reason; the loop goes on."""
VERIFY_SECONDS = 30.0
"""A leg that is flat is read again this often while it is held flat."""
_PAUSES = (0.2, 0.5, 1.0, 2.0)
_SIZE_CODES = ("-1111", "-4003", "-4004", "-4005", "-4164")


class Stage(StrEnum):
    """Where the loop stands."""

    CANCEL = "cancel"
    READ = "read"
    CLOSE = "close"
    PAUSE = "pause"
    DONE = "done"


class FlattenLoop:
    """Brings one leg to flat and keeps it there, until it is released."""

    def __init__(
        self, leg: Leg, ledger: Ledger, instrument: Instrument, now: float, *, stops_last: bool = True
    ) -> None:
        """`stops_last`: stop orders stay until the venue shows nothing that they could close."""
        self.leg = leg
        self.instrument = instrument
        """May be replaced while it runs: a close is computed from the newest limits."""
        self.attempts = 0
        """Rounds of closing so far."""
        self.last_error: str | None = None
        self.dust: Decimal | None = None
        """Quantity that can't be closed; None unless the loop ended on it."""
        self._ledger = ledger
        self._stops_last = stops_last
        self._empty = False
        """The venue shows nothing that could be closed."""
        self._stage = Stage.CANCEL
        self._reached = False
        self._began = now
        self._asked = now
        self._due = now
        self._pause = 0
        self._size_refusals = 0
        self._before_close = ZERO

    @property
    def done(self) -> bool:
        """The venue has confirmed that nothing is open, or nothing that could be closed."""
        return self._reached

    def failed(self, now: float) -> bool:
        """The deadline has passed without getting there."""
        return not self.done and now - self._began > DEADLINE_SECONDS

    @property
    def closing(self) -> bool:
        """A market close is under way: it has to be awaited even by a release."""
        return any(order.role is Role.FLATTEN for order in self._ledger.of_leg(self.leg))

    def advance(self, actions: Actions, now: float) -> None:
        """Do what has to be done now; called after every event and by timer."""
        orders = self._in_the_way()
        match self._stage:
            case Stage.CANCEL:
                self._cancel(orders, actions, now)
            case Stage.READ if now - self._asked > ANSWER_SECONDS:
                self._read(actions, now)
            case Stage.CLOSE:
                self._await_closes(orders, actions, now)
            case Stage.PAUSE if now >= self._due:
                self._read(actions, now)
            case Stage.DONE:
                self._watch(orders, actions, now)
            case _:
                pass

    def on_state(self, actions: Actions, now: float) -> None:
        """The venue has answered and the ledger is in line with it."""
        if self._stage is not Stage.READ:
            return
        position = self._ledger.positions[self.leg]
        self._empty = position < self.instrument.min_qty or self._size_refusals > 1
        if self._in_the_way():
            self._stage = Stage.CANCEL
            self._leave_flat(now)
            self.advance(actions, now)
            return
        if self._empty:
            self._stage = Stage.DONE
            self._reached = True
            self._due = now + VERIFY_SECONDS
            self.dust = position or None
            self._pause = 0
            return
        self._stage = Stage.CLOSE
        self._leave_flat(now)
        self.attempts += 1
        self._before_close = position
        for part in market_parts(position, self.instrument):
            actions.submit(self._ledger.new_close(self.leg, part))

    def on_rejected(self, order: WorkingOrder, reason: str) -> None:
        """The venue refused an order of this leg."""
        if order.role is Role.FLATTEN:
            self.last_error = reason
            self._size_refusals += reason.startswith(_SIZE_CODES)

    def _in_the_way(self) -> list[WorkingOrder]:
        """Orders of the leg that have to be terminal before its position is read and closed."""
        orders = self._ledger.of_leg(self.leg)
        if self._empty or not self._stops_last:
            return orders
        return [order for order in orders if order.kind is not OrderKind.STOP_MARKET]

    def _cancel(self, orders: Sequence[WorkingOrder], actions: Actions, now: float) -> None:
        if not orders:
            self._read(actions, now)
            return
        overdue = now - self._asked > ANSWER_SECONDS
        again = (OrderStatus.OPEN, OrderStatus.CANCELING) if overdue else (OrderStatus.OPEN,)
        for order in sorted(orders, key=lambda order: order.role is not Role.ENTRY):
            if order.status in again and order.kind is not OrderKind.MARKET:
                actions.cancel(order)
        if overdue:
            self._asked = now
            actions.read()

    def _read(self, actions: Actions, now: float) -> None:
        self._stage = Stage.READ
        self._asked = now
        actions.read()

    def _await_closes(self, orders: Sequence[WorkingOrder], actions: Actions, now: float) -> None:
        if any(order.role is not Role.FLATTEN for order in orders):
            self._stage = Stage.CANCEL
            self._cancel(orders, actions, now)
        elif orders:
            if now - self._asked > ANSWER_SECONDS:
                self._asked = now
                self.last_error = f"{orders[0].client_order_id} not answered for {ANSWER_SECONDS:.0f} s"
                actions.read()
        elif self._ledger.positions[self.leg] < self._before_close:
            self._pause = 0
            self._read(actions, now)
        else:
            self._stage = Stage.PAUSE
            self._due = now + _PAUSES[min(self._pause, len(_PAUSES) - 1)]
            self._pause += 1

    def _watch(self, orders: Sequence[WorkingOrder], actions: Actions, now: float) -> None:
        if orders or self._ledger.positions[self.leg] != (self.dust or ZERO):
            self._stage = Stage.CANCEL
            self._empty = False
            self._leave_flat(now)
            orders = self._in_the_way()
            self._cancel(orders, actions, now)
        elif now >= self._due:
            self._read(actions, now)

    def _leave_flat(self, now: float) -> None:
        """Something is open (again)."""
        self._asked = now
        if self._reached:
            self._reached = False
            self._began = now
            self.dust = None
            self._size_refusals = 0
