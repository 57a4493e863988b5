"""The CSV files of a run."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, repeat
from pathlib import Path

from naut_hedgegrid.backtest.books import BacktestOrder
from naut_hedgegrid.backtest.equity import Stretch
from naut_hedgegrid.backtest.orders import role_name
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.text import Times, exact, fixed, plain
from naut_hedgegrid.domain.values import FundingSettled, Leg, OrderFilled

FILLS = "trade_id,ts,client_order_id,leg,role,side,price,quantity,liquidity,commission,realized_pnl"
ORDERS = "client_order_id,leg,role,side,type,price,quantity,filled,status,created,closed,reason"
EQUITY = "ts,wallet,unrealized,equity,long_quantity,short_quantity,mark,live_entries"
FUNDING = "ts,rate,mark,long,short"
_PNL_DIGITS = 16
_ROWS = 10_000


def write_fills(path: Path, fills: Iterable[OrderFilled], time: Times) -> None:
    """`fills.csv`: one row a fill, in order."""
    written = _Written()
    _write(path, FILLS, (_fill(fill, written, time) for fill in fills))


def write_orders(path: Path, orders: Iterable[BacktestOrder], time: Times) -> None:
    """`orders.csv`: one row an order, in the order of sending; the price of a stop is its trigger."""
    written = _Written()
    _write(path, ORDERS, (_order(order, written, time) for order in orders))


def write_funding(path: Path, settlements: Iterable[FundingSettled], time: Times) -> None:
    """`funding.csv`: one row a settlement."""
    rows = (
        (time(it.ts), exact(it.rate), exact(it.mark), exact(it.cash[Leg.LONG]), exact(it.cash[Leg.SHORT]))
        for it in settlements
    )
    _write(path, FUNDING, rows)


def write_equity(path: Path, found: Sequence[Stretch], table: BarTable, time: Times) -> None:
    """`equity.csv`: one row a bar."""
    marks = _Marks(table.tick)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(EQUITY + "\n")
        for some in _portions(found):
            file.write(_equity_rows(some, table, time, marks))


def _portions(found: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """A good many rows at a time."""
    some, rows = list[Stretch](), 0
    for stretch in found:
        some.append(stretch)
        rows += len(stretch.equity)
        if rows >= _ROWS:
            yield some
            some, rows = [], 0
    if some:
        yield some


def _equity_rows(some: Sequence[Stretch], table: BarTable, time: Times, marks: "_Marks") -> str:
    """Column by column: what a stretch has in common is written once for all its rows."""
    last = some[-1]
    bars = slice(some[0].first, last.first + len(last.equity))
    wallets, helds, ends, above = list[str](), list[str](), list[str](), list[int]()
    for stretch, wallet in zip(some, fixed(stretch.wallet for stretch in some), strict=True):
        standing, rows = stretch.standing, len(stretch.equity)
        held = standing.quantity
        wallets += [f",{wallet},"] * rows
        helds += [f",{exact(held[Leg.LONG])},{exact(held[Leg.SHORT])},"] * rows
        ends += [f",{standing.live_entries}\n"] * rows
        above += [equity - stretch.wallet for equity in stretch.equity]
    columns = (
        time.all(table.ts[bars]),
        wallets,
        fixed(above),
        repeat(","),
        fixed(chain.from_iterable(stretch.equity for stretch in some)),
        helds,
        [marks[ticks] for ticks in table.close[bars]],
        ends,
    )
    return "".join(chain.from_iterable(zip(*columns, strict=False)))


def _fill(fill: OrderFilled, written: "_Written", time: Times) -> tuple[object, ...]:
    return (
        fill.trade_id,
        time(fill.ts),
        fill.client_order_id,
        fill.leg,
        role_name(fill.client_order_id),
        fill.side,
        fill.price,
        written[fill.quantity],
        "MAKER" if fill.maker else "TAKER",
        exact(fill.commission),
        plain(fill.realized_pnl, _PNL_DIGITS) if fill.realized_pnl else "0",
    )


def _order(order: BacktestOrder, written: "_Written", time: Times) -> tuple[object, ...]:
    request = order.request
    price = request.price if request.trigger_price is None else request.trigger_price
    return (
        request.client_order_id,
        request.leg,
        role_name(request.client_order_id),
        request.side,
        request.kind,
        None if price is None else written[price],
        written[request.quantity],
        written[order.filled],
        order.state,
        time(order.created),
        None if order.closed is None else time(order.closed),
        order.reason,
    )


class _Written(dict[Decimal, str]):
    """Decimals that come again and again, each written once."""

    def __missing__(self, value: Decimal) -> str:
        text = self[value] = exact(value)
        return text


class _Marks(dict[int, str]):
    """Prices by their number of ticks, each written once."""

    def __init__(self, tick: Decimal) -> None:
        super().__init__()
        self._tick = tick

    def __missing__(self, ticks: int) -> str:
        text = self[ticks] = f"{ticks * self._tick:f}"
        return text


def _write(path: Path, names: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(names + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)
