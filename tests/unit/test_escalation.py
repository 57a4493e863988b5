"""When a pod that doesn't take the kill switch is restarted: decided, counted, told."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_api.types import KillSwitch, LegLevel, LegState
from hedgegrid_api.v1alpha1 import EscalationAction
from hedgegrid_operator.control.client import Failure
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.escalation import RESTARTS_MAX, Decision, Standing, Step, counted, decide
from hedgegrid_operator.events import notes
from hedgegrid_operator.facts import Facts
from hedgegrid_operator.objects import Json
from hedgegrid_operator.observed import PodState, PodView, controls_of, pod_of
from hedgegrid_operator.restarts import Restarts, Wish
from hedgegrid_operator.status import build, condition, loud, written
from tests.unit.operator_parts import NOW, grid, leg, report
from tests.unit.test_operator_status import POD, STARTING, facts

RESTART_POD, NONE = EscalationAction.RESTART_POD, EscalationAction.NONE
FROZEN = dataclasses.replace(POD, state=PodState.STARTING)
WISH = Wish(after=30, action=RESTART_POD)
NEVER = Restarts()


def standing(
    *,
    wish: Wish = WISH,
    pod: PodView | None = FROZEN,
    failing_for: float | None = 31,
    tried: float = 2,
    restarts: Restarts = NEVER,
) -> Standing:
    return Standing(wish=wish, pod=pod, failing_for=failing_for, tried=tried, restarts=restarts)


def pods(**change: Any) -> PodView:
    return dataclasses.replace(FROZEN, **change)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(standing(), Decision(Step.RESTART), id="a frozen pod, its time is up"),
        pytest.param(standing(failing_for=30), Decision(Step.RESTART), id="to the second"),
        pytest.param(standing(failing_for=12), Decision(Step.WAIT, 18), id="it has time left"),
        pytest.param(standing(wish=Wish(5, RESTART_POD), failing_for=6), Decision(Step.RESTART), id="less time"),
        pytest.param(standing(wish=Wish(30, NONE), failing_for=9999), Decision(Step.NOTHING), id="not asked for"),
        pytest.param(standing(failing_for=None), Decision(Step.NOTHING), id="no kill is pending, or the pod took it"),
        pytest.param(standing(pod=None), Decision(Step.NOTHING), id="no pod"),
        pytest.param(standing(pod=pods(ip=None)), Decision(Step.NOTHING), id="no address"),
        pytest.param(standing(pod=pods(deleting=True)), Decision(Step.NOTHING), id="terminating already"),
        pytest.param(standing(pod=pods(started=False)), Decision(Step.NOTHING), id="its image is still being pulled"),
        pytest.param(standing(pod=pods(state=PodState.IMAGE_PULL_FAILED)), Decision(Step.NOTHING), id="no image"),
        pytest.param(standing(pod=pods(state=PodState.UNSCHEDULABLE)), Decision(Step.NOTHING), id="no node"),
        pytest.param(standing(pod=pods(state=PodState.CRASH_LOOP)), Decision(Step.RESTART), id="crash loop"),
        pytest.param(standing(pod=POD), Decision(Step.RESTART), id="Ready, but cut off from the operator"),
        pytest.param(standing(tried=16), Decision(Step.WAIT, 1), id="the operator was stopped: it asks again first"),
        pytest.param(standing(restarts=Restarts(2, "pod-0")), Decision(Step.RESTART), id="the third time"),
        pytest.param(standing(restarts=Restarts(3, "pod-0")), Decision(Step.EXHAUSTED), id="not a fourth time"),
        pytest.param(
            standing(restarts=Restarts(3, "pod-1")),
            Decision(Step.RESTART),
            id="the third one is counted, but it is still there: the operator ended in between",
        ),
        pytest.param(
            standing(restarts=Restarts(3, "pod-1"), tried=60), Decision(Step.WAIT, 1), id="that one is asked first, too"
        ),
    ],
)
def test_a_pod_is_restarted_only_when_that_can_help(found: Standing, expected: Decision) -> None:
    assert decide(found) == expected


def test_each_pod_is_counted_once() -> None:
    first = counted(Restarts(), FROZEN, NOW)
    assert first == Restarts(1, "pod-1", NOW)
    assert counted(first, FROZEN, NOW + timedelta(seconds=9)) == first
    assert counted(first, pods(uid="pod-2"), NOW + timedelta(seconds=9)).count == 2


def test_the_clock_is_that_of_this_pod_and_of_the_first_try_that_failed() -> None:
    link = Link()
    link.follow("pod-1")
    assert link.expect(2, NOW, 100.0)
    assert link.undelivered(102.0)
    assert not link.undelivered(107.0)
    # A newer generation is new to deliver, but the kill isn't younger for it.
    assert link.expect(3, NOW + timedelta(seconds=9), 109.0)
    assert (link.undelivered_since, link.undelivered_at, link.kill_seen_at, link.kill_seen) == (102, 107, 100, NOW)
    link.follow("pod-2")
    assert link.undelivered_since is None
    link.undelivered(120.0)
    link.settled()
    assert (link.undelivered_since, link.kill_seen) == (None, None)
    # The next kill begins anew.
    assert link.expect(3, NOW, 200.0)
    assert link.kill_seen_at == 200


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Wish(30, NONE)),
        ({"escalation": {"afterSeconds": 5, "action": "RestartPod"}}, Wish(5, RESTART_POD)),
        ({"escalation": {"action": "RestartPod", "newField": [1]}, "killSwitch": "flattenAll"}, Wish(30, RESTART_POD)),
        ({"escalation": {"action": "ReplaceNode", "afterSeconds": 60}}, Wish(60, NONE)),
        ({"escalation": {"action": "RestartPod", "afterSeconds": "soon"}}, Wish(30, RESTART_POD)),
        ({"escalation": {"action": "RestartPod", "afterSeconds": True}}, Wish(30, RESTART_POD)),
        ({"escalation": {"action": "RestartPod", "afterSeconds": 0}}, Wish(30, RESTART_POD)),
        ({"escalation": "RestartPod"}, Wish(30, NONE)),
        ({"escalation": None, "grid": None, "mode": "a mode of tomorrow"}, Wish(30, NONE)),
    ],
)
def test_the_wish_is_read_from_an_object_that_the_full_model_refuses_too(spec: Json, expected: Wish) -> None:
    """F46, F52."""
    assert controls_of(grid(**spec)).escalation == expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (
            {"restarts": 2, "podUID": "pod-9", "time": "2026-03-01T12:00:00Z", "state": "of a newer operator"},
            Restarts(2, "pod-9", NOW),
        ),
        ({"restarts": 2}, Restarts(2)),
        ({"restarts": True, "podUID": "pod-9"}, Restarts()),
        ("twice", Restarts()),
    ],
)
def test_the_count_is_read_from_a_status_of_another_version_too(shown: Any, expected: Restarts) -> None:
    status = {"phase": "Unheard", "control": {"killSwitch": {"state": "Unheard", "escalated": shown}}}
    assert controls_of({**grid(), "status": status}).restarts == expected


@pytest.mark.parametrize(
    ("container", "started"),
    [
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, False),
        ({"state": {"waiting": {"reason": "ErrImagePull"}}}, False),
        ({"state": {"running": {}}}, True),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}, True),
        ({"state": {"terminated": {"exitCode": 1}}}, True),
    ],
)
def test_whether_a_pod_ever_ran_is_seen(container: Json, started: bool) -> None:
    """A real kubelet gives a pod its address before it has its image."""
    pod = {"metadata": {"name": "p"}, "status": {"podIP": "10.0.0.1", "containerStatuses": [container]}}
    assert pod_of(pod).started is started


# What a person sees.


def pending(previous: HedgeGridStatus | None = None, restarting: Restarts | None = None, **fields: Any) -> Facts:
    """Facts of a kill that a pod doesn't take."""
    link = Link()
    link.failed(Failure.TIMEOUT, "no answer within 2 s", NOW)
    shown = {"status": written(previous)} if previous else {}
    wish: dict[str, Any] = {"escalation": {"action": "RestartPod"}}
    found = facts(report(), pod=FROZEN, link=link, previous=previous, generation=2, killSwitch="flattenBoth", **wish)
    controls = controls_of({**grid(generation=2, killSwitch="flattenBoth", **wish), **shown})
    return dataclasses.replace(found, controls=controls, restarting=restarting, **fields)


