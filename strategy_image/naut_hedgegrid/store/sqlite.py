"""The grid's store: one SQLite file (WAL), one writer thread, one process.

The trading loop never waits for the disk: `commit` hands the changes to the thread and returns a future. Ordinary
changes survive the death of the process; those marked durable are also synced to the disk before the future is done.
What can't be written is kept and tried again, in the order in which it came, so that a disk that was full for a while
leaves no gap. A file that turns out to be damaged is not written any more.
"""

import json
import logging
import queue
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from naut_hedgegrid.domain.grid import Ladder
from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.grid.records import Changes, Snapshot, Totals
from naut_hedgegrid.store import history, rows
from naut_hedgegrid.store.errors import StoreError, damaged, is_damage, unstorable, unwritable
from naut_hedgegrid.store.opening import locked, opened
from naut_hedgegrid.store.protocol import AuditEntry, AuditRecord, Page
from naut_hedgegrid.store.reader import Reader
from naut_hedgegrid.store.samples import Point, Resolution, Sample

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""What couldn't be written is tried again this often, and with each new change."""
_RECENT_FILLS = 10_000


@dataclass(slots=True)
class _Job:
    """What one transaction writes."""

    changes: Changes = field(default_factory=Changes)
    audit: list[AuditEntry] = field(default_factory=list[AuditEntry])
    sample: Sample | None = None
    durable: bool = False
    done: Future[None] = field(default_factory=Future[None])

    def __post_init__(self) -> None:
        # Can't be cancelled: who gives up waiting must not stop the writer.
        self.done.set_running_or_notify_cancel()


class SqliteStore:
    """A grid's file. Opened by one process at a time."""

    def __init__(self, path: Path, owner: str, instrument: str) -> None:
        """`owner` is the grid's part of its client order ids; another grid's file isn't taken.

        Raises:
            StoreError: in use, damaged, foreign, newer, or not to be opened.
        """
        self.path = path
        self._owner = owner
        self._lost: StoreError | None = None
        """Why nothing is written any more."""
        self._trouble: StoreError | None = None
        """Why the last write failed; it is tried again."""
        self._overdue = _Job()
        """Written with the next job that can be."""
        self._lock = locked(path)
        try:
            self._connection = opened(path, owner, instrument)
        except BaseException:
            self._lock.close()
            raise
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._reader = Reader(path, self._give_up)
        self._thread = threading.Thread(target=self._run, name=f"store {path.name}", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """As `GridStore.failure`."""
        problem = self._lost or self._trouble
        return None if problem is None else str(problem)

    def load(self) -> tuple[Snapshot, dict[str, Any]]:
        """What is known from before, and the single values by name. Call before the first commit.

        Raises:
            StoreError: damaged.
        """
        try:
            return self._load()
        except (sqlite3.Error, ValueError, ArithmeticError, KeyError, TypeError) as error:
            raise self._give_up(damaged(self.path, error)) from error

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        """As `GridStore.commit`."""
        return self._put(_Job(changes, durable=durable))

    def record_sample(self, sample: Sample) -> Future[None]:
        """As `GridStore.record_sample`. A sample that can't be written is dropped: the next one comes soon."""
        return self._put(_Job(sample=sample))

    def record_audit(self, entry: AuditEntry) -> Future[None]:
        """As `GridStore.record_audit`."""
        return self._put(_Job(audit=[entry], durable=True))

    def history(self, resolution: Resolution, start: int, end: int, limit: int) -> Future[Page[Point]]:
        """As `GridStore.history`."""
        return self._reader.history(resolution, start, end, limit)

    def fills(self, before: int | None, limit: int) -> Future[Page[OrderFilled]]:
        """As `GridStore.fills`."""
        return self._reader.fills(before, limit)

    def audit(self, before: int | None, limit: int) -> Future[Page[AuditRecord]]:
        """As `GridStore.audit`."""
        return self._reader.audit(before, limit)

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._reader.close()
        self._queue.put(None)
        self._thread.join(timeout=10)
        self._lock.close()

    def _load(self) -> tuple[Snapshot, dict[str, Any]]:
        db = self._connection
        values = {row["name"]: json.loads(row["value"]) for row in db.execute("select name, value from entries")}
        ladder = values.get("ladder")
        totals = values.get("totals")
        recent = [row[0] for row in db.execute("select trade_id from fills order by 1 desc limit ?", (_RECENT_FILLS,))]
        snapshot = Snapshot(
            lots=tuple(rows.lot(row) for row in db.execute("select * from lots order by seq")),
            orders=tuple(rows.order(row) for row in db.execute("select * from orders")),
            ladder=Ladder(Decimal(ladder["centre"]), Decimal(ladder["step"])) if ladder else None,
            totals=Totals.from_plain(totals) if totals else Totals(),
            next_n=values.get("next_n", 0),
            last_trade_id=recent[0] if recent else 0,
            recent_trade_ids=frozenset(recent),
            last_funding_ts=db.execute("select coalesce(max(ts), 0) from funding").fetchone()[0],
        )
        return snapshot, values

    def _put(self, job: _Job) -> Future[None]:
        self._queue.put(job)
        return job.done

    # -- inside: the writer's thread

    def _run(self) -> None:
        going = True
        while going:
            try:
                job = self._queue.get(timeout=None if self._trouble is None else RETRY_SECONDS)
            except queue.Empty:
                job = _Job()
            going = job is not None
            self._carry_out(job or _Job())
        with suppress(sqlite3.Error):
            self._connection.close()

    def _carry_out(self, job: _Job) -> None:
        problem = self._lost or self._written(job)
        if problem is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(problem)

    def _written(self, job: _Job) -> StoreError | None:
        overdue = self._overdue
        try:
            self._transact(job, durable=job.durable or overdue.durable)
        except sqlite3.Error as error:
            if is_damage(error):
                return self._give_up(damaged(self.path, error))
            overdue.changes.add(job.changes)
            overdue.audit += job.audit
            overdue.durable |= job.durable
            return self._failed(unwritable(self.path, error))
        except Exception as error:  # noqa: BLE001  the thread has to live on; the store counts as lost
            return self._give_up(unstorable(self.path, error))
        if self._trouble is not None:
            self._overdue, self._trouble = _Job(), None
            log.info("%s can be written again; nothing is missing", self.path)
        return None

    def _failed(self, problem: StoreError) -> StoreError:
        if self._trouble is None:
            log.error("%s", problem)
        self._trouble = problem
        return problem

    def _transact(self, job: _Job, *, durable: bool) -> None:
        db = self._connection
        db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
        db.execute("begin immediate")
        try:
            for part in (self._overdue, job):
                self._write(db, part)
            db.execute("commit")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("rollback")
            raise

    def _write(self, db: sqlite3.Connection, job: _Job) -> None:
        rows.write(db, job.changes)
        if job.changes.fills:
            history.prune_fills(db, self._owner)
        if job.changes.funding:
            history.prune_funding(db)
        for entry in job.audit:
            history.add_audit(db, entry)
        if job.sample is not None:
            history.add_sample(db, job.sample)

    # -- inside: any thread

    def _give_up(self, problem: StoreError) -> StoreError:
        """Nothing is written any more: what could still be read or mended shall not get worse."""
        if self._lost is None:
            self._lost = problem
            log.error("%s", problem)
        return problem
