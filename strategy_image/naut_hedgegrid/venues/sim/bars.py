"""Bar files: CSV, plain or gzip, one bar a line.

Two layouts are known. One time column (`timestamp`, `time`, `date`, …) holds the bars' closes. Klines as Binance
publishes them have `open_time` and `close_time`, with or without a header line. Times are ISO 8601 (UTC unless they
say otherwise) or a number of s, ms, µs or ns since the epoch.
"""

import csv
import gzip
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice, pairwise
from pathlib import Path
from typing import TextIO

_TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "close_time")
_KLINE_NAMES: tuple[str, ...] = ("open_time", "open", "high", "low", "close", "volume", "close_time")
_SPACING_SAMPLE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Digits of the number of s, ms, µs, ns since the epoch between 2001 and 2286.
_NS_BY_DIGITS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}


class BarFileError(ValueError):
    """The file can't be read as bars; the message names file, line and value."""


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


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand in a line."""

    header_lines: int
    open_time: int | None
    """None where only closes are given."""
    close_time: int
    prices: tuple[int, int, int, int]


class BarFile:
    """A bar file whose head has been read and understood."""

    def __init__(self, path: Path) -> None:
        """Look at the file's first lines.

        Raises BarFileError if there is no such file, it has no bars, or the first lines aren't bars.
        """
        self.path = path
        with self._lines() as lines:
            self._layout = self._understood(next(csv.reader(lines), list[str]()))
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
                bar = self._bar(number, fields)
                if last_close is not None and bar.close_ts <= last_close:
                    raise BarFileError(
                        f"{self.path}, line {number}: time {fields[self._layout.close_time]!r} is not after the line "
                        "before; bars must be in order"
                    )
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

    def _understood(self, first: Sequence[str]) -> _Layout:
        names: list[str] = [field.strip().lower() for field in first]
        header_lines = 1
        if names and names[0].isdigit() and len(names) >= len(_KLINE_NAMES):
            names, header_lines = list(_KLINE_NAMES), 0
        missing = [name for name in ("open", "high", "low", "close") if name not in names]
        time = next((name for name in _TIME_NAMES if name in names), None)
        if missing or time is None:
            wanted = ", ".join([*missing, *(["timestamp"] if time is None else [])])
            raise BarFileError(f"{self.path}, line 1: no column {wanted}; the columns are {', '.join(names) or 'none'}")
        klines = "open_time" in names and "close_time" in names
        return _Layout(
            header_lines=header_lines,
            open_time=names.index("open_time") if klines else None,
            close_time=names.index("close_time" if klines else time),
            prices=(names.index("open"), names.index("high"), names.index("low"), names.index("close")),
        )

    def _bar(self, line: int, fields: Sequence[str]) -> Bar:
        layout = self._layout
        close_ts = self._time(line, fields, layout.close_time)
        if layout.open_time is None:
            open_ts = close_ts - self._spacing
        else:
            open_ts = self._time(line, fields, layout.open_time)
            # Binance's close time is the last moment of the bar in the file's own unit.
            close_ts += _unit(fields[layout.close_time])
        prices = [self._price(line, fields, column) for column in layout.prices]
        open_, high, low, close = prices
        if not low <= min(open_, close) <= max(open_, close) <= high:
            raise BarFileError(
                f"{self.path}, line {line}: open {open_}, high {high}, low {low}, close {close}: "
                "high must be the largest and low the smallest of them"
            )
        return Bar(line - layout.header_lines - 1, open_ts, close_ts, open_, high, low, close)

    def _price(self, line: int, fields: Sequence[str], column: int) -> Decimal:
        try:
            price = Decimal(fields[column])
        except (InvalidOperation, IndexError):
            price = None
        if price is None or not price.is_finite() or price <= 0:
            raise BarFileError(
                f"{self.path}, line {line}: price {_field(fields, column)!r} in column {column + 1}: "
                "must be a number above 0"
            )
        return price

    def _time(self, line: int, fields: Sequence[str], column: int) -> int:
        text = _field(fields, column).strip()
        if text.isdigit() and len(text) in _NS_BY_DIGITS:
            return int(text) * _unit(text)
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise BarFileError(
                f"{self.path}, line {line}: time {text!r} in column {column + 1}: must be ISO 8601, or s, ms, µs or ns "
                "since the epoch"
            ) from None
        since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _field(fields: Sequence[str], column: int) -> str:
    return fields[column] if column < len(fields) else ""


def _unit(text: str) -> int:
    """Nanoseconds of one in the unit of a numeric time; 1 ms for times in words."""
    return _NS_BY_DIGITS.get(len(text.strip()), 1_000_000)
