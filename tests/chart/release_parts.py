"""A release and its grids, as their users see them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.chart.chart_parts import CHART, NAMESPACE, RELEASE, Json, grid
from tests.kube import Cluster
from tests.kube.cluster import CHECKOUT
from tests.kube.helm import Helm

API = "hedgegrid.io/v1alpha1"
CRD = "hedgegrids.hedgegrid.io"
GRIDS = "grids"
PATIENCE = 120.0
"""Seconds for one step of a grid on a machine that is busy."""


def values() -> Json:
    """What the pod runner needs to know: each pod listens at its own address only; and which code is tested."""
    code = [str((CHECKOUT / part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(":") if part]
    return {
        "settings": {"healthHost": "0.0.0.0", "resyncInterval": 3},
        "tests": {"namespace": GRIDS},
        "networkPolicy": {"enabled": True},
        "extraEnv": [{"name": "PYTHONPATH", "value": ":".join(code)}] if code else [],
    }


def make_namespaces(cluster: Cluster, *names: str) -> None:
    """Namespaces that enforce the Pod Security level `restricted`, ready for pods."""
    for name in names:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        cluster.api.wait("v1", "ServiceAccount", "default", name, lambda _: True)


class Release:
    """The release and its grids, as their users see them."""

    def __init__(self, helm: Helm, cluster: Cluster) -> None:
        self.helm = helm
        self.cluster = cluster
        self.api = cluster.api

    def deploy(self, verb: str, *extra: str, chart: Path = CHART, **more: Any) -> str:
        """Install or upgrade with these values, and wait until its pods are ready."""
        text = yaml.safe_dump(values() | more)
        flags = ("--namespace", NAMESPACE, "--wait", "--timeout", f"{PATIENCE:g}s", "--values", "-")
        return self.helm(verb, RELEASE, chart, *flags, *extra, stdin=text)

    def run(self, verb: str, *arguments: str) -> str:
        """Another helm command on the release."""
        return self.helm(verb, RELEASE, *arguments, "--namespace", NAMESPACE, "--timeout", f"{PATIENCE:g}s")

    def operators(self) -> list[str]:
        """UIDs of the operator's pods that aren't going."""
        found = self.api.list("v1", "Pod", NAMESPACE, {"app.kubernetes.io/component": "operator"})
        return sorted(pod["metadata"]["uid"] for pod in found if "deletionTimestamp" not in pod["metadata"])

    def create(self, name: str, **spec: Any) -> None:
        """A grid that trades, with these fields of its spec beside its own."""
        made = grid(name)
        made["metadata"]["namespace"] = GRIDS
        made["spec"] |= spec
        self.api.create(made)
        self.wait_phase(name, "Running")

    def patch(self, name: str, **spec: Any) -> None:
        """Change a grid's spec."""
        self.api.patch(API, "HedgeGrid", name, GRIDS, {"spec": spec})

    def wait_phase(self, name: str, phase: str) -> Json:
        """The grid once its status is of its newest generation and shows this phase."""
        return self.wait(name, lambda status: status["phase"] == phase)

    def wait(self, name: str, until: Callable[[Json], bool]) -> Json:
        """The grid once its status is of its newest generation and `until` says so."""

        def shows(found: Json) -> bool:
            status = found.get("status", {})
            return status.get("observedGeneration") == found["metadata"]["generation"] and until(status)

        return self.api.wait(API, "HedgeGrid", name, GRIDS, shows, PATIENCE)

    def remove(self, name: str) -> None:
        """Delete a grid and wait until it is gone."""
        self.api.delete(API, "HedgeGrid", name, GRIDS)
        self.api.wait_gone(API, "HedgeGrid", name, GRIDS, PATIENCE)

    def trace(self, name: str) -> tuple[Any, ...]:
        """What would be another if the grid's pod had been touched."""
        pod = self.api.get("v1", "Pod", f"hedgegrid-{name}-0", GRIDS) or {}
        found = self.api.get("apps/v1", "StatefulSet", f"hedgegrid-{name}", GRIDS) or {}
        restarts = [container["restartCount"] for container in pod["status"]["containerStatuses"]]
        return pod["metadata"]["uid"], restarts, found["metadata"]["uid"], found["metadata"]["generation"]

    def leader(self) -> str:
        """Who holds the Lease; empty: nobody."""
        lease = self.api.get("coordination.k8s.io/v1", "Lease", RELEASE, NAMESPACE) or {"spec": {}}
        return lease["spec"].get("holderIdentity") or ""
