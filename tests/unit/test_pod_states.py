"""How a pod is, by what the cluster says about it: every reason of PodReady, with the cluster's own message."""

from typing import Any

import pytest

from hedgegrid_operator.cache import Cache
from hedgegrid_operator.objects import HEDGE_GRID, POD
from hedgegrid_operator.pod_state import PodState, pod_state
from tests.unit.operator_parts import UID, grid


def pod(*, conditions: dict[str, str] | None = None, container: dict[str, Any] | None = None, **more: Any) -> Any:
    """A pod on node-1 with these conditions (by type), whose container is in this state."""
    listed = [{"type": kind, "status": status} for kind, status in (conditions or {}).items()]
    status = {"conditions": listed, "containerStatuses": [container] if container else [], **more}
    return {"metadata": {}, "spec": {"nodeName": "node-1"}, "status": status}


def disrupted(reason: str, message: str, **metadata: str) -> Any:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    found = pod()
    return found | {"metadata": metadata, "status": {"conditions": [condition, {"type": "Ready", "status": "True"}]}}


def waiting(why: str, message: str = "", **last: Any) -> dict[str, Any]:
    return {
        "state": {"waiting": {"reason": why} | ({"message": message} if message else {})},
        "lastState": {"terminated": last} if last else {},
    }


UNSCHEDULED = pod()
UNSCHEDULED["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are free"}]
GOING = {"deletionTimestamp": "2026-03-01T12:00:00Z"}
BACK_OFF = "back-off 10s restarting failed container"


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        pytest.param(pod(conditions={"Ready": "True", "ContainersReady": "True"}), PodState.READY, "", id="ready"),
        pytest.param(pod(), PodState.STARTING, "", id="nothing is known yet"),
        pytest.param(pod(container=waiting("ContainerCreating")), PodState.STARTING, "", id="being made"),
        pytest.param(
            pod(container=waiting("CreateContainerConfigError", 'secret "x" not found')),
            PodState.STARTING,
            'secret "x" not found',
            id="a Secret is missing",
        ),
        pytest.param(UNSCHEDULED, PodState.UNSCHEDULABLE, "0/1 nodes are free", id="no node"),
        pytest.param(
            pod(container=waiting("ImagePullBackOff", "Back-off pulling image")),
            PodState.IMAGE_PULL_FAILED,
            "Back-off pulling image",
            id="no image",
        ),
        pytest.param(
            pod(container=waiting("CrashLoopBackOff", BACK_OFF, exitCode=3, reason="Error")),
            PodState.CRASH_LOOP,
            f"{BACK_OFF}; last exit code 3",
            id="crash loop",
        ),
        pytest.param(
            pod(container=waiting("CrashLoopBackOff", BACK_OFF, exitCode=137, reason="OOMKilled")),
            PodState.OOM_KILLED,
            "the container needed more memory than its limit",
            id="out of memory",
        ),
        pytest.param(
            pod(
                container={
                    "state": {"running": {"startedAt": "x"}},
                    "lastState": {"terminated": {"reason": "OOMKilled"}},
                }
            ),
            PodState.STARTING,
            "",
            id="out of memory before, and starts again",
        ),
        pytest.param(
            pod(phase="Failed", reason="Evicted", message="the node was low on memory"),
            PodState.EVICTED,
            "the node was low on memory",
            id="evicted by its node",
        ),
        pytest.param(
            disrupted("EvictionByEvictionAPI", "Eviction API: evicting", **GOING),
            PodState.EVICTED,
            "Eviction API: evicting",
            id="evicted by a drain",
        ),
        pytest.param(
            disrupted("EvictionByEvictionAPI", "Eviction API: evicting"), PodState.READY, "", id="not evicted yet"
        ),
        pytest.param(
            disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", **GOING),
            PodState.NODE_LOST,
            "node node-1 doesn't report (Taint manager: deleting due to NoExecute taint); it may still run there",
            id="the node doesn't report, and its pods are to go",
        ),
        pytest.param(
            pod(conditions={"Ready": "False", "ContainersReady": "True"}),
            PodState.NODE_LOST,
            "node node-1 doesn't report; it may still run there, so no other pod is made before its end is known",
            id="marked by the controller of nodes",
        ),
        pytest.param(
            pod(conditions={"Ready": "False", "ContainersReady": "False"}), PodState.STARTING, "", id="not ready"
        ),
        pytest.param(
            pod(reason="NodeLost", message="node-1 is unresponsive"),
            PodState.NODE_LOST,
            "node node-1 doesn't report (node-1 is unresponsive)",
            id="lost",
        ),
    ],
)
def test_how_a_pod_is_and_why(found: Any, state: PodState, words: str) -> None:
    seen, message = pod_state(found)
    assert seen is state
    assert message.startswith(words)
    assert bool(message) == bool(words)


def of_grid(own: str, version: int, **status: Any) -> Any:
    found = pod(**status)
    found["metadata"] = {
        "uid": own,
        "name": "hedgegrid-btc-0",
        "namespace": "default",
        "resourceVersion": str(version),
        "labels": {"hedgegrid.io/uid": UID},
    }
    return found


def test_an_evicted_pod_is_told_of_until_the_next_one_says_how_it_is() -> None:
    """A failed pod is gone within milliseconds: nobody would ever read why."""
    cache = Cache()
    cache.observe(HEDGE_GRID, grid())
    cache.observe(POD, of_grid("1", 1, conditions={"Ready": "True"}))
    cache.observe(POD, of_grid("1", 2, reason="Evicted", message="low on memory"), deleted=True)
    assert cache.pod(UID) is None
    taken = cache.taken(UID)
    assert taken is not None
    assert (taken.uid, taken.state, taken.message) == ("1", PodState.EVICTED, "low on memory")
    cache.observe(POD, of_grid("2", 3))
    assert cache.taken(UID) is not None
    cache.observe(POD, of_grid("2", 4, conditions={"Ready": "True"}))
    assert cache.taken(UID) is None
    # One that just went says nothing of the kind.
    cache.observe(POD, of_grid("2", 5, conditions={"Ready": "True"}), deleted=True)
    assert cache.taken(UID) is None
