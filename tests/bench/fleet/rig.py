"""The fleet under measurement: cluster, operator, farm, and grids of the example that are made at once."""

import asyncio
import copy
from dataclasses import dataclass
from typing import Any

import yaml

from tests.bench.fleet.clients import at_once
from tests.bench.rig import EXAMPLE
from tests.farm import Farm
from tests.kube import Cluster, wait_until
from tests.kube.api import Api
from tests.kube.apiclient import ApiClient
from tests.kube.certificates import KeyPair
from tests.kube.installation import Operator, install

type Json = dict[str, Any]

NAMESPACE = "fleet"
GRIDS = f"/apis/hedgegrid.io/v1alpha1/namespaces/{NAMESPACE}/hedgegrids"
WAIT_SECONDS = 1800.0
CHILDREN = "hedgegrid.io/uid"


def path_of(grid: str) -> str:
    """URL path of a grid."""
    return f"{GRIDS}/{grid}"


@dataclass(frozen=True)
class Usage:
    """What a process has used so far."""

    cpu: float
    """Seconds."""
    rss: int
    """Bytes."""


class FleetRig:
    """Everything goes away with its cluster. Grids are called g0, g1, …"""

    def __init__(self) -> None:
        self.cluster = Cluster(pods_run=False)
        self.operator = Operator(self.cluster, settings={"HEDGEGRID_OPERATOR_WATCH_NAMESPACES": NAMESPACE})
        self.size = 0
        self._example: Json = yaml.safe_load(EXAMPLE.read_text())

    def start(self) -> None:
        """Cluster, farm and operator; no grid."""
        self.cluster.start()
        install(self.cluster)
        self.cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.farm = Farm(self.cluster, NAMESPACE)
        self.operator.start()
        self.operator.wait_leading()

    @property
    def api(self) -> Api:
        """An administrator's client."""
        return self.cluster.api

    def client(self) -> ApiClient:
        """The same, asynchronous; for one event loop."""
        folder = self.cluster.folder / "certificates"
        user = KeyPair(folder / "admin.crt", folder / "admin.key")
        return ApiClient(self.cluster.server, folder / "ca.crt", user)

    def grow(self, size: int) -> None:
        """Make grids until there are so many, and wait until every pod holds its document."""
        asyncio.run(self.create(size))
        self.settle()

    async def create(self, size: int) -> None:
        """Make grids until there are so many."""
        numbers, self.size = range(self.size, size), size
        async with self.client() as client:
            await at_once([lambda n=n: client.create(GRIDS, self.manifest(f"g{n}")) for n in numbers])

    def settle(self) -> None:
        """Wait until every pod holds its document."""
        wait_until(self.confirmed, WAIT_SECONDS, f"{self.size} pods that hold their document")

    def confirmed(self) -> bool:
        """Whether every pod holds a document."""
        found = self.farm.held()
        return len(found) == self.size and all(found.values())

    def epochs(self) -> set[int]:
        """Of the documents that the pods hold."""
        return {held["epoch"] for held in self.farm.held().values() if held}

    def manifest(self, name: str, namespace: str = NAMESPACE) -> Json:
        """The example under another name, for an account of its own, without a volume."""
        grid = copy.deepcopy(self._example)
        grid["metadata"] = {"name": name, "namespace": namespace}
        grid["spec"]["account"]["name"] = name
        grid["spec"]["storage"] = {"ephemeral": True}
        return grid

    def usage(self) -> Usage:
        """Of the operator."""
        process = self.operator.process
        return Usage(process.cpu_seconds(), process.rss_bytes())

    def metric(self, name: str) -> dict[str, float]:
        """Samples of one of the operator's metrics by their labels."""
        lines = (self.operator.probe("/metrics") or "").splitlines()
        found = (line.rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return {series.removeprefix(name): float(value) for series, _, value in found}
