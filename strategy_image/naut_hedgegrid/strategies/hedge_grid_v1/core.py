"""The grid: events of market and venue in, order actions out. No I/O, no engine, no thread.

Every handler returns what to do; what has changed in the books waits in the ledger and is stored before anything is
sent. Nothing but the events named in rule R2 moves an order.
"""

from decimal import Decimal

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.grid import OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import (
    CancelRejected,
    FundingSettled,
    Instrument,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    Quote,
    Role,
    VenueState,
)
from naut_hedgegrid.grid.bars import Bar, BarAggregator
from naut_hedgegrid.grid.ladder import GridSettings
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Action, Actions
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock
from naut_hedgegrid.strategies.hedge_grid_v1.entries import Entries, Gate
from naut_hedgegrid.strategies.hedge_grid_v1.exits import Exits
from naut_hedgegrid.strategies.hedge_grid_v1.flatten import FlattenLoop
from naut_hedgegrid.strategies.hedge_grid_v1.freshness import Freshness

STALE_DATA = "StaleData"
FOREIGN_POSITION = "ForeignPosition"
UNKNOWN_FILTERS = "FiltersUnknown"
EXTERNAL_CHANGE = "ExternalPositionChange"


class GridCore:
    """Both ladders of one instrument."""

    def __init__(
        self,
        settings: GridSettings,
        instrument: Instrument,
        ledger: Ledger,
        clock: Clock,
        *,
        bar_seconds: int,
        stale_seconds: int,
    ) -> None:
        self.ledger = ledger
        self.quote: Quote | None = None
        self.last_bar: Bar | None = None
        self.levels: dict[Leg, LegLevel] = dict.fromkeys(Leg, LegLevel.OPEN)
        """How far each leg is held back."""
        self.held = True
        """Nothing is added to what rests (after a start, until the controls are known)."""
        self.faults: dict[str, str] = {}
        """Why entries are stopped, by condition reason; empty when nothing is wrong."""
        self.loops: dict[Leg, FlattenLoop] = {}
        """The flatten of each leg that is held flat, or whose last close has to be awaited after a release."""
        self.started = False
        """The venue's books have been adopted."""
        self._settings = settings
        self._instrument = instrument
        self._clock = clock
        self._bars = BarAggregator(bar_seconds)
        self._freshness = Freshness(stale_seconds)
        self._barred: dict[Leg, LegLevel] = dict(self.levels)
        self._actions = Actions(ledger)
        self.entries = Entries(settings, ledger, instrument, self._actions, self._gate)
        self.exits = Exits(ledger, instrument, self._actions, self._exits_allowed)

    # -- what the outside says

    def start(self, state: VenueState) -> list[Action]:
        """The venue's books at a start: adopt them, cover what has no exit, go on with a flatten, then trade."""
        self.ledger.adopt(state, self._settings.take_profit_steps, start=True)
        self.started = True
        self._check_lots()
        for leg in Leg:
            if self.levels[leg] is LegLevel.FLAT:
                self._engage(leg)
            self.exits.cover_leg(leg)
        self._evaluate(*Leg)
        self._advance_loops()
        return self._actions.take()

    def on_quote(self, quote: Quote) -> list[Action]:
        """A new best bid and ask; closes a bar where its time has come."""
        first = self.quote is None
        self.quote = quote
        self._clock.saw(quote.ts)
        self._freshness.on_quote(quote)
        bar = self._bars.update(quote.mid, quote.ts)
        if bar is not None:
            self._on_bar(bar, quote)
        elif first:
            self._evaluate(*Leg)
        return self._actions.take()

    def on_bar(self, bar: Bar) -> list[Action]:
        """A bar has closed, where the market comes in bars: bid = ask = mid = mark = its close."""
        quote = self.quote = Quote(bar.close, bar.close, bar.close, bar.ts)
        self._clock.saw(bar.ts)
        self._freshness.on_quote(quote)
        self._on_bar(bar, quote)
        return self._actions.take()

    def on_funding(self, settled: FundingSettled) -> list[Action]:
        """Funding was settled."""
        self.ledger.settled(settled)
        return self._actions.take()

    def on_instrument(self, instrument: Instrument | None) -> list[Action]:
        """The venue's limits have changed: what follows goes by the new ones. None: entries wait."""
        if instrument is not None:
            self._instrument = self.entries.instrument = self.exits.instrument = instrument
        self._set_fault(UNKNOWN_FILTERS, "the venue's limits on orders are unknown" if instrument is None else None)
        self._evaluate(*Leg)
        return self._actions.take()

    def on_market_end(self) -> list[Action]:
        """No more data will come: entries stop, exits stay."""
        self._freshness.on_end()
        return self.on_timer()

    def on_order_event(self, event: OrderEvent) -> list[Action]:
        """Something happened to an order."""
        match event:
            case OrderFilled():
                self._on_fill(event)
            case OrderAccepted():
                self._on_accepted(event)
            case OrderEnded():
                self._on_gone(self.ledger.ended(event.client_order_id))
            case OrderRejected():
                self._on_rejected(event)
            case CancelRejected():
                if event.client_order_id in self.ledger.orders:
                    self._actions.read()
        self._advance_loops()
        return self._actions.take()

    def on_venue_state(self, state: VenueState) -> list[Action]:
        """The venue's answer to a read. One that is older than a fill we know is asked for again."""
        self._actions.reads_due = max(0, self._actions.reads_due - 1)
        newest = max((fill.trade_id for fill in state.fills), default=self._actions.read_after)
        if self.ledger.last_trade_id > newest:
            self._actions.read()
            return self._actions.take()
        self.ledger.adopt(state, self._settings.take_profit_steps, start=False)
        now = self._clock.monotonic()
        for leg, loop in self.loops.items():
            loop.on_state(self._actions, now)
            if loop.done:
                self.ledger.drop_excess_lots(leg)
        self._check_lots()
        self._advance_loops()
        for leg in Leg:
            self.exits.cover_leg(leg)
            self.entries.evaluate_waiting(leg, self.quote)
        return self._actions.take()

    def on_timer(self) -> list[Action]:
        """Time has passed."""
        self._check_data()
        self._advance_loops()
        return self._actions.take()

    # -- what the controls say

    def close_gates(self, levels: dict[Leg, LegLevel]) -> None:
        """New levels are on their way to the store: from now on nothing opens that they forbid."""
        self._barred = {leg: max(self._barred[leg], levels[leg], key=lambda level: level.rank) for leg in Leg}

    def control(self, *, levels: dict[Leg, LegLevel], throttle: Decimal, held: bool) -> list[Action]:
        """The controls have changed. Closing what they close comes first; then what they open."""
        raised = [leg for leg in Leg if levels[leg] is LegLevel.FLAT and self.levels[leg] is not LegLevel.FLAT]
        lowered = [leg for leg in Leg if levels[leg] is not LegLevel.FLAT and self.levels[leg] is LegLevel.FLAT]
        everywhere = (throttle, held) != (self.entries.throttle, self.held)
        changed = [leg for leg in Leg if everywhere or levels[leg] is not self.levels[leg]]
        self.levels, self.entries.throttle, self.held = dict(levels), throttle, held
        self._barred = dict(levels)
        if not self.started:
            return []
        for leg in raised:
            self._engage(leg)
        for leg in lowered:
            self.exits.cover_leg(leg)
        self._evaluate(*changed)
        self._advance_loops()
        return self._actions.take()

    def fault(self, reason: str, message: str | None) -> list[Action]:
        """Something is wrong (or well again, with None) that entries must not go on with."""
        self._set_fault(reason, message)
        return self._actions.take()

    # -- what can be asked

    @property
    def idle(self) -> bool:
        """No order is on its way, no answer is awaited, no flatten is under way."""
        return not self.ledger.moving and not self._actions.reads_due and all(loop.done for loop in self.loops.values())

    def may_send(self, order: WorkingOrder) -> bool:
        """Asked again right before a send: nothing that opens leaves after its gate has closed."""
        return order.role is not Role.ENTRY or self._gate(order.leg) is Gate.OPEN

    # -- inside: gates

    def _gate(self, leg: Leg) -> Gate:
        if not self.started:
            return Gate.HELD
        if self._barred[leg] is not LegLevel.OPEN or self.entries.throttle == 0 or self.faults:
            return Gate.CLOSED
        return Gate.HELD if self.held or self._closing(leg) else Gate.OPEN

    def _exits_allowed(self, leg: Leg) -> bool:
        """Not while a leg is flattened, nor while a close of a released flatten is under way."""
        return self.started and self.levels[leg] is not LegLevel.FLAT and not self._closing(leg)

    def _closing(self, leg: Leg) -> bool:
        loop = self.loops.get(leg)
        return loop is not None and loop.closing

    def _evaluate(self, *legs: Leg) -> None:
        if self.started:
            for leg in legs:
                self.entries.evaluate(leg, self.quote)

    def _set_fault(self, reason: str, message: str | None) -> None:
        before = reason in self.faults
        if message is None:
            self.faults.pop(reason, None)
        else:
            self.faults[reason] = message
        if before != (reason in self.faults):
            self._evaluate(*Leg)

    def _check_data(self) -> None:
        self._set_fault(STALE_DATA, self._freshness.check(self._clock.market()))

    def _check_lots(self) -> None:
        """Rule R20, as far as the gate: lots and position disagree, so nothing is opened until they agree."""
        odd = {leg: diff for leg in Leg if (diff := self.ledger.unexplained(leg)) != 0}
        more = ", ".join(f"{leg} {diff}" for leg, diff in odd.items() if diff > 0)
        less = ", ".join(f"{leg} {diff}" for leg, diff in odd.items() if diff < 0)
        self._set_fault(FOREIGN_POSITION, f"position that no fill of ours explains: {more}" if more else None)
        self._set_fault(EXTERNAL_CHANGE, f"position smaller than our lots: {less}" if less else None)

    # -- inside: events

    def _on_bar(self, bar: Bar, quote: Quote) -> None:
        self.last_bar = bar
        self._freshness.on_bar()
        self._check_data()
        self.exits.retry_refused()
        if self.started and STALE_DATA not in self.faults:
            self.entries.recentre(quote)
        self._evaluate(*Leg)

    def _on_fill(self, fill: OrderFilled) -> None:
        key = self.ledger.filled(fill, self._settings.take_profit_steps)
        if key is not None:
            self.exits.cover(key)
            self.entries.evaluate_waiting(fill.leg, self.quote)

    def _on_accepted(self, event: OrderAccepted) -> None:
        order = self.ledger.orders.get(event.client_order_id)
        if order is None or order.status is not OrderStatus.SENT:
            return
        self.ledger.set_status(order, OrderStatus.OPEN)
        if order.role is Role.ENTRY:
            self.entries.evaluate_waiting(order.leg, self.quote)

    def _on_rejected(self, event: OrderRejected) -> None:
        order = self.ledger.ended(event.client_order_id)
        if order is None:
            return
        if (loop := self.loops.get(order.leg)) is not None:
            loop.on_rejected(order, event.reason)
        if order.role is not Role.TAKE_PROFIT:
            self._on_gone(order)
        elif event.post_only:
            self.exits.on_would_take(order)
        else:
            self.exits.on_refused(order)

    def _on_gone(self, order: WorkingOrder | None) -> None:
        if order is None:
            return
        if order.role is not Role.FLATTEN:
            self.exits.cover(order.lot)
        if order.role is Role.ENTRY:
            self.entries.evaluate_waiting(order.leg, self.quote)

    # -- inside: flatten

    def _engage(self, leg: Leg) -> None:
        if leg not in self.loops:
            self.loops[leg] = FlattenLoop(leg, self.ledger, self._instrument, self._clock.monotonic())

    def _advance_loops(self) -> None:
        if not self.started:
            return
        now = self._clock.monotonic()
        for leg, loop in list(self.loops.items()):
            if self.levels[leg] is LegLevel.FLAT:
                loop.advance(self._actions, now)
            elif not loop.closing:
                del self.loops[leg]
                self.exits.cover_leg(leg)
                self._evaluate(leg)
