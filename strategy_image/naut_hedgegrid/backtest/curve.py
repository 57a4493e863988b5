"""What changed from bar to bar: the equity curve's raw material.

Most bars change nothing but the mark: a state is kept for the bars where something did.
"""

from dataclasses import dataclass
from decimal import Decimal

from naut_hedgegrid.backtest.books import Books
from naut_hedgegrid.domain.values import Leg


@dataclass(frozen=True, slots=True)
class Standing:
    """The account at the end of a bar, and of those after it up to the next standing."""

    bar: int
    """Number of the first bar that it holds for, from 0."""
    realized: Decimal
    commissions: Decimal
    funding: Decimal
    quantity: dict[Leg, Decimal]
    cost: dict[Leg, Decimal]
    live_entries: int


class Curve:
    """Standings of one run, oldest first."""

    def __init__(self) -> None:
        self.bars = 0
        """Bars that are over."""
        self.standings: list[Standing] = []
        self._version: int = -1

    def bar_over(self, books: Books) -> None:
        """A bar is over."""
        if books.version != self._version:
            self._version = books.version
            accountant = books.accountant
            self.standings.append(
                Standing(
                    self.bars,
                    accountant.realized,
                    accountant.commissions,
                    accountant.funding,
                    {leg: book.quantity for leg, book in accountant.legs.items()},
                    {leg: book.cost for leg, book in accountant.legs.items()},
                    books.live_entries,
                )
            )
        self.bars += 1
