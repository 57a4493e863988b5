"""The simulated venue as the engine's parts share it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from naut_hedgegrid.engine.delivery import Delivery
from naut_hedgegrid.engine.errors import ErrorReports
from naut_hedgegrid.engine.traffic import Traffic
from naut_hedgegrid.engine.translation import Translation
from naut_hedgegrid.engine.wire import Wire
from naut_hedgegrid.venues.sim.book import Book


@dataclass(frozen=True, slots=True)
class SimVenue:
    """The book with what lies between it and the strategy."""

    book: Book
    wire: Wire
    now: Callable[[], int]
    """Market time."""
    translation: Translation
    traffic: Traffic
    delivery: Delivery
    errors: ErrorReports
    foreign: set[str] = field(default_factory=set[str])
    """Engine ids of the orders that no command of ours has made."""
