"""A store that keeps nothing: for a backtest, whose market can be run again at any time."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.protocol import AuditEntry, AuditRecord, Page
from naut_hedgegrid.store.samples import Point, Resolution, Sample


def done[T](result: T) -> Future[T]:
    """A future that is done."""
    future: Future[T] = Future()
    future.set_result(result)
    return future


_DONE = done(None)
_EMPTY: Future[Page[Any]] = done(Page((), None))


class NullStore:
    """Takes everything and keeps nothing."""

    path: Path | None = None
    failure: str | None = None

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:  # noqa: ARG002
        """Done at once; the same future each time."""
        return _DONE

    def record_sample(self, sample: Sample) -> Future[None]:  # noqa: ARG002
        """Done at once."""
        return _DONE

    def record_audit(self, entry: AuditEntry) -> Future[None]:  # noqa: ARG002
        """Done at once."""
        return _DONE

    def history(self, resolution: Resolution, start: int, end: int, limit: int) -> Future[Page[Point]]:  # noqa: ARG002
        """Nothing."""
        return _EMPTY

    def fills(self, before: int | None, limit: int) -> Future[Page[OrderFilled]]:  # noqa: ARG002
        """Nothing."""
        return _EMPTY

    def audit(self, before: int | None, limit: int) -> Future[Page[AuditRecord]]:  # noqa: ARG002
        """Nothing."""
        return _EMPTY

    def close(self) -> None:
        """Nothing to free."""
