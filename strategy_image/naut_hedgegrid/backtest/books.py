"""The venue's side of a backtest as everybody may look at it: orders, fills, settlements, positions, money.

The engine matches; what it answers is booked here. Its own money is kept in floats and rounded at each close, and what
it purges to stay small is gone: neither is used for anything that is written or that the strategy is told.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from naut_hedgegrid.backtest.accountant import Accountant
from naut_hedgegrid.domain.values import (
    ZERO,
    FundingSettled,
    Leg,
    OrderFilled,
    OrderRequest,
    VenueOrder,
    VenueState,
)


class OrderState(StrEnum):
    """How an order stands."""

    SENT = "SENT"
    """Not answered."""
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


@dataclass(slots=True)
class BacktestOrder:
    """An order from its sending to its end."""

    request: OrderRequest
    created: int
    """Market time, ns."""
    available: Decimal
    """What the venue will fill at most: the whole quantity, unless a market close was cut to the position."""
    filled: Decimal = ZERO
    state: OrderState = OrderState.SENT
    closed: int | None = None
    """Market time, ns; None while it isn't terminal."""
    reason: str = ""
    """Why it was refused or ended, where somebody said so."""


@dataclass(slots=True)
class Jumped:
    """Fills of orders that the price had jumped over."""

    fills: int = 0
    gain: Decimal = ZERO
    """What they were better than at their limits, quote currency."""

    def add(self, gain: Decimal) -> None:
        """One more."""
        self.fills += 1
        self.gain += gain


class Books:
    """Orders, fills and settlements of one run, oldest first, and the account."""

    def __init__(self, accountant: Accountant) -> None:
        self.accountant = accountant
        self.orders: dict[str, BacktestOrder] = {}
        """All orders by client order id, in the order of their sending."""
        self.open: dict[str, BacktestOrder] = {}
        """Those that the venue holds."""
        self.live_entries = 0
        """Opening orders that the venue holds."""
        self.fills: list[OrderFilled] = []
        """The trade id of each is its place, from 1."""
        self.funding: list[FundingSettled] = []
        self.jumped = Jumped()
        self.version: int = 0
        """Grows with every change of positions, money or open orders."""

    def sent(self, request: OrderRequest, ts: int) -> None:
        """An order is on its way.

        Raises:
            ValueError: its id was used before.
        """
        if request.client_order_id in self.orders:
            raise ValueError(f"client order id {request.client_order_id} was used before")
        self.orders[request.client_order_id] = BacktestOrder(request, ts, request.quantity)

    def accepted(self, client_order_id: str) -> None:
        """The venue has taken it."""
        order = self.orders[client_order_id]
        if order.state is OrderState.SENT:
            self._hold(client_order_id, order)

    def filled(
        self, client_order_id: str, quantity: Decimal, price: Decimal, commission: Decimal, ts: int, *, maker: bool
    ) -> OrderFilled:
        """A fill, with the profit that it realized.

        Raises:
            ValueError: it closes more than the leg holds.
        """
        order = self.orders[client_order_id]
        if order.state is OrderState.SENT:
            self._hold(client_order_id, order)
        request = order.request
        leg, opening = request.leg, not request.reduce_only
        profit = self.accountant.booked(leg, quantity, price, commission, opening=opening)
        fill = OrderFilled(
            len(self.fills) + 1,
            client_order_id,
            leg,
            request.side,
            quantity,
            price,
            commission,
            maker,
            profit,
            ts,
        )
        self.fills.append(fill)
        self.version += 1
        order.filled += quantity
        if order.filled >= request.quantity:
            self.ended(client_order_id, OrderState.FILLED, "", ts)
        elif order.filled >= order.available:
            self.ended(client_order_id, OrderState.EXPIRED, f"cut to {order.available}, all that was held", ts)
        return fill

    def ended(self, client_order_id: str, state: OrderState, reason: str, ts: int) -> None:
        """The order is terminal."""
        self.version += 1
        order = self.orders[client_order_id]
        order.state, order.reason, order.closed = state, reason, ts
        if self.open.pop(client_order_id, None) is not None and not order.request.reduce_only:
            self.live_entries -= 1

    def settle(self, ts: int, rate: Decimal, mark: Decimal) -> FundingSettled:
        """Funding is settled."""
        settled = self.accountant.settled(ts, rate, mark)
        self.funding.append(settled)
        self.version += 1
        return settled

    def state(self, after_trade_id: int, after_funding_ts: int, ts: int) -> VenueState:
        """Everything in one piece, with the fills and settlements after those named."""
        return VenueState(
            positions=self.accountant.positions(),
            open_orders=tuple(_as_venue_order(order) for order in self.open.values()),
            fills=tuple(self.fills[after_trade_id:]),
            ts=ts,
            funding=tuple(settled for settled in self.funding if settled.ts > after_funding_ts),
        )

    def position(self, leg: Leg) -> Decimal:
        """Quantity of a leg."""
        return self.accountant.legs[leg].quantity

    def _hold(self, client_order_id: str, order: BacktestOrder) -> None:
        self.version += 1
        order.state = OrderState.OPEN
        self.open[client_order_id] = order
        self.live_entries += 0 if order.request.reduce_only else 1


def _as_venue_order(order: BacktestOrder) -> VenueOrder:
    request = order.request
    return VenueOrder(
        request.client_order_id,
        request.leg,
        request.side,
        request.kind,
        request.quantity,
        order.filled,
        request.price,
        request.post_only,
        request.trigger_price,
    )
