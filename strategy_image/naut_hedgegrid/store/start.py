"""The store at the start of a process: whatever is wrong with the file, the process starts.

Only a file that another process has ends the start: one grid has one strategy.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naut_hedgegrid.grid.records import Snapshot
from naut_hedgegrid.store.broken import BrokenStore
from naut_hedgegrid.store.errors import StoreError, StoreProblem, damaged, unopened
from naut_hedgegrid.store.protocol import GridStore
from naut_hedgegrid.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
"""A file that isn't open after so long is on a volume that hangs; a kill can't wait for it."""

type Check = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store and what it knows from before."""

    store: GridStore
    snapshot: Snapshot = field(default_factory=Snapshot)
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    """Single values by name."""


def open_store(path: Path, owner: str, instrument: str, check: Check, *, patience: float = OPEN_SECONDS) -> OpenedStore:
    """Open a grid's store; where it can't be opened, a `BrokenStore` that knows nothing.

    `check` raises ValueError for single values that make no sense; `patience` is in seconds.

    Raises:
        StoreError: another process has the file.
    """
    attempt = _in_a_thread(lambda: _opened(path, owner, instrument, check), path.name)
    try:
        return attempt.result(patience)
    except TimeoutError:
        # What is opened after all stays unused, and keeps the lock until the process ends.
        broken = BrokenStore(unopened(path, f"no answer within {patience:g} s"), lock=False)
    except StoreError as error:
        if error.problem is StoreProblem.IN_USE:
            raise
        broken = BrokenStore(error)
    log.error("entries stop, exits stay, a kill works from memory: %s", broken.failure)
    return OpenedStore(broken)


def _in_a_thread[T](function: Callable[[], T], name: str) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name=f"open {name}", daemon=True).start()
    return future


def _opened(path: Path, owner: str, instrument: str, check: Check) -> OpenedStore:
    store = SqliteStore(path, owner, instrument)
    try:
        snapshot, values = store.load()
        try:
            check(values)
        except ValueError as error:
            raise damaged(path, error) from error
    except BaseException:
        store.close()
        raise
    return OpenedStore(store, snapshot, values)
