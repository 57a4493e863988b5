"""Orders of the book, and the open ones by price or trigger price."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from naut_hedgegrid.domain.values import ZERO, OrderKind, OrderRequest, Side, VenueOrder


class Status(StrEnum):
    """Where an order is in its life."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    TRIGGER_REJECTED = "TRIGGER_REJECTED"


@dataclass(slots=True)
class BookOrder:
    """An order that the venue has taken."""

    order_id: int
    """Grows with the time of arrival."""
    request: OrderRequest
    ts: int
    """When it was taken."""
    status: Status = Status.OPEN
    filled: Decimal = ZERO
    ts_last: int = field(default=0)
    """When it last changed."""
    reason: str = ""
    """Why it ended, code first, where the venue says so."""

    @property
    def leaves(self) -> Decimal:
        """Quantity still to be filled."""
        return self.request.quantity - self.filled

    def seen(self) -> VenueOrder:
        """As the venue reports it."""
        request = self.request
        return VenueOrder(
            client_order_id=request.client_order_id,
            leg=request.leg,
            side=request.side,
            kind=request.kind,
            quantity=request.quantity,
            filled=self.filled,
            price=request.price,
            post_only=request.post_only,
            trigger_price=request.trigger_price,
        )


type _Queue = list[tuple[Decimal, int, BookOrder]]


class OpenOrders:
    """The open orders by client order id, the limits among them by price and age, the stops by trigger and age."""

    def __init__(self, orders: Iterable[BookOrder] = ()) -> None:
        self._by_id: dict[str, BookOrder] = {}
        self._limits: dict[Side, _Queue] = {side: [] for side in Side}
        self._stops: dict[Side, _Queue] = {side: [] for side in Side}
        self.conditional = 0
        """How many of them wait for a trigger."""
        for order in orders:
            self.add(order)

    def __iter__(self) -> Iterator[BookOrder]:
        return iter(self._by_id.values())

    @property
    def regular(self) -> int:
        """How many of them aren't conditional."""
        return len(self._by_id) - self.conditional

    def get(self, client_order_id: str) -> BookOrder | None:
        """The open order with that id."""
        return self._by_id.get(client_order_id)

    def add(self, order: BookOrder) -> None:
        """Let an order rest."""
        request = order.request
        self._by_id[request.client_order_id] = order
        if request.trigger_price is not None:
            self.conditional += 1
            # A SELL is triggered from above: the highest trigger comes first.
            falling = request.side is Side.SELL
            key = -request.trigger_price if falling else request.trigger_price
            heapq.heappush(self._stops[request.side], (key, order.order_id, order))
        elif request.kind is OrderKind.LIMIT and request.price is not None:
            key = -request.price if request.side is Side.BUY else request.price
            heapq.heappush(self._limits[request.side], (key, order.order_id, order))

    def remove(self, order: BookOrder) -> None:
        """Forget an order that isn't open any more."""
        if self._by_id.pop(order.request.client_order_id, None) is not None and order.request.trigger_price is not None:
            self.conditional -= 1

    def touched(self, side: Side, opposite: Decimal) -> BookOrder | None:
        """First limit order of a side that the opposite best price reaches."""
        return _first(self._limits[side], -opposite if side is Side.BUY else opposite)

    def triggered(self, side: Side, mark: Decimal) -> BookOrder | None:
        """First stop of a side whose trigger the mark price has reached."""
        return _first(self._stops[side], -mark if side is Side.SELL else mark)


def _first(queue: _Queue, reached: Decimal) -> BookOrder | None:
    """The first of a queue that is still open, if its key has been reached."""
    while queue and queue[0][2].status is not Status.OPEN:
        heapq.heappop(queue)
    return queue[0][2] if queue and queue[0][0] <= reached else None
