"""What stands in for a store that can't be opened: it refuses everything, so that entries stop and a kill still works.

The process lives on with it, for it can still cancel, close and answer; a process that ends instead, again and again,
can't be told to flatten.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.grid.records import Changes, Snapshot
from naut_hedgegrid.store.errors import StoreError, StoreProblem, damaged
from naut_hedgegrid.store.opening import locked
from naut_hedgegrid.store.protocol import AuditEntry, AuditRecord, GridStore, Page
from naut_hedgegrid.store.samples import Point, Resolution, Sample
from naut_hedgegrid.store.sqlite import SqliteStore

log = logging.getLogger(__name__)


class BrokenStore:
    """Refuses everything with the error that kept the file from being opened. Holds the file's lock where it can."""

    def __init__(self, error: StoreError) -> None:
        """
        Raises:
            StoreError: another process has the file.
        """
        self.path = error.path
        self.failure: str | None = str(error)
        self._error = error
        self._lock: IO[bytes] | None = None
        try:
            self._lock = locked(error.path)
        except StoreError as why:
            if why.problem is StoreProblem.IN_USE:
                raise

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:  # noqa: ARG002
        """Refused."""
        return self._refusal()

    def record_sample(self, sample: Sample) -> Future[None]:  # noqa: ARG002
        """Refused."""
        return self._refusal()

    def record_audit(self, entry: AuditEntry) -> Future[None]:  # noqa: ARG002
        """Refused; the log has the line."""
        return self._refusal()

    def history(self, resolution: Resolution, start: int, end: int, limit: int) -> Future[Page[Point]]:  # noqa: ARG002
        """Refused."""
        return self._refusal()

    def fills(self, before: int | None, limit: int) -> Future[Page[OrderFilled]]:  # noqa: ARG002
        """Refused."""
        return self._refusal()

    def audit(self, before: int | None, limit: int) -> Future[Page[AuditRecord]]:  # noqa: ARG002
        """Refused."""
        return self._refusal()

    def close(self) -> None:
        """Free the lock; the file is as it was."""
        if self._lock is not None:
            self._lock.close()

    def _refusal(self) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(self._error)
        return future


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store and what it knows from before."""

    store: GridStore
    snapshot: Snapshot = field(default_factory=Snapshot)
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    """Single values by name."""


def open_store(path: Path, owner: str, instrument: str, check: Callable[[Mapping[str, Any]], object]) -> OpenedStore:
    """Open a grid's store; where it can't be opened, a `BrokenStore` that knows nothing.

    `check` raises ValueError for single values that make no sense.

    Raises:
        StoreError: another process has the file.
    """
    try:
        store = SqliteStore(path, owner, instrument)
        try:
            snapshot, values = store.load()
            _checked(path, values, check)
        except BaseException:
            store.close()
            raise
    except StoreError as error:
        if error.problem is StoreProblem.IN_USE:
            raise
        broken = BrokenStore(error)
    else:
        return OpenedStore(store, snapshot, values)
    log.error("entries stop, exits stay, a kill works from memory: %s", broken.failure)
    return OpenedStore(broken)


def _checked(path: Path, values: Mapping[str, Any], check: Callable[[Mapping[str, Any]], object]) -> None:
    try:
        check(values)
    except ValueError as error:
        raise damaged(path, error) from error
