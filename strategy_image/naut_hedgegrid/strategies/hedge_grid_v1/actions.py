"""What the core asks for while it handles an event."""

from dataclasses import dataclass

from naut_hedgegrid.domain.grid import OrderStatus, WorkingOrder
from naut_hedgegrid.grid.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Submit:
    """Send an order."""

    order: WorkingOrder


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venue to cancel an order."""

    order: WorkingOrder


@dataclass(frozen=True, slots=True)
class ReadState:
    """Read the venue's state."""


type Action = Submit | Cancel | ReadState


class Actions:
    """Gathers actions in order, and keeps the ledger's view of the orders in step with them."""

    def __init__(self, ledger: Ledger) -> None:
        self.reads_due = 0
        """Reads of the venue that haven't been answered."""
        self.read_after = 0
        """Newest trade known when the last read was asked for."""
        self._ledger = ledger
        self._gathered: list[Action] = []

    def submit(self, order: WorkingOrder) -> None:
        """Send an order that the ledger has just made."""
        self._gathered.append(Submit(order))

    def cancel(self, order: WorkingOrder) -> None:
        """Cancel an order that rests."""
        self._ledger.set_status(order, OrderStatus.CANCELING)
        self._gathered.append(Cancel(order))

    def read(self) -> None:
        """Read the venue's state."""
        self.reads_due += 1
        self.read_after = self._ledger.last_trade_id
        self._gathered.append(ReadState())

    def take(self) -> list[Action]:
        """What was gathered since the last call."""
        gathered, self._gathered = self._gathered, []
        return gathered
