"""The replay market: the bars of a file, in the file's own time, as many times faster as asked for.

A bar is four ticks, open, high, low, close, at 1/8, 3/8, 5/8 and 7/8 of its span: whoever makes bars of the ticks
again, whichever end of the span they count in, gets the file's. Bid and ask are both the price, so that mid and mark
are the file's prices and a limit of either side fills when the price touches it.
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path

from hedgegrid_api.v1alpha1 import Replay
from naut_hedgegrid.domain.values import Instrument
from naut_hedgegrid.venues.sim.bars import Bar, BarFile
from naut_hedgegrid.venues.sim.market import Tick, on_tick, position_in
from naut_hedgegrid.venues.sim.places import Place

_TICKS_A_BAR = 4


class ReplayMarket:
    """The recorded market; ends with the file."""

    wall_clock = False

    def __init__(self, replay: Replay, instrument: Instrument) -> None:
        """Open the file. Raises BarFileError if it can't be read as bars."""
        self._file = BarFile(Path(replay.path))
        self._speed = replay.speed
        self._instrument = instrument
        self._name = f"replay {self._file.path.name}"

    def ticks(self, after: Place | None) -> Iterator[Tick]:
        """Ticks after a place, to the end of the file.

        Raises MarketError where the place is another market's; while iterating, BarFileError at a bad line.
        """
        position = position_in(self._name, after)
        return self._played(0 if position is None else int(position) + 1)

    def _played(self, first: int) -> Iterator[Tick]:
        row, step = divmod(first, _TICKS_A_BAR)
        return islice(self._all_from(row), step, None)

    def _all_from(self, row: int) -> Iterator[Tick]:
        last_ts: int | None = None
        for bar in self._file.bars(row):
            for step, (price, ts) in enumerate(zip(self._path(bar), _times(bar), strict=True)):
                wait = 0.0 if last_ts is None else (ts - last_ts) / 1e9 / self._speed
                last_ts = ts
                yield Tick(price, price, ts, wait, Place(self._name, str(bar.row * _TICKS_A_BAR + step)))

    def _path(self, bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        instrument = self._instrument
        return (
            on_tick(bar.open, instrument, ROUND_HALF_UP),
            on_tick(bar.high, instrument, ROUND_CEILING),
            on_tick(bar.low, instrument, ROUND_FLOOR),
            on_tick(bar.close, instrument, ROUND_HALF_UP),
        )


def _times(bar: Bar) -> Iterator[int]:
    span = bar.close_ts - bar.open_ts
    return (bar.open_ts + span * eighth // 8 for eighth in (1, 3, 5, 7))
