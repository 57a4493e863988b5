"""Orders of the book, and the open ones by price."""

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
        )


class OpenOrders:
    """The open orders by client order id and, limit orders, by price and then time."""

    def __init__(self, orders: Iterable[BookOrder] = ()) -> None:
        self._by_id: dict[str, BookOrder] = {}
        self._queues: dict[Side, list[tuple[Decimal, int, BookOrder]]] = {side: [] for side in Side}
        for order in orders:
            self.add(order)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[BookOrder]:
        return iter(self._by_id.values())

    def get(self, client_order_id: str) -> BookOrder | None:
        """The open order with that id."""
        return self._by_id.get(client_order_id)

    def add(self, order: BookOrder) -> None:
        """Let an order rest."""
        self._by_id[order.request.client_order_id] = order
        price, side = order.request.price, order.request.side
        if order.request.kind is OrderKind.LIMIT and price is not None:
            heapq.heappush(self._queues[side], (-price if side is Side.BUY else price, order.order_id, order))

    def remove(self, order: BookOrder) -> None:
        """Forget an order that isn't open any more."""
        self._by_id.pop(order.request.client_order_id, None)

    def touched(self, side: Side, opposite: Decimal) -> BookOrder | None:
        """First order of a side that the opposite best price reaches."""
        queue = self._queues[side]
        while queue and queue[0][2].status is not Status.OPEN:
            heapq.heappop(queue)
        if not queue:
            return None
        key, _, order = queue[0]
        return order if (opposite <= -key if side is Side.BUY else opposite >= key) else None
