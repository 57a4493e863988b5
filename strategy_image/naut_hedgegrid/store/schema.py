"""The tables, and how a file of an older version becomes one of this.

A file carries `application_id`, the schema version (`user_version`) and the grid that it belongs to. Files of version 1
carry only the version; whose they are is read from the client order ids in them.
"""

import sqlite3
from collections.abc import Callable, Mapping
from types import MappingProxyType

SCHEMA_VERSION = 2
APPLICATION_ID = 0x48474753
"""`HGGS`: tells our files from other programs' (SQLite file format, section 1.3.17)."""

_LOTS = """
create table lots (
  leg text not null, level integer not null, n integer not null, seq integer not null, price text not null,
  step text not null, take_profit_steps integer not null, bought text not null, sold text not null,
  entry_done integer not null, next_part integer not null, stop_loss_steps integer not null default 0,
  primary key (leg, level, n)) without rowid"""
_ORDERS = """
create table orders (
  client_order_id text primary key, leg text not null, level integer not null, role text not null, n integer not null,
  part integer not null, side text not null, kind text not null, quantity text not null, price text,
  post_only integer not null, step text not null, filled text not null, trigger_price text,
  limit_price text) without rowid"""
_FILLS = """
create table fills (
  trade_id integer primary key, client_order_id text not null, leg text not null, side text not null,
  quantity text not null, price text not null, commission text not null, maker integer not null,
  realized_pnl text not null, ts integer not null)"""
_ENTRIES = "create table entries (name text primary key, value text not null) without rowid"
_SINCE_2 = (
    "create table identity (owner text not null, instrument text not null)",
    """
create table funding (
  ts integer primary key, rate text not null, mark text not null, long text not null, short text not null)""",
    """
create table history (
  resolution text not null, start integer not null, samples integer not null, ts integer not null,
  equity text, wallet text, realized text, unrealized text, funding text, fees text, net_inventory text,
  long_inventory text, short_inventory text, margin_ratio text, drawdown text, mark text, open_orders integer,
  throttle text, fills integer,
  low_equity text, low_unrealized text, low_net_inventory text, low_long_inventory text, low_short_inventory text,
  low_margin_ratio text, low_drawdown text, low_mark text,
  high_equity text, high_unrealized text, high_net_inventory text, high_long_inventory text, high_short_inventory text,
  high_margin_ratio text, high_drawdown text, high_mark text,
  primary key (resolution, start)) without rowid""",
    # autoincrement: a cursor must never meet a number again that pruning has freed.
    """
create table audit (
  number integer primary key autoincrement, time text not null, ts integer not null, operation text not null,
  who text not null, key text not null, role text not null, what text not null, result text not null, why text,
  asked text)""",
    f"pragma application_id = {APPLICATION_ID}",
)
TABLES_OF_1 = frozenset({"lots", "orders", "fills", "entries"})


def create(db: sqlite3.Connection, owner: str, instrument: str) -> None:
    """Make the tables of this version; within the caller's transaction."""
    for statement in (_LOTS, _ORDERS, _FILLS, _ENTRIES, *_SINCE_2):
        db.execute(statement)
    _sign(db, owner, instrument)
    db.execute(f"pragma user_version = {SCHEMA_VERSION}")


def migrate(db: sqlite3.Connection, version: int, owner: str, instrument: str) -> None:
    """Bring a file of an older version to this one, step by step; within the caller's transaction."""
    for step in range(version, SCHEMA_VERSION):
        _STEPS[step](db, owner, instrument)
    db.execute(f"pragma user_version = {SCHEMA_VERSION}")


def _from_1(db: sqlite3.Connection, owner: str, instrument: str) -> None:
    db.execute("alter table lots add column stop_loss_steps integer not null default 0")
    db.execute("alter table orders add column trigger_price text")
    db.execute("alter table orders add column limit_price text")
    for statement in _SINCE_2:
        db.execute(statement)
    _sign(db, owner, instrument)


_STEPS: Mapping[int, Callable[[sqlite3.Connection, str, str], None]] = MappingProxyType({1: _from_1})
"""Each step takes a file from its version to the next."""


def _sign(db: sqlite3.Connection, owner: str, instrument: str) -> None:
    db.execute("insert into identity (owner, instrument) values (?, ?)", (owner, instrument))
