"""What a store does for the strategy and for operations, whatever is behind it."""

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.samples import Point, Resolution, Sample

LARGEST_PAGE = 1_000
"""So many rows a read answers at most."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One emergency operation: who did what, why, and what came of it."""

    time: datetime
    """When it was carried out; wall time, with a time zone."""
    operation: str
    """Like `flatten`, `throttle`, `resume`, `control`."""
    who: str
    """On whose behalf: field manager of a spec change, else the name of the key."""
    key: str
    """Name of the key that was used."""
    role: str
    """Role of the key: viewer, trader or admin."""
    what: str
    """A few words."""
    result: str
    """A few words."""
    why: str | None = None
    """The reason that was given."""
    asked: datetime | None = None
    """When the spec was changed; None for a call of the API."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An audit entry in the store."""

    number: int
    """Grows; never used twice."""
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a read."""

    items: tuple[T, ...]
    next: int | None
    """Cursor of the following page; None where nothing follows. What is added meanwhile moves no page: cursors are
    keys, not counts."""


@runtime_checkable
class Archive(Protocol):
    """What is kept for people: history and audit log, and the fills. No call waits for the disk; every answer is a
    future, which may carry a `StoreError`."""

    def record_sample(self, sample: Sample) -> Future[None]:
        """Add a sample to the history."""
        ...

    def record_audit(self, entry: AuditEntry) -> Future[None]:
        """Add a line to the audit log; durable."""
        ...

    def history(self, resolution: Resolution, start: int, end: int, limit: int) -> Future[Page[Point]]:
        """Periods that begin in [start, end), oldest first. Times are wall time in nanoseconds; the cursor is the
        `start` of the next page. `limit` 1 to LARGEST_PAGE, as in the other reads."""
        ...

    def fills(self, before: int | None, limit: int) -> Future[Page[OrderFilled]]:
        """Fills, newest first: of trade ids below `before`, None for the newest."""
        ...

    def audit(self, before: int | None, limit: int) -> Future[Page[AuditRecord]]:
        """Audit log, newest first: of numbers below `before`, None for the newest."""
        ...


class GridStore(Archive, Protocol):
    """A grid's store, archive included."""

    @property
    def path(self) -> Path | None:
        """The file, where there is one."""
        ...

    @property
    def failure(self) -> str | None:
        """Why nothing can be written at present, naming the file and the remedy; None while it can. Any thread."""
        ...

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        """Write changes in one transaction, in the order of the calls: done when they would survive the process,
        durable: the machine. Changes that failed are kept and written with the next that can be."""
        ...

    def close(self) -> None:
        """Write what is queued and free the file."""
        ...
