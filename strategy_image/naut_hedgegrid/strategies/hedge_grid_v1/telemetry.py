"""What the strategy counts for its operators: orders and how they end, refusals, fills, latencies, round trips.

Counters of this process: they begin at 0 with it. The strategy calls it from its event path, so everything here is a
few dictionary operations; a backtest runs without it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from naut_hedgegrid.domain.grid import Lot, LotKey, WorkingOrder
from naut_hedgegrid.domain.values import (
    ZERO,
    Ending,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    Quote,
    Role,
)
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Distribution, Observed
from naut_hedgegrid.strategies.hedge_grid_v1.markout import Markout

LATENCY_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets of both latencies."""
OTHER = "other"
"""Reason of refusals that name none, and of those beyond `MOST_REASONS`."""
MOST_REASONS = 32
"""Different reasons that are told apart."""

_REASON = re.compile(r"-\d{3,5}|[A-Z][A-Z_]{3,40}")


class Outcome(StrEnum):
    """What becomes of orders; an order has several one after the other."""

    SENT = "sent"
    """It has left for the venue."""
    UNSENT = "unsent"
    """It was made but never left: its gate had closed, or the store didn't take it."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WOULD_TAKE = "would_take"
    """A post-only order, refused because it would have taken liquidity."""
    CANCELED = "canceled"
    EXPIRED = "expired"
    FILLED = "filled"
    """Whole."""
    MISSING = "missing"
    """The venue didn't have it when it was asked; nobody said how it had ended."""


@dataclass(frozen=True, slots=True)
class Counts:
    """All figures of one moment, since the start of the process."""

    orders: Mapping[tuple[Role, Outcome], int]
    """Orders by what became of them."""
    rejects: Mapping[str, int]
    """Refusals by the venue's code (`-2019`), the engine's word, or `other`."""
    fills: Mapping[tuple[Leg, bool], int]
    """By leg and whether it added liquidity (maker)."""
    round_trips: Mapping[Leg, int]
    """Lots whose last quantity a take-profit or a stop has closed."""
    round_trip_profit: Mapping[Leg, Decimal]
    """Theirs, Σ (exit − entry of the lot)·quantity by the leg's sign: before commissions and funding."""
    order_latency: Observed
    """Seconds from a send to accepted or rejected."""
    protection: Observed
    """Seconds from an entry's fill to the acceptance of a take-profit of its lot."""
    markout: Mapping[tuple[Leg, int], Observed]
    """By leg and seconds after the fill, bps."""


@dataclass(slots=True)
class _Trip:
    price: Decimal
    profit: Decimal = ZERO
    exits: int = 0


