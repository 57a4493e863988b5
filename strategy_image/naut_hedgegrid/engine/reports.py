"""The book in the engine's words: what its reconciliation is told at the start."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from nautilus_trader.model import (
    ClientOrderId,
    FillReport,
    LiquiditySide,
    OrderStatus,
    OrderStatusReport,
    TimeInForce,
    TradeId,
    TriggerType,
    VenueOrderId,
)

from naut_hedgegrid.domain.values import ZERO, OrderFilled, OrderKind, OrderRequest
from naut_hedgegrid.engine.translation import ORDER_SIDES, ORDER_TYPES, Translation
from naut_hedgegrid.venues.sim.book import ADL_ID
from naut_hedgegrid.venues.sim.history import LegHistory
from naut_hedgegrid.venues.sim.orders import BookOrder, Status
from naut_hedgegrid.venues.sim.records import BookFill

_STATUSES = {
    Status.FILLED: OrderStatus.FILLED,
    Status.CANCELED: OrderStatus.CANCELED,
    Status.EXPIRED: OrderStatus.EXPIRED,
    Status.EXPIRED_IN_MATCH: OrderStatus.EXPIRED,
    Status.TRIGGER_REJECTED: OrderStatus.EXPIRED,
}
# The engine's prices carry at most nine digits.
_AVERAGE_QUANTUM = Decimal("1e-9")


class Reports:
    """Report types of the engine for one instrument."""

    def __init__(self, translation: Translation) -> None:
        """In the words of the translation."""
        self._words = translation

    def order(self, order: BookOrder, fills: Sequence[OrderFilled], now: int) -> OrderStatusReport:
        """An order with its fills; `now` is the engine's time."""
        words, request, identity = self._words, order.request, _identity(order)
        conditional = request.trigger_price is not None
        resting = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.ACCEPTED
        return OrderStatusReport(
            words.account_id,
            words.instrument_id,
            VenueOrderId(identity),
            ORDER_SIDES[request.side],
            ORDER_TYPES[request.kind],
            TimeInForce.GTC,
            _STATUSES.get(order.status, resting),
            words.quantity(request.quantity),
            words.quantity(order.filled),
            order.ts,
            order.ts_last,
            now,
            client_order_id=ClientOrderId(identity),
            venue_position_id=words.position_ids[request.leg],
            price=None if request.price is None else words.price(request.price),
            trigger_price=None if request.trigger_price is None else words.price(request.trigger_price),
            trigger_type=TriggerType.MARK_PRICE if conditional else None,
            avg_px=_average(fills),
            post_only=request.post_only,
            reduce_only=request.reduce_only,
        )

    def fill(self, order: BookOrder, fill: OrderFilled, now: int) -> FillReport:
        """A fill of an order; `now` is the engine's time. One that the venue knows no number of has the order's."""
        words, identity = self._words, _identity(order)
        return FillReport(
            words.account_id,
            words.instrument_id,
            VenueOrderId(identity),
            TradeId(str(fill.trade_id) if fill.trade_id else identity),
            ORDER_SIDES[fill.side],
            words.quantity(fill.quantity),
            words.price(fill.price),
            words.money(fill.commission),
            LiquiditySide.MAKER if fill.maker else LiquiditySide.TAKER,
            fill.ts,
            now,
            client_order_id=ClientOrderId(identity),
            venue_position_id=words.position_ids[fill.leg],
        )

    def of_leg(self, history: LegHistory, now: int) -> tuple[list[OrderStatusReport], list[FillReport]]:
        """All that makes up a leg: what it held before as one filled order, then its orders and their fills."""
        told = _one_after_another(history.fills)
        by_order: dict[int, list[OrderFilled]] = {}
        for fill in told:
            by_order.setdefault(fill.order_id, []).append(fill.event)
        known = {order.order_id: order for order in history.orders}
        orders = [self.order(order, by_order.get(order.order_id, ()), now) for order in history.orders]
        fills = [self.fill(known[fill.order_id], fill.event, now) for fill in told]
        if (carried := _carried(history)) is not None:
            order, event = carried
            orders.insert(0, self.order(order, [event], now))
            fills.insert(0, self.fill(order, event, now))
        return orders, fills


def _identity(order: BookOrder) -> str:
    """What the engine calls an order. It knows each id once; the venue deleverages under one and the same."""
    identity = order.request.client_order_id
    return f"{identity}-{order.order_id}" if identity == ADL_ID else identity


def _one_after_another(fills: Sequence[BookFill]) -> list[BookFill]:
    """The fills at times that tell their order: one tick may fill several, and the engine sorts by time."""
    ordered: list[BookFill] = []
    ts = 0
    for fill in fills:
        ts = max(ts + 1, fill.event.ts)
        ordered.append(replace(fill, event=replace(fill.event, ts=ts)))
    return ordered


def _carried(history: LegHistory) -> tuple[BookOrder, OrderFilled] | None:
    """The leg's earlier position as one order filled at the average entry price."""
    leg, position = history.leg, history.before
    if position.entry_price is None:
        return None
    identity = f"carry-{leg}-{history.ts}"
    request = OrderRequest(identity, leg, leg.opening, OrderKind.MARKET, position.quantity)
    order = BookOrder(0, request, history.ts, Status.FILLED, position.quantity, history.ts)
    fill = OrderFilled(
        trade_id=0,
        client_order_id=identity,
        leg=leg,
        side=leg.opening,
        quantity=position.quantity,
        price=position.entry_price.quantize(_AVERAGE_QUANTUM),
        commission=ZERO,
        maker=False,
        realized_pnl=ZERO,
        ts=history.ts,
    )
    return order, fill


def _average(fills: Sequence[OrderFilled]) -> Decimal | None:
    quantity = sum((fill.quantity for fill in fills), ZERO)
    return sum((fill.quantity * fill.price for fill in fills), ZERO) / quantity if quantity else None
