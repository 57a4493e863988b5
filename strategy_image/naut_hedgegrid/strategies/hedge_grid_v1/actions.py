"""What the core asks for while it handles an event."""

from dataclasses import dataclass

from naut_hedgegrid.domain.grid import OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import Instrument, Role
from naut_hedgegrid.grid.budget import Budget, Priority
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock

_RESERVE = 10
"""Places below the venue's limit of open orders that entries leave to exits (R10)."""


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
    """Gathers actions in order, keeps the ledger's view of the orders in step with them, and counts them (R10)."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.reads_due = 0
        """Reads of the venue that haven't been answered."""
        self.read_after = 0
        """Newest trade known when the last read was asked for."""
        self.budget = Budget()
        self._ledger = ledger
        self._clock = clock
        self._gathered: list[Action] = []

    def submit(self, order: WorkingOrder) -> None:
        """Send an exit or a close that the ledger has just made; those never wait."""
        self.budget.take(Priority.KILL if order.role is Role.FLATTEN else Priority.EXIT, self._clock.market())
        self._gathered.append(Submit(order))

    def may_open(self) -> bool:
        """Whether an entry may be sent now; counts it. Rule R10's window of commands."""
        return self.budget.take(Priority.ENTRY, self._clock.market())

    def submit_entry(self, order: WorkingOrder) -> None:
        """Send an entry for which `may_open` was asked."""
        self._gathered.append(Submit(order))

    def room_for_entries(self, instrument: Instrument, *, stops: bool) -> int:
        """How many entries may rest besides what is open, by the venue's limits of open orders (R10); with `stops` each
        of them will need a conditional order too."""
        working = self._ledger.working
        conditional = len(working.conditional)
        room = instrument.max_orders - _RESERVE - (len(working.by_id) - conditional)
        if stops:
            room = min(room, instrument.max_conditional_orders - _RESERVE - conditional - working.entry_count)
        return max(0, room)

    def cancel(self, order: WorkingOrder) -> None:
        """Cancel an order that rests, without waiting."""
        self.budget.take(Priority.KILL, self._clock.market())
        self._cancel(order)

    def try_cancel(self, order: WorkingOrder) -> bool:
        """Cancel an entry that isn't wanted any more, where the window of commands has room."""
        if not self.budget.take(Priority.CANCEL, self._clock.market()):
            return False
        self._cancel(order)
        return True

    def read(self) -> None:
        """Read the venue's state."""
        self.reads_due += 1
        self.read_after = self._ledger.last_trade_id
        self._gathered.append(ReadState())

    def take(self) -> list[Action]:
        """What was gathered since the last call."""
        if not self._gathered:
            return _NOTHING
        gathered, self._gathered = self._gathered, []
        return gathered

    def _cancel(self, order: WorkingOrder) -> None:
        self._ledger.set_status(order, OrderStatus.CANCELING)
        self._gathered.append(Cancel(order))


_NOTHING: list[Action] = []
