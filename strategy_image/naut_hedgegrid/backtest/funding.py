"""When funding is settled in a backtest, and at which rate."""

import csv
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import count
from pathlib import Path

from naut_hedgegrid.barfile.times import ALLOWED, parsed

_HOUR_NS = 3_600_000_000_000
_TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "calc_time", "funding_time")
_RATE_NAMES = ("rate", "funding_rate", "last_funding_rate")


class FundingFileError(ValueError):
    """The file can't be read as funding rates; the message names file, line and value."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One that is due."""

    ts: int
    """ns since the epoch."""
    rate: Decimal
    """Fraction of the notional; above 0 LONG pays SHORT."""


class Funding:
    """The settlements of a run, one after the other."""

    def __init__(self, settlements: Iterator[Settlement], interval_hours: int) -> None:
        """`settlements` in order, at least one; the interval is the venue's."""
        self.interval_hours = interval_hours
        self._settlements = settlements
        self._newest = next(settlements)
        self.due: Settlement | None = self._newest
        """The next to be booked; None after the last."""
        self.due_ts: float = self._newest.ts
        """Its time; without one, infinity."""

    def pass_on(self) -> None:
        """The one that is due has been booked."""
        self.due = next(self._settlements, None)
        self.due_ts = math.inf if self.due is None else self.due.ts
        self._newest = self.due or self._newest

    def coming(self, now: int) -> Settlement:
        """What the venue would announce: the one that is due; after the last that is known, its rate at the next time.

        That one is never booked.
        """
        if self.due is not None:
            return self.due
        interval, newest = self.interval_hours * _HOUR_NS, self._newest
        if newest.ts <= now:
            self._newest = Settlement(newest.ts + ((now - newest.ts) // interval + 1) * interval, newest.rate)
        return self._newest


def constant_rate(rate: Decimal, interval_hours: int, after: int) -> Iterator[Settlement]:
    """The same rate at every settlement later than a time, aligned to 00:00 UTC; without end."""
    interval = interval_hours * _HOUR_NS
    return (Settlement(n * interval, rate) for n in count(after // interval + 1))


def read_rates(path: Path) -> list[Settlement]:
    """Settlements of a CSV file, plain or gzip: `timestamp,rate`, with or without a header line, oldest first.

    Raises:
        FundingFileError: it can't be read, or a line is none, is out of order, or is there twice.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise FundingFileError(f"{path}: can't be read: {error}") from error
    return _settlements(path, rows)


def _settlements(path: Path, rows: list[list[str]]) -> list[Settlement]:
    first = rows[0] if rows else []
    time, rate, header_lines = 0, 1, 0
    if not first or parsed(first[0]) is None:
        names = [name.strip().lower() for name in first]
        time, rate = _column(path, names, _TIME_NAMES), _column(path, names, _RATE_NAMES)
        header_lines = 1
    found: list[Settlement] = []
    for number, row in enumerate(rows[header_lines:], header_lines + 1):
        if not row:
            continue
        settlement = _settlement(f"{path}, line {number}", row, time, rate)
        if found and settlement.ts <= found[-1].ts:
            raise FundingFileError(
                f"{path}, line {number}: time {row[time]!r} is not after the line before; settlements must be in order"
            )
        found.append(settlement)
    if not found:
        raise FundingFileError(f"{path}: no settlement in the file")
    return found


def _column(path: Path, names: list[str], wanted: tuple[str, ...]) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    raise FundingFileError(f"{path}, line 1: no column {wanted[0]}; the columns are {', '.join(names) or 'none'}")


def _settlement(where: str, row: list[str], time: int, rate: int) -> Settlement:
    if len(row) <= max(time, rate):
        raise FundingFileError(f"{where}: {len(row)} fields; a time and a rate are needed")
    ts = parsed(row[time])
    if ts is None:
        raise FundingFileError(f"{where}: time {row[time]!r}: {ALLOWED}")
    try:
        value = Decimal(row[rate])
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or abs(value) >= 1:
        raise FundingFileError(f"{where}: rate {row[rate]!r}: must be a fraction of the notional, like 0.0001")
    return Settlement(ts, value)
