"""The exits of both legs: every held quantity gets its stop and its take-profit, at fills and order events.

Rules R13 to R16. A lot whose stop can't rest at the venue (it would trigger at once, or there are too many) is closed
at market instead: its take-profits are taken back first, so that nothing is closed twice.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from naut_hedgegrid.domain.grid import Lot, LotKey, OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument, Leg, OrderKind, Role
from naut_hedgegrid.grid.exits import (
    CancelExit,
    MoveRest,
    PlaceExit,
    PlaceStop,
    market_parts,
    next_step,
    next_stop,
    uncovered,
)
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Actions

CANT_REST = ("-2021", "-4142", "-4045")
"""Codes that refuse a stop for good: it would trigger at once, or the limit of conditional orders is reached."""
_EXITS = (Role.TAKE_PROFIT, Role.STOP_LOSS)
PASSING = ("-1000", "-1001", "-1003", "-1007", "-1008", "-1015")
"""Codes that say nothing of the order: the venue is busy, or we ask too much of it."""
_PAUSES = (1.0, 1.0, 2.0, 2.0, 5.0)
"""Seconds until a lot is covered again whose market close came to nothing, or whose exits are taken away again and
again; the last one for ever. Other exits that were refused wait for the next bar."""


class Exits:
    """Covers lots."""

    def __init__(
        self,
        ledger: Ledger,
        instrument: Instrument,
        actions: Actions,
        allowed: Callable[[Leg], bool],
        now: Callable[[], float],
    ) -> None:
        """`allowed` says whether exits of a leg may be sent now: it isn't being flattened. `now` is monotonic."""
        self._ledger = ledger
        self.instrument = instrument
        self._actions = actions
        self._allowed = allowed
        self._now = now
        self._refused: dict[tuple[LotKey, Role], float] = {}
        """Exits that were refused, and from when on they may be tried again, monotonic seconds; infinity: with the next
        bar."""
        """Exits that wait for the next bar."""
        self._condemned: set[LotKey] = set()
        """Lots to be closed at market."""
        self._later: dict[LotKey, float] = {}
        """Lots that aren't covered before a time, monotonic seconds."""
        self._pauses: dict[LotKey, int] = {}
        """How often a lot had to wait so."""
        self._unfinished: set[LotKey] = set()
        """Lots with a rest that waits until an exit of theirs rests."""

    def cover_leg(self, leg: Leg) -> None:
        """Cover all lots of a leg; what stands for lots that are gone is taken back."""
        keys = [lot.key for lot in self._ledger.lots_of(leg)]
        keys += [order.lot for order in self._ledger.of_leg(leg) if order.role in _EXITS]
        for key in dict.fromkeys(keys):
            self.cover(key)

    def cover(self, key: LotKey) -> None:
        """Cover one lot, as far as it can be covered now. What stands for a lot that is closed is taken back."""
        lot = self._ledger.lot(key)
        working = self._ledger.working
        takes, stops = working.takes(key), working.stops(key)
        if lot is None or lot.open <= 0:
            self._condemned.discard(key)
            self._pauses.pop(key, None)
            self._unfinished.discard(key)
            self._cancel(takes)
            self._cancel(stops)
        elif not self._may_cover(key):
            if self._allowed(key.leg):
                self._take_back(lot, takes)
                self._take_back(lot, stops)
        elif key in self._condemned:
            self._close(lot, takes, stops)
        elif any(stop.filled > 0 for stop in stops):
            self._cancel(takes)  # the stop has triggered: it closes the lot
        else:
            self._cover(lot, takes, stops)

    def on_accepted(self, order: WorkingOrder) -> None:
        """An exit rests: go on with what had to wait for that. Most take-profits have nothing waiting."""
        key = order.lot
        if (
            order.role is Role.STOP_LOSS
            or key in self._unfinished
            or key in self._condemned
            or self._ledger.working.stops(key)
        ):
            self.cover(key)

    def on_would_take(self, order: WorkingOrder) -> None:
        """Rule R14: an exit that would cross is sent again at once as a plain limit at the same price."""
        lot = self._ledger.lot(order.lot)
        if lot is None or order.price is None or not self._may_cover(order.lot) or order.lot in self._condemned:
            return
        rest = uncovered(lot, self._ledger.working.takes(order.lot))
        if rest > 0:
            quantity = min(rest, order.quantity)
            self._actions.submit(self._ledger.new_take_profit(lot, quantity, order.price, post_only=False))

    def on_refused(self, order: WorkingOrder, reason: str) -> None:
        """The venue refused an exit: a stop that can't rest becomes a market close (R16), one that was refused for a
        passing reason is tried again in a moment, anything else with the next bar, once it is read how things are."""
        if order.role is Role.STOP_LOSS and order.kind is OrderKind.MARKET:
            self.pause(order.lot)
        elif order.role is Role.STOP_LOSS and reason.startswith(CANT_REST):
            self.condemn(order.lot)
            return
        else:
            passing = reason.startswith(PASSING)
            self._refused[order.lot, order.role] = self._in_a_moment(order.lot) if passing else math.inf
        self._actions.read()

    def condemn(self, key: LotKey) -> None:
        """Rule R16: the lot's stop can't rest or was refused when it triggered; close it at market."""
        self._condemned.add(key)
        self.cover(key)

    def on_ended(self, order: WorkingOrder) -> None:
        """An exit ended, but not by us; the lot is covered again next. A market close that nobody took waits a moment:
        sent again at once it would most likely meet the same."""
        if order.kind is OrderKind.MARKET and order.filled == 0:
            self.pause(order.lot)

    def pause(self, key: LotKey) -> None:
        """Cover a lot only in a moment: what is sent for it comes to nothing, or is taken away again and again."""
        self._later[key] = self._in_a_moment(key)

    def _in_a_moment(self, key: LotKey) -> float:
        """When to try again, monotonic seconds: later each time that a lot has to wait."""
        count = self._pauses[key] = self._pauses.get(key, 0) + 1
        return self._now() + _PAUSES[min(count, len(_PAUSES)) - 1]

    def on_timer(self) -> None:
        """Go on with lots that have waited long enough."""
        if self._later:
            now = self._now()
            self._cover_later([key for key, at in self._later.items() if now >= at])
        if self._refused:
            now = self._now()
            for refused in [refused for refused, at in self._refused.items() if now >= at]:
                del self._refused[refused]
                self.cover(refused[0])

    def retry_refused(self) -> None:
        """A bar has closed."""
        if self._refused or self._later:
            refused, self._refused = self._refused, {}
            self._cover_later(list(dict.fromkeys([*(key for key, _ in refused), *self._later])))

    @property
    def refused(self) -> bool:
        """An exit that the venue refused waits to be tried again."""
        return bool(self._refused or self._later)

    def unprotected(self, leg: Leg) -> Decimal:
        """Held quantity of a leg that no take-profit stands for (no stop, where there are no take-profits)."""
        working = self._ledger.working
        return sum(
            (
                max(ZERO, uncovered(lot, (working.takes if lot.take_profit_steps else working.stops)(lot.key)))
                for lot in self._ledger.lots_of(leg)
            ),
            ZERO,
        )

    def _cover_later(self, keys: Sequence[LotKey]) -> None:
        for key in keys:
            self._later.pop(key, None)
            self.cover(key)

    def _cover(self, lot: Lot, takes: Sequence[WorkingOrder], stops: Sequence[WorkingOrder]) -> None:
        """The stop first. What was refused waits, the other kind doesn't."""
        if (lot.key, Role.STOP_LOSS) in self._refused:
            self._take_back(lot, stops)
        else:
            self._stop(lot, stops)
        if (lot.key, Role.TAKE_PROFIT) in self._refused:
            self._take_back(lot, takes)
        else:
            self._take_profit(lot.key, takes)

    def _stop(self, lot: Lot, stops: Sequence[WorkingOrder]) -> None:
        match next_stop(lot, stops, self.instrument):
            case PlaceStop(quantity=quantity, trigger=trigger):
                self._actions.submit(self._ledger.new_stop(lot, quantity, trigger))
            case CancelExit(order=order):
                self._actions.cancel(order)
            case None:
                pass

    def _take_profit(self, key: LotKey, takes: Sequence[WorkingOrder]) -> None:
        lot = self._ledger.lot(key)
        if lot is None:
            return
        step = next_step(lot, takes, lambda: self._neighbours(key), self.instrument)
        if step is None and uncovered(lot, takes) != 0:
            self._unfinished.add(key)
        else:
            self._unfinished.discard(key)
        match step:
            case PlaceExit(quantity=quantity, price=price):
                self._actions.submit(self._ledger.new_take_profit(lot, quantity, price, post_only=True))
            case CancelExit(order=order):
                self._actions.cancel(order)
            case MoveRest() as move:
                self._ledger.replace_lots(move.applied())
                self.cover(move.source.key)
                self.cover(move.target.key)
            case _:
                pass

    def _close(self, lot: Lot, takes: Sequence[WorkingOrder], stops: Sequence[WorkingOrder]) -> None:
        if takes or stops:
            self._cancel(takes)
            self._cancel([stop for stop in stops if stop.kind is OrderKind.STOP_MARKET])
            return
        for part in market_parts(lot.open, self.instrument):
            held = self._ledger.lot(lot.key)
            if held is not None:
                self._actions.submit(self._ledger.new_lot_close(held, part))

    def _take_back(self, lot: Lot, exits: Sequence[WorkingOrder]) -> None:
        """Nothing is sent for the lot now; what stands for more than it holds goes all the same."""
        if uncovered(lot, exits) < 0 and all(order.status is not OrderStatus.CANCELING for order in exits):
            self._cancel([order for order in exits if order.status is OrderStatus.OPEN][-1:])

    def _cancel(self, orders: Sequence[WorkingOrder]) -> None:
        for order in orders:
            if order.status is OrderStatus.OPEN and order.kind is not OrderKind.MARKET:
                self._actions.cancel(order)

    def _may_cover(self, key: LotKey) -> bool:
        return self._allowed(key.leg) and key not in self._later

    def _neighbours(self, key: LotKey) -> list[Lot]:
        """The leg's other lots that have a resting take-profit."""
        return [
            other
            for other in self._ledger.lots_of(key.leg)
            if other.key != key and any(o.status is OrderStatus.OPEN for o in self._ledger.working.takes(other.key))
        ]
