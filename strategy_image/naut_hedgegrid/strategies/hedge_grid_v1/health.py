"""Whether the store can be relied on: it answers, and what it was given it could write (F47).

A store that is slow for a moment keeps back the entries that it hasn't got, and nothing else. One that fails, or is
silent for `HUNG_SECONDS`, closes the gate until everything is written. Nothing that reduces risk waits for it.
"""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from naut_hedgegrid.grid.records import Changes

log = logging.getLogger(__name__)

STORE_FAILED = "StoreFailed"
"""Reason of the condition, and of the closed gate."""
PATIENCE_SECONDS = 0.5
"""So long a send that reduces risk waits for the store, and the answer to a command."""
HUNG_SECONDS = 5.0
"""A store that doesn't answer for so long has failed, until it answers."""


class Store(Protocol):
    """Where changes are written."""

    @property
    def path(self) -> Path | None:
        """The file, where there is one."""
        ...

    @property
    def failure(self) -> str | None:
        """Why nothing can be written at present; None while it can."""
        ...

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        """Write changes; done when they would survive the process, durable: the machine."""
        ...


class StoreHealth:
    """A store, and the watch over it."""

    def __init__(self, store: Store, now: Callable[[], float], changed: Callable[[], None]) -> None:
        """`now` is monotonic, in seconds; `changed` is called when the store has failed, and when everything that it
        was given is written after all."""
        self.failure = store.failure
        """Why entries are stopped; None while the store can be relied on."""
        self._store = store
        self._now = now
        self._changed = changed
        self._answered: Future[None] | None = None
        self._unanswered: deque[tuple[Future[None], float]] = deque()

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        """As `Store.commit`."""
        future = self._store.commit(changes, durable=durable)
        # In a backtest it is the same one each time, and asking it again would cost more than the rest.
        if future is not self._answered:
            if future.done():
                self._answered = future
            else:
                self._unanswered.append((future, self._now()))
        return future

    def check(self) -> None:
        """Look at the store; called by timer, and when a write has failed."""
        waiting = self._unanswered
        while waiting and waiting[0][0].done():
            waiting.popleft()
        hung = bool(waiting) and self._now() - waiting[0][1] >= HUNG_SECONDS
        before = self.failure
        self.failure = self._store.failure or (self._hung() if hung else None)
        if (before is None) == (self.failure is None):
            return
        if self.failure is not None:
            log.error("entries stop: %s", self.failure)
        else:
            log.info("the store can be relied on again")
        self._changed()

    def _hung(self) -> str:
        name = self._store.path or "the store"
        return f"{name}: no write was answered for {HUNG_SECONDS:.0f} s; see to the health of its volume"
