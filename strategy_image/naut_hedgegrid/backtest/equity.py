"""The equity curve: one row a bar, in whole numbers of 1e-8 of the quote currency.

Realized and unrealized profit alone can have endless digits, their sum never has: it is what was paid and received, and
what the position is worth. So equity is exact, the wallet is rounded once, and unrealized is what lies between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, chain

from naut_hedgegrid.backtest.curve import Curve, Standing
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.text import MONEY_DIGITS, rounded
from naut_hedgegrid.domain.values import Leg

_UNIT = Decimal(10**MONEY_DIGITS)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars between which nothing but the mark price changes."""

    first: int
    """Number of the first bar, from 0."""
    standing: Standing
    wallet: int
    equity: list[int]
    """After each of the bars."""


def stretches(curve: Curve, table: BarTable, start: Decimal) -> Iterator[Stretch]:
    """The whole run, oldest first; `start` is the starting balance."""
    standings = curve.standings
    ends = [*(standing.bar for standing in standings[1:]), curve.bars]
    for standing, end in zip(standings, ends, strict=True):
        booked = start - standing.commissions + standing.funding
        long, short = standing.quantity[Leg.LONG], standing.quantity[Leg.SHORT]
        received = standing.realized - standing.cost[Leg.LONG] + standing.cost[Leg.SHORT]
        worth = (long - short) * table.tick
        yield Stretch(
            standing.bar,
            standing,
            _units(booked + rounded(standing.realized)),
            _equity(booked + received, worth, table.close[standing.bar : end]),
        )


def max_drawdown(equity: Sequence[int]) -> float:
    """Largest loss from a peak, as a fraction of it; 0 where there is none."""
    peaks = accumulate(equity, max)
    return max(((peak - now) / peak for peak, now in zip(peaks, equity, strict=True)), default=0.0)


def whole_curve(found: Sequence[Stretch]) -> list[int]:
    """Equity after each bar."""
    return list(chain.from_iterable(stretch.equity for stretch in found))


def _equity(cash: Decimal, worth: Decimal, marks: Sequence[int]) -> list[int]:
    """Cash and what the position is worth at each mark price; `worth` of one tick."""
    each = worth * _UNIT
    if each == int(each):
        base, step = _units(cash), int(each)
        return [base + step * mark for mark in marks]
    return [_units(cash + worth * mark) for mark in marks]


def _units(amount: Decimal) -> int:
    return int(rounded(amount) * _UNIT)
