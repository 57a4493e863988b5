"""The CSV files of a run."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from naut_hedgegrid.backtest.books import BacktestOrder
from naut_hedgegrid.backtest.equity import Stretch
from naut_hedgegrid.backtest.orders import role_name
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.text import Times, fixed, plain
from naut_hedgegrid.domain.values import FundingSettled, Leg, OrderFilled

FILLS = "trade_id,ts,client_order_id,leg,role,side,price,quantity,liquidity,commission,realized_pnl"
ORDERS = "client_order_id,leg,role,side,type,price,quantity,filled,status,created,closed,reason"
EQUITY = "ts,wallet,unrealized,equity,long_quantity,short_quantity,mark,live_entries"
FUNDING = "ts,rate,mark,long,short"
_PNL_DIGITS = 16
_EXACT_DIGITS = 24
"""Of prices, quantities and rates, which are as the venue and the files have them."""


def write_fills(path: Path, fills: Iterable[OrderFilled], time: Times) -> None:
    """`fills.csv`: one row a fill, in order."""
    _write(
        path,
        FILLS,
        (
            (
                fill.trade_id,
                time(fill.ts),
                fill.client_order_id,
                fill.leg.value,
                role_name(fill.client_order_id),
                fill.side.value,
                fill.price,
                fill.quantity,
                "MAKER" if fill.maker else "TAKER",
                plain(fill.commission),
                plain(fill.realized_pnl, _PNL_DIGITS),
            )
            for fill in fills
        ),
    )


def write_orders(path: Path, orders: Iterable[BacktestOrder], time: Times) -> None:
    """`orders.csv`: one row an order, in the order of sending; the price of a stop is its trigger."""
    _write(path, ORDERS, (_order(order, time) for order in orders))


def write_funding(path: Path, settlements: Iterable[FundingSettled], time: Times) -> None:
    """`funding.csv`: one row a settlement."""
    _write(
        path,
        FUNDING,
        (
            (
                time(it.ts),
                plain(it.rate, _EXACT_DIGITS),
                plain(it.mark, _EXACT_DIGITS),
                plain(it.cash[Leg.LONG]),
                plain(it.cash[Leg.SHORT]),
            )
            for it in settlements
        ),
    )


def write_equity(path: Path, found: Sequence[Stretch], table: BarTable, time: Times) -> None:
    """`equity.csv`: one row a bar."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(EQUITY + "\n")
        marks: dict[int, str] = {}
        for stretch in found:
            file.writelines(_equity_rows(stretch, table, time, marks))


def _equity_rows(stretch: Stretch, table: BarTable, time: Times, marks: dict[int, str]) -> Iterator[str]:
    standing, wallet, first = stretch.standing, stretch.wallet, stretch.first
    long, short = (plain(standing.quantity[leg], _EXACT_DIGITS) for leg in Leg)
    held = f",{long},{short},"
    end = f",{standing.live_entries}\n"
    money = f",{fixed(wallet)},"
    for ts, close, equity in zip(table.ts[first:], table.close[first:], stretch.equity, strict=False):
        mark = marks.get(close)
        if mark is None:
            mark = marks[close] = f"{close * table.tick:f}"
        yield f"{time(ts)}{money}{fixed(equity - wallet)},{fixed(equity)}{held}{mark}{end}"


def _order(order: BacktestOrder, time: Times) -> tuple[object, ...]:
    request = order.request
    price: Decimal | None = request.price if request.trigger_price is None else request.trigger_price
    return (
        request.client_order_id,
        request.leg.value,
        role_name(request.client_order_id),
        request.side.value,
        request.kind.value,
        plain(price, _EXACT_DIGITS),
        plain(request.quantity, _EXACT_DIGITS),
        plain(order.filled, _EXACT_DIGITS),
        order.state.value,
        time(order.created),
        None if order.closed is None else time(order.closed),
        order.reason,
    )


def _write(path: Path, names: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(names + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)
