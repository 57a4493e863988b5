"""A pod that doesn't take the kill switch is restarted where the object asks for it, and only then."""

from typing import Any

import pytest

from tests.kube import wait_until
from tests.operator.grid_parts import POSITIONS_STAY, Field, Grid, condition, kill_of

BOTH = "flattenBoth"
FAILURES = "hedgegrid_operator_kill_delivery_failures_total"
QUICKLY: dict[str, Any] = {**POSITIONS_STAY, "escalation": {"afterSeconds": 5, "action": "RestartPod"}}


def ended(grid: Grid) -> dict[str, Any] | None:
    """The pod once somebody has asked for its end."""
    found = grid.pod.get()
    return found if found and "deletionTimestamp" in found["metadata"] else None


def replaced(grid: Grid, uid: str | None) -> None:
    """The grace period of a pod that ignores SIGTERM is over, and the StatefulSet makes another one."""
    found = wait_until(lambda: ended(grid), 60, "the pod to be deleted")
    assert found["metadata"]["uid"] == uid
    assert found["metadata"]["deletionGracePeriodSeconds"] == found["spec"]["terminationGracePeriodSeconds"] > 100
    grid.pod.kill()
    wait_until(lambda: grid.pod.uid not in {None, uid}, 60, "another pod")


def escalated(grid: Grid, times: int) -> dict[str, Any]:
    """The status once the pod was restarted so often."""
    found = grid.wait(
        lambda seen: kill_of(seen).get("escalated", {}).get("restarts") == times, f"{times} restarts", timeout=60
    )
    status: dict[str, Any] = found["status"]
    return status


def test_a_frozen_pod_is_restarted_with_its_grace_and_comes_back_flat(field: Field) -> None:
    """Three times at most, by an operator that is killed in between."""
    grid = field.running(**QUICKLY)
    grid.wait_positions()
    # None of its business: a throttle that can't be delivered for longer than the time given.
    first = grid.pod.uid
    grid.pod.freeze()
    grid.patch(throttle=0.5)
    grid.wait_condition("ControlReachable", "Timeout", "False")
    generation = grid.patch(killSwitch=BOTH)
    status = escalated(grid, 1)
    assert kill_of(status)["state"] == "Requested"
    assert condition(status, "KillSwitchEngaged")["reason"] == "Escalated"
    assert kill_of(status)["escalated"]["podUID"] == first
    assert grid.told("Escalated", f"{BOTH} of generation {generation}") == 1
    replaced(grid, first)
    assert field.metric_of(grid, "hedgegrid_operator_kill_escalations_total") == 1
    # Frozen again: the next operator counts on where this one ended.
    field.operator.kill()
    field.start()
    second = grid.pod.uid
    escalated(grid, 2)
    replaced(grid, second)
    third = grid.pod.uid
    escalated(grid, 3)
    replaced(grid, third)
    last = grid.pod.uid
    grid.wait(lambda seen: condition(seen, "ControlReachable").get("status") == "False", "a failed call")
    assert "3 of 3 times" in condition((grid.get() or {})["status"], "KillSwitchEngaged")["message"]
    # As long again as it takes: nothing is deleted a fourth time.
    failures = field.metric_of(grid, FAILURES)
    wait_until(lambda: field.metric_of(grid, FAILURES) > failures + 3, 90, "four more tries")
    assert (grid.pod.uid, ended(grid)) == (last, None)
    grid.pod.heal()
    status = grid.wait_phase("Flat")
    assert grid.venue().flat
    assert kill_of(status)["escalated"]["restarts"] == 3
    assert grid.pod.uid == last
    grid.patch(killSwitch="none")
    status = grid.wait(lambda seen: condition(seen, "Ready").get("reason") == "Trading", "another start")["status"]
    assert "escalated" not in kill_of(status)


@pytest.fixture
def grid(field: Field) -> Grid:
    """A grid that trades and has a position on both legs."""
    return field.with_positions()


def test_without_the_wish_the_kill_stays_requested_until_the_pod_is_back(field: Field, grid: Grid) -> None:
    grid.patch(escalation={"afterSeconds": 5, "action": "None"})
    uid = grid.pod.uid
    grid.pod.freeze()
    grid.patch(killSwitch=BOTH)
    wait_until(lambda: field.metric_of(grid, FAILURES) >= 6, 60, "six tries")
    remedy = "delete it: it comes back halted"
    status = grid.wait(lambda seen: remedy in condition(seen, "KillSwitchEngaged").get("message", ""), remedy)["status"]
    assert kill_of(status)["state"] == "Requested"
    assert (grid.pod.uid, ended(grid)) == (uid, None)
    grid.pod.thaw()
    grid.wait_phase("Flat")
    assert grid.pod.uid == uid


def test_a_deletion_that_the_pod_does_not_take_escalates_too(field: Field, grid: Grid) -> None:
    grid.patch(escalation={"afterSeconds": 5, "action": "RestartPod"})
    uid = grid.pod.uid
    grid.pod.freeze()
    grid.delete()
    status = escalated(grid, 1)
    assert status["phase"] == "Deleting"
    grid.wait_event("Escalated")
    wait_until(lambda: ended(grid), 60, "the pod to be deleted")
    with grid.audit() as audit:
        grid.pod.heal()
        grid.pod.kill()
        grid.gone(90)
        assert audit.snapshot().flat
    assert uid is not None
