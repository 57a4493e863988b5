"""Values as rows and back. Decimals are text: exact, whatever their digits."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from naut_hedgegrid.domain.grid import Lot, LotKey, WorkingOrder
from naut_hedgegrid.domain.values import FundingSettled, Leg, OrderFilled, OrderKind, Role, Side
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.protocol import AuditEntry, AuditRecord
from naut_hedgegrid.store.samples import FIGURES, RANGED, SECOND, Extremes, Point, Resolution, Sample

type Row = Mapping[str, Any] | sqlite3.Row

_FILL = tuple(field.name for field in fields(OrderFilled))
_LOT = tuple(name for name in Lot._fields if name != "key")
_ORDER = tuple(name for name in WorkingOrder._fields if name != "status")
"""What is kept of each as it is."""
_WHOLE = frozenset({"open_orders", "fills"})
"""Figures of a sample that are counts."""


def upsert(db: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those of the same key."""
    for row in rows:
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        db.execute(f"insert or replace into {table} ({columns}) values ({marks})", tuple(row.values()))  # noqa: S608


def write(db: sqlite3.Connection, changes: Changes) -> None:
    """Write changes; within the caller's transaction."""
    gone_lots = [(key.leg, key.level, key.n) for key, lot in changes.lots.items() if lot is None]
    db.executemany("delete from lots where leg = ? and level = ? and n = ?", gone_lots)
    upsert(db, "lots", (_lot_row(lot) for lot in changes.lots.values() if lot is not None))
    gone_orders = [(name,) for name, order in changes.orders.items() if order is None]
    db.executemany("delete from orders where client_order_id = ?", gone_orders)
    upsert(db, "orders", (_order_row(order) for order in changes.orders.values() if order is not None))
    upsert(db, "fills", (_plain(fill, _FILL) for fill in changes.fills))
    upsert(db, "funding", (_funding_row(settled) for settled in changes.funding))
    values = changes.values if changes.totals is None else changes.values | {"totals": changes.totals.plain()}
    upsert(db, "entries", ({"name": k, "value": json.dumps(v)} for k, v in values.items()))


def lot(row: Row) -> Lot:
    """A row of `lots`."""
    return Lot(
        key=LotKey(Leg(row["leg"]), row["level"], row["n"]),
        seq=row["seq"],
        price=Decimal(row["price"]),
        step=Decimal(row["step"]),
        take_profit_steps=row["take_profit_steps"],
        bought=Decimal(row["bought"]),
        sold=Decimal(row["sold"]),
        entry_done=bool(row["entry_done"]),
        next_part=row["next_part"],
        stop_loss_steps=row["stop_loss_steps"],
    )


def order(row: Row) -> WorkingOrder:
    """A row of `orders`."""
    return WorkingOrder(
        client_order_id=row["client_order_id"],
        leg=Leg(row["leg"]),
        level=row["level"],
        role=Role(row["role"]),
        n=row["n"],
        part=row["part"],
        side=Side(row["side"]),
        kind=OrderKind(row["kind"]),
        quantity=Decimal(row["quantity"]),
        price=_decimal(row["price"]),
        post_only=bool(row["post_only"]),
        step=Decimal(row["step"]),
        filled=Decimal(row["filled"]),
        trigger_price=_decimal(row["trigger_price"]),
        limit=_decimal(row["limit_price"]),
    )


def fill(row: Row) -> OrderFilled:
    """A row of `fills`."""
    return OrderFilled(
        trade_id=row["trade_id"],
        client_order_id=row["client_order_id"],
        leg=Leg(row["leg"]),
        side=Side(row["side"]),
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        commission=Decimal(row["commission"]),
        maker=bool(row["maker"]),
        realized_pnl=Decimal(row["realized_pnl"]),
        ts=row["ts"],
    )


def point_row(resolution: Resolution, point: Point) -> Mapping[str, Any]:
    """A period as a row of `history`."""
    last = {name: getattr(point.last, name) for name in FIGURES}
    ranges = {
        f"{side}_{name}": getattr(extremes, name)
        for side, extremes in (("low", point.low), ("high", point.high))
        for name in RANGED
    }
    figures = {k: str(v) if isinstance(v, Decimal) else v for k, v in (last | ranges).items()}
    key = {"resolution": resolution.value, "start": point.start}
    return {**key, "samples": point.samples, "ts": point.last.ts, **figures}


def point(row: Row) -> Point:
    """A row of `history`."""
    last: dict[str, Any] = {name: row[name] if name in _WHOLE else _decimal(row[name]) for name in FIGURES}
    low, high = ({name: _decimal(row[f"{side}_{name}"]) for name in RANGED} for side in ("low", "high"))
    return Point(row["start"], row["samples"], Sample(row["ts"], **last), Extremes(**low), Extremes(**high))


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    """An audit entry as a row of `audit`, without its number."""
    times = {
        name: None if at is None else at.isoformat() for name, at in (("time", entry.time), ("asked", entry.asked))
    }
    return {**asdict(entry), **times, "ts": nanoseconds(entry.time)}


def audit_record(row: Row) -> AuditRecord:
    """A row of `audit`."""
    entry = AuditEntry(
        time=datetime.fromisoformat(row["time"]),
        operation=row["operation"],
        who=row["who"],
        key=row["key"],
        role=row["role"],
        what=row["what"],
        result=row["result"],
        why=row["why"],
        asked=None if row["asked"] is None else datetime.fromisoformat(row["asked"]),
    )
    return AuditRecord(row["number"], entry)


def nanoseconds(time: datetime) -> int:
    """A moment since the epoch, exact to the microsecond."""
    since = time - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _plain(value: OrderFilled | Lot | WorkingOrder, names: Iterable[str]) -> dict[str, Any]:
    values = ((name, getattr(value, name)) for name in names)
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values}


def _funding_row(settled: FundingSettled) -> dict[str, Any]:
    cash = {leg.value.lower(): str(amount) for leg, amount in settled.cash.items()}
    return {"ts": settled.ts, "rate": str(settled.rate), "mark": str(settled.mark), **cash}


def _lot_row(lot: Lot) -> dict[str, Any]:
    return {"leg": lot.key.leg, "level": lot.key.level, "n": lot.key.n, **_plain(lot, _LOT)}


def _order_row(order: WorkingOrder) -> dict[str, Any]:
    row = _plain(order, _ORDER)
    row["limit_price"] = row.pop("limit")
    return row
