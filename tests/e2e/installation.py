"""The operator on a real cluster, installed with Helm as a user does it, and its grids."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from hedgegrid_api import __version__
from tests.kube import KubectlFailed, wait_until
from tests.kube.access import CHECKOUT
from tests.kube.helm import Helm
from tests.kube.real import RealCluster
from tests.operator.grid_parts import POSITIONS_STAY, Grid, merged

type Json = dict[str, Any]

CHART = CHECKOUT / "charts" / "hedgegrid-operator"
EXAMPLE = CHECKOUT / "examples" / "sim-btc.yaml"
SYSTEM = "hedgegrid-system"
RELEASE = "hedgegrid-operator"
OPERATOR_IMAGE = f"docker.io/library/hedgegrid-operator:{__version__}"
STRATEGY_IMAGE = f"docker.io/library/hedgegrid-strategy:{__version__}"
NEXT = "next"
"""Tag of the same images under another name, as a new release has one."""
REQUESTS = {"cpu": "100m", "memory": "192Mi"}
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
STEADY: Json = merged(POSITIONS_STAY, {"sim": {"annualVolatility": 4}})
"""Positions stay once they are there: their exits are further away than the market gets during a test."""
SLOW = 150.0
"""Seconds within which anything happens on a machine that has other work to do."""


@dataclass(frozen=True)
class Installed:
    """One release on one cluster."""

    cluster: RealCluster
    run_helm: Helm

    def helm(self, *arguments: str, timeout: float = 2 * SLOW) -> str:
        """What helm prints; raises HelmFailed."""
        return self.run_helm(f"--namespace={SYSTEM}", *arguments, timeout=timeout)

    def make_namespace(self, name: str) -> None:
        """A namespace in which Pod Security `restricted` is enforced, as a platform engineer makes it."""
        self.cluster.kubectl("create", "namespace", name)
        self.cluster.kubectl("label", "namespace", name, *(f"{key}={value}" for key, value in RESTRICTED.items()))

    def operators(self) -> list[Json]:
        """The pods of its Deployment that aren't on their way out."""
        labels = {"app.kubernetes.io/name": "hedgegrid-operator", "app.kubernetes.io/instance": RELEASE}
        return [pod for pod in self.cluster.api.list("v1", "Pod", SYSTEM, labels) if _lasts(pod)]

    def apply_grid(self, name: str, namespace: str, **spec: Any) -> Grid[RealCluster]:
        """`kubectl apply` of the example, on an account of its own, with the memory that it asks for as its limit."""
        manifest: Json = yaml.safe_load(EXAMPLE.read_text())
        manifest["metadata"] = {"name": name, "namespace": namespace}
        resources = {"requests": REQUESTS, "limits": {"memory": REQUESTS["memory"]}}
        own = {"account": {"name": f"{namespace}-{name}"}, "pod": {"resources": resources}}
        manifest["spec"] = merged(merged(manifest["spec"], own), spec)
        self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
        made = self.cluster.api.get("hedgegrid.io/v1alpha1", "HedgeGrid", name, namespace)
        assert made is not None
        return Grid(self.cluster, namespace, name, made["metadata"]["uid"])


def _lasts(pod: Json) -> bool:
    owners = [owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])]
    return owners == ["ReplicaSet"] and "deletionTimestamp" not in pod["metadata"]


def pod_of(grid: Grid[RealCluster]) -> Json:
    """The grid's pod; raises LookupError where there is none."""
    found = grid.cluster.api.get("v1", "Pod", f"{grid.child}-0", grid.namespace)
    if found is None:
        raise LookupError(f"{grid.namespace}/{grid.name} has no pod")
    return found


def pod_uid(grid: Grid[RealCluster]) -> str | None:
    """The uid of the grid's pod, None where there is none."""
    found = grid.cluster.api.get("v1", "Pod", f"{grid.child}-0", grid.namespace)
    return found["metadata"]["uid"] if found else None


def restarts(pod: Json) -> int:
    """How often the strategy's container was started again."""
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def another_pod(grid: Grid[RealCluster], before: str | None) -> Json:
    """The next pod, once it holds the newest document."""
    uid = wait_until(lambda: (found := pod_uid(grid)) != before and found, SLOW, "another pod", every=0.2)
    grid.wait(
        lambda seen: seen.get("podUID") == uid and seen["control"].get("appliedGeneration") == grid.generation,
        "the new pod to hold its document",
        timeout=SLOW,
    )
    return pod_of(grid)


def trades(grid: Grid[RealCluster]) -> None:
    """Return when it trades, has a position on both legs, and exits for both."""
    grid.wait_condition("Ready", "Trading", timeout=SLOW)
    grid.wait_positions()
    closing = "exits of both legs"
    wait_until(lambda: len({o.leg for o in grid.venue().open_orders if o.side is o.leg.closing}) == 2, SLOW, closing)


def is_flat(grid: Grid[RealCluster], timeout: float = SLOW) -> None:
    """Return when the status says Flat; the venue says it, too."""
    grid.wait_phase("Flat", timeout)
    assert grid.venue().flat


def market_moves(grid: Grid[RealCluster], seconds: float) -> None:
    """Return when so much time has passed on the grid's market."""
    start = grid.venue().ts
    wait_until(lambda: grid.venue().ts > start + seconds * 1e9, SLOW, "the market to move on")


def refused(action: Callable[[], str]) -> str:
    """What kubectl said when it did not do it."""
    try:
        done = action()
    except KubectlFailed as failed:
        return failed.stderr
    raise AssertionError(f"it was not refused, but did: {done}")
