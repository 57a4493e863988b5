"""Positions and money of one hedge-mode account: pure arithmetic in decimals, exact to the last digit.

Money is booked in quanta of 1e-8, rounded half to even like the engine's commissions. A position keeps what it cost
instead of an average, so that a leg that goes flat has realized exactly what it sold for less what it bought for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from hedgegrid_api.margin import maintenance_margin
from hedgegrid_api.tiers import Tier
from naut_hedgegrid.domain.values import ZERO, Leg
from naut_hedgegrid.grid.precision import money


@dataclass(frozen=True, slots=True)
class Position:
    """One leg."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    """What the quantity was opened for, quote currency."""

    @property
    def entry_price(self) -> Decimal | None:
        """Average; None when flat."""
        return self.cost / self.quantity if self.quantity else None

    def opened(self, quantity: Decimal, price: Decimal) -> Self:
        """With a further quantity."""
        return replace(self, quantity=self.quantity + quantity, cost=self.cost + quantity * price)

    def closed(self, leg: Leg, quantity: Decimal, price: Decimal) -> tuple[Self, Decimal]:
        """With less of it, and the gross profit: (price − average entry)·quantity by the leg's sign."""
        left = self.quantity - quantity
        released = money(self.cost * quantity / self.quantity) if left else self.cost
        return replace(self, quantity=left, cost=self.cost - released), leg.sign * (quantity * price - released)

    def unrealized(self, leg: Leg, mark: Decimal) -> Decimal:
        """Profit if it were closed at the mark price."""
        return leg.sign * (self.quantity * mark - self.cost)


@dataclass(frozen=True, slots=True)
class Account:
    """Wallet and legs. The wallet is never stored: it is the sum of what was booked."""

    starting_balance: Decimal
    realized: Decimal = ZERO
    """Σ gross profits of closing fills."""
    commissions: Decimal = ZERO
    """Σ commissions; rebates lower it."""
    funding: Decimal = ZERO
    """Signed sum of settlements; above 0 received."""
    transfers: Decimal = ZERO
    """Signed sum of deposits and withdrawals."""
    positions: Mapping[Leg, Position] = field(default_factory=lambda: {leg: Position() for leg in Leg})

    @property
    def wallet(self) -> Decimal:
        """Start + Σ realized − Σ commissions + Σ funding + Σ transfers."""
        return self.starting_balance + self.realized - self.commissions + self.funding + self.transfers

    def unrealized(self, mark: Decimal) -> Decimal:
        """Of both legs at the mark price."""
        return sum((position.unrealized(leg, mark) for leg, position in self.positions.items()), ZERO)

    def position_notional(self, mark: Decimal) -> Decimal:
        """Of both legs together: in hedge mode margin isn't netted."""
        return sum((position.quantity * mark for position in self.positions.values()), ZERO)

    def maintenance_margin(self, tiers: tuple[Tier, ...], mark: Decimal) -> Decimal:
        """Σ (notional·MMR − maintenance amount), each leg in its own bracket."""
        return sum((maintenance_margin(position.quantity * mark, tiers) for position in self.positions.values()), ZERO)

    def opened(self, leg: Leg, quantity: Decimal, price: Decimal, commission: Decimal) -> Self:
        """After a fill that opens."""
        position = self.positions[leg].opened(quantity, price)
        return replace(self, commissions=self.commissions + commission, positions={**self.positions, leg: position})

    def closed(self, leg: Leg, quantity: Decimal, price: Decimal, commission: Decimal) -> tuple[Self, Decimal]:
        """After a fill that closes, and its gross profit."""
        position, profit = self.positions[leg].closed(leg, quantity, price)
        after = replace(
            self,
            realized=self.realized + profit,
            commissions=self.commissions + commission,
            positions={**self.positions, leg: position},
        )
        return after, profit

    def funded(self, amount: Decimal) -> Self:
        """After one leg's part of a settlement."""
        return replace(self, funding=self.funding + amount)

    def transferred(self, amount: Decimal) -> Self:
        """After a deposit, or below 0 a withdrawal."""
        return replace(self, transfers=self.transfers + amount)
