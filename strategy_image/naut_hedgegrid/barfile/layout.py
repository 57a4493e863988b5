"""Where things stand in a line of a bar file.

Two layouts are known. One time column (`timestamp`, `time`, `date`, …) holds the bars' closes. Klines as Binance
publishes them have `open_time` and `close_time`. Both come with or without a header line; with one, columns may stand
in any order and further ones are left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from naut_hedgegrid.barfile.times import parsed

_TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "close_time")
_SIMPLE_NAMES = ("timestamp", "open", "high", "low", "close", "volume")
_KLINE_NAMES = ("open_time", "open", "high", "low", "close", "volume", "close_time")
PRICES = ("open", "high", "low", "close")


class BarFileError(ValueError):
    """The file can't be read as bars; the message names file, line and value."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a line, from 0."""

    header_lines: int
    open_time: int | None
    """None where only closes are given."""
    close_time: int
    prices: tuple[int, int, int, int]
    """open, high, low, close."""
    volume: int | None
    """None where there is none."""

    @classmethod
    def of(cls, path: Path, first: Sequence[str]) -> Self:
        """The layout that a file's first line shows. Raises BarFileError where a column is missing."""
        names: list[str] = [field.strip().lower() for field in first]
        header_lines = 1
        if names and parsed(names[0]) is not None:
            known = _SIMPLE_NAMES if len(names) < len(_KLINE_NAMES) else _KLINE_NAMES
            names, header_lines = [*known[: len(names)]], 0
        missing = [name for name in PRICES if name not in names]
        time = next((name for name in _TIME_NAMES if name in names), None)
        if missing or time is None:
            wanted = ", ".join([*missing, *(["timestamp"] if time is None else [])])
            raise BarFileError(f"{path}, line 1: no column {wanted}; the columns are {', '.join(names) or 'none'}")
        klines = "open_time" in names and "close_time" in names
        return cls(
            header_lines=header_lines,
            open_time=names.index("open_time") if klines else None,
            close_time=names.index("close_time" if klines else time),
            prices=(names.index("open"), names.index("high"), names.index("low"), names.index("close")),
            volume=names.index("volume") if "volume" in names else None,
        )