def engaged(status: HedgeGridStatus) -> tuple[str, str]:
    found = condition(status, "KillSwitchEngaged")
    assert found is not None
    return found.reason, found.message


def test_what_was_done_stands_in_the_status_and_is_told_once() -> None:
    before = build(pending())
    assert engaged(before) == (
        "Requested",
        "flattenBoth is asked for, the pod hasn't stored it yet (no answer within 2 s); it is sent again and again; "
        "after 30 s of that the pod is restarted",
    )
    after = build(pending(before, Restarts(1, "pod-1", NOW)))
    assert engaged(after)[0] == "Escalated"
    assert "restarted for it 1 of 3 times, last at 2026-03-01T12:00:00Z" in engaged(after)[1]
    assert loud(after) != loud(before)
    assert after.control is not None
    assert after.control.kill_switch is not None
    assert after.control.kill_switch.state is LegState.REQUESTED
    found = [(note.reason, note.warning) for note in notes(before, after, by="kubectl", now=NOW)]
    assert ("Escalated", True) in found
    # The next status carries the count on, also when the pod is another one, and tells nothing again.
    again = build(pending(after, pod=STARTING, link=Link()))
    assert again.control is not None
    assert again.control.kill_switch is not None
    assert again.control.kill_switch.escalated == after.control.kill_switch.escalated
    assert [note.reason for note in notes(after, again, by=None, now=NOW) if note.reason == "Escalated"] == []


def test_the_count_stands_until_the_kill_is_released() -> None:
    escalated = build(pending(build(pending()), Restarts(RESTARTS_MAX, "pod-1", NOW)))
    assert "see to its node and log, and to the positions at the venue" in engaged(escalated)[1]
    shown = {**grid(generation=2, killSwitch="flattenBoth"), "status": written(escalated)}
    flat = facts(report(KillSwitch.FLATTEN_BOTH, applied_generation=2), previous=escalated, generation=2)
    reached = build(dataclasses.replace(flat, controls=controls_of(shown)))
    assert engaged(reached)[0] == "Flat"
    assert written(reached)["control"]["killSwitch"]["escalated"]["restarts"] == RESTARTS_MAX
    open_legs = leg(LegLevel.OPEN)
    released = facts(report(long=open_legs, short=open_legs, applied_generation=3), previous=reached, generation=3)
    shown = {**grid(generation=3), "status": written(reached)}
    after = build(dataclasses.replace(released, controls=controls_of(shown)))
    assert "escalated" not in written(after)["control"]["killSwitch"]


def test_without_the_wish_a_person_is_told_what_to_do() -> None:
    link = Link()
    link.failed(Failure.TIMEOUT, "no answer within 2 s", NOW)
    status = build(facts(report(), link=link, generation=2, killSwitch="haltEntries"))
    assert engaged(status) == (
        "Requested",
        "haltEntries is asked for, the pod hasn't stored it yet (no answer within 2 s); it is sent again and again; "
        "see to pod hedgegrid-btc-0, or delete it: it comes back halted",
    )
