"""What the book's file records."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from naut_hedgegrid.domain.values import Leg, OrderFilled, OrderKind, Side
from naut_hedgegrid.venues.sim.account import Position


class Action(StrEnum):
    """What a command asked for."""

    SUBMIT = "submit"
    CANCEL = "cancel"


ACCEPTED = "accepted"
"""Result of a command that the venue carried out; any other result is the reason for its refusal."""


@dataclass(frozen=True, slots=True)
class LoggedCommand:
    """A line of the order log: a command that reached the venue, in the order of arrival."""

    sequence: int
    wall_ns: int
    """Arrival by the machine's clock, ns since the epoch."""
    ts: int
    """Arrival in market time."""
    action: Action
    client_order_id: str
    leg: Leg | None
    """None, like all below but the result, for a cancel of an order that isn't open."""
    side: Side | None
    opening: bool | None
    kind: OrderKind | None
    quantity: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    post_only: bool | None
    result: str
    """`accepted`, or the refusal, code first."""

    @property
    def accepted(self) -> bool:
        """Whether the venue carried it out."""
        return self.result == ACCEPTED


@dataclass(frozen=True, slots=True)
class BookFill:
    """A fill with what the leg held before it."""

    order_id: int
    event: OrderFilled
    before: Position


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One leg's part of a settlement."""

    ts: int
    """Settlement time."""
    leg: Leg
    rate: Decimal
    mark: Decimal
    quantity: Decimal
    amount: Decimal
    """Above 0 received."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit, or below 0 a withdrawal."""

    wall_ns: int
    """By the machine's clock, ns since the epoch."""
    ts: int
    """In market time."""
    amount: Decimal
