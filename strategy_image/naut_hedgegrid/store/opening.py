"""Opening a file: whose it is and whether it is sound is found out by reading alone, before anything is written."""

import sqlite3
from contextlib import closing
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO

from naut_hedgegrid.grid.ids import parse
from naut_hedgegrid.store.errors import damaged, foreign, in_use, is_damage, newer, unopened
from naut_hedgegrid.store.schema import APPLICATION_ID, SCHEMA_VERSION, TABLES_OF_1, create, migrate

BUSY_SECONDS = 5.0
"""So long a write waits for a lock that somebody else holds on the file."""
_LOG_BYTES = 4 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint."""


def locked(path: Path) -> IO[bytes]:
    """The lock beside the file, held while the file is open.

    Raises:
        StoreError: another process has it, or it can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("ab")
    except OSError as error:
        raise unopened(path, error) from error
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise in_use(path) from error
    except OSError as error:
        lock.close()
        raise unopened(path, error) from error
    return lock


def opened(path: Path, owner: str, instrument: str) -> sqlite3.Connection:
    """A connection to the grid's file, made or brought to this schema version where needed.

    Raises:
        StoreError: damaged, foreign, newer, or not to be opened; the file is as it was.
    """
    try:
        version = _version(path, owner, instrument)
        db = connection(path)
        try:
            db.execute("pragma journal_mode = wal")
            db.execute(f"pragma journal_size_limit = {_LOG_BYTES}")
            _bring_up(db, version, owner, instrument)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise (damaged if is_damage(error) else unopened)(path, error) from error
    return db


def connection(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that any one thread may use at a time; transactions are begun and ended by hand."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def _bring_up(db: sqlite3.Connection, version: int, owner: str, instrument: str) -> None:
    """In one transaction: after a failure the file is as it was."""
    if version == SCHEMA_VERSION:
        return
    db.execute("begin immediate")
    try:
        if version == 0:
            create(db, owner, instrument)
        else:
            migrate(db, version, owner, instrument)
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def _version(path: Path, owner: str, instrument: str) -> int:
    """Schema version of a sound file of this grid; 0 where there is nothing yet."""
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with closing(connection(path, read_only=True)) as db:
        application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
        tables = {row["name"] for row in db.execute("select name from sqlite_master where type = 'table'")}
        if not tables and application == version == 0:
            return 0
        if application not in (0, APPLICATION_ID) or (application == 0 and (version, tables) != (1, TABLES_OF_1)):
            raise foreign(path, "another program's SQLite file")
        if version > SCHEMA_VERSION:
            raise newer(path, version, SCHEMA_VERSION)
        found = db.execute("pragma quick_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(path, found)
        _check_owner(db, path, version, owner, instrument)
        return version


def _check_owner(db: sqlite3.Connection, path: Path, version: int, owner: str, instrument: str) -> None:
    if version == 1:
        names = "select client_order_id from orders union all select client_order_id from fills limit 100"
        strange = next((row[0] for row in db.execute(names) if parse(row[0], owner) is None), None)
        # Fills of a liquidation carry the venue's own ids; any grid's begin with the prefix.
        if strange is not None and strange.startswith("hg-"):
            raise foreign(path, f"another grid's store: it holds {strange}, this grid's ids begin with hg-{owner}-")
        return
    row = db.execute("select owner, instrument from identity").fetchone()
    if row is None:
        raise damaged(path, "it names no owner")
    if (row["owner"], row["instrument"]) != (owner, instrument):
        theirs, ours = f"hg-{row['owner']}- on {row['instrument']}", f"hg-{owner}- on {instrument}"
        raise foreign(path, f"another grid's store: it belongs to {theirs}, this grid is {ours}")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return db.execute(f"pragma {name}").fetchone()[0]
