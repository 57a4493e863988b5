"""The grid: events of market and venue in, order actions out. No I/O, no engine, no thread.

Every handler returns what to do; what has changed in the books waits in the ledger and is stored before anything is
sent. Nothing but the events named in rule R2 moves an order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.grid import OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import (
    AccountState,
    CancelRejected,
    Ending,
    FundingSettled,
    Instrument,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderRejected,
    Quote,
    Role,
    Side,
    VenueState,
)
from naut_hedgegrid.grid.bars import SECOND, Bar, BarAggregator
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Action, Actions
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock
from naut_hedgegrid.strategies.hedge_grid_v1.entries import Entries, Gate
from naut_hedgegrid.strategies.hedge_grid_v1.exits import Exits
from naut_hedgegrid.strategies.hedge_grid_v1.flatten import FlattenLoop
from naut_hedgegrid.strategies.hedge_grid_v1.freshness import Freshness
from naut_hedgegrid.strategies.hedge_grid_v1.gates import Gates
from naut_hedgegrid.strategies.hedge_grid_v1.plan import Plan
from naut_hedgegrid.strategies.hedge_grid_v1.settings import CoreSettings
from naut_hedgegrid.strategies.hedge_grid_v1.troubles import EXITS_LOST, Troubles

STALE_DATA = "StaleData"
FOREIGN_POSITION = "ForeignPosition"
UNKNOWN_FILTERS = "FiltersUnknown"
EXTERNAL_CHANGE = "ExternalPositionChange"
UNFIT = ("-1111 ", "-1116 ", "-4001 ", "-4003 ", "-4004 ", "-4005 ", "-4014 ", "-4023 ", "-4164 ")
"""Codes of orders whose price, quantity or type the venue's limits don't allow, at any time (F9)."""
NOT_SENT = "not sent: "
"""Begins the reason of an order that never left the strategy."""


@dataclass(frozen=True, slots=True)
class LatchRequest:
    """The grid asks that legs be held back until somebody releases them."""

    reason: str
    """Condition reason."""
    legs: tuple[Leg, ...]
    message: str


class GridCore:
    """Both ladders of one instrument."""

    def __init__(self, settings: CoreSettings, instrument: Instrument, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.quote: Quote | None = None
        self.last_bar: Bar | None = None
        self.loops: dict[Leg, FlattenLoop] = {}
        """The flatten of each leg that is held flat, or whose last close has to be awaited after a release."""
        self.gates = Gates(self._closing)
        self.plan = Plan(settings, ledger.note)
        self.latch_requests: list[LatchRequest] = []
        """What has to be latched; taken away by the one who does it."""
        self.account: Callable[[], AccountState | None] = lambda: None
        """The account's figures as last known."""
        self._settings = settings
        self._instrument = instrument
        self._clock = clock
        self._bars = BarAggregator(settings.bar_seconds)
        self._freshness = Freshness(settings.stale_seconds)
        self._actions = Actions(ledger, clock)
        self.entries = Entries(
            settings.grid,
            ledger,
            instrument,
            self._actions,
            self.gates.of,
            post_only_retries=settings.post_only_retries,
        )
        self.exits = Exits(ledger, instrument, self._actions, self._exits_allowed, clock.monotonic)
        self.troubles = Troubles(self.gates, self._actions.budget, ledger.note, self._ask_latch)

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on with what the store knows besides the books."""
        self.plan.restore(stored)
        self.entries.set_terms(self.plan.terms)
        self.troubles.restore(stored, self._clock.market())

    # -- what the outside says

    def start(self, state: VenueState) -> list[Action]:
        """The venue's books at a start: adopt them, cover what has no exit, go on with a flatten, then trade."""
        known = self.ledger.last_trade_id > 0  # else the fills tell of everything that ever was
        foreign = self.ledger.adopt(state, self.plan.steps, start=True)
        self._on_foreign_fills(foreign if known else ())
        self.gates.begin()
        self._check_lots()
        for leg in Leg:
            if self.gates.levels[leg] is LegLevel.FLAT:
                self._engage(leg)
            self.exits.cover_leg(leg)
        self._look_at_account()
        self._evaluate(*Leg)
        self._advance_loops()
        return self._actions.take()

    def on_quote(self, quote: Quote) -> list[Action]:
        """A new best bid and ask; closes a bar where its time has come."""
        first = self.quote is None
        self.quote = quote
        self._clock.saw(quote.ts)
        self._freshness.on_price(quote.mid, quote.ts)
        if quote.mark_ts is not None:
            self._freshness.on_other("mark price", quote.mark_ts)
        if quote.trade_ts is not None:
            self._freshness.on_other("trade", quote.trade_ts)
        bar = self._bars.update(quote.mid, quote.ts)
        if bar is not None:
            self._on_bar(bar, quote, quote.mid)
        elif first:
            self._look_at_account()
            self._evaluate(*Leg)
        return self._actions.take()

    def on_bar(self, bar: Bar, account: AccountState | None = None) -> list[Action]:
        """A bar has closed, where the market comes in bars: bid = ask = mid = mark = its close. `account` are the
        account's figures where they have just been asked for."""
        close = bar.close
        quote = self.quote = Quote(close, close, close, bar.ts)
        self._clock.saw(bar.ts)
        self._freshness.on_price(close, bar.ts)
        self._freshness.on_volume(bar.volume, bar.ts)
        self._on_bar(bar, quote, close, account)
        return self._actions.take()

    def on_funding(self, settled: FundingSettled) -> list[Action]:
        """Funding was settled."""
        self.ledger.settled(settled)
        return self._actions.take()

    def on_instrument(self, instrument: Instrument | None) -> list[Action]:
        """The venue's limits have changed: what follows goes by the new ones. None: entries wait."""
        if instrument is not None:
            self._instrument = self.exits.instrument = instrument
            self.entries.set_instrument(instrument)
            for loop in self.loops.values():
                loop.instrument = instrument
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
                self._on_ended(event)
            case OrderRejected():
                self._on_rejected(event)
            case CancelRejected():
                if event.client_order_id in self.ledger.orders:
                    self._actions.read()
        if self.loops:
            self._advance_loops()
        return self._actions.take()

    def on_venue_state(self, state: VenueState) -> list[Action]:
        """The venue's answer to a read. One that is older than a fill we know is asked for again."""
        self._actions.reads_due = max(0, self._actions.reads_due - 1)
        newest = max((fill.trade_id for fill in state.fills), default=self._actions.read_after)
        if self.ledger.last_trade_id > max(newest, self._actions.read_after):
            self._actions.read()
            return self._actions.take()
        self._on_foreign_fills(self.ledger.adopt(state, self.plan.steps, start=False))
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
        self.exits.on_timer()
        if self.troubles.on_time(self._clock.market()):
            self._evaluate(*Leg)
        for leg in Leg:
            self.entries.go_on(leg, self.quote)
        return self._actions.take()

    def audit(self) -> list[Action]:
        """Compare with the venue's books, though nothing says that they differ (R20)."""
        if self.gates.started and not self._actions.reads_due:
            self._actions.read()
        return self._actions.take()

    # -- what the controls say

    def control(self, *, levels: dict[Leg, LegLevel], throttle: Decimal, held: bool) -> list[Action]:
        """The controls have changed. Closing what they close comes first; then what they open."""
        gates = self.gates
        before, flat = gates.levels, LegLevel.FLAT
        raised = [leg for leg in Leg if levels[leg] is flat and before[leg] is not flat]
        lowered = [leg for leg in Leg if levels[leg] is not flat and before[leg] is flat]
        everywhere = (throttle, held) != (self.plan.throttle, gates.held)
        changed = [leg for leg in Leg if everywhere or levels[leg] is not before[leg]]
        gates.control(levels, throttled=throttle == 0, held=held)
        self.plan.set_throttle(throttle)
        self.entries.set_terms(self.plan.terms)
        if not gates.started:
            return []
        self._check_data()
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
    def mid(self) -> Decimal | None:
        """Rule R1: of the newest quote while it is fresh, else the last bar's close; None before either."""
        quote, bar = self.quote, self.last_bar
        if quote is None or (bar is not None and self._too_old(quote)):
            return None if bar is None else bar.close
        return quote.mid

    @property
    def started(self) -> bool:
        """The venue's books have been adopted."""
        return self.gates.started

    @property
    def idle(self) -> bool:
        """No order is on its way, no answer is awaited, no flatten is under way."""
        return not self.ledger.moving and not self._actions.reads_due and all(loop.done for loop in self.loops.values())

    def may_send(self, order: WorkingOrder) -> bool:
        """Asked again right before a send: nothing that opens leaves after its gate has closed."""
        if order.role is not Role.ENTRY:
            return True
        if self._too_old(self.quote):  # the process may have stood still, and be woken by something else than its timer
            self._check_data()
        return self.gates.of(order.leg) is Gate.OPEN

    # -- inside: gates

    def _exits_allowed(self, leg: Leg) -> bool:
        """Not while a leg is flattened, nor while a close of a released flatten is under way."""
        return self.gates.started and self.gates.levels[leg] is not LegLevel.FLAT and not self._closing(leg)

    def _closing(self, leg: Leg) -> bool:
        loop = self.loops.get(leg)
        return loop is not None and loop.closing

    def _evaluate(self, *legs: Leg) -> None:
        if self.gates.started:
            for leg in legs:
                self.entries.evaluate(leg, self.quote)

    def _set_fault(self, reason: str, message: str | None) -> None:
        if self.gates.set_fault(reason, message):
            self._evaluate(*Leg)

    def _check_data(self) -> None:
        self._set_fault(STALE_DATA, self._freshness.check(self._clock.market()))

    def _too_old(self, quote: Quote | None) -> bool:
        # Ahead of the clock, which was set back (F50), it is as little known how old it is.
        return quote is None or abs(self._clock.market() - quote.ts) > self._settings.stale_seconds * SECOND

    def _ask_latch(self, reason: str, legs: tuple[Leg, ...], message: str) -> None:
        """Nothing more is opened from now on, though the latch has still to be stored."""
        self.gates.bar({leg: LegLevel.HALTED if leg in legs else LegLevel.OPEN for leg in Leg})
        self.latch_requests.append(LatchRequest(reason, legs, message))

    def _check_lots(self) -> None:
        """Rule R20: what the venue holds less than the lots is cut from them, newest first, and the leg latched; what
        it holds more is foreign, and nothing is opened while it is there."""
        foreign: list[str] = []
        for leg in Leg:
            diff = self.ledger.unexplained(leg)
            if diff > 0:
                foreign.append(f"{leg} {diff}")
            elif diff < 0 and leg not in self.loops:
                self.ledger.drop_excess_lots(leg)
                self._ask_latch(EXTERNAL_CHANGE, (leg,), f"{leg} is {-diff} smaller at the venue than our fills say")
        message = f"position that no fill of ours explains: {', '.join(foreign)}; close it, or flatten the leg"
        self._set_fault(FOREIGN_POSITION, message if foreign else None)

    # -- inside: events

    def _on_bar(self, bar: Bar, quote: Quote, mid: Decimal, account: AccountState | None = None) -> None:
        """Most bars change nothing: each part tells by a comparison or two that it has nothing to do."""
        self.last_bar = bar
        self._freshness.on_bar()
        self._check_data()
        self.exits.retry_refused()
        self.troubles.on_time(self._clock.market())
        if self.plan.on_bar(bar):
            self.entries.set_terms(self.plan.terms)
        self._look_at_account(account)
        if self.gates.started:
            entries = self.entries
            entries.on_bar(quote, mid, fresh=STALE_DATA not in self.gates.faults)
            if self.loops or not entries.quiet(quote, self.gates.stamp):
                self._evaluate(*Leg)
                entries.note_quiet(self.gates.stamp)

    def _look_at_account(self, account: AccountState | None = None) -> None:
        """What funding will cost: asked for anew when something was booked, or a settlement comes within the window."""
        plan, now = self.plan, self._clock.market()
        if plan.funding_known(self.ledger.totals, now):
            return
        if plan.on_account(account or self.account(), self.ledger.totals, now):
            self.gates.set_unknown({leg: factor is None for leg, factor in plan.factors.items()})
            self.entries.set_terms(plan.terms)

    def _on_fill(self, fill: OrderFilled) -> None:
        booked = self.ledger.filled(fill, self.plan.steps[fill.leg])
        if booked is None:
            return
        if booked.lot is not None:
            self.exits.cover(booked.lot)
            self.entries.evaluate_waiting(fill.leg, self.quote)
        elif booked.foreign:
            self._on_foreign_fills([fill])
            self.exits.cover_leg(fill.leg)
            self._check_lots()

    def _on_foreign_fills(self, fills: Sequence[OrderFilled]) -> None:
        """Somebody else closed a part of our leg: liquidation, ADL, a person (F25, R20)."""
        for fill in fills:
            leg = fill.leg
            if fill.side is leg.closing and leg not in self.loops and self.gates.levels[leg] is not LegLevel.FLAT:
                who = f"{fill.client_order_id} closed {fill.quantity} of {leg} at {fill.price}"
                self._ask_latch(EXTERNAL_CHANGE, (leg,), who)

    def _on_accepted(self, event: OrderAccepted) -> None:
        order = self.ledger.orders.get(event.client_order_id)
        if order is None or order.status is not OrderStatus.SENT:
            return
        self.ledger.set_status(order, OrderStatus.OPEN)
        if order.role is Role.ENTRY:
            self.entries.evaluate_waiting(order.leg, self.quote)
        elif order.role is not Role.FLATTEN:
            self.exits.on_accepted(order)

    def _on_ended(self, event: OrderEnded) -> None:
        order = self.ledger.ended(event.client_order_id)
        if order is None:
            return
        ours = order.status is OrderStatus.CANCELING and event.ending is Ending.CANCELED
        expired = event.ending is Ending.EXPIRED and not ours
        if event.ending is Ending.TRIGGER_REJECTED:
            self.exits.condemn(order.lot)
        elif order.role is Role.ENTRY and expired and order.post_only:
            self.entries.on_refused(order, self.quote, post_only=True)
        elif order.role is Role.TAKE_PROFIT and expired and self._would_take(order):
            self.exits.on_would_take(order)
        elif order.role in (Role.TAKE_PROFIT, Role.STOP_LOSS) and not ours and self._exits_allowed(order.leg):
            self._on_exit_lost(order)
        self._on_gone(order)

    def _on_exit_lost(self, order: WorkingOrder) -> None:
        """Rule R17: it is created again at once; in a moment, where that goes on."""
        goes_on = EXITS_LOST in self.gates.leg_faults[order.leg]
        self.exits.on_ended(order)
        if order.kind is not OrderKind.MARKET:
            if self.troubles.on_exit_lost(order, self._clock.market()):
                self._evaluate(order.leg)
            if goes_on:
                self.exits.pause(order.lot)
        self._actions.read()

    def _would_take(self, order: WorkingOrder) -> bool:
        """The newest quote is at or beyond a post-only order's price."""
        quote, price = self.quote, order.price
        if quote is None or price is None or not order.post_only:
            return False
        return price >= quote.ask if order.side is Side.BUY else price <= quote.bid

    def _on_rejected(self, event: OrderRejected) -> None:
        order = self.ledger.ended(event.client_order_id)
        if order is None:
            return
        if (loop := self.loops.get(order.leg)) is not None:
            loop.on_rejected(order, event.reason)
        unsent = event.reason.startswith(NOT_SENT)
        if not event.post_only and not unsent and self.troubles.on_rejected(event.reason, self._clock.market()):
            self._evaluate(*Leg)
        if order.role is Role.ENTRY:
            if event.reason.startswith(UNFIT):
                self.entries.on_unfit(order)
            elif not unsent:
                self.entries.on_refused(order, self.quote, post_only=event.post_only)
            self._on_gone(order)
        elif order.role is Role.FLATTEN:
            self._on_gone(order)
        elif event.post_only:
            self.exits.on_would_take(order)
        else:
            self.exits.on_refused(order, event.reason)

    def _on_gone(self, order: WorkingOrder) -> None:
        if order.role is not Role.FLATTEN:
            self.exits.cover(order.lot)
        if order.role is Role.ENTRY:
            self.entries.evaluate_waiting(order.leg, self.quote)

    # -- inside: flatten

    def _engage(self, leg: Leg) -> None:
        if leg not in self.loops:
            now = self._clock.monotonic()
            self.loops[leg] = FlattenLoop(leg, self.ledger, self._instrument, now, stops_last=self._settings.stops_last)

    def _advance_loops(self) -> None:
        if not self.gates.started:
            return
        now = self._clock.monotonic()
        for leg, loop in list(self.loops.items()):
            if self.gates.levels[leg] is LegLevel.FLAT:
                loop.advance(self._actions, now)
            elif not loop.closing:
                del self.loops[leg]
                self.exits.cover_leg(leg)
                self._evaluate(leg)
