"""A grid from `apply` to a pod that is ready: new objects, one after the other, seen by a plain watch."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import urllib3

from naut_hedgegrid.venues.sim.audit import Audit
from tests.bench.rig import GRID, NAMESPACE, Json, Rig
from tests.kube import wait_until


@dataclass(frozen=True)
class Start:
    """ns since the epoch."""

    accepted: int
    """The API server has the grid."""
    started: int
    """The strategy's process has been started."""
    ready: int
    """The pod is Ready."""
    first_order: int
    """The venue has its first order."""
    rss: int
    """Memory of the pod's process then, bytes."""


def measure(rig: Rig, count: int, say: Callable[[str], None]) -> list[Start]:
    """`count` grids; each is deleted before the next one comes."""
    return [_start(rig, f"start-{number}", say) for number in range(count)]


def _start(rig: Rig, name: str, say: Callable[[str], None]) -> Start:
    api, pod_name = rig.cluster.api, f"hedgegrid-{name}-0"
    seen: dict[str, int] = {}
    threading.Thread(target=_follow, args=(rig, pod_name, seen), daemon=True).start()
    grid = api.create(rig.manifest(name, NAMESPACE))
    accepted = time.time_ns()
    ready = wait_until(lambda: seen.get("ready"), 60, f"{pod_name} to be Ready")
    book = rig.volume(name) / f"{grid['metadata']['uid']}.venue.sqlite"

    def first_order() -> int | None:
        with Audit(book) as audit:
            return next((command.wall_ns for command in audit.order_log()), None)

    ordered = wait_until(first_order, 60, "the first order")
    pid = rig.cluster.pod(NAMESPACE, pod_name).pid
    rss = _rss(pid) if pid else 0
    api.delete(*GRID, name, NAMESPACE)
    api.wait_gone(*GRID, name, NAMESPACE, timeout=60)
    say(f"  {name}: ready {(ready - seen['started']) / 1e9:.2f} s after the start of its process")
    return Start(accepted, seen["started"], ready, ordered, rss)


def _follow(rig: Rig, pod_name: str, seen: dict[str, int]) -> None:
    """Note when the process has been started, and when the pod is Ready."""
    try:
        for _, pod in rig.cluster.api.watch("v1", "Pod", pod_name, NAMESPACE):
            now, status = time.time_ns(), pod["status"]
            if any("running" in container["state"] for container in status.get("containerStatuses", [])):
                seen.setdefault("started", now)
            if _ready(status):
                seen.setdefault("ready", now)
                return
    except urllib3.exceptions.HTTPError:
        return  # the cluster has gone before


def _ready(status: Json) -> bool:
    conditions: list[Json] = status.get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
