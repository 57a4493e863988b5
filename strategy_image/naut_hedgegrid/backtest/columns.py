"""A block of lines, column by column: the fast way to read bars.

It takes only what is written plainly: the same number of fields in every line, no quotes, times of one kind. Of
anything else it says `UnusualError`, never what is wrong with it.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from operator import le, lt

from naut_hedgegrid.backtest.table import LARGEST, BarTable
from naut_hedgegrid.barfile import Layout
from naut_hedgegrid.barfile.times import NS_BY_DIGITS, parsed, unit
from naut_hedgegrid.grid.precision import ceil_to, floor_to, round_to

_NEARLY = 1e-6
"""So much of a step a volume may lack to count as whole: it was multiplied in floats."""


class UnusualError(ValueError):
    """Not written plainly, or wrong."""


class Columns:
    """Understands the blocks of one file."""

    def __init__(self, layout: Layout, volume: int, tick: Decimal, step: Decimal) -> None:
        """`volume` is that column."""
        self._layout = layout
        self._volume = volume
        self._tick, self._step = tick, step
        self._ticks = _Ticks(tick)
        self._days, self._clocks = _Times(""), _Times("1970-01-01")

    def of(self, text: str, last: int | None) -> tuple[BarTable, int]:
        """The bars of a block of whole lines, and how many of them had a price off the tick; `last` is the end of the
        bar before it.

        Raises:
            UnusualError: it has to be read word for word.
        """
        try:
            found = self._table(_taken_apart(text))
        except (ValueError, IndexError, OverflowError, InvalidOperation) as error:
            raise UnusualError(str(error)) from error
        _check(found[0], last)
        return found

    def _table(self, columns: Sequence[list[str]]) -> tuple[BarTable, int]:
        texts = [columns[column] for column in self._layout.prices]
        open_, high, low, close = (array("q", map(self._ticks.__getitem__, text)) for text in texts)
        off_tick = self._off_tick(texts)
        for row in off_tick:
            high[row] = _whole(ceil_to, texts[1][row], self._tick)
            low[row] = _whole(floor_to, texts[2][row], self._tick)
        times, volumes = self._times(columns[self._layout.close_time]), self._volumes(columns[self._volume])
        return BarTable(self._tick, self._step, times, open_, high, low, close, volumes), len(off_tick)

    def _off_tick(self, texts: Sequence[list[str]]) -> set[int]:
        """Rows with a price that isn't on the tick."""
        off = self._ticks.off
        return {row for text in texts if not off.isdisjoint(text) for row, price in enumerate(text) if price in off}

    def _times(self, texts: Sequence[str]) -> "array[int]":
        extra = 0 if self._layout.open_time is None else unit(texts[0])
        if texts[0].isdecimal():
            [digits] = set(map(len, texts))
            scale = NS_BY_DIGITS.get(digits)
            if scale is None:
                raise UnusualError("a number of another unit")
            return array("q", [int(text) * scale + extra for text in texts])
        day, clock = self._days, self._clocks
        return array("q", [day[text[:10]] + clock[text[10:]] + extra for text in texts])

    def _volumes(self, texts: Iterable[str]) -> "array[int]":
        values = list(map(float, texts))
        if not 0 <= min(values) <= max(values) < LARGEST:
            raise UnusualError("a volume below 0, or far too large")
        scale = float(1 / self._step)
        return array("q", [int(value * scale + _NEARLY) for value in values])


class _Ticks(dict[str, int]):
    """Prices in ticks, to the nearest, by what is written, each understood once."""

    def __init__(self, tick: Decimal) -> None:
        super().__init__()
        self.off: set[str] = set()
        """Those that are not on the tick."""
        self._tick = tick
        self._limit = LARGEST / tick
        digits = -int(tick.log10()) if tick == Decimal(1).scaleb(tick.adjusted()) and tick <= 1 else -1
        self._zeros = ["0" * (digits - given) for given in range(digits + 1)]

    def __missing__(self, text: str) -> int:
        whole, _, part = text.partition(".")
        if len(part) < len(self._zeros):
            ticks = int(whole + part + self._zeros[len(part)])
        else:
            ticks = _whole(round_to, text, self._tick)
            if ticks * self._tick != Decimal(text):
                self.off.add(text)
        if not 0 < ticks < self._limit:
            raise UnusualError("no price")
        self[text] = ticks
        return ticks


def _whole(rounded: Callable[[Decimal, Decimal], Decimal], text: str, unit: Decimal) -> int:
    return int(rounded(Decimal(text), unit) / unit)


class _Times(dict[str, int]):
    """ns by days, or by times of the day: a file has few of either."""

    def __init__(self, before: str) -> None:
        """What is to stand before a text so that it is a time."""
        super().__init__()
        self._before = before

    def __missing__(self, text: str) -> int:
        time = parsed(self._before + text)
        if time is None:
            raise UnusualError("no time")
        self[text] = time
        return time


def _taken_apart(text: str) -> list[list[str]]:
    """The columns of whole lines."""
    if '"' in text:
        raise UnusualError("quotes")
    width = text.partition("\n")[0].count(",") + 1
    flat = text.replace("\n", ",\n,").split(",")
    ends = flat[width :: width + 1]
    # One line that is longer or shorter moves a line break out of its place.
    if len(flat) != len(ends) * (width + 1) + 1 or ends.count("\n") != len(ends):
        raise UnusualError("lines of different lengths")
    flat.pop()
    return [flat[column :: width + 1] for column in range(width)]


def _check(table: BarTable, last: int | None) -> None:
    """That the bars are bars, and in order."""
    ts = table.ts
    whole = (
        min(table.low) > 0
        and all(map(le, table.low, table.open))
        and all(map(le, table.low, table.close))
        and all(map(le, table.open, table.high))
        and all(map(le, table.close, table.high))
    )
    if not whole or not all(map(lt, ts, islice(ts, 1, None))) or (last is not None and ts[0] <= last):
        raise UnusualError("no bar, or out of order")
