"""Reads for people and programs: on a connection and in a thread of their own, so that they hold up nobody."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from naut_hedgegrid.domain.values import OrderFilled
from naut_hedgegrid.store import rows
from naut_hedgegrid.store.errors import StoreError, damaged, is_damage, unreadable
from naut_hedgegrid.store.opening import connection
from naut_hedgegrid.store.protocol import LARGEST_PAGE, AuditRecord, Page
from naut_hedgegrid.store.samples import Point, Resolution

type _Query = Callable[[sqlite3.Connection], Any]


class Reader:
    """Answers reads one after another. A file that turns out to be damaged is told to `on_damage`."""

    def __init__(self, path: Path, on_damage: Callable[[StoreError], StoreError]) -> None:
        self._path = path
        self._on_damage = on_damage
        self._queue: queue.SimpleQueue[tuple[_Query, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"reader {path.name}", daemon=True)
        self._thread.start()

    def history(self, resolution: Resolution, start: int, end: int, limit: int) -> Future[Page[Point]]:
        """As `GridStore.history`."""
        text = "select * from history where resolution = ? and start >= ? and start < ? order by start limit ?"
        return self._ask(text, (resolution.value, start, end), limit, rows.point, lambda found: found[limit]["start"])

    def fills(self, before: int | None, limit: int) -> Future[Page[OrderFilled]]:
        """As `GridStore.fills`."""
        return self._newest("fills", "trade_id", before, limit, rows.fill)

    def audit(self, before: int | None, limit: int) -> Future[Page[AuditRecord]]:
        """As `GridStore.audit`."""
        return self._newest("audit", "number", before, limit, rows.audit_record)

    def close(self) -> None:
        """End after what is being read."""
        self._queue.put(None)
        self._thread.join(timeout=1)

    def _newest[T](
        self, table: str, key: str, before: int | None, limit: int, item: Callable[[sqlite3.Row], T]
    ) -> Future[Page[T]]:
        where, values = ("", ()) if before is None else (f"where {key} < ?", (before,))
        text = f"select * from {table} {where} order by {key} desc limit ?"  # noqa: S608
        return self._ask(text, values, limit, item, lambda found: found[limit - 1][key])

    def _ask[T](
        self,
        text: str,
        values: tuple[Any, ...],
        limit: int,
        item: Callable[[sqlite3.Row], T],
        cursor: Callable[[list[sqlite3.Row]], int],
    ) -> Future[Page[T]]:
        if not 1 <= limit <= LARGEST_PAGE:
            raise ValueError(f"limit {limit} is outside 1..{LARGEST_PAGE}")

        def page(db: sqlite3.Connection) -> Page[T]:
            found = db.execute(text, (*values, limit + 1)).fetchall()
            items = tuple(item(row) for row in found[:limit])
            return Page(items, cursor(found) if len(found) > limit else None)

        future: Future[Page[T]] = Future()
        self._queue.put((page, future))
        return future

    def _run(self) -> None:
        db: sqlite3.Connection | None = None
        while (item := self._queue.get()) is not None:
            query, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                db = db or connection(self._path, read_only=True)
                future.set_result(query(db))
            except (sqlite3.Error, ValueError, ArithmeticError) as error:
                future.set_exception(self._problem(error))
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()

    def _problem(self, error: Exception) -> StoreError:
        """What a row can't be turned back into a value is damaged too."""
        if isinstance(error, sqlite3.Error) and not is_damage(error):
            return unreadable(self._path, error)
        return self._on_damage(damaged(self._path, error))
