"""Bars, aligned to the epoch, in market time: of mid prices, or of a file's shorter bars."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from naut_hedgegrid.grid.precision import ceil_to, floor_to, round_to

SECOND = 1_000_000_000


class BarSpacingError(ValueError):
    """A file's bars don't make up the bars that the grid is driven by."""


class Bar(NamedTuple):
    """Open, high, low and close of one interval."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ts: int
    """End of the interval, ns since the epoch."""
    volume: Decimal | None = None
    """Base currency; None for bars of mids, which nobody trades at."""


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
            self._bar = bar._replace(high=max(bar.high, price), low=min(bar.low, price), close=price)
        return None

    def _started(self, price: Decimal, ts: int) -> Bar:
        return Bar(price, price, price, price, (ts // self._interval + 1) * self._interval)


def aggregated(bars: Iterable[Bar], spacing: int, seconds: int) -> Iterator[Bar]:
    """Bars of `seconds` from a file's, which are `spacing` ns apart, in order. The last interval is left out where its
    end hasn't come; an interval with a gap in it is made of what there is.

    Raises BarSpacingError where they don't fit into each other.
    """
    interval = seconds * SECOND
    if interval % spacing:
        raise BarSpacingError(
            f"barSeconds is {seconds}, but the file's bars are {spacing / SECOND:g} s apart: barSeconds must be a "
            "multiple of that; change it or take finer bars"
        )
    return _aggregated(bars, spacing, interval)


def _aggregated(bars: Iterable[Bar], spacing: int, interval: int) -> Iterator[Bar]:
    pending: Bar | None = None
    for bar in bars:
        if bar.ts % spacing:
            end_time = datetime.fromtimestamp(bar.ts / SECOND, UTC).isoformat()
            raise BarSpacingError(
                f"the bar that ends at {end_time} lies in two intervals: "
                f"bars must end at multiples of {spacing / SECOND:g} s since the epoch; see whether the times are ends"
            )
        end = -(-bar.ts // interval) * interval
        if pending is not None and pending.ts != end:
            yield pending
            pending = None
        pending = bar._replace(ts=end) if pending is None else _joined(pending, bar)
        if bar.ts == end:
            yield pending
            pending = None


def _joined(first: Bar, second: Bar) -> Bar:
    return first._replace(
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        volume=None if first.volume is None or second.volume is None else first.volume + second.volume,
    )


def on_grid(bar: Bar, tick: Decimal, step: Decimal) -> Bar:
    """The bar as the engine takes it, which skips bars off the tick and drops those whose volume has too many digits.

    Open and close go to the nearest tick, high up, low down, so that no price is lost; the volume is floored to the
    step, so that none is invented.
    """
    volume = None if bar.volume is None else floor_to(bar.volume, step)
    if not (bar.open % tick or bar.high % tick or bar.low % tick or bar.close % tick):
        return bar if volume == bar.volume else bar._replace(volume=volume)
    return Bar(
        round_to(bar.open, tick),
        ceil_to(bar.high, tick),
        floor_to(bar.low, tick),
        round_to(bar.close, tick),
        bar.ts,
        volume,
    )
