"""Bars of a file, one at a time: a replay goes on from any row, and files of any size are played."""

import csv
import gzip
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from typing import TextIO

from naut_hedgegrid.barfile import BarFileError, Layout
from naut_hedgegrid.barfile.lines import BarLine

_SPACING_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """Prices of a span of time."""

    row: int
    """0 for the file's first bar."""
    open_ts: int
    close_ts: int
    """End of the span, ns since the epoch; the next bar's start."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class BarFile:
    """A bar file whose head has been read and understood."""

    def __init__(self, path: Path) -> None:
        """Look at the file's first lines.

        Raises BarFileError if there is no such file, it has no bars, or the first lines aren't bars.
        """
        self.path = path
        with self._lines() as lines:
            self._layout = Layout.of(path, next(csv.reader(lines), list[str]()))
        self._spacing = 0
        first = list(islice(self.bars(), _SPACING_SAMPLE))
        if not first:
            raise BarFileError(f"{path}: no bars in the file")
        self._spacing = min((later.close_ts - bar.close_ts for bar, later in pairwise(first)), default=0)
        if self._layout.open_time is None and not self._spacing:
            raise BarFileError(f"{path}: one bar doesn't tell how long a bar is; two are needed")

    def bars(self, from_row: int = 0) -> Iterator[Bar]:
        """Bars from a row on; lines before it are skipped unread. Raises BarFileError at the first bad line."""
        last_close: int | None = None
        with self._lines() as lines:
            skipped = self._layout.header_lines + from_row
            for number, fields in enumerate(csv.reader(islice(lines, skipped, None)), skipped + 1):
                if not fields:
                    continue
                line = BarLine(self.path, number, fields, self._layout)
                bar = self._bar(line)
                line.after(bar.close_ts, last_close)
                last_close = bar.close_ts
                yield bar

    @contextmanager
    def _lines(self) -> Generator[TextIO]:
        opened = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opened(self.path, "rt", encoding="utf-8", newline="") as lines:
                yield lines
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise BarFileError(f"{self.path}: can't be read: {error}") from error

    def _bar(self, line: BarLine) -> Bar:
        close_ts, open_ts = line.close_ts, line.open_ts
        row = line.number - self._layout.header_lines - 1
        return Bar(row, close_ts - self._spacing if open_ts is None else open_ts, close_ts, *line.prices)
