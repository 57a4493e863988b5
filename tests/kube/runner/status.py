"""The status of a pod, from the states of its containers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.kube.apiclient import Json
from tests.kube.runner.states import ContainerState, Terminated, Waiting


@dataclass(frozen=True)
class Observed:
    """What the status of a pod is built from."""

    pod: Json
    """The object as last seen."""
    conditions: Mapping[str, Json]
    """The pod's conditions by type: those of the object, ours as last reported."""
    init: Sequence[ContainerState]
    containers: Sequence[ContainerState]
    host_address: str
    pod_address: str | None
    """None until the volumes are there."""
    started_at: str


def build_status(observed: Observed, now: str) -> Json:
    """The `status` to report; a condition that doesn't change keeps its time of transition."""
    initialized = all(isinstance(s.current, Terminated) and s.current.exit_code == 0 for s in observed.init)
    all_ready = all(state.ready for state in observed.containers)
    gates = [gate["conditionType"] for gate in observed.pod["spec"].get("readinessGates", [])]
    known = observed.conditions
    gated = all(known.get(gate, {}).get("status") == "True" for gate in gates)
    phase = _phase(observed)
    unready = ", ".join(state.name for state in observed.containers if not state.ready)
    not_ready = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
    unready_message = "" if phase == "Succeeded" else f"containers with unready status: [{unready}]"
    wanted = [
        _condition("PodReadyToStartContainers", good=bool(observed.pod_address)),
        _condition("Initialized", good=initialized, reason="ContainersNotInitialized"),
        _condition("ContainersReady", good=all_ready, reason=not_ready, message=unready_message),
        _condition(
            "Ready",
            good=all_ready and gated,
            reason="ReadinessGatesNotReady" if all_ready else not_ready,
            message="" if all_ready else unready_message,
        ),
        _condition("PodScheduled", good=True),
    ]
    for condition in wanted:
        before = known.get(condition["type"], {})
        same = before.get("status") == condition["status"]
        condition["lastTransitionTime"] = before["lastTransitionTime"] if same else now
    address = observed.pod_address
    return {
        "phase": phase,
        "conditions": wanted,
        "hostIP": observed.host_address,
        "hostIPs": [{"ip": observed.host_address}],
        "startTime": observed.started_at,
        "qosClass": observed.pod["status"].get("qosClass", "BestEffort"),
        "initContainerStatuses": [state.render() for state in observed.init],
        "containerStatuses": [state.render() for state in observed.containers],
    } | ({"podIP": address, "podIPs": [{"ip": address}]} if address else {})


def _condition(kind: str, *, good: bool, reason: str = "", message: str = "") -> Json:
    shown = {"type": kind, "status": "True" if good else "False"}
    # null takes away what an earlier status said.
    return shown | {
        "reason": reason if reason and not good else None,
        "message": message if message and not good else None,
    }


def _phase(observed: Observed) -> str:
    policy = observed.pod["spec"].get("restartPolicy", "Always")
    final = "deletionTimestamp" in observed.pod["metadata"] or policy == "Never"
    current = [state.current for state in observed.containers]
    init = [state.current for state in observed.init]
    if any(isinstance(state, Terminated) and state.exit_code for state in init) and policy == "Never":
        return "Failed"
    started = any(state.last or not isinstance(state.current, Waiting) for state in observed.containers)
    if not started:
        return "Pending"
    exits = [state.exit_code for state in current if isinstance(state, Terminated)]
    if len(exits) < len(current):
        return "Running"
    if any(exits):
        return "Failed" if final else "Running"
    return "Succeeded" if final or policy == "OnFailure" else "Running"
