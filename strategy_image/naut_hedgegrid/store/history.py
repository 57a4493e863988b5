"""What is added to history, fills, funding and audit log, and what is too old goes with it.

Whoever adds a row takes away a few of the oldest, so that pruning never comes in one long piece and a single row with
a wrong time can't empty a table. Age counts from the newest row of the same table; SQLite uses freed pages again, so
the file stays as large as its retention asks for.
"""

import sqlite3
from collections.abc import Iterator

from naut_hedgegrid.domain.grid import LotKey
from naut_hedgegrid.grid.ids import parse
from naut_hedgegrid.store import rows
from naut_hedgegrid.store.protocol import AuditEntry
from naut_hedgegrid.store.samples import SECOND, Resolution, Sample, first_point

YEAR = 365 * 86_400 * SECOND
FILLS_KEPT = YEAR
"""Market time. Fills of an open lot are kept however old they are."""
FUNDING_KEPT = YEAR
"""Market time."""
AUDIT_KEPT = YEAR
"""Wall time."""
PRUNED_AT_ONCE = 50
"""So many rows go at most with one that comes."""


def add_sample(db: sqlite3.Connection, sample: Sample) -> None:
    """Add a sample to the period of each resolution that it falls into."""
    sample = sample.rounded()
    for resolution in Resolution:
        key = (resolution.value, resolution.start_of(sample.ts))
        row = db.execute("select * from history where resolution = ? and start = ?", key).fetchone()
        point = first_point(resolution, sample) if row is None else rows.point(row).plus(sample)
        rows.upsert(db, "history", [rows.point_row(resolution, point)])
        if resolution.kept is not None:
            db.execute(
                "delete from history where resolution = :resolution and start in (select start from history "
                "where resolution = :resolution and start < :oldest order by start limit :most)",
                {
                    "resolution": resolution.value,
                    "oldest": sample.ts - resolution.kept,
                    "most": PRUNED_AT_ONCE,
                },
            )


def add_audit(db: sqlite3.Connection, entry: AuditEntry) -> None:
    """Add a line to the audit log."""
    row = rows.audit_row(entry)
    rows.upsert(db, "audit", [row])
    _prune(db, "audit", "number", _older(db, "audit", "number", row["ts"] - AUDIT_KEPT))


def prune_fills(db: sqlite3.Connection, owner: str) -> None:
    """Called after fills were added."""
    newest = db.execute("select ts from fills order by trade_id desc limit 1").fetchone()
    if newest is not None:
        old = _older(db, "fills", "trade_id", newest["ts"] - FILLS_KEPT)
        _prune(db, "fills", "trade_id", (row for row in old if not _is_of_open_lot(db, row["client_order_id"], owner)))


def prune_funding(db: sqlite3.Connection) -> None:
    """Called after a settlement was added."""
    db.execute("delete from funding where ts < (select max(ts) from funding) - ?", (FUNDING_KEPT,))


def _older(db: sqlite3.Connection, table: str, key: str, oldest: int) -> Iterator[sqlite3.Row]:
    """The first rows, as long as they are too old: rows come in the order of their times, more or less."""
    for row in db.execute(f"select * from {table} order by {key}"):  # noqa: S608
        if row["ts"] >= oldest:
            return
        yield row


def _prune(db: sqlite3.Connection, table: str, key: str, old: Iterator[sqlite3.Row]) -> None:
    gone = [(row[key],) for row, _ in zip(old, range(PRUNED_AT_ONCE), strict=False)]
    db.executemany(f"delete from {table} where {key} = ?", gone)  # noqa: S608


def _is_of_open_lot(db: sqlite3.Connection, client_order_id: str, owner: str) -> bool:
    ident = parse(client_order_id, owner)
    if ident is None:
        return False
    key = LotKey(ident.leg, ident.level, ident.n)
    found = db.execute("select 1 from lots where leg = ? and level = ? and n = ?", (key.leg, key.level, key.n))
    return found.fetchone() is not None
