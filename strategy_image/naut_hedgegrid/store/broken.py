"""What stands in for a store that can't be opened: it refuses everything, so that entries stop and a kill still works.

The process lives on with it, for it can still cancel, close and answer; a process that ends instead, again and again,
can't be told to flatten.
"""

from concurrent.futures import Future
from typing import IO, Any

from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.errors import StoreError, StoreProblem
from naut_hedgegrid.store.opening import locked
from naut_hedgegrid.store.protocol import AuditEntry, AuditRecord, Page
from naut_hedgegrid.store.samples import Point, Resolution, Sample


class BrokenStore:
    """Refuses everything with the error that kept the file from being opened. Holds the file's lock where it can."""

    def __init__(self, error: StoreError, *, lock: bool = True) -> None:
        """`lock` False: this process holds the lock already, or waits for it.

        Raises:
            StoreError: another process has the file.
        """
        self.path = error.path
        self.failure: str | None = str(error)
        self._error = error
        self._lock: IO[bytes] | None = None
        if not lock:
            return
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
