"""Axes: where the marks are, and what is written beside them."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

_DAY = 86_400
_STEPS = (60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY)
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places."""

    low: float
    high: float
    begin: float
    """Place of `low`."""
    end: float
    """Place of `high`."""

    def __call__(self, value: float) -> float:
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)


def value_marks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between two others."""
    span = high - low
    raw = span / about
    power = 10 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [count * step for count in range(first, math.floor(high / step + 1e-9) + 1)]


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """A little more room on both sides, and some where there is none."""
    room = (high - low) * share or abs(high) * 0.01 or 1.0
    return low - room, high + room


def time_marks(begin: int, end: int, about: int = 8) -> list[tuple[int, str]]:
    """Round times between two others (ns), and how they are written."""
    seconds = (end - begin) / _SECOND
    step = next(
        (step for step in _STEPS if seconds / step <= about), 30 * _DAY * math.ceil(seconds / about / 30 / _DAY)
    )
    first = math.ceil(begin / _SECOND / step)
    times = [count * step for count in range(first, int(end / _SECOND // step) + 1)]
    shape = "%H:%M" if step < _DAY else "%d %b" if seconds < 200 * _DAY else "%b %Y"
    return [(time * _SECOND, datetime.fromtimestamp(time, UTC).strftime(shape)) for time in times]


def number(value: float) -> str:
    """A value as it is written beside an axis."""
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")
