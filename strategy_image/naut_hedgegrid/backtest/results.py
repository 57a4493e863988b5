"""What came of a run, put together for those who write it down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedgegrid_api.control import Trip
from hedgegrid_api.files import StrategyFile, VenueFile
from naut_hedgegrid.backtest.books import Books
from naut_hedgegrid.backtest.curve import Curve
from naut_hedgegrid.backtest.equity import Stretch, stretches, whole_curve
from naut_hedgegrid.backtest.notes import data_notes, jumped_note, liquidation_note
from naut_hedgegrid.backtest.reading import BarData
from naut_hedgegrid.backtest.summary import summary


@dataclass(frozen=True, slots=True)
class Played:
    """A run that is over."""

    strategy: StrategyFile
    venue: VenueFile
    data: BarData
    books: Books
    curve: Curve
    fill_model: str


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that is known of it."""

    played: Played
    stretches: Sequence[Stretch]
    equity: Sequence[int]
    """After each bar, in 1e-8 of the quote currency."""
    summary: Mapping[str, Any]
    trips: Sequence[Trip]
    """Risk limits that tripped."""
    notes: Sequence[str]
    """What a reader must know to trust the figures, in sentences."""


def results_of(played: Played, *, trips: Sequence[Trip], notes: Sequence[str], wall_seconds: float) -> Results:
    """The results of a run. `notes` say what the run itself can't know; `wall_seconds` it took to read and to run."""
    table, books = played.data.table, played.books
    found = list(stretches(played.curve, table, played.venue.starting_balance))
    equity = whole_curve(found)
    liquidation = liquidation_note(found, played.data, played.venue.tiers, len(table))
    return Results(
        played,
        found,
        equity,
        summary(table, books, equity, trips, played.fill_model, wall_seconds),
        trips,
        [*data_notes(played.data), *notes, *(note for note in (jumped_note(books.jumped), liquidation) if note)],
    )
