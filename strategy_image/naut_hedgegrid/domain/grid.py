"""What the grid consists of: ladder, rungs, lots and the orders that are under way.

Named tuples: they are made, compared and replaced thousands of times a second in a backtest, where a frozen dataclass
costs several times as much.
"""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self

from naut_hedgegrid.domain.values import ZERO, Leg, OrderKind, OrderRequest, Role, Side


class Ladder(NamedTuple):
    """Where the rungs are: LONG rung i at centre − i·step, SHORT rung i at centre + i·step."""

    centre: Decimal
    """On the tick at first; a re-centre moves it by whole steps."""
    step: Decimal
    """Quote currency, not rounded."""

    def raw_price(self, leg: Leg, level: int) -> Decimal:
        """Price of a rung before it is rounded to the tick."""
        return self.centre - leg.sign * level * self.step


class Rung(NamedTuple):
    """One place of a ladder. Level 1 is next to the centre."""

    leg: Leg
    level: int
    price: Decimal
    quantity: Decimal
    """Floored to the step; may be below what the venue takes."""


class ExitSteps(NamedTuple):
    """Distances of a new lot's exits from its entry, in grid steps; 0: none."""

    take_profit: int
    stop_loss: int = 0


class LotKey(NamedTuple):
    """Identity of a lot: that of the entry order that opened it."""

    leg: Leg
    level: int
    n: int
    """The entry's running number."""


class Lot(NamedTuple):
    """What one entry order filled, until its exits have closed it."""

    key: LotKey
    seq: int
    """Order of the lots' first fills: the newest has the highest."""
    price: Decimal
    """The entry's limit price."""
    step: Decimal
    """The ladder's step when the entry was sent."""
    take_profit_steps: int
    """Frozen at the first fill; 0: none."""
    bought: Decimal = ZERO
    """Opened quantity."""
    sold: Decimal = ZERO
    """Closed quantity."""
    entry_done: bool = False
    """The entry order is terminal: nothing more will be opened."""
    next_part: int = 0
    """Number of the next exit; an ended id is never used again."""
    stop_loss_steps: int = 0
    """Frozen at the first fill; 0: none."""

    @property
    def open(self) -> Decimal:
        """Quantity that is still held."""
        return self.bought - self.sold

    @property
    def closed(self) -> bool:
        """Nothing is held and nothing will be added."""
        return self.entry_done and self.open == 0


class OrderStatus(StrEnum):
    """Where an order of ours is on its way; terminal orders are forgotten."""

    SENT = "SENT"
    """On its way to the venue, not answered yet."""
    OPEN = "OPEN"
    CANCELING = "CANCELING"
    """A cancel is under way; it may still fill."""


class WorkingOrder(NamedTuple):
    """An order of ours that isn't terminal."""

    client_order_id: str
    leg: Leg
    level: int
    role: Role
    n: int
    part: int
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    """The price that it was sent for; None for market and stop orders."""
    post_only: bool
    step: Decimal
    """The ladder's step when it was sent."""
    status: OrderStatus = OrderStatus.SENT
    filled: Decimal = ZERO
    trigger_price: Decimal | None = None
    """Of a stop order."""
    limit: Decimal | None = None
    """Limit price where it isn't `price`: of an entry that was sent again more passively (R12)."""

    @property
    def leaves(self) -> Decimal:
        """Quantity still to be filled."""
        return self.quantity - self.filled

    @property
    def lot(self) -> LotKey:
        """The lot that it opens or closes (not for a flatten's closes)."""
        return LotKey(self.leg, self.level, self.n)

    def request(self) -> OrderRequest:
        """The order as the venue gets it."""
        return OrderRequest(
            self.client_order_id,
            self.leg,
            self.side,
            self.kind,
            self.quantity,
            self.price if self.limit is None else self.limit,
            self.post_only,
            self.trigger_price,
        )

    def with_status(self, status: OrderStatus) -> Self:
        """The same order in another state."""
        return self._make((*self[:_STATUS], status, *self[_STATUS + 1 :]))

    def with_filled(self, filled: Decimal) -> Self:
        """The same order with more of it filled; it has got to the venue."""
        status = OrderStatus.OPEN if self.status is OrderStatus.SENT else self.status
        return self._make((*self[:_STATUS], status, filled, *self[_STATUS + 2 :]))


_STATUS = WorkingOrder._fields.index("status")
"""Position of the status; what is filled comes next."""
