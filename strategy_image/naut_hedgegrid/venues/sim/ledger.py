"""The file that the book lives in: SQLite with a write-ahead log.

Every change of the venue is one transaction. Killing the process at any moment leaves the last committed state; a
power failure may lose the newest transactions (`synchronous=NORMAL`), never the file.
"""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from naut_hedgegrid.domain.values import ZERO, FundingSettled, Leg
from naut_hedgegrid.venues.sim import rows, schema
from naut_hedgegrid.venues.sim.changes import Changes
from naut_hedgegrid.venues.sim.orders import BookOrder, OpenOrders
from naut_hedgegrid.venues.sim.records import BookFill
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.standing import Standing

# Nobody else writes; somebody who does must not hold up the loop.
_BUSY_SECONDS = 0.2


class BookFileError(RuntimeError):
    """The file isn't a book, or isn't this venue's, or is in use."""


class Ledger:
    """The open file. One process has it at a time; readers don't disturb it."""

    def __init__(self, path: Path, rules: VenueRules) -> None:
        """Open or make the file.

        Raises BookFileError if it is in use by another process, of another layout, or another instrument's.
        """
        self._path = path
        self._lock = _locked(path)
        with contextlib.ExitStack() as undone:
            undone.callback(self._lock.close)
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            undone.callback(self._db.close)
            self._db.row_factory = sqlite3.Row
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._prepare(rules)
            undone.pop_all()

    def _prepare(self, rules: VenueRules) -> None:
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version == 0:
            self._db.executescript(schema.SCHEMA)
        else:
            self._migrate(version)
        row = self._db.execute("select instrument from venue").fetchone()
        if row is None:
            self._db.execute(schema.INSERT_STATE, (rules.instrument.symbol, str(rules.starting_balance)))
        elif row["instrument"] != rules.instrument.symbol:
            raise BookFileError(
                f"{self._path} is the book of {row['instrument']}, not of {rules.instrument.symbol}: use another file"
            )
        if self._db.in_transaction:
            self._db.execute("commit")

    def _migrate(self, version: int) -> None:
        """Bring an older file to this layout, a step a transaction."""
        if not 0 < version <= schema.SCHEMA_VERSION:
            raise BookFileError(
                f"{self._path} has layout {version}; this version reads layouts 1 to {schema.SCHEMA_VERSION}: start "
                "the version that wrote it, or use another file"
            )
        for step in range(version, schema.SCHEMA_VERSION):
            try:
                self._db.executescript(schema.MIGRATIONS[step])
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        self._lock.close()

    def standing(self) -> Standing:
        """Where the venue stands."""
        standing = rows.read_standing(self._db.execute("select * from venue").fetchone())
        standing.open = OpenOrders(self.open_orders())
        return standing

    def open_orders(self) -> list[BookOrder]:
        """Open orders, oldest first."""
        return [rows.read_order(row) for row in self._db.execute(schema.SELECT_OPEN_ORDERS)]

    def newest_order(self, client_order_id: str) -> BookOrder | None:
        """The newest order with that id, open or not."""
        row = self._db.execute(
            "select * from orders where client_order_id = ? order by order_id desc limit 1", (client_order_id,)
        ).fetchone()
        return None if row is None else rows.read_order(row)

    def fills(self, after_trade_id: int) -> Iterator[BookFill]:
        """Fills after a trade id, oldest first."""
        return map(rows.read_fill, self._db.execute(schema.SELECT_FILLS, (after_trade_id,)))

    def settlements(self, after_ts: int) -> tuple[FundingSettled, ...]:
        """Settlements after a time, oldest first."""
        found: dict[int, FundingSettled] = {}
        for row in self._db.execute("select * from funding where ts > ? order by ts", (after_ts,)):
            payment = rows.read_funding(row)
            settled = found.setdefault(
                payment.ts, FundingSettled(payment.ts, payment.rate, payment.mark, dict.fromkeys(Leg, ZERO))
            )
            settled.cash[payment.leg] = payment.amount
        return tuple(found.values())

    def fill(self, trade_id: int) -> BookFill:
        """A fill. Raises KeyError if there is none with that id."""
        row = self._db.execute("select * from fills where trade_id = ?", (trade_id,)).fetchone()
        if row is None:
            raise KeyError(trade_id)
        return rows.read_fill(row)

    def fills_of_order(self, order_id: int) -> list[BookFill]:
        """An order's fills, oldest first."""
        found = self._db.execute("select * from fills where order_id = ? order by trade_id", (order_id,))
        return [rows.read_fill(row) for row in found]

    def fills_of_leg(self, leg: Leg, from_trade_id: int) -> list[BookFill]:
        """A leg's fills from a trade id on, oldest first."""
        found = self._db.execute(
            "select * from fills where leg = ? and trade_id >= ? order by trade_id", (leg, from_trade_id)
        )
        return [rows.read_fill(row) for row in found]

    def first_trade_of(self, order_ids: Iterable[int]) -> int | None:
        """Oldest fill of any of these orders; None where they have none."""
        query = "select min(trade_id) from fills where order_id = ?"
        firsts = (self._db.execute(query, (order_id,)).fetchone()[0] for order_id in order_ids)
        return min((first for first in firsts if first is not None), default=None)

    def orders(self, order_ids: Iterable[int]) -> list[BookOrder]:
        """Orders by id, open or not."""
        query = "select * from orders where order_id = ?"
        return [rows.read_order(self._db.execute(query, (order_id,)).fetchone()) for order_id in order_ids]

    def commit(self, changes: Changes, standing: Standing) -> None:
        """Write everything or nothing. Raises sqlite3.Error (disk full, …) with nothing written."""
        db = self._db
        db.execute("begin immediate")
        try:
            if changes.orders:
                db.executemany(schema.UPSERT_ORDER, map(rows.order_row, changes.orders.values()))
            if changes.fills:
                db.executemany(schema.INSERT_FILL, map(rows.fill_row, changes.fills))
            if changes.funding:
                db.executemany(schema.INSERT_FUNDING, map(rows.funding_row, changes.funding))
            if changes.commands:
                db.executemany(schema.INSERT_COMMAND, map(rows.command_row, changes.commands))
            if changes.transfers:
                db.executemany(schema.INSERT_TRANSFER, map(rows.transfer_row, changes.transfers))
            db.execute(schema.UPDATE_STATE, rows.state_row(standing))
            db.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.OperationalError):  # SQLite has rolled back by itself
                db.execute("rollback")
            raise


def _locked(path: Path) -> IO[bytes]:
    lock = path.with_name(path.name + ".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise BookFileError(f"{path} is in use by another process: a book has one venue at a time") from error
    return lock
