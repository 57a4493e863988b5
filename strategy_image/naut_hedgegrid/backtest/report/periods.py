"""Profit and loss by day and by month, UTC. The bar that ends at midnight belongs to the day before."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

from naut_hedgegrid.backtest.results import Results
from naut_hedgegrid.backtest.text import MONEY_DIGITS
from naut_hedgegrid.domain.values import ZERO

_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Period:
    """One day or month. Money in quote currency."""

    name: str
    profit: Decimal
    """Change of equity."""
    begin: Decimal
    """Equity before it."""
    fills: int
    realized: Decimal
    commissions: Decimal
    funding: Decimal


def days(results: Results) -> list[Period]:
    """Every day of the run that has bars."""
    ts, equity, books = results.played.data.table.ts, results.equity, results.played.books
    before, found = books.accountant.starting_balance, list[Period]()
    fill_times = [fill.ts for fill in books.fills]
    funding_times = [settled.ts for settled in books.funding]
    row, begin = 0, (ts[0] - 1) // _DAY * _DAY
    while row < len(equity):
        # A bar that ends within (begin, end] belongs to the day.
        end = begin + _DAY
        last = bisect_left(ts, end + 1, row) - 1
        if last >= row:
            now = Decimal(equity[last]).scaleb(-MONEY_DIGITS)
            fills = books.fills[bisect_left(fill_times, begin + 1) : bisect_left(fill_times, end + 1)]
            funding = books.funding[bisect_left(funding_times, begin + 1) : bisect_left(funding_times, end + 1)]
            found.append(
                Period(
                    datetime.fromtimestamp(begin // 1_000_000_000, UTC).date().isoformat(),
                    now - before,
                    before,
                    len(fills),
                    sum((fill.realized_pnl for fill in fills), ZERO),
                    sum((fill.commission for fill in fills), ZERO),
                    sum((settled.total for settled in funding), ZERO),
                )
            )
            before, row = now, last + 1
        begin = end
    return found


def months(found: Sequence[Period]) -> list[Period]:
    """Days summed up by month."""
    return [_summed(name, list(group)) for name, group in groupby(found, key=lambda day: day.name[:7])]


def _summed(name: str, group: Sequence[Period]) -> Period:
    return replace(
        group[0],
        name=name,
        profit=sum((day.profit for day in group), ZERO),
        fills=sum(day.fills for day in group),
        realized=sum((day.realized for day in group), ZERO),
        commissions=sum((day.commissions for day in group), ZERO),
        funding=sum((day.funding for day in group), ZERO),
    )
