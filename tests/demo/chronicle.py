"""What the API server says about the grid, event by event, with the time at which a bare watch saw it."""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import urllib3

from tests.demo.seeing import NotYet
from tests.kube import ApiError, Cluster

type Json = dict[str, Any]

HEDGE_GRID = ("hedgegrid.io/v1alpha1", "HedgeGrid")
RETRY_SECONDS = 0.2


@dataclass
class Chronicle:
    """Follows one HedgeGrid in a thread of its own."""

    cluster: Cluster
    name: str
    namespace: str
    _newest: Json | None = None
    _deleted_at: float | None = None
    _accepted_at: dict[int, float] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._follow, name="chronicle", daemon=True).start()

    def stop(self) -> None:
        """Forget about it; the thread ends with the API server."""
        self._ended.set()

    @property
    def grid(self) -> Json:
        """The object as last seen; also when it has been deleted since. Raises NotYet before the first event."""
        if self._newest is None:
            raise NotYet("no HedgeGrid")
        return self._newest

    @property
    def status(self) -> Json:
        """Its status, {} before the first."""
        found: Json = self.grid.get("status", {})
        return found

    @property
    def kill_switch(self) -> Json:
        """Kill switch in the status."""
        found: Json = self.status.get("control", {}).get("killSwitch", {})
        return found

    @property
    def uid(self) -> str:
        """Its uid."""
        return str(self.grid["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """Generation of the spec as last seen."""
        return int(self.grid["metadata"]["generation"])

    def accepted_at(self, generation: int) -> float:
        """When the watch showed that generation, seconds since the epoch: the API server has it stored by then."""
        if generation not in self._accepted_at:
            raise NotYet(f"generation {max(self._accepted_at, default=0)}")
        return self._accepted_at[generation]

    @property
    def deleted_at(self) -> float:
        """When the object was gone, seconds since the epoch; raises NotYet while it is there."""
        if self._deleted_at is None:
            raise NotYet("the object is still there")
        return self._deleted_at

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next((item for item in self.status.get("conditions", []) if item["type"] == kind), None)
        return (found["status"], found["reason"]) if found else ("Unknown", "absent")

    def told(self) -> str:
        """In a line, as `kubectl get` has it."""
        status, reason = self.condition("Ready")
        kill = self.kill_switch.get("state", "unknown")
        return f"phase {self.status.get('phase', 'none')}, Ready {status} ({reason}), kill switch {kill}"

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                for kind, grid in self.cluster.api.watch(*HEDGE_GRID, self.name, self.namespace):
                    self._saw(kind, grid, time.time())
            except (urllib3.exceptions.HTTPError, ApiError):  # it ends with the API server, or begins anew
                self._ended.wait(RETRY_SECONDS)

    def _saw(self, kind: str, grid: Json, at: float) -> None:
        if kind not in {"ADDED", "MODIFIED", "DELETED"}:
            return
        self._accepted_at.setdefault(grid["metadata"]["generation"], at)
        self._newest = grid
        if kind == "DELETED":
            self._deleted_at = at


def moment(status: Json, name: str) -> float:
    """Seconds since the epoch of a time in a status; raises NotYet where it is absent."""
    if name not in status:
        raise NotYet(f"no {name}")
    return datetime.fromisoformat(status[name]).timestamp()
