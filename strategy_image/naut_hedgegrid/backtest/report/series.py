"""A run in so few points that a page can hold it: of each stretch of bars the extremes and the last value."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from naut_hedgegrid.backtest.equity import Stretch
from naut_hedgegrid.backtest.results import Results
from naut_hedgegrid.domain.values import Leg

POINTS = 1_000
_MONEY = 1e-8


@dataclass(frozen=True, slots=True)
class Series:
    """Points of a run, oldest first. Prices and money in the quote currency, quantities in the base currency."""

    ts: list[int]
    """Ends of the points' last bars, ns."""
    low: list[float]
    high: list[float]
    close: list[float]
    equity: list[float]
    drawdown: list[float]
    """Largest loss from the peak so far, as a fraction of it."""
    long: list[float]
    """Largest position within the point."""
    short: list[float]


def series(results: Results) -> Series:
    """The run's points."""
    table, equity = results.played.data.table, results.equity
    count = len(equity)
    edges = [round(count * point / min(count, POINTS)) for point in range(min(count, POINTS) + 1)]
    spans = list(pairwise(edges))
    tick = float(table.tick)
    peaks = list(accumulate(equity, max))
    return Series(
        ts=[table.ts[end - 1] for _, end in spans],
        low=[min(table.low[begin:end]) * tick for begin, end in spans],
        high=[max(table.high[begin:end]) * tick for begin, end in spans],
        close=[table.close[end - 1] * tick for _, end in spans],
        equity=[equity[end - 1] * _MONEY for _, end in spans],
        drawdown=[
            max((peak - now) / peak for peak, now in zip(peaks[begin:end], equity[begin:end], strict=True))
            for begin, end in spans
        ],
        long=_largest(results.stretches, Leg.LONG, spans),
        short=_largest(results.stretches, Leg.SHORT, spans),
    )


def _largest(stretches: Sequence[Stretch], leg: Leg, spans: Sequence[tuple[int, int]]) -> list[float]:
    firsts = [stretch.first for stretch in stretches]
    held = [float(stretch.standing.quantity[leg]) for stretch in stretches]
    return [max(held[bisect_right(firsts, begin) - 1 : bisect_right(firsts, end - 1)]) for begin, end in spans]
