"""How orders meet the market: one transaction's work on the venue's standing.

An order that takes liquidity gets the opposite best, whatever its size. Own orders make no market; those that a taking
order would have met, of either leg, at the market's price or a better one, are expired by self-trade prevention in its
mode EXPIRE_MAKER (Binance's default).
"""

from decimal import Decimal

from naut_hedgegrid.domain.values import (
    ZERO,
    Ending,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    OrderKind,
    OrderRequest,
    Side,
)
from naut_hedgegrid.grid.precision import money
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.changes import Changes
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.orders import BookOrder, Status
from naut_hedgegrid.venues.sim.records import BookFill
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.standing import Standing

_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class Matching:
    """Takes, fills, triggers and ends orders; what changes goes into the transaction."""

    def __init__(self, standing: Standing, rules: VenueRules, faults: Faults, changes: Changes) -> None:
        """For one transaction."""
        self._standing = standing
        self._rules = rules
        self._faults = faults
        self._changes = changes

    def take(self, request: OrderRequest) -> None:
        """Let an order that was admitted rest; what takes liquidity fills at once."""
        order = self.placed(request)
        if request.kind is OrderKind.MARKET:
            self._execute(order, order.leaves)
        elif self._standing.crosses(request):
            self._fill_as_taker(order, order.leaves)

    def placed(self, request: OrderRequest) -> BookOrder:
        """Accept an order and have it rest, whatever its price."""
        order = self._created(request)
        self._changes.events.append(OrderAccepted(request.client_order_id, self._standing.ts))
        return order

    def tick(self) -> None:
        """Match the newest quote.

        Limits come first, BUY and then SELL, by price and age, each at its own price; then the stops that the mark
        price has reached, in the order in which a price that moves there reaches their triggers, and by age.
        """
        standing, quote = self._standing, self._standing.quote
        if quote is None:
            return
        self._match(Side.BUY, quote.ask)
        self._match(Side.SELL, quote.bid)
        for side in Side:
            while (order := standing.open.triggered(side, quote.mark)) is not None:
                self._trigger(order)

    def autoclose(self, leg: Leg, quantity: Decimal, price: Decimal, client_order_id: str) -> None:
        """Close a part of a leg by the venue's own order, at its price."""
        request = OrderRequest(client_order_id, leg, leg.closing, OrderKind.MARKET, quantity)
        self._fill(self._created(request), quantity, price, maker=False)

    def end(self, order: BookOrder, ending: Ending, reason: str = "") -> None:
        """End an open order without a further fill."""
        order.reason = reason
        self._update(order, Status(ending.value))
        self._changes.events.append(OrderEnded(order.request.client_order_id, ending, self._standing.ts, reason))

    def _created(self, request: OrderRequest) -> BookOrder:
        standing = self._standing
        standing.last_order_id += 1
        order = BookOrder(standing.last_order_id, request, ts=standing.ts, ts_last=standing.ts)
        standing.open.add(order)
        self._changes.orders[order.order_id] = order
        return order

    def _match(self, side: Side, opposite: Decimal) -> None:
        """Fill the resting orders of a side that the opposite best price reaches."""
        while (order := self._standing.open.touched(side, opposite)) is not None:
            request, leaves = order.request, order.leaves
            fillable = min(leaves, self._held(request.leg)) if request.reduce_only else leaves
            if request.price is None or fillable <= ZERO:
                self.end(order, Ending.EXPIRED)  # a close that outlived its position
                continue
            quantity = self._faults.of_resting_order(fillable)
            self._fill(order, quantity, request.price, maker=True)
            if quantity < fillable:
                return  # the rest waits for the next tick

    def _trigger(self, order: BookOrder) -> None:
        """A stop becomes a market order that closes at most the position."""
        held = self._held(order.request.leg)
        if not held or (order.leaves > held and self._rules.oversized_stops_rejected):
            self.end(order, Ending.TRIGGER_REJECTED, str(refusals.REDUCE_ONLY))
        else:
            self._execute(order, min(order.leaves, held))

    def _execute(self, order: BookOrder, quantity: Decimal) -> None:
        """Fill at market; what finds no counterparty, or closes more than there is, expires."""
        self._fill_as_taker(order, self._faults.of_market_order(quantity))
        if order.status is Status.OPEN:
            self.end(order, Ending.EXPIRED)

    def _fill_as_taker(self, order: BookOrder, quantity: Decimal) -> None:
        side = order.request.side
        price = self._standing.taker_price(side)
        if price is None:
            return
        if self._rules.self_trade_prevention:
            while (maker := self._standing.open.touched(_OPPOSITE[side], price)) is not None:
                self.end(maker, Ending.EXPIRED_IN_MATCH)
        self._fill(order, quantity, price, maker=False)

    def _held(self, leg: Leg) -> Decimal:
        return self._standing.account.positions[leg].quantity

    def _fill(self, order: BookOrder, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        if quantity <= ZERO:
            return
        request, standing, rules = order.request, self._standing, self._rules
        commission = money(quantity * price * (rules.maker_rate if maker else rules.taker_rate))
        before, realized = standing.account.positions[request.leg], ZERO
        if request.reduce_only:
            standing.account, realized = standing.account.closed(request.leg, quantity, price, commission)
        else:
            standing.account = standing.account.opened(request.leg, quantity, price, commission)
        standing.last_trade_id += 1
        event = OrderFilled(
            trade_id=standing.last_trade_id,
            client_order_id=request.client_order_id,
            leg=request.leg,
            side=request.side,
            quantity=quantity,
            price=price,
            commission=commission,
            maker=maker,
            realized_pnl=realized,
            ts=standing.ts,
        )
        self._changes.events.append(event)
        self._changes.fills.append(BookFill(order.order_id, event, before))
        order.filled += quantity
        self._update(order, Status.OPEN if order.leaves else Status.FILLED)

    def _update(self, order: BookOrder, status: Status) -> None:
        order.status, order.ts_last = status, self._standing.ts
        if status is not Status.OPEN:
            self._standing.open.remove(order)
        self._changes.orders[order.order_id] = order
