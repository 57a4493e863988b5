"""One line of a bar file, field by field, with messages that name what is wrong."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from naut_hedgegrid.barfile.layout import PRICES, BarFileError, Layout
from naut_hedgegrid.barfile.times import ALLOWED, parsed, unit


class BarLine:
    """The fields of a line."""

    def __init__(self, path: Path, number: int, fields: Sequence[str], layout: Layout) -> None:
        """`number` counts from 1."""
        self.number = number
        self._where = f"{path}, line {number}"
        self._fields = fields
        self._layout = layout

    @property
    def open_ts(self) -> int | None:
        """Begin of the bar, ns since the epoch; None where the file doesn't say it."""
        column = self._layout.open_time
        return None if column is None else self._time(column)

    @property
    def close_ts(self) -> int:
        """End of the bar, ns since the epoch. Raises BarFileError where that is no time."""
        column = self._layout.close_time
        closes = self._time(column)
        return closes if self._layout.open_time is None else closes + unit(self._fields[column])

    @property
    def prices(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Open, high, low, close. Raises BarFileError where they aren't the prices of a bar."""
        open_, high, low, close = (
            self._price(name, column) for name, column in zip(PRICES, self._layout.prices, strict=True)
        )
        if not low <= min(open_, close) <= max(open_, close) <= high:
            raise self.refused(
                f"open {open_}, high {high}, low {low}, close {close}: "
                "high must be the largest and low the smallest of them"
            )
        return open_, high, low, close

    @property
    def volume(self) -> Decimal | None:
        """Base currency; None where the file has none. Raises BarFileError where that is no volume."""
        column = self._layout.volume
        if column is None:
            return None
        volume = self._number(column)
        if volume is None or volume < 0:
            raise self._wrong("volume", column, "must be a number, 0 or more")
        return volume

    def after(self, close_ts: int, last: int | None) -> None:
        """Check that the bar ends later than the last one. Raises BarFileError where it doesn't."""
        if last is None or close_ts > last:
            return
        twice = "is that of the line before again" if close_ts == last else "is not after the line before"
        time = self._field(self._layout.close_time)
        raise self.refused(f"time {time!r} {twice}; bars must be in order, each once")

    def refused(self, why: str) -> BarFileError:
        """What is wrong with the line."""
        return BarFileError(f"{self._where}: {why}")

    def _wrong(self, name: str, column: int, allowed: str) -> BarFileError:
        """What is wrong with a field."""
        return self.refused(f"{name} {self._field(column)!r} in column {column + 1}: {allowed}")

    def _time(self, column: int) -> int:
        time = parsed(self._field(column))
        if time is None:
            raise self._wrong("time", column, ALLOWED)
        return time

    def _price(self, name: str, column: int) -> Decimal:
        price = self._number(column)
        if price is None or price <= 0:
            raise self._wrong(f"{name} price", column, "must be a number above 0")
        return price

    def _number(self, column: int) -> Decimal | None:
        try:
            value = Decimal(self._field(column))
        except InvalidOperation:
            return None
        return value if value.is_finite() else None

    def _field(self, column: int) -> str:
        return self._fields[column] if column < len(self._fields) else ""
