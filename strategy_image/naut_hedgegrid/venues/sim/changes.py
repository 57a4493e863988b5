"""What one transaction of the book adds to its file, and the events that follow from it."""

from dataclasses import dataclass, field

from naut_hedgegrid.domain.values import FundingSettled, Instrument, OrderEvent, OrderRequest
from naut_hedgegrid.venues.sim.orders import BookOrder
from naut_hedgegrid.venues.sim.records import Action, BookFill, FundingPayment, Transfer

type BookEvent = OrderEvent | FundingSettled | Instrument
"""What the venue tells by itself: of orders, of a settlement that is booked, of changed limits."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line for the order log."""

    wall_ns: int
    ts: int
    action: Action
    client_order_id: str
    order: OrderRequest | None
    result: str


@dataclass(slots=True)
class Changes:
    """What one transaction adds to the file, and the events that follow from it."""

    events: list[BookEvent] = field(default_factory=list[BookEvent])
    orders: dict[int, BookOrder] = field(default_factory=dict[int, BookOrder])
    fills: list[BookFill] = field(default_factory=list[BookFill])
    funding: list[FundingPayment] = field(default_factory=list[FundingPayment])
    commands: list[Command] = field(default_factory=list[Command])
    transfers: list[Transfer] = field(default_factory=list[Transfer])
    unsettled: bool = False
    """A settlement waits for its rate, or waits no longer."""

    @property
    def any(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.orders or self.fills or self.funding or self.commands or self.transfers or self.unsettled)
