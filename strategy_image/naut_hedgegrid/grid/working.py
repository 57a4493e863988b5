"""The orders that aren't terminal, found by id, by leg and by lot."""

from collections.abc import Iterable
from decimal import Decimal

from naut_hedgegrid.domain.grid import LotKey, OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import Leg, OrderKind, Role
from naut_hedgegrid.grid.ids import OrderId


class WorkingOrders:
    """Orders on their way to the venue or resting there."""

    def __init__(self, orders: Iterable[WorkingOrder] = ()) -> None:
        self.by_id: dict[str, WorkingOrder] = {}
        """All of them, by client order id."""
        self.moving: set[str] = set()
        """Ids of the orders that don't rest: on their way, or being cancelled."""
        self.conditional: set[str] = set()
        """Ids of the stop orders."""
        self._entries: dict[Leg, dict[str, WorkingOrder]] = {leg: {} for leg in Leg}
        self._takes: dict[LotKey, dict[str, WorkingOrder]] = {}
        self._stops: dict[LotKey, dict[str, WorkingOrder]] = {}
        for order in orders:
            self.put(order)

    def entries(self, leg: Leg) -> list[WorkingOrder]:
        """Entries of a leg."""
        return list(self._entries[leg].values())

    @property
    def entry_count(self) -> int:
        """Entries of both legs."""
        return sum(map(len, self._entries.values()))

    def takes(self, key: LotKey) -> list[WorkingOrder]:
        """Take-profits of a lot, oldest first."""
        found = self._takes.get(key)
        return list(found.values()) if found else []

    def stops(self, key: LotKey) -> list[WorkingOrder]:
        """Stop orders of a lot, and the market orders that close it at a loss, oldest first."""
        found = self._stops.get(key)
        return list(found.values()) if found else []

    def of_leg(self, leg: Leg) -> list[WorkingOrder]:
        """All orders of a leg."""
        return [order for order in self.by_id.values() if order.leg is leg]

    def put(self, order: WorkingOrder) -> None:
        """Take in an order, or its newer state."""
        ident = order.client_order_id
        self.by_id[ident] = order
        if order.status is OrderStatus.OPEN:
            self.moving.discard(ident)
        else:
            self.moving.add(ident)
        match order.role:
            case Role.ENTRY:
                self._entries[order.leg][ident] = order
            case Role.TAKE_PROFIT:
                self._takes.setdefault(order.lot, {})[ident] = order
            case Role.STOP_LOSS:
                self._stops.setdefault(order.lot, {})[ident] = order
                if order.kind is OrderKind.STOP_MARKET:
                    self.conditional.add(ident)
            case Role.FLATTEN:
                pass

    def remove(self, client_order_id: str) -> WorkingOrder | None:
        """Forget an order; None where there is none of that id."""
        order = self.by_id.pop(client_order_id, None)
        if order is None:
            return None
        self.moving.discard(client_order_id)
        if order.role is Role.ENTRY:
            del self._entries[order.leg][client_order_id]
        elif order.role is not Role.FLATTEN:
            self.conditional.discard(client_order_id)
            of_lots = self._takes if order.role is Role.TAKE_PROFIT else self._stops
            exits = of_lots[order.lot]
            del exits[client_order_id]
            if not exits:
                del of_lots[order.lot]
        return order


def working_order(
    ident: OrderId,
    kind: OrderKind,
    quantity: Decimal,
    price: Decimal | None,
    step: Decimal,
    *,
    post_only: bool = False,
    trigger: Decimal | None = None,
    limit: Decimal | None = None,
) -> WorkingOrder:
    """A new order; its side follows from leg and role."""
    return WorkingOrder(
        client_order_id=str(ident),
        leg=ident.leg,
        level=ident.level,
        role=ident.role,
        n=ident.n,
        part=ident.part,
        side=ident.leg.opening if ident.role is Role.ENTRY else ident.leg.closing,
        kind=kind,
        quantity=quantity,
        price=price,
        post_only=post_only,
        step=step,
        trigger_price=trigger,
        limit=limit,
    )
