"""Bars of mid prices, aligned to the epoch, in market time."""

from dataclasses import dataclass, replace
from decimal import Decimal

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """Open, high, low and close of one interval."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ts: int
    """End of the interval, ns since the epoch."""


class BarAggregator:
    """Turns a stream of prices into bars. A bar closes with the first price at or after its end; intervals without a
    price have no bar."""

    def __init__(self, seconds: int) -> None:
        self._interval = seconds * SECOND
        self._bar: Bar | None = None

    def update(self, price: Decimal, ts: int) -> Bar | None:
        """Take in a price; the bar that it has closed, if any. A price older than the present bar is left out."""
        bar = self._bar
        if bar is None:
            self._bar = self._started(price, ts)
            return None
        if ts >= bar.ts:
            self._bar = self._started(price, ts)
            return bar
        if ts >= bar.ts - self._interval:
            self._bar = replace(bar, high=max(bar.high, price), low=min(bar.low, price), close=price)
        return None

    def _started(self, price: Decimal, ts: int) -> Bar:
        return Bar(price, price, price, price, (ts // self._interval + 1) * self._interval)
