"""What a test can make the venue do wrong."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(slots=True)
class Faults:
    """Misbehaviour on request; may be changed while the venue runs."""

    refusals: int = 0
    """How many of the next submitted orders are refused; counts down."""
    refusal: str = "-1008 Server is currently overloaded with other requests. Please try again in a few minutes."
    """The reason they get, code first."""
    largest_market_fill: Decimal | None = None
    """A market order is filled up to this quantity, then EXPIRED."""
    largest_tick_fill: Decimal | None = None
    """A resting order is filled up to this quantity at one tick."""

    def refuses(self) -> str | None:
        """Reason to refuse the order that has just arrived; None to let it pass."""
        if self.refusals <= 0:
            return None
        self.refusals -= 1
        return self.refusal

    def of_market_order(self, quantity: Decimal) -> Decimal:
        """How much of a market order finds a counterparty."""
        return quantity if self.largest_market_fill is None else min(quantity, self.largest_market_fill)

    def of_resting_order(self, leaves: Decimal) -> Decimal:
        """How much of a resting order is filled at one tick."""
        return leaves if self.largest_tick_fill is None else min(leaves, self.largest_tick_fill)
