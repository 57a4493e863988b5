"""The grid: events of market and venue in, order actions out. No I/O, no engine, no thread.

Every handler returns what to do; what has changed in the books waits in the ledger and is stored before anything is
sent. Nothing but the events named in rule R2 moves an order.
"""

from collections import Counter
from decimal import Decimal

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.grid import Ladder, Lot, LotKey, OrderStatus, Rung, WorkingOrder
from naut_hedgegrid.domain.values import (
    ZERO,
    CancelRejected,
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
from naut_hedgegrid.grid.diff import entry_diff
from naut_hedgegrid.grid.exits import CancelExit, MoveRest, PlaceExit, next_step, uncovered
from naut_hedgegrid.grid.ladder import Drop, GridSettings, first_ladder, recentred, rungs, wanted
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock
from naut_hedgegrid.strategies.hedge_grid_v1.flatten import Action, Cancel, FlattenLoop, ReadState, Submit
from naut_hedgegrid.strategies.hedge_grid_v1.freshness import Freshness

STALE_DATA = "StaleData"
FOREIGN_POSITION = "ForeignPosition"
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
        self._barred: dict[Leg, LegLevel] = dict(self.levels)
        self.throttle = Decimal(1)
        self.held = True
        """Nothing is added to what rests (after a start, until the controls are known)."""
        self.faults: dict[str, str] = {}
        """Why entries are stopped, by condition reason; empty when nothing is wrong."""
        self.ladders: dict[Leg, tuple[Rung, ...]] = dict.fromkeys(Leg, ())
        """All rungs as last computed, occupied and dropped ones too."""
        self.dropped: dict[Leg, Counter[Drop]] = {leg: Counter() for leg in Leg}
        self.loops: dict[Leg, FlattenLoop] = {}
        """The flatten of each leg that is held flat, or whose last close has to be awaited after a release."""
        self.started = False
        self._settings = settings
        self._instrument = instrument
        self._clock = clock
        self._bars = BarAggregator(bar_seconds)
        self._freshness = Freshness(stale_seconds)
        self._basis: dict[Leg, tuple[Ladder, Decimal]] = {}
        self._refused: set[LotKey] = set()
        self._waiting: set[Leg] = set()
        self._reads = 0
        self._read_after = 0
        self._out: list[Action] = []

    # -- what the outside says

    def start(self, state: VenueState) -> list[Action]:
        """The venue's books at a start: adopt them, cover what has no exit, go on with a flatten, then trade."""
        self.ledger.adopt(state, self._settings.take_profit_steps, start=True)
        self.started = True
        self._check_lots()
        for leg in Leg:
            if self.levels[leg] is LegLevel.FLAT:
                self._engage(leg)
            self._cover_leg(leg)
        self._evaluate_all()
        self._advance_loops()
        return self._taken()

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
            self._evaluate_all()
        return self._taken()

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
                    self._read()
        self._advance_loops()
        return self._taken()

    def on_venue_state(self, state: VenueState) -> list[Action]:
        """The venue's answer to a read. One that is older than a fill we know is asked for again."""
        self._reads = max(0, self._reads - 1)
        newest = max((fill.trade_id for fill in state.fills), default=self._read_after)
        if self.ledger.last_trade_id > newest:
            self._read()
            return self._taken()
        self.ledger.adopt(state, self._settings.take_profit_steps, start=False)
        now = self._clock.monotonic()
        for leg, loop in list(self.loops.items()):
            self._out += loop.on_state(now)
            if loop.done:
                self.ledger.drop_excess_lots(leg)
        self._check_lots()
        self._advance_loops()
        for leg in Leg:
            self._cover_leg(leg)
        self._evaluate_waiting()
        return self._taken()

    def on_timer(self) -> list[Action]:
        """Time has passed."""
        self._check_data()
        self._advance_loops()
        return self._taken()

    # -- what the controls say

    def close_gates(self, levels: dict[Leg, LegLevel]) -> None:
        """New levels are on their way to the store: from now on nothing opens that they forbid."""
        self._barred = {leg: max(self._barred[leg], levels[leg], key=lambda level: level.rank) for leg in Leg}

    def control(self, *, levels: dict[Leg, LegLevel], throttle: Decimal, held: bool) -> list[Action]:
        """The controls have changed. Closing what they close comes first; then what they open."""
        raised = [leg for leg in Leg if levels[leg] is LegLevel.FLAT and self.levels[leg] is not LegLevel.FLAT]
        lowered = [leg for leg in Leg if levels[leg] is not LegLevel.FLAT and self.levels[leg] is LegLevel.FLAT]
        everywhere = (throttle, held) != (self.throttle, self.held)
        changed = [leg for leg in Leg if everywhere or levels[leg] is not self.levels[leg]]
        self.levels, self.throttle, self.held = dict(levels), throttle, held
        self._barred = dict(levels)
        if not self.started:
            return []
        for leg in raised:
            self._engage(leg)
        for leg in lowered:
            self._cover_leg(leg)
        for leg in changed:
            self._evaluate(leg)
        self._advance_loops()
        return self._taken()

    def fault(self, reason: str, message: str | None) -> list[Action]:
        """Something is wrong (or well again, with None) that entries must not go on with."""
        self._set_fault(reason, message)
        return self._taken()

    # -- what can be asked

    @property
    def idle(self) -> bool:
        """No order is on its way, no answer is awaited, no flatten is under way."""
        moving = any(order.status is not OrderStatus.OPEN for order in self.ledger.orders.values())
        return not moving and not self._reads and all(loop.done for loop in self.loops.values())

    def entries_stopped(self, leg: Leg) -> bool:
        """The leg's gate is closed: what rests is cancelled, nothing is sent."""
        return self._barred[leg] is not LegLevel.OPEN or self.throttle == 0 or bool(self.faults)

    def may_send(self, order: WorkingOrder) -> bool:
        """Asked again right before a send: nothing that opens leaves after its gate has closed."""
        return order.role is not Role.ENTRY or not (self.held or self.entries_stopped(order.leg))

    def unprotected(self, leg: Leg) -> Decimal:
        """Held quantity of a leg that no exit stands for."""
        return sum((uncovered(lot, self.ledger.exits(lot.key)) for lot in self.ledger.lots_of(leg)), ZERO)

    def below_minimum(self) -> bool:
        """Every rung of every configured leg is too small for the venue."""
        legs = [leg for leg in Leg if self._settings.levels[leg]]
        return all(self.dropped[leg][Drop.MINIMUM] == self._settings.levels[leg] for leg in legs)

    # -- inside: market

    def _on_bar(self, bar: Bar, quote: Quote) -> None:
        self.last_bar = bar
        self._freshness.on_bar()
        self._check_data()
        refused, self._refused = self._refused, set()
        for key in refused:
            self._cover(key)
        ladder = self.ledger.ladder
        if ladder is not None and self.started and STALE_DATA not in self.faults:
            moved = recentred(
                ladder,
                quote.mid,
                quote.mark,
                self._settings,
                self._instrument.tick_size,
                has_lots=self.ledger.has_lots,
            )
            if moved is not None:
                self.ledger.set_ladder(moved)
        self._evaluate_all()

    def _check_data(self) -> None:
        self._set_fault(STALE_DATA, self._freshness.check(self._clock.market()))

    def _set_fault(self, reason: str, message: str | None) -> None:
        before = reason in self.faults
        if message is None:
            self.faults.pop(reason, None)
        else:
            self.faults[reason] = message
        if before != (reason in self.faults):
            self._evaluate_all()

    # -- inside: orders

    def _on_fill(self, fill: OrderFilled) -> None:
        key = self.ledger.filled(fill, self._settings.take_profit_steps)
        if key is None:
            return
        self._cover(key)
        self._evaluate_waiting(fill.leg)

    def _on_accepted(self, event: OrderAccepted) -> None:
        order = self.ledger.orders.get(event.client_order_id)
        if order is None or order.status is not OrderStatus.SENT:
            return
        self.ledger.set_status(order, OrderStatus.OPEN)
        if order.role is Role.ENTRY:
            self._evaluate_waiting(order.leg)

    def _on_rejected(self, event: OrderRejected) -> None:
        order = self.ledger.ended(event.client_order_id)
        if order is None:
            return
        if (loop := self.loops.get(order.leg)) is not None:
            loop.on_rejected(order, event.reason)
        if order.role is Role.TAKE_PROFIT and not event.post_only:
            self._refused.add(order.lot)
            self._read()
        elif order.role is Role.TAKE_PROFIT and self._may_cover(order.lot):
            self._exit_as_taker(order)
        else:
            self._on_gone(order)

    def _exit_as_taker(self, order: WorkingOrder) -> None:
        """Rule R14: a take-profit that would cross is sent again at once as a plain limit at the same price."""
        lot = self.ledger.lot(order.lot)
        if lot is None or order.price is None:
            return
        rest = uncovered(lot, self.ledger.exits(order.lot))
        if rest > 0:
            self._submit(self.ledger.new_exit(lot, min(rest, order.quantity), order.price, post_only=False))

    def _on_gone(self, order: WorkingOrder | None) -> None:
        if order is None:
            return
        if order.role is not Role.FLATTEN:
            self._cover(order.lot)
        if order.role is Role.ENTRY:
            self._evaluate_waiting(order.leg)

    # -- inside: exits

    def _cover_leg(self, leg: Leg) -> None:
        for lot in self.ledger.lots_of(leg):
            self._cover(lot.key)

    def _cover(self, key: LotKey) -> None:
        """Rules R13 and R15 for one lot, unless its leg is being flattened."""
        lot = self.ledger.lot(key)
        if lot is None or not self._may_cover(key):
            return
        match next_step(lot, self.ledger.exits(key), lambda: self._neighbours(key), self._instrument):
            case PlaceExit(quantity=quantity, price=price):
                self._submit(self.ledger.new_exit(lot, quantity, price, post_only=True))
            case CancelExit(order=order):
                self._cancel(order)
            case MoveRest() as move:
                self.ledger.replace_lots(move.applied())
                self._cover(move.target.key)
            case None:
                pass

    def _may_cover(self, key: LotKey) -> bool:
        """Exits of a lot may be sent: its leg isn't being flattened, no close of it is under way, none was refused."""
        held_flat = self.levels[key.leg] is LegLevel.FLAT or self._closing(key.leg)
        return self.started and not held_flat and key not in self._refused

    def _neighbours(self, key: LotKey) -> list[Lot]:
        """The leg's other lots that have a resting exit."""
        return [
            other
            for other in self.ledger.lots_of(key.leg)
            if other.key != key and any(o.status is OrderStatus.OPEN for o in self.ledger.exits(other.key))
        ]

    # -- inside: entries

    def _evaluate_all(self) -> None:
        for leg in Leg:
            self._evaluate(leg)

    def _evaluate_waiting(self, *legs: Leg) -> None:
        for leg in legs or tuple(Leg):
            if leg in self._waiting:
                self._evaluate(leg)

    def _evaluate(self, leg: Leg) -> None:
        """Rules R5, R6, R9 and R11 for one leg, behind its gate."""
        self._waiting.discard(leg)
        quote = self.quote
        if quote is not None and self.ledger.ladder is None and self.started:
            self.ledger.set_ladder(first_ladder(quote.mid, self._settings, self._instrument.tick_size))
        ladder = self.ledger.ladder
        if ladder is not None:
            self._lay_out(leg, ladder)
        if not self.started:
            return
        if self.entries_stopped(leg):
            self._stop_entries(leg)
            return
        if self.held or quote is None or ladder is None or self._closing(leg):
            return
        entries = self.ledger.entries(leg)
        now = wanted(
            ladder,
            self.ladders[leg],
            position=self.ledger.positions[leg],
            lots=self.ledger.lots_of(leg),
            entries=entries,
            quote=quote,
            settings=self._settings,
            instrument=self._instrument,
        )
        self.dropped[leg] = now.dropped
        diff = entry_diff(now.rungs, entries)
        for order in diff.cancel:
            self._cancel(order)
        for rung in diff.create:
            self._submit(self.ledger.new_entry(rung))
        if diff.waiting:
            self._waiting.add(leg)

    def _lay_out(self, leg: Leg, ladder: Ladder) -> None:
        """All rungs of a leg, computed again only where ladder or throttle have changed."""
        basis = (ladder, self.throttle)
        if self._basis.get(leg) != basis:
            self._basis[leg] = basis
            self.ladders[leg] = tuple(rungs(ladder, leg, self._settings, self._instrument, self.throttle))

    def _stop_entries(self, leg: Leg) -> None:
        self.dropped[leg] = Counter({Drop.GATE: self._settings.levels[leg]})
        for order in self.ledger.entries(leg):
            if order.status is OrderStatus.OPEN:
                self._cancel(order)
        if self.ledger.entries(leg):
            self._waiting.add(leg)

    # -- inside: flatten

    def _engage(self, leg: Leg) -> None:
        if leg not in self.loops:
            self.loops[leg] = FlattenLoop(leg, self.ledger, self._instrument, self._clock.monotonic())

    def _closing(self, leg: Leg) -> bool:
        loop = self.loops.get(leg)
        return loop is not None and loop.closing

    def _advance_loops(self) -> None:
        now = self._clock.monotonic()
        for leg, loop in list(self.loops.items()):
            if not self.started:
                continue
            if self.levels[leg] is LegLevel.FLAT:
                self._out += loop.advance(now)
            elif not loop.closing:
                del self.loops[leg]
                self._cover_leg(leg)
                self._evaluate(leg)

    def _check_lots(self) -> None:
        """Rule R20, as far as the gate: lots and position disagree, so nothing is opened until they agree."""
        odd = {leg: diff for leg in Leg if (diff := self.ledger.unexplained(leg)) != 0}
        more = ", ".join(f"{leg} {diff}" for leg, diff in odd.items() if diff > 0)
        less = ", ".join(f"{leg} {diff}" for leg, diff in odd.items() if diff < 0)
        self._set_fault(FOREIGN_POSITION, f"position that no fill of ours explains: {more}" if more else None)
        self._set_fault(EXTERNAL_CHANGE, f"position smaller than our lots: {less}" if less else None)

    # -- inside: out

    def _submit(self, order: WorkingOrder) -> None:
        self._out.append(Submit(order))

    def _cancel(self, order: WorkingOrder) -> None:
        self.ledger.set_status(order, OrderStatus.CANCELING)
        self._out.append(Cancel(order))

    def _read(self) -> None:
        self._out.append(ReadState())

    def _taken(self) -> list[Action]:
        out, self._out = self._out, []
        if reads := sum(isinstance(action, ReadState) for action in out):
            self._reads += reads
            self._read_after = self.ledger.last_trade_id
        return out
