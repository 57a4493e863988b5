"""Why a pod is left Pending. Pure."""

from dataclasses import dataclass

from tests.kube.apiclient import Json
from tests.kube.runner.faults import Faults

SCHEDULER = "default-scheduler"


@dataclass(frozen=True)
class Decision:
    """Whether to bind a pod, and what its status says if it is not bound."""

    bind: bool
    unschedulable: str | None = None


def decide(pod: Json, node: Json, faults: Faults) -> Decision:
    """Look at one pod without a node."""
    metadata, spec = pod["metadata"], pod["spec"]
    if "deletionTimestamp" in metadata or spec.get("schedulerName", SCHEDULER) != SCHEDULER:
        return Decision(bind=False)
    hold = faults.held(metadata["namespace"], metadata["name"])
    if hold and hold.unschedulable:
        return Decision(bind=False, unschedulable="0/1 nodes are available: held back on request.")
    if hold:
        return Decision(bind=False)
    if node["spec"].get("unschedulable"):
        return Decision(bind=False, unschedulable="0/1 nodes are available: 1 node(s) were unschedulable.")
    labels: dict[str, str] = node["metadata"]["labels"]
    if any(labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        reason = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        return Decision(bind=False, unschedulable=reason)
    return Decision(bind=True)
