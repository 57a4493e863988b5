"""Reads the stores of running pods, many times a second, and the venues' books at the end; it disturbs nobody."""

import json
import sqlite3
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.values import Leg, OrderFilled
from naut_hedgegrid.venues.sim.audit import Audit, Snapshot
from naut_hedgegrid.venues.sim.records import LoggedCommand
from tests.chaos.evidence import Held, Sighting

LOOK_SECONDS = 0.05
LATE_SECONDS = 0.003
"""A sleep that takes so much too long is worth noting."""


def sighting(at: int, controls: dict[str, Any]) -> Sighting | None:
    """What a store's controls say; None before the first document."""
    document = controls.get("document")
    if document is None:
        return None
    legs = {
        Leg(leg): Held(held["operationID"], LegLevel(held["level"]), _nanoseconds(held.get("delivered")))
        for leg, held in controls["engagements"].items()
    }
    return Sighting(at, document["generation"], legs, frozenset(latch["id"] for latch in controls["latches"]))


def _nanoseconds(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1e6) * 1000


class Store:
    """One pod's store, as somebody beside it sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._last = ""
        self._stamp = 0, 0
        self.sightings: list[Sighting] = []
        self.kept: dict[str, int] = {}
        """When each order was first seen."""

    def look(self) -> None:
        """Note what has changed since the last look; a store that can't be read just now is read the next time."""
        with suppress(sqlite3.Error, FileNotFoundError):
            # A commit appends to this file. Where it is gone, so is the pod that wrote.
            stamp = self._path.with_name(f"{self._path.name}-wal").stat()
            if (stamp.st_mtime_ns, stamp.st_size) == self._stamp:
                return
            if self._db is None:
                self._db = sqlite3.connect(
                    f"{self._path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
                )
            # Orders first: what is among them was written before the controls that are read next.
            orders = self._db.execute("select client_order_id from orders").fetchall()
            row = self._db.execute("select value from entries where name = 'controls'").fetchone()
            self._stamp = stamp.st_mtime_ns, stamp.st_size
            now = time.time_ns()
            for (order,) in orders:
                self.kept.setdefault(order, now)
            if row is None or row[0] == self._last:
                return
            # The clock after the read: it stood there at this time, perhaps earlier, never later.
            found = sighting(now, json.loads(row[0]))
            self._last = row[0]
            if found is not None:
                self.sightings.append(found)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()


class Witness:
    """Looks at stores in a thread of its own, from `watch` on, until it is closed."""

    def __init__(self) -> None:
        self._stores: dict[Path, Store] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self.lateness: list[tuple[int, int]] = []
        """When, and by how many ns, this thread slept too long."""
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def watch(self, path: Path) -> Store:
        """Look at this store from now on."""
        with self._lock:
            return self._stores.setdefault(path, Store(path))

    def close(self) -> None:
        """Stop looking."""
        self._end.set()
        self._thread.join()
        for store in self._stores.values():
            store.close()

    def look(self) -> None:
        """Look at all of them now."""
        with self._lock:
            for store in self._stores.values():
                store.look()

    def _run(self) -> None:
        slept_at = time.monotonic()
        while not self._end.wait(LOOK_SECONDS):
            late = time.monotonic() - slept_at - LOOK_SECONDS
            if late > LATE_SECONDS:
                self.lateness.append((time.time_ns(), round(late * 1e9)))
            self.look()
            slept_at = time.monotonic()


def read_book(path: Path, after: int = 0) -> tuple[list[LoggedCommand], list[OrderFilled], Snapshot | None]:
    """Order log after a sequence number, all fills and the state of a venue; nothing where none was ever made."""
    try:
        with Audit(path) as audit:
            return audit.order_log(after), audit.fills(), audit.snapshot()
    except sqlite3.OperationalError:
        return [], [], None
