"""What a market is to the simulated venue: ticks, one after another, from any place on."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from naut_hedgegrid.domain.values import Instrument, Quote
from naut_hedgegrid.venues.sim.places import Place


@dataclass(frozen=True, slots=True)
class Tick:
    """One move of the market."""

    bid: Decimal
    ask: Decimal
    ts: int | None
    """Market time; None where it is the wall clock's."""
    wait_seconds: float
    """Wall time since the tick before."""
    place: Place

    def quote(self, now: int) -> Quote:
        """The quote it makes; `now` is the wall clock's time."""
        return Quote(self.bid, self.ask, (self.bid + self.ask) / 2, now if self.ts is None else self.ts)


class MarketError(ValueError):
    """The market can't be opened, or can't go on from the place that the book has kept."""


class Market(Protocol):
    """A source of ticks."""

    @property
    def wall_clock(self) -> bool:
        """Whether market time is the wall clock's; otherwise it is the ticks' and stands still between them."""
        ...

    def ticks(self, after: Place | None) -> Iterator[Tick]:
        """Ticks after a place, all of them for None. Raises MarketError where the place is another market's."""
        ...


def position_in(market: str, place: Place | None) -> str | None:
    """The position of a place of that market; None for None. Raises MarketError for another market's."""
    if place is None:
        return None
    if place.market != market:
        raise MarketError(
            f"the book has traded on {place.market}, the venue file says {market}: a book stays with its market; "
            "use another file for the book, or the market it was made with"
        )
    return place.position


def on_tick(value: Decimal, instrument: Instrument, rounding: str) -> Decimal:
    """A price rounded to the instrument's tick."""
    tick = instrument.tick_size
    return (value / tick).to_integral_value(rounding) * tick
