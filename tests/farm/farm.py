"""A handle on the process that plays the pods."""

import os
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.farm.server import Fault
from tests.kube import Cluster, rpc, wait_until


@dataclass(frozen=True)
class Arrival:
    """A document that a pod got."""

    at: int
    """Wall clock, ns since the epoch."""
    pod: str
    generation: int
    kill_switch: str


class Farm:
    """All pods of one namespace; it ends with the cluster."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._folder = cluster.folder / f"farm-{namespace}"
        self._folder.mkdir()
        if cluster.pods_run:
            cluster.hold_pending(namespace)
        certificates = str(cluster.folder / "certificates")
        argv = [sys.executable, "-m", "tests.farm", str(self._folder), certificates, cluster.server, namespace]
        self.process = cluster.spawn(argv, name="farm", env=os.environ)
        wait_until((self._folder / rpc.SOCKET).exists, 60, "the farm")

    @property
    def folder(self) -> Path:
        """Where it can be asked."""
        return self._folder

    def afflict(self, grids: Collection[str], fault: Fault) -> None:
        """Let the pods of these grids be refused, silent, or well (NONE), now and when they come back."""
        self._call("afflict", names=[f"hedgegrid-{name}-0" for name in grids], fault=fault.value)

    def arrivals(self, since: int = 0) -> list[Arrival]:
        """Documents in the order in which they came, from the `since`-th on."""
        return [Arrival(*found) for found in self._call("arrivals", since=since)]

    def held(self) -> dict[str, dict[str, Any] | None]:
        """The document that rules in each pod, by the grid's name."""
        found: dict[str, Any] = self._call("held")
        return {pod.removeprefix("hedgegrid-").removesuffix("-0"): document for pod, document in found.items()}

    def counts(self) -> dict[str, int]:
        """Of all pods: pods, reads, documents, handshakes, operations (engagements), problems (of the farm itself)."""
        found: dict[str, int] = self._call("counts")
        return found

    def restart(self, grid: str) -> None:
        """The process of a pod starts anew with the same store."""
        self._call("restart", name=f"hedgegrid-{grid}-0")

    def _call(self, operation: str, **arguments: Any) -> Any:
        return rpc.call(self._folder, operation, **arguments)
