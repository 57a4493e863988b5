"""What is measured: one cluster, the operator, grids of the example, and the bare delivery beside them."""

import copy
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.bench import recorded_pod
from tests.bench.recorder import VARIABLE, Records
from tests.kube import Cluster, wait_until
from tests.kube.api import APPLY_PATCH
from tests.kube.certificates import Authority
from tests.kube.cluster import CHECKOUT
from tests.kube.installation import Operator, install

type Json = dict[str, Any]

GRID = ("hedgegrid.io/v1alpha1", "HedgeGrid")
NAMESPACE = "default"
BARE_NAMESPACE = "bare"
"""The operator doesn't look at it."""
BARE = "bare"
BARE_ADDRESS = "127.0.0.1"
IMAGE = "hedgegrid-strategy-recorded"
EXAMPLE = CHECKOUT / "examples" / "sim-btc.yaml"
ARRIVALS = "arrivals"
STORE = "/var/lib/hedgegrid"
"""Where the pod has its volume."""


class Rig:
    """Everything goes away with its cluster."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for the image and the records."""
        self.cluster = Cluster(images={IMAGE: recorded_pod.image(folder / "image")})
        self.operator = Operator(self.cluster, settings={"HEDGEGRID_OPERATOR_WATCH_NAMESPACES": NAMESPACE})
        self._folder = folder
        self._example: Json = yaml.safe_load(EXAMPLE.read_text())

    def start(self) -> None:
        """Cluster and operator."""
        self.cluster.start()
        install(self.cluster)
        self.operator.start()
        self.operator.wait_leading()

    def start_bare(self) -> Records:
        """An object that nobody reconciles, its watcher and its endpoint; returns what the endpoint receives."""
        return start_bare(self.cluster, self._folder, self.manifest(BARE, BARE_NAMESPACE))

    def manifest(self, name: str, namespace: str) -> Json:
        """The example under another name, for an account of its own, with the recorder in its pod."""
        grid = copy.deepcopy(self._example)
        grid["metadata"] = {"name": name, "namespace": namespace}
        grid["spec"]["account"]["name"] = name
        grid["spec"]["image"] = {"repository": IMAGE}
        grid["spec"]["pod"] = {"env": [{"name": VARIABLE, "value": f"{STORE}/{ARRIVALS}"}]}
        return grid

    def status(self, name: str) -> Json:
        """Status of a grid, {} before the first."""
        found = self.cluster.api.get(*GRID, name, NAMESPACE) or {}
        status: Json = found.get("status", {})
        return status

    def make_alike(self, name: str, namespace: str, status: Json) -> None:
        """Give the object a status as the operator writes it, so that the API server has the same work with it."""
        about = {"apiVersion": GRID[0], "kind": GRID[1], "metadata": {"name": name, "namespace": namespace}}
        path = self.cluster.api.path(*GRID, name, namespace) + "/status"
        body = about | {"status": status}
        self.cluster.api.request("PATCH", path, body, APPLY_PATCH, fieldManager="hedgegrid-operator", force="true")

    def volume(self, name: str) -> Path:
        """The folder of a grid's volume: store, venue and arrivals; waits until there is one."""
        claim = f"data-hedgegrid-{name}-0"
        return wait_until(lambda: self.cluster.claim_folder(NAMESPACE, claim), 30, f"the volume of {name}")


def start_bare(cluster: Cluster, folder: Path, manifest: Json) -> Records:
    """Make the object and its namespace, and start `tests.bench.bare` for it; returns what the endpoint receives."""
    records = Records(folder / ARRIVALS)
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BARE_NAMESPACE}})
    cluster.api.create(manifest)
    module, port = [sys.executable, "-m", "tests.bench.bare"], folder / "bare.port"
    environment = os.environ | {VARIABLE: str(folder / ARRIVALS)}
    authority = Authority(folder / "bare")
    pair = authority.server("endpoint", [BARE_ADDRESS], []).certificate.with_suffix("")
    endpoint = [*module, "endpoint", BARE_ADDRESS, str(port), str(pair)]
    cluster.spawn(endpoint, name="bare-endpoint", env=environment)
    wait_until(port.exists, 60, "the bare endpoint")
    url = f"https://{BARE_ADDRESS}:{port.read_text()}/control"
    watch = [*module, "watch", str(cluster.kubeconfig), BARE_NAMESPACE, BARE, url, str(authority.certificate)]
    cluster.spawn(watch, name="bare-watch")
    wait_until(lambda: records.arrival(1), 60, "the bare watch")
    return records
