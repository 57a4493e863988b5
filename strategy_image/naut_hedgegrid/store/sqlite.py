"""The grid's store: one SQLite file (WAL), one writer thread, one process.

The trading loop never waits for the disk: `commit` hands the changes to the thread and returns a future. Ordinary
changes survive the death of the process; those marked durable are also synced to the disk before the future is done.
"""

import json
import queue
import sqlite3
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from decimal import Decimal
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Any

from naut_hedgegrid.domain.grid import Ladder, Lot, LotKey, WorkingOrder
from naut_hedgegrid.domain.values import FundingSettled, Leg, OrderFilled, OrderKind, Role, Side
from naut_hedgegrid.grid.records import Changes, Snapshot, Totals

SCHEMA_VERSION = 2

_SCHEMA = """
create table if not exists lots (
  leg text not null, level integer not null, n integer not null, seq integer not null, price text not null,
  step text not null, take_profit_steps integer not null, bought text not null, sold text not null,
  entry_done integer not null, next_part integer not null, stop_loss_steps integer not null,
  primary key (leg, level, n)) without rowid;
create table if not exists orders (
  client_order_id text primary key, leg text not null, level integer not null, role text not null, n integer not null,
  part integer not null, side text not null, kind text not null, quantity text not null, price text,
  post_only integer not null, step text not null, filled text not null,
  trigger_price text) without rowid;
create table if not exists fills (
  trade_id integer primary key, client_order_id text not null, leg text not null, side text not null,
  quantity text not null, price text not null, commission text not null, maker integer not null,
  realized_pnl text not null, ts integer not null);
create table if not exists funding (
  ts integer primary key, rate text not null, mark text not null, long text not null, short text not null);
create table if not exists entries (name text primary key, value text not null) without rowid;
"""
_RECENT_FILLS = 10_000


class StoreError(Exception):
    """The store can't be opened or read; the message names the file and what to do."""


class SqliteStore:
    """A grid's file. Opened by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _locked(path)
        self._connection = _opened(path)
        self._queue: queue.SimpleQueue[tuple[Changes, bool, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"store {path.name}", daemon=True)
        self._thread.start()

    def load(self) -> tuple[Snapshot, dict[str, Any]]:
        """What is known from before, and the single values by name. Call before the first commit."""
        db = self._connection
        values = {name: json.loads(text) for name, text in db.execute("select name, value from entries")}
        ladder = values.get("ladder")
        totals = values.get("totals")
        recent = [row[0] for row in db.execute("select trade_id from fills order by 1 desc limit ?", (_RECENT_FILLS,))]
        snapshot = Snapshot(
            lots=tuple(_lot(row) for row in db.execute("select * from lots order by seq")),
            orders=tuple(_order(row) for row in db.execute("select * from orders")),
            ladder=Ladder(Decimal(ladder["centre"]), Decimal(ladder["step"])) if ladder else None,
            totals=Totals.from_plain(totals) if totals else Totals(),
            next_n=values.get("next_n", 0),
            last_trade_id=recent[0] if recent else 0,
            recent_trade_ids=frozenset(recent),
            last_funding_ts=db.execute("select coalesce(max(ts), 0) from funding").fetchone()[0],
        )
        return snapshot, values

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        """Have changes written in one transaction, in the order of the calls; durable: synced to the disk."""
        future: Future[None] = Future()
        self._queue.put((changes, durable, future))
        return future

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._queue.put(None)
        self._thread.join(timeout=10)
        self._lock.close()

    def _run(self) -> None:
        db = self._connection
        while (item := self._queue.get()) is not None:
            changes, durable, future = item
            try:
                db.execute(f"pragma synchronous={'full' if durable else 'normal'}")
                with db:
                    _write(db, changes)
            except sqlite3.Error as error:
                future.set_exception(StoreError(f"{self.path}: {error}; entries stop until it can be written"))
            else:
                future.set_result(None)
        with suppress(sqlite3.Error):
            db.close()


def _locked(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock").open("ab")
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except OSError as error:
        lock.close()
        raise StoreError(f"{path} is in use by another process; one grid has one strategy") from error
    return lock


def _opened(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        version = db.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path} has schema version {version}, this program knows {SCHEMA_VERSION}: run a newer image"
            )
        db.executescript(_SCHEMA)
        db.execute(f"pragma user_version={SCHEMA_VERSION}")
    except sqlite3.Error as error:
        raise StoreError(f"{path} can't be opened: {error}; the file is kept, move it away to start anew") from error
    return db


def _write(db: sqlite3.Connection, changes: Changes) -> None:
    gone_lots = [(key.leg, key.level, key.n) for key, lot in changes.lots.items() if lot is None]
    db.executemany("delete from lots where leg = ? and level = ? and n = ?", gone_lots)
    _upsert(db, "lots", (_lot_row(lot) for lot in changes.lots.values() if lot is not None))
    gone_orders = [(name,) for name, order in changes.orders.items() if order is None]
    db.executemany("delete from orders where client_order_id = ?", gone_orders)
    _upsert(db, "orders", (_order_row(order) for order in changes.orders.values() if order is not None))
    _upsert(db, "fills", (_plain(fill) for fill in changes.fills))
    _upsert(db, "funding", (_funding_row(settled) for settled in changes.funding))
    _upsert(db, "entries", ({"name": k, "value": json.dumps(v)} for k, v in changes.values.items()))


def _upsert(db: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        columns = ", ".join(row)
        db.execute(f"insert or replace into {table} ({columns}) values ({marks})", tuple(row.values()))  # noqa: S608


def _plain(value: OrderFilled | Lot | WorkingOrder) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Decimal) else v for k, v in asdict(value).items()}


def _funding_row(settled: FundingSettled) -> dict[str, Any]:
    cash = {leg.value.lower(): str(amount) for leg, amount in settled.cash.items()}
    return {"ts": settled.ts, "rate": str(settled.rate), "mark": str(settled.mark), **cash}


def _lot_row(lot: Lot) -> dict[str, Any]:
    row = _plain(lot)
    key: dict[str, Any] = row.pop("key")
    return {**key, **row}


def _order_row(order: WorkingOrder) -> dict[str, Any]:
    row = _plain(order)
    del row["status"]
    return row


def _lot(row: tuple[Any, ...]) -> Lot:
    leg, level, n, seq, price, step, take_profit_steps, bought, sold, entry_done, next_part, stop_loss_steps = row
    return Lot(
        LotKey(Leg(leg), level, n),
        seq,
        Decimal(price),
        Decimal(step),
        take_profit_steps,
        Decimal(bought),
        Decimal(sold),
        bool(entry_done),
        next_part,
        stop_loss_steps,
    )


def _order(row: tuple[Any, ...]) -> WorkingOrder:
    client_order_id, leg, level, role, n, part, side, kind, quantity, price, post_only, step, filled, trigger = row
    return WorkingOrder(
        client_order_id,
        Leg(leg),
        level,
        Role(role),
        n,
        part,
        Side(side),
        OrderKind(kind),
        Decimal(quantity),
        None if price is None else Decimal(price),
        bool(post_only),
        Decimal(step),
        filled=Decimal(filled),
        trigger_price=None if trigger is None else Decimal(trigger),
    )
