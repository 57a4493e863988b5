"""The figures of a run, as `summary.json` has them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hedgegrid_api.control import Trip
from naut_hedgegrid.backtest.books import Books
from naut_hedgegrid.backtest.equity import max_drawdown
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.text import MONEY_DIGITS, Times, plain, rounded
from naut_hedgegrid.domain.values import ZERO, Leg

_FIGURE_DIGITS = 12
"""Of a risk figure, which may be a ratio."""


def summary(
    table: BarTable, books: Books, equity: Sequence[int], trips: Sequence[Trip], fill_model: str, wall_seconds: float
) -> dict[str, Any]:
    """All figures, JSON-ready. `equity` is that after each bar, in 1e-8; `wall_seconds` it took to read and to run.

    Money is rounded to 8 digits, half to even; unrealized profit is what makes the sum exact.
    """
    accountant, time = books.accountant, Times()
    final = Decimal(equity[-1]).scaleb(-MONEY_DIGITS)
    total = final - accountant.starting_balance
    realized = rounded(accountant.realized)
    long, short = accountant.legs[Leg.LONG], accountant.legs[Leg.SHORT]
    return {
        "start": time(table.ts[0]),
        "end": time(table.ts[-1]),
        "bars": len(table),
        "wall_seconds": round(wall_seconds, 3),
        "bars_per_second": round(len(table) / wall_seconds, 1),
        "fill_model": fill_model,
        "orders": len(books.orders),
        "fills": len(books.fills),
        "realized_pnl": plain(realized),
        "commissions": plain(accountant.commissions),
        "funding": plain(accountant.funding),
        "unrealized_pnl": plain(total - realized + accountant.commissions - accountant.funding),
        "total_pnl": plain(total),
        "starting_equity": plain(accountant.starting_balance),
        "final_equity": plain(final),
        "max_drawdown": max_drawdown(equity),
        "maker_ratio": _maker_ratio(books),
        "long_quantity": plain(long.quantity),
        "short_quantity": plain(short.quantity),
        "long_entry_price": plain(long.entry_price),
        "short_entry_price": plain(short.entry_price),
        "trips": [_trip(trip, time) for trip in trips],
    }


def market_time(trip: Trip) -> int:
    """When a limit tripped, ns: the strategy's clock is the market's."""
    return round(trip.time.timestamp()) * 1_000_000_000


def _trip(trip: Trip, time: Times) -> dict[str, str | None]:
    return {
        "time": time(market_time(trip)),
        "rule": trip.reason,
        "observed": plain(trip.observed, _FIGURE_DIGITS),
        "limit": plain(trip.limit, _FIGURE_DIGITS),
    }


def _maker_ratio(books: Books) -> float | None:
    """Maker notional / all notional; None with no fill."""
    notional = sum((fill.quantity * fill.price for fill in books.fills), ZERO)
    maker = sum((fill.quantity * fill.price for fill in books.fills if fill.maker), ZERO)
    return float(maker / notional) if notional else None
