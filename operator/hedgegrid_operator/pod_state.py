"""How a pod is, by what the cluster says about it, with its own message. Pure."""

from enum import StrEnum

from hedgegrid_operator.objects import Json, items, section


class PodState(StrEnum):
    """How the pod is; the values are reasons of the condition PodReady."""

    READY = "Ready"
    STARTING = "Starting"
    CRASH_LOOP = "CrashLoop"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"


STUCK = frozenset({PodState.CRASH_LOOP, PodState.IMAGE_PULL_FAILED, PodState.UNSCHEDULABLE, PodState.OOM_KILLED})
TAKEN = frozenset({PodState.EVICTED, PodState.NODE_LOST})
"""It was taken away: its end says more than the start of the one that follows it."""
_PULL_REASONS = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
_NODE_GONE = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""Why a pod is disrupted whose node doesn't report, or isn't there any more."""
_STAYS = (
    "it may still run there, so no other pod is made before its end is known: bring the node back, or delete the Node "
    "object once the machine is certainly off"
)


def pod_state(pod: Json) -> tuple[PodState, str]:
    """State and the cluster's message, which is empty for a pod that is ready."""
    status = section(pod, "status")
    conditions = {str(item.get("type")): item for item in items(status, "conditions")}
    if (found := _taken(pod, status, conditions)) is not None:
        return found
    ready, scheduled = conditions.get("Ready", {}), conditions.get("PodScheduled", {})
    if ready.get("status") == "True":
        return PodState.READY, ""
    if scheduled.get("status") == "False":
        return PodState.UNSCHEDULABLE, str(scheduled.get("message", ""))
    for container in items(status, "containerStatuses"):
        if (found := _container_state(container)) is not None:
            return found
    return PodState.STARTING, str(status.get("message", ""))


def _taken(pod: Json, status: Json, conditions: dict[str, Json]) -> tuple[PodState, str] | None:
    """A pod that others take away, or whose node is gone."""
    reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    disrupted = conditions.get("DisruptionTarget", {})
    why = str(disrupted.get("message") or disrupted.get("reason") or "") if disrupted.get("status") == "True" else ""
    if reason == "Evicted":
        return PodState.EVICTED, message
    if reason == "NodeLost" or (why and disrupted.get("reason") in _NODE_GONE) or _unheard(pod, conditions):
        node = section(pod, "spec").get("nodeName") or "of the pod"
        told = message if reason == "NodeLost" else why
        return PodState.NODE_LOST, f"node {node} doesn't report{f' ({told})' if told else ''}; {_STAYS}"
    if why and "deletionTimestamp" in section(pod, "metadata"):
        return PodState.EVICTED, why
    return None


def _unheard(pod: Json, conditions: dict[str, Json]) -> bool:
    """Whether the controller of nodes has marked the pod: a kubelet itself never says that all containers are ready
    and the pod isn't, but for readiness gates.
    """
    values = [conditions.get(kind, {}).get("status") for kind in ("ContainersReady", "Ready")]
    return values == ["True", "False"] and not items(section(pod, "spec"), "readinessGates")


def _container_state(container: Json) -> tuple[PodState, str] | None:
    waiting = section(container, "state", "waiting")
    ended = section(container, "state", "terminated") or section(container, "lastState", "terminated")
    why = str(waiting.get("message") or waiting.get("reason") or "")
    if waiting.get("reason") in _PULL_REASONS:
        return PodState.IMAGE_PULL_FAILED, why
    running = bool(section(container, "state", "running"))
    if ended.get("reason") == "OOMKilled" and not running:
        return PodState.OOM_KILLED, "the container needed more memory than its limit"
    if waiting.get("reason") == "CrashLoopBackOff":
        return PodState.CRASH_LOOP, f"{why}; last exit code {ended.get('exitCode')}"
    if waiting and why != "ContainerCreating":
        return PodState.STARTING, why
    return None
