"""Reads a whole bar file into a table: fast where it is as it should be, word for word where it isn't.

A block of lines is taken apart as one text, and each different price is understood once. Whatever doesn't fit sends the
block the slow way, which either finds what is wrong and says so, or takes what was only written unusually.
"""

import csv
import gzip
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from operator import sub
from pathlib import Path
from typing import BinaryIO

from naut_hedgegrid.backtest.columns import Columns, UnusualError
from naut_hedgegrid.backtest.table import LARGEST, BarTable
from naut_hedgegrid.barfile import BarFileError, Layout
from naut_hedgegrid.barfile.lines import BarLine
from naut_hedgegrid.domain.values import ZERO
from naut_hedgegrid.grid.bars import Bar, on_grid

_BLOCK = 1 << 20
"""Bytes of a block."""


@dataclass(frozen=True, slots=True)
class BarData:
    """What a file holds."""

    table: BarTable
    spacing: int
    """Between two bars, ns: the smallest there is."""
    gaps: int
    """How many times more than that passed between two bars."""
    rounded: int
    """Bars with a price off the tick, which was rounded."""


def read_bars(path: Path, tick: Decimal, step: Decimal) -> BarData:
    """Read a bar file, plain or gzip.

    Prices off the tick are rounded: open and close to the nearest, high up, low down. Volumes are floored to the step.

    Raises:
        BarFileError: it can't be read, or a line is no bar, is out of order, or is there twice.
    """
    reader = _Reader(path, tick, step)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for text in _blocks(file):
                reader.take(text)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BarFileError(f"{path}: can't be read: {error}") from error
    return reader.result()


def _blocks(file: BinaryIO | gzip.GzipFile) -> Iterator[str]:
    """The file's text in blocks of whole lines, each with its line break."""
    rest = b""
    while block := file.read(_BLOCK):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield (whole + newline).decode("utf-8-sig").replace("\r\n", "\n")
    if rest.strip():
        yield rest.decode("utf-8-sig") + "\n"


class _Reader:
    def __init__(self, path: Path, tick: Decimal, step: Decimal) -> None:
        self._path = path
        self._table = BarTable(tick, step)
        self._layout: Layout | None = None
        self._columns: Columns | None = None
        self._line = 1
        self._rounded = 0

    def take(self, text: str) -> None:
        """Take in the next lines."""
        layout, columns = self._layout, self._columns
        if layout is None or columns is None:
            first, _, rest = text.partition("\n")
            layout, columns = self._understood(first)
            text = rest if layout.header_lines else text
        if not text:
            return
        ts = self._table.ts
        try:
            block, off_tick = columns.of(text, ts[-1] if ts else None)
        except UnusualError:
            self._word_for_word(text, layout)
        else:
            for own, new in zip(self._table.columns, block.columns, strict=True):
                own.extend(new)
            self._rounded += off_tick
        self._line += text.count("\n")

    def result(self) -> BarData:
        """All that was read. Raises BarFileError where it isn't enough."""
        ts = self._table.ts
        if len(ts) < 2:
            few = "one bar doesn't tell how long a bar is; two are needed" if ts else "no bars in the file"
            raise BarFileError(f"{self._path}: {few}")
        steps = array("q", map(sub, islice(ts, 1, None), ts))
        spacing = min(steps)
        return BarData(self._table, spacing, len(steps) - steps.count(spacing), self._rounded)

    def _understood(self, first: str) -> tuple[Layout, Columns]:
        layout = Layout.of(self._path, next(csv.reader([first]), list[str]()))
        if layout.volume is None:
            raise BarFileError(f"{self._path}, line 1: no column volume; without volume no order is filled")
        self._line += layout.header_lines
        self._layout = layout
        self._columns = Columns(layout, layout.volume, self._table.tick, self._table.step)
        return layout, self._columns

    def _word_for_word(self, text: str, layout: Layout) -> None:
        table = self._table
        for number, fields in enumerate(csv.reader(text.splitlines()), self._line):
            if not fields:
                continue
            line = BarLine(self._path, number, fields, layout)
            read = Bar(*line.prices, line.close_ts, line.volume)
            line.after(read.ts, table.ts[-1] if table.ts else None)
            bar = _on_grid(read, table, line)
            prices = (bar.open, bar.high, bar.low, bar.close)
            table.ts.append(bar.ts)
            for column, price in zip(table.columns[1:5], prices, strict=True):
                column.append(int(price / table.tick))
            table.volume.append(int((bar.volume or ZERO) / table.step))
            self._rounded += prices != (read.open, read.high, read.low, read.close)


def _on_grid(bar: Bar, table: BarTable, line: BarLine) -> Bar:
    """The bar in whole ticks and steps. Raises BarFileError where it has none."""
    for what, value in (("price", bar.high), ("volume", bar.volume or ZERO)):
        if value >= LARGEST:
            raise line.refused(f"a {what} of {value:f}: must be below {LARGEST}")
    found = on_grid(bar, table.tick, table.step)
    if found.low < table.tick:
        raise line.refused(f"a price of {bar.low:f}: must be at least the tick, {table.tick}")
    return found
