"""Positions and money of one hedge-mode account, exact: average entry, nothing rounded before it is written.

A position keeps what it cost instead of an average, so that realized and unrealized profit together are always what was
paid and received. The share of the cost that a partial close releases can have endless digits; it is kept to 60, far
beyond anything that is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

from hedgegrid_api.margin import maintenance_margin
from hedgegrid_api.tiers import Tier
from naut_hedgegrid.domain.values import ZERO, FundingSettled, Leg, VenuePosition
from naut_hedgegrid.grid.funding import settlement_cash

_EXACT = Context(prec=60)


@dataclass(slots=True)
class LegBook:
    """One leg's position."""

    leg: Leg
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    """What the quantity was opened for, quote currency."""

    @property
    def entry_price(self) -> Decimal | None:
        """Average; None when flat."""
        return _EXACT.divide(self.cost, self.quantity) if self.quantity else None

    def opened(self, quantity: Decimal, price: Decimal) -> None:
        """A fill has added to the position."""
        self.quantity += quantity
        self.cost = _EXACT.add(self.cost, quantity * price)

    def closed(self, quantity: Decimal, price: Decimal) -> Decimal:
        """A fill has taken from the position; its gross profit, (price − average entry)·quantity by the leg's sign.

        Raises:
            ValueError: more was closed than is held.
        """
        left = self.quantity - quantity
        if left < 0:
            raise ValueError(f"{quantity} of {self.leg} were closed, which holds only {self.quantity}")
        released = _EXACT.divide(_EXACT.multiply(self.cost, quantity), self.quantity) if left else self.cost
        self.quantity = left
        self.cost = _EXACT.subtract(self.cost, released)
        return self._signed(_EXACT.subtract(quantity * price, released))

    def _signed(self, profit: Decimal) -> Decimal:
        return profit if self.leg is Leg.LONG else _EXACT.minus(profit)


@dataclass(slots=True)
class Accountant:
    """Wallet and legs of one account."""

    starting_balance: Decimal
    realized: Decimal = ZERO
    """Σ gross profits of closing fills."""
    commissions: Decimal = ZERO
    """Σ commissions; rebates lower it."""
    funding: Decimal = ZERO
    """Signed sum of settlements; above 0 received."""
    legs: dict[Leg, LegBook] = field(default_factory=lambda: {leg: LegBook(leg) for leg in Leg})

    @property
    def wallet(self) -> Decimal:
        """Start + Σ realized − Σ commissions + Σ funding."""
        return _EXACT.add(self.starting_balance - self.commissions + self.funding, self.realized)

    def booked(self, leg: Leg, quantity: Decimal, price: Decimal, commission: Decimal, *, opening: bool) -> Decimal:
        """Book a fill; its gross profit, 0 for one that opens.

        Raises:
            ValueError: it closes more than is held.
        """
        book = self.legs[leg]
        profit = ZERO
        if opening:
            book.opened(quantity, price)
        else:
            profit = book.closed(quantity, price)
            self.realized = _EXACT.add(self.realized, profit)
        self.commissions += commission
        return profit

    def settled(self, ts: int, rate: Decimal, mark: Decimal) -> FundingSettled:
        """Settle funding at a mark price."""
        cash = {leg: settlement_cash(leg, rate, book.quantity, mark) for leg, book in self.legs.items()}
        settled = FundingSettled(ts, rate, mark, cash)
        self.funding += settled.total
        return settled

    def maintenance_margin(self, tiers: Sequence[Tier], mark: Decimal) -> Decimal:
        """Σ (notional·MMR − maintenance amount), each leg in its own bracket."""
        return sum((maintenance_margin(book.quantity * mark, tiers) for book in self.legs.values()), ZERO)

    def positions(self) -> dict[Leg, VenuePosition]:
        """Both legs as the venue shows them."""
        return {leg: VenuePosition(book.quantity, book.entry_price) for leg, book in self.legs.items()}
