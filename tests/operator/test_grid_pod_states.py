"""A pod that can't run, or was taken away: each a reason of PodReady with the cluster's own words, and the way back."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from tests.kube import HostError, wait_until
from tests.operator.grid_parts import Field, Grid, condition, kill_of
from tests.operator.rollout_parts import Exits, another_pod, revision
from tests.operator.test_grid_rollout import BLUE, with_positions


@contextmanager
def again_and_again(act: Callable[[], None]) -> Iterator[None]:
    """Do something several times a second for as long as the block lasts; a pod without a process is left alone."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(0.2):
            with suppress(HostError):
                act()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def pod_ready(grid: Grid, reason: str, timeout: float = 90) -> str:
    """The message of PodReady once it has this reason."""
    found = grid.wait(lambda seen: condition(seen, "PodReady").get("reason") == reason, reason, timeout=timeout)
    message: str = condition(found["status"], "PodReady")["message"]
    return message


def trading(grid: Grid) -> None:
    grid.wait(lambda seen: condition(seen, "Ready").get("reason") == "Trading", "trading", timeout=120)


def test_a_pod_that_crashes_again_and_again_and_one_that_needs_more_memory(field: Field) -> None:
    grid = field.running()
    pod = grid.pod.uid
    with again_and_again(grid.pod.kill):
        told = pod_ready(grid, "CrashLoop")
    assert "back-off" in told
    assert "last exit code 137" in told
    trading(grid)
    with again_and_again(grid.pod.out_of_memory):
        assert pod_ready(grid, "OOMKilled").startswith(
            "the container needed more memory than its limit; raise spec.pod"
        )
    trading(grid)
    assert grid.pod.uid == pod


def test_a_pod_that_no_node_takes_waits_and_its_kill_is_only_asked_for(field: Field) -> None:
    """F38: Requested, never Flat; and spec.pod.nodeSelector is what the scheduler goes by."""
    grid = field.create(pod={"nodeSelector": {"disk": "ssd"}})
    assert "didn't match Pod's node affinity/selector" in pod_ready(grid, "Unschedulable")
    grid.patch(killSwitch="flattenBoth")
    told = grid.wait_condition("KillSwitchEngaged", "Requested")
    assert "the pod hasn't stored it yet" in told["message"]
    # It never came up, so it has no position: the mended template needn't wait.
    grid.patch(pod={"nodeSelector": None}, killSwitch="none")
    trading(grid)


def test_an_image_that_is_not_there_and_one_that_is(field: Field) -> None:
    field.cluster.refuse_image("hedgegrid-strategy:broken")
    grid = field.running()
    grid.patch(killSwitch="flattenBoth")
    grid.wait_phase("Flat")
    grid.patch(image={"tag": "broken"})
    assert 'pulling image "hedgegrid-strategy:broken"' in pod_ready(grid, "ImagePullFailed")
    assert kill_of((grid.get() or {})["status"])["state"] == "Requested"
    grid.patch(image={"tag": None}, killSwitch="none")
    trading(grid)
    field.cluster.accept_image("hedgegrid-strategy:broken")


def test_a_secret_that_the_pod_names_and_nobody_has_made_is_told_and_waited_for(field: Field) -> None:
    source = {"secretKeyRef": {"name": "feed", "key": "token"}}
    grid = field.create(pod={"env": [{"name": "FEED_TOKEN", "valueFrom": source}]})
    grid.wait(lambda seen: "feed" in condition(seen, "PodReady").get("message", ""), "the Secret's name", timeout=90)
    assert condition((grid.get() or {})["status"], "PodReady")["reason"] == "Starting"
    about = {"name": "feed", "namespace": field.namespace}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": {"token": "x"}}
    field.cluster.api.create(made)
    trading(grid)


def test_an_evicted_pod_says_why_and_comes_back_as_it_was(field: Field) -> None:
    """F49: evicted by its node while a template waits."""
    grid = with_positions(field)
    first, old, exits = grid.pod.uid, revision(grid), Exits(grid)
    grid.patch(**BLUE)
    grid.wait_condition("Progressing", "WaitingForFlat")
    grid.pod.evict("The node was low on resource: memory.")
    told = pod_ready(grid, "Evicted")
    assert "The node was low on resource: memory." in told
    another_pod(grid, first)
    assert revision(grid) == old
    assert pod_ready(grid, "Ready") == "the pod is ready"
    exits.were_kept()


def test_a_node_that_is_gone_leaves_its_pod_alone_and_a_kill_asked_for(field: Field) -> None:
    grid = with_positions(field)
    first = grid.pod.uid
    grid.pod.lose()
    _mark(grid, {"type": "Ready", "status": "False"})
    told = pod_ready(grid, "NodeLost")
    assert "doesn't report; it may still run there, so no other pod is made before its end is known" in told
    grid.patch(killSwitch="flattenBoth")
    grid.wait_condition("KillSwitchEngaged", "Requested")
    # After five minutes the cluster asks it to go, and nobody can tell whether it has.
    why = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "no node"}
    _mark(grid, why)
    field.cluster.api.delete("v1", "Pod", f"{grid.child}-0", field.namespace)
    grid.wait(lambda seen: "(no node)" in condition(seen, "PodReady").get("message", ""), "the message of the cluster")
    failures = "hedgegrid_operator_kill_delivery_failures_total"
    before = field.metric_of(grid, failures)
    wait_until(lambda: field.metric_of(grid, failures) >= before + 2, 60, "two more tries")
    assert grid.pod.uid == first
    status = (grid.get() or {})["status"]
    assert kill_of(status)["state"] == "Requested"
    assert condition(status, "KillSwitchEngaged")["reason"] == "Requested"
    assert condition(status, "Ready")["status"] == "False"
    # The node is back: the pod goes, the next one takes the kill.
    grid.pod.heal()
    wait_until(lambda: grid.pod.uid not in {None, first}, 90, "another pod")
    grid.wait(lambda seen: kill_of(seen).get("state") == "Flat", "flat", timeout=120)


def _mark(grid: Grid, condition: dict[str, Any]) -> None:
    """Change a condition of the pod, as a controller of the cluster does."""
    path = f"/api/v1/namespaces/{grid.namespace}/pods/{grid.child}-0/status"
    # Without a time the cluster would take it for an old one, and take it back.
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"status": {"conditions": [condition | {"lastTransitionTime": since}]}}
    grid.cluster.api.request("PATCH", path, body, "application/strategic-merge-patch+json")
