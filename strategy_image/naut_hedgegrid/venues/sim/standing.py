"""Where the venue stands: the account, the quote, the open orders, and what follows from them."""

from dataclasses import dataclass, field
from decimal import Decimal

from naut_hedgegrid.domain.values import ZERO, Leg, OrderKind, OrderRequest, Quote, Side
from naut_hedgegrid.venues.sim.account import Account
from naut_hedgegrid.venues.sim.orders import OpenOrders
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.settlement import Unsettled


@dataclass(slots=True)
class Standing:
    """All that the venue has to know from one command or tick to the next."""

    account: Account
    quote: Quote | None = None
    """The newest; None before the first."""
    ts: int = 0
    """Market time of what happened last; 0 before the first tick."""
    place: Place | None = None
    """How far the market has gone; None before the first tick."""
    last_order_id: int = 0
    last_trade_id: int = 0
    open: OpenOrders = field(default_factory=OpenOrders)
    unsettled: tuple[Unsettled, ...] = ()
    """Settlements that wait for their rate, oldest first."""

    @property
    def mark(self) -> Decimal | None:
        """Newest mark price."""
        return None if self.quote is None else self.quote.mark

    def taker_price(self, side: Side) -> Decimal | None:
        """Opposite best: what an order that takes liquidity pays or gets."""
        if self.quote is None:
            return None
        return self.quote.ask if side is Side.BUY else self.quote.bid

    def crosses(self, order: OrderRequest) -> bool:
        """Whether a limit order would take liquidity."""
        opposite = self.taker_price(order.side)
        if opposite is None or order.price is None:
            return False
        return order.price >= opposite if order.side is Side.BUY else order.price <= opposite

    def triggers(self, order: OrderRequest) -> bool:
        """Whether a stop's trigger price is one that the mark price has reached."""
        trigger = order.trigger_price
        if trigger is None or self.mark is None:
            return False
        return self.mark >= trigger if order.side is Side.BUY else self.mark <= trigger

    def closable(self, leg: Leg, *, resting_closes_reserve: bool) -> Decimal:
        """How much of a leg a new order may close. Stops live apart and reserve nothing."""
        quantity = self.account.positions[leg].quantity
        if not resting_closes_reserve:
            return quantity
        closes = (
            order
            for order in self.open
            if order.request.leg is leg and order.request.reduce_only and order.request.kind is OrderKind.LIMIT
        )
        return quantity - sum((order.leaves for order in closes), ZERO)