class Telemetry:
    """Counts; used on the strategy's loop only."""

    def __init__(self, lots: Iterable[Lot], orders: Iterable[WorkingOrder]) -> None:
        """`lots` and `orders` are what the books hold at the start."""
        self._orders: Counter[tuple[Role, Outcome]] = Counter()
        self._rejects: Counter[str] = Counter()
        self._fills: Counter[tuple[Leg, bool]] = Counter()
        self._round_trips: Counter[Leg] = Counter()
        self._profit: dict[Leg, Decimal] = dict.fromkeys(Leg, ZERO)
        self._order_latency = Distribution(LATENCY_SECONDS)
        self._protection = Distribution(LATENCY_SECONDS)
        self._markout = Markout()
        self._live: dict[str, WorkingOrder] = {order.client_order_id: order for order in orders}
        self._unanswered: dict[str, float] = {}
        self._trips: dict[LotKey, _Trip] = {lot.key: _Trip(lot.price) for lot in lots}
        self._unprotected: dict[LotKey, float] = {}

    # -- what the strategy tells; `now` is monotonic time

    def on_quote(self, quote: Quote) -> None:
        """A quote has come."""
        self._markout.on_quote(quote)

    def on_sent(self, order: WorkingOrder, now: float) -> None:
        """An order leaves for the venue."""
        self._unanswered[order.client_order_id] = now
        self._orders[order.role, Outcome.SENT] += 1

    def on_order_event(self, event: OrderEvent, now: float) -> None:
        """Something happened to an order; told before the books take it in. Fills are counted once they are booked."""
        match event:
            case OrderAccepted():
                self._on_accepted(event.client_order_id, now)
            case OrderRejected():
                self._on_rejected(event, now)
            case OrderEnded():
                order = self._live.pop(event.client_order_id, None)
                if order is not None:
                    outcome = Outcome.CANCELED if event.ending is Ending.CANCELED else Outcome.EXPIRED
                    self._orders[order.role, outcome] += 1
            case _:
                pass

    def on_booked(self, changes: Changes, now: float) -> None:
        """What a step has changed in the books, each fill once."""
        filled: set[str] = set()
        for fill in changes.fills:
            filled.add(fill.client_order_id)
            self._on_fill(fill, now)
        for name, order in changes.orders.items():
            if order is not None:
                self._live[name] = order
            elif (gone := self._live.pop(name, None)) is not None:
                self._orders[gone.role, Outcome.FILLED if name in filled else Outcome.MISSING] += 1
                self._unanswered.pop(name, None)
        for key, lot in changes.lots.items():
            if lot is None:
                self._on_closed(key)
            elif key not in self._trips:
                self._trips[key] = _Trip(lot.price)

    # -- what the exporter asks

    def counts(self) -> Counts:
        """The figures of now."""
        return Counts(
            orders=dict(self._orders),
            rejects=dict(self._rejects),
            fills=dict(self._fills),
            round_trips=dict(self._round_trips),
            round_trip_profit=dict(self._profit),
            order_latency=self._order_latency.observed(),
            protection=self._protection.observed(),
            markout=self._markout.observed(),
        )

    # -- inside

    def _on_accepted(self, name: str, now: float) -> None:
        sent = self._unanswered.pop(name, None)
        order = self._live.get(name)
        if sent is None or order is None:
            return
        self._order_latency.observe(now - sent)
        self._orders[order.role, Outcome.ACCEPTED] += 1
        if order.role is Role.TAKE_PROFIT and (filled := self._unprotected.pop(order.lot, None)) is not None:
            self._protection.observe(now - filled)

    def _on_rejected(self, event: OrderRejected, now: float) -> None:
        sent = self._unanswered.pop(event.client_order_id, None)
        order = self._live.pop(event.client_order_id, None)
        if order is None:
            return
        if sent is None:
            self._orders[order.role, Outcome.UNSENT] += 1
            return
        self._order_latency.observe(now - sent)
        self._orders[order.role, Outcome.WOULD_TAKE if event.post_only else Outcome.REJECTED] += 1
        reason = reason_of(event)
        self._rejects[reason if reason in self._rejects or len(self._rejects) < MOST_REASONS else OTHER] += 1

    def _on_fill(self, fill: OrderFilled, now: float) -> None:
        self._fills[fill.leg, fill.maker] += 1
        self._markout.on_fill(fill)
        order = self._live.get(fill.client_order_id)
        if order is None:
            return
        if order.role is Role.ENTRY:
            self._unprotected.setdefault(order.lot, now)
        elif order.role is not Role.FLATTEN and (trip := self._trips.get(order.lot)) is not None:
            trip.profit += fill.leg.sign * (fill.price - trip.price) * fill.quantity
            trip.exits += 1

    def _on_closed(self, key: LotKey) -> None:
        self._unprotected.pop(key, None)
        trip = self._trips.pop(key, None)
        if trip is not None and trip.exits:
            self._round_trips[key.leg] += 1
            self._profit[key.leg] += trip.profit


def reason_of(event: OrderRejected) -> str:
    """The code or the word that a refusal begins with."""
    found = _REASON.match(event.reason)
    if found is not None:
        return found[0]
    return "post_only" if event.post_only else OTHER
