"""Parts for tests of the store: values to keep, and files of earlier releases."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from copy import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from naut_hedgegrid.domain.grid import Lot, LotKey, WorkingOrder
from naut_hedgegrid.domain.values import Leg, OrderFilled, OrderKind, Role, Side
from naut_hedgegrid.grid.ids import OrderId
from naut_hedgegrid.store.protocol import AuditEntry
from naut_hedgegrid.store.samples import SECOND, Sample
from naut_hedgegrid.store.sqlite import SqliteStore

D = Decimal
OWNER = "0badcafe"
INSTRUMENT = "BTCUSDT-PERP.BINANCE"
DAY = 86_400 * SECOND
T0 = 1_700_006_400 * SECOND
"""Midnight UTC, 2023-11-15."""

VERSION_1 = """
create table lots (
  leg text not null, level integer not null, n integer not null, seq integer not null, price text not null,
  step text not null, take_profit_steps integer not null, bought text not null, sold text not null,
  entry_done integer not null, next_part integer not null, primary key (leg, level, n)) without rowid;
create table orders (
  client_order_id text primary key, leg text not null, level integer not null, role text not null, n integer not null,
  part integer not null, side text not null, kind text not null, quantity text not null, price text,
  post_only integer not null, step text not null, filled text not null) without rowid;
create table fills (
  trade_id integer primary key, client_order_id text not null, leg text not null, side text not null,
  quantity text not null, price text not null, commission text not null, maker integer not null,
  realized_pnl text not null, ts integer not null);
create table entries (name text primary key, value text not null) without rowid;
pragma user_version = 1;
"""
"""As release 0.1 made it."""
FILLED_1 = """
insert into lots values ('LONG', 1, 7, 0, '41895.0', '105', 2, '0.010', '0.000', 1, 1);
insert into orders values ('hg-0badcafe-L1-T0-7', 'LONG', 1, 'T', 7, 0, 'SELL', 'LIMIT', '0.010', '42105.0', 1, '105',
  '0.000');
insert into fills values (41, 'hg-0badcafe-L1-E-7', 'LONG', 'BUY', '0.010', '41895.0', '0.08379', 1, '0',
  1700006400000000000);
insert into entries values ('controls', '{"rearm": 3}');
insert into entries values ('ladder', '{"centre": "42000.0", "step": "105"}');
insert into entries values ('totals', '{"realized": "0", "fees": "0.08379", "fills": 1, "maker_fills": 1,
  "notional": "418.95", "maker_notional": "418.95"}');
insert into entries values ('next_n', '8');
"""
"""A lot with its take-profit, of the grid 0badcafe."""


def store_at(folder: Path) -> SqliteStore:
    return SqliteStore(folder / "grid.sqlite", OWNER, INSTRUMENT)


def script(path: Path, *texts: str) -> Path:
    """Run SQL on a file, made where it isn't there, in WAL mode as the store's."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma journal_mode = wal")
        for text in texts:
            db.executescript(text)
    return path


def lot(n: int = 1, **values: Any) -> Lot:
    key = LotKey(Leg.LONG, 1, n)
    made = Lot(key, n, D("41895"), D("105.0"), 2, bought=D("0.010"), sold=D("0.004"), next_part=2, stop_loss_steps=6)
    return replace(made, **values)


def order(n: int = 1, **values: Any) -> WorkingOrder:
    ident = OrderId(OWNER, Leg.LONG, 1, Role.STOP_LOSS, n, 3)
    made = WorkingOrder(
        client_order_id=str(ident),
        leg=Leg.LONG,
        level=1,
        role=Role.STOP_LOSS,
        n=n,
        part=3,
        side=Side.SELL,
        kind=OrderKind.STOP_MARKET,
        quantity=D("0.010"),
        price=None,
        post_only=False,
        step=D("105.0"),
        filled=D("0.001"),
        trigger_price=D("41265.0"),
    )
    return replace(made, **values)


def fill(trade_id: int, n: int = 1, ts: int = T0, **values: Any) -> OrderFilled:
    made = OrderFilled(
        trade_id=trade_id,
        client_order_id=str(OrderId(OWNER, Leg.LONG, 1, Role.ENTRY, n)),
        leg=Leg.LONG,
        side=Side.BUY,
        quantity=D("0.010"),
        price=D("41895.00"),
        commission=D("-0.0001"),
        maker=True,
        realized_pnl=D("1.00000000000000000001"),
        ts=ts,
    )
    return replace(made, **values)


def sample(ts: int, **values: Any) -> Sample:
    figures: dict[str, Any] = {"equity": D(100_000), "mark": D(42_000), "open_orders": 10, "fills": 3}
    return Sample(ts, **figures | values)


def entry(seconds: int = 0, **values: Any) -> AuditEntry:
    made = AuditEntry(
        time=datetime.fromtimestamp(T0 // SECOND + seconds, UTC),
        operation="flatten",
        who="alice",
        key="desk",
        role="trader",
        what="both",
        result="Delivered",
        why="fire drill",
    )
    return replace(made, **values)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
