"""What a test can make the venue do wrong, while it runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from naut_hedgegrid.domain.values import FundingSettled, OrderRequest
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.refusals import Refusal


@dataclass(slots=True)
class RefuseNext:
    """The next orders of a kind are refused; the others pass."""

    refusal: Refusal
    """Code and text that they get; one of `refusals`, or any other."""
    when: Callable[[OrderRequest], bool] = lambda _: True
    """Which orders."""
    count: int = 1
    """How many; counts down."""


@dataclass(slots=True)
class Faults:
    """Misbehaviour on request; may be changed while the venue runs. Every count counts down."""

    refusals: int = 0
    """How many of the next submitted orders are refused."""
    refusal: str = "-1008 Server is currently overloaded with other requests. Please try again in a few minutes."
    """The reason they get, code first."""
    refuse_next: list[RefuseNext] = field(default_factory=list[RefuseNext])
    """Refusals of certain orders."""
    post_only_expiries: int = 0
    """How many of the next post-only orders, at whatever price, are accepted and then EXPIRED."""
    largest_market_fill: Decimal | None = None
    """A market order, and a triggered stop, is filled up to this quantity, then EXPIRED."""
    largest_tick_fill: Decimal | None = None
    """A resting order is filled up to this quantity at one tick."""
    lost_answers: int = 0
    """How many of the next commands are carried out, or refused, and not answered."""
    duplicates: int = 0
    """How many of the next events come twice."""
    delays: int = 0
    """How many of the next events come only after those of the next command or tick."""
    frozen: bool = False
    """The market repeats its last quote."""
    silent: bool = False
    """The market's ticks are lost: for the venue, too, they haven't happened."""
    _held: list[BookEvent] = field(default_factory=list[BookEvent])

    def refuses(self, order: OrderRequest) -> Refusal | str | None:
        """Why the order that has just arrived is refused; None to let it pass."""
        if self.refusals > 0:
            self.refusals -= 1
            return self.refusal
        for refused in self.refuse_next:
            if refused.count > 0 and refused.when(order):
                refused.count -= 1
                return refused.refusal
        return None

    def expires(self, order: OrderRequest) -> bool:
        """Whether the post-only order that has just arrived is accepted and then EXPIRED."""
        if self.post_only_expiries <= 0 or not order.post_only:
            return False
        self.post_only_expiries -= 1
        return True

    def of_market_order(self, quantity: Decimal) -> Decimal:
        """How much of a market order finds a counterparty."""
        return quantity if self.largest_market_fill is None else min(quantity, self.largest_market_fill)

    def of_resting_order(self, leaves: Decimal) -> Decimal:
        """How much of a resting order is filled at one tick."""
        return leaves if self.largest_tick_fill is None else min(leaves, self.largest_tick_fill)

    def answered(self, events: list[BookEvent]) -> list[BookEvent]:
        """What arrives of a command's events. A settlement is no part of an answer."""
        if self.lost_answers > 0:
            self.lost_answers -= 1
            events = [event for event in events if isinstance(event, FundingSettled)]
        return self.arrived(events)

    def arrived(self, events: list[BookEvent]) -> list[BookEvent]:
        """What arrives of events that the venue has sent: some twice, some late."""
        if not (self._held or self.duplicates or self.delays):
            return events
        late, self._held = self._held, []
        return [copy for event in events for copy in self._passed(event)] + late

    def _passed(self, event: BookEvent) -> Sequence[BookEvent]:
        if self.delays > 0:
            self.delays -= 1
            self._held.append(event)
            return ()
        if self.duplicates > 0:
            self.duplicates -= 1
            return event, event
        return (event,)
