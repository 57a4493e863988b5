"""The operator on a cluster as a user installs it: CRD, namespace, the role that ships with it, and the process.

The process authenticates as the ServiceAccount hedgegrid-system/hedgegrid-operator and has no right but that role's.
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.kube.cluster import CHECKOUT, Cluster
from tests.kube.processes import Process
from tests.kube.waiting import wait_until

NAMESPACE = "hedgegrid-system"
SERVICE_ACCOUNT = "hedgegrid-operator"
LEASE = "hedgegrid-operator"
CRD = Path("crds/hedgegrids.hedgegrid.io.yaml")
RBAC = Path("charts/hedgegrid-operator/files/rbac.yaml")
RBAC_NAMESPACED = Path("charts/hedgegrid-operator/files/rbac-namespaced.yaml")
EXAMPLE_NAMESPACE = "grids"
"""The namespace that stands in the file for each watched one."""

_RBAC = "rbac.authorization.k8s.io/v1"
CHILDREN = (
    ("v1", "ConfigMap"),
    ("v1", "Pod"),
    ("policy/v1", "PodDisruptionBudget"),
    (_RBAC, "Role"),
    (_RBAC, "RoleBinding"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "StatefulSet"),
)
"""Version and kind of everything that a running grid has: one of each, and two Secrets."""

PROBE_SECONDS = 2.0
START_SECONDS = 40.0
"""A Lease that a killed operator has left behind runs for 15 s."""


def install(cluster: Cluster, namespaces: Sequence[str] = ()) -> None:
    """Apply CRD, namespace and role; returns when the API server serves HedgeGrids. Doing it again changes nothing.

    `namespaces`, which have to exist, are those that the operator may look at; none: all.
    """
    namespace = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.kubectl("apply", "-f", "-", stdin=namespace)
    cluster.kubectl("apply", "-f", str(CHECKOUT / CRD))
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rbac(namespaces)))
    if namespaces:
        for kind in ("clusterrolebinding", "clusterrole"):
            cluster.kubectl("delete", "--ignore-not-found", kind, SERVICE_ACCOUNT)
    wait_served(cluster)


def rbac(namespaces: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The manifests of the operator's rights: in the whole cluster, or in these namespaces and its own."""
    file = RBAC_NAMESPACED if namespaces else RBAC
    documents: list[dict[str, Any]] = list(yaml.safe_load_all((CHECKOUT / file).read_text()))
    if not namespaces:
        return documents
    watched = [found for found in documents if found["metadata"]["namespace"] == EXAMPLE_NAMESPACE]
    copies = [
        {**found, "metadata": {**found["metadata"], "namespace": namespace}}
        for namespace in namespaces
        for found in watched
    ]
    return [*copies, *(found for found in documents if found not in watched)]


def wait_served(cluster: Cluster) -> None:
    """Return when the API server serves HedgeGrids. (`kubectl wait` fails where there are no conditions yet.)"""
    name = "hedgegrids.hedgegrid.io"
    wait_until(lambda: _established(cluster, name), START_SECONDS, f"{name} to be established")


def _established(cluster: Cluster, name: str) -> bool:
    found = cluster.api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", name) or {}
    conditions = found.get("status", {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


class Operator:
    """One operator after another under one name: started, killed, started again.

    `settings` are environment variables beside those of this process, like HEDGEGRID_OPERATOR_LOG_LEVEL.
    """

    def __init__(self, cluster: Cluster, *, name: str = "operator", settings: Mapping[str, str] | None = None) -> None:
        self._cluster = cluster
        self._name = name
        self._settings = dict(settings or {})
        self._process: Process | None = None
        self._starts = 0

    @property
    def process(self) -> Process:
        """The newest process; raises LookupError before the first start."""
        if self._process is None:
            raise LookupError(f"{self._name} has not been started")
        return self._process

    @property
    def pod_name(self) -> str:
        """What the newest process is called in its Lease; a new name at each start."""
        return f"{self._name}-{self._starts}"

    def start(self) -> Process:
        """Start a process and return at once; `wait_leading` waits until it works."""
        self._starts += 1
        config = self._cluster.kubeconfig_for(NAMESPACE, SERVICE_ACCOUNT)
        variables = os.environ | {
            "KUBECONFIG": str(config),
            "POD_NAME": self.pod_name,
            "HEDGEGRID_OPERATOR_NAMESPACE": NAMESPACE,
            "HEDGEGRID_OPERATOR_HEALTH_HOST": "127.0.0.1",
            "HEDGEGRID_OPERATOR_HEALTH_PORT": "0",
        }
        argv = [sys.executable, "-m", "hedgegrid_operator"]
        self._process = self._cluster.spawn(argv, name=self._name, env=variables | self._settings)
        return self._process

    def kill(self) -> None:
        """SIGKILL; returns when it has ended. Its Lease runs on."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    @property
    def holder(self) -> str | None:
        """Who holds the Lease, by the API server."""
        lease = self._cluster.api.get("coordination.k8s.io/v1", "Lease", LEASE, NAMESPACE)
        return lease["spec"].get("holderIdentity") or None if lease else None

    @property
    def epoch(self) -> int:
        """In the Lease's annotation; 0 where there is none."""
        lease = self._cluster.api.get("coordination.k8s.io/v1", "Lease", LEASE, NAMESPACE) or {"metadata": {}}
        return int(lease["metadata"].get("annotations", {}).get("hedgegrid.io/epoch", 0))

    @property
    def leading(self) -> bool:
        """Whether the newest process holds the Lease and has seen every object once."""
        return (self.holder or "").startswith(f"{self.pod_name}-") and self.probe("/readyz") == "ok"

    def wait_leading(self, timeout: float = START_SECONDS) -> None:
        """Return when it leads; raises TimeoutError, or RuntimeError with its last words when it has ended."""

        def leads() -> bool:
            if not self.process.running:
                words = "\n".join(self.process.log().splitlines()[-10:])
                raise RuntimeError(f"the operator ended with {self.process.returncode}; its last words:\n{words}")
            return self.leading

        wait_until(leads, timeout, "the operator to lead")

    def probe(self, path: str) -> str | None:
        """Text of /healthz, /readyz or /metrics, None while nothing answers."""
        address = self.address
        if address is None:
            return None
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=PROBE_SECONDS) as answer:
                return answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.read().decode().strip()
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError):
            return None

    def events(self) -> list[dict[str, Any]]:
        """The lines of the newest process's log that are JSON."""
        lines = self.process.log().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    @property
    def address(self) -> str | None:
        """Host and port of probes and metrics, None before it serves them."""
        served = next((event["addresses"] for event in self.events() if "addresses" in event), None)
        if not served:
            return None
        host, port = served[0].strip("()[]").split(", ")[:2]
        return f"{host.strip("'")}:{port}"
