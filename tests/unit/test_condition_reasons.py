"""Every condition and reason that a grid can have, each reached here or where it is named; each message helps.

The table is the contract of `kubectl describe hg`: dashboards and GitOps tools read types and reasons by name. Reasons
that mode sim can't reach are listed with what they wait for.
"""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from hedgegrid_api.control import PodCondition
from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Source
from hedgegrid_operator.admit import Reason, Verdict
from hedgegrid_operator.control.client import Failure
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.facts import Doing, Facts, Monitored, Watching
from hedgegrid_operator.observed import PodState
from hedgegrid_operator.restarts import Restarts
from hedgegrid_operator.status import build, condition
from tests.unit.operator_parts import NOW, leg, report
from tests.unit.test_operator_status import API_HALT, DELETED, POD, STARTING, facts, failing, tripped

ROOT = Path(__file__).parents[2]
BOTH, HALT = KillSwitch.FLATTEN_BOTH, KillSwitch.HALT_ENTRIES
KILL: dict[str, Any] = {"killSwitch": "flattenBoth", "generation": 2}


@dataclass(frozen=True)
class Told:
    """Reached by the status builder: what is known, what the condition then is, and a piece of its message."""

    facts: Callable[[], Facts]
    status: str
    says: str


@dataclass(frozen=True)
class ByPod:
    """The pod's word, which the operator passes on: reached by a test of the pod."""

    test: str


@dataclass(frozen=True)
class Later:
    """Mode sim can't reach it."""

    why: str


type Row = Told | ByPod | Later

EXCHANGE = Later("of the user stream, keys or clock of a real exchange, which mode sim hasn't got")


def verdict(reason: Reason, message: str) -> Callable[[], Facts]:
    return lambda: facts(pod=None, verdict=Verdict(reason, message))


def doing(what: Doing, **fields: Any) -> Callable[[], Facts]:
    return lambda: facts(report(), doing=what, **fields)


def pod_state(state: PodState) -> Callable[[], Facts]:
    return lambda: facts(pod=dataclasses.replace(POD, state=state, message="the cluster's words"))


def killed(state: LegState, **more: Any) -> Callable[[], Facts]:
    flat = leg(LegLevel.FLAT, state, **more)
    return lambda: facts(report(BOTH, long=flat, short=flat, applied_generation=2), **KILL)


def escalated() -> Facts:
    return dataclasses.replace(facts(report(), link=failing(), **KILL), restarting=Restarts(1, "pod-1", NOW))


def throttled() -> Facts:
    sent = report().throttle.model_copy(update={"effective": 0.3, "source": Source.API})
    return facts(report().model_copy(update={"throttle": sent}))


def monitored(reason: Watching, message: str) -> Callable[[], Facts]:
    def found() -> Facts:
        known = facts(report())
        return dataclasses.replace(
            known, progress=dataclasses.replace(known.progress, monitored=Monitored(reason, message))
        )

    return found


def venue(reason: str) -> Callable[[], Facts]:
    said = PodCondition(type="VenueReady", status=reason == "Reconciled", reason=reason, message="the pod's words")
    return lambda: facts(report(conditions=(said,)))


def where(kind: type[StrEnum], value: str, made: Callable[[Any], Callable[[], Facts]], says: str) -> Row:
    """A row of a reason that this version may not have."""
    found = next((item for item in kind if item.value == value), None)
    return Later("this version doesn't make it") if found is None else Told(made(found), "False", says)


BELOW = PodCondition(
    type="Ready", status=False, reason="BelowMinNotional", message="every rung is below: raise baseQty"
)
VENUE_OK = PodCondition(type="VenueReady", status=True, reason="Reconciled", message="adopted")
BEHIND = Link(overtaken=1)

TABLE: dict[str, dict[str, Row]] = {
    "Accepted": {
        "Valid": Told(lambda: facts(report()), "True", "fine"),
        "InvalidSpec": Told(verdict(Reason.INVALID_SPEC, "spec.grid: is missing"), "False", "spec.grid"),
        "DuplicateTarget": Told(verdict(Reason.DUPLICATE_TARGET, "another trades it"), "False", "another"),
        "SecretMissing": Later("sim needs no account Secret"),
        "GridCollapsed": Told(verdict(Reason.GRID_COLLAPSED, "raise stepBps to 3"), "False", "stepBps"),
        "NameTaken": Told(verdict(Reason.NAME_TAKEN, "rename it"), "False", "rename"),
        "OtherInstallation": where(
            Reason, "OtherInstallation", lambda reason: verdict(reason, "another runs it"), "runs"
        ),
    },
    "Progressing": {
        "Creating": Told(doing(Doing.CREATING), "True", "as told"),
        "RollingOut": Told(doing(Doing.ROLLING_OUT), "True", "as told"),
        "WaitingForFlat": Told(doing(Doing.WAITING_FOR_FLAT), "True", "as told"),
        "WaitingForAnnotation": Told(doing(Doing.WAITING_FOR_ANNOTATION), "True", "as told"),
        "Idle": Told(doing(Doing.IDLE), "False", "as told"),
        "ApplyConflict": Told(doing(Doing.APPLY_CONFLICT), "True", "as told"),
    },
    "PodReady": {
        "Ready": Told(pod_state(PodState.READY), "True", "words"),
        "Starting": Told(lambda: facts(pod=STARTING), "False", "starting"),
        "CrashLoop": Told(pod_state(PodState.CRASH_LOOP), "False", "kubectl logs --previous"),
        "ImagePullFailed": Told(pod_state(PodState.IMAGE_PULL_FAILED), "False", "spec.image"),
        "Unschedulable": Told(pod_state(PodState.UNSCHEDULABLE), "False", "check nodes"),
        "OOMKilled": Told(pod_state(PodState.OOM_KILLED), "False", "limits.memory"),
        "Evicted": Told(pod_state(PodState.EVICTED), "False", "made anew"),
        "NodeLost": Told(pod_state(PodState.NODE_LOST), "False", "surely off"),
    },
    "ControlReachable": {
        "Contacted": Told(lambda: facts(report()), "True", "answers"),
        "ConnectionRefused": Told(lambda: facts(link=failing(Failure.CONNECTION_REFUSED)), "False", "pod's log"),
        "Timeout": Told(lambda: facts(link=failing(Failure.TIMEOUT)), "False", "network policies"),
        "TLSFailed": where(Failure, "TLSFailed", lambda failure: lambda: facts(link=failing(failure)), "again"),
        "Unauthorized": Told(lambda: facts(link=failing(Failure.UNAUTHORIZED)), "False", "Secret"),
        "NoPod": Told(lambda: facts(pod=None), "False", "no pod"),
    },
    "ControlSynced": {
        "Applied": Told(lambda: facts(report()), "True", "generation 1"),
        "Pending": Told(lambda: facts(report(), generation=2), "False", "2 is due"),
        "Rejected": Told(lambda: facts(report(), risk={"confirmations": 0}), "False", "spec.risk.confirmations"),
        "StaleBoot": Told(lambda: facts(report(synced=False)), "False", "waits for its document"),
    },
    "KillSwitchEngaged": {
        "Released": Told(lambda: facts(report()), "False", "nothing is held back"),
        "Requested": Told(lambda: facts(report(), link=failing(), **KILL), "True", "delete it: it comes back halted"),
        "Delivered": Told(killed(LegState.DELIVERED), "True", "has stored it"),
        "Flattening": Told(killed(LegState.FLATTENING), "True", "being closed"),
        "Halted": Told(lambda: facts(report(HALT), killSwitch="haltEntries"), "True", "exits stay"),
        "Flat": Told(killed(LegState.FLAT), "True", "no order and no position"),
        "Dust": Told(killed(LegState.DUST, quantity="0.0004"), "True", "too small to be closed"),
        "FlattenFailed": Told(killed(LegState.FAILED, last_error="no margin"), "True", "no margin"),
        "Escalated": Told(escalated, "True", "1 of 3 times"),
        "RiskTrip": Told(lambda: facts(tripped()), "True", "raise spec.rearm to 4"),
    },
    "VenueReady": {
        "Reconciled": Told(venue("Reconciled"), "True", "words"),
        "Connecting": Told(facts, "Unknown", "hasn't reported"),
        "Disconnected": EXCHANGE,
        "PositionModeMismatch": EXCHANGE,
        "AuthFailed": EXCHANGE,
        "ClockSkew": EXCHANGE,
        "ForeignOrders": Later("the simulated book has this grid's orders only"),
        "ForeignPosition": ByPod("tests/strategy/test_rules_of_gates.py"),
        "ExternalPositionChange": ByPod("tests/strategy/test_rules_of_gates.py"),
        "LeaseHeld": Later("testnet and live only: sim holds no Lease"),
        "StaleData": ByPod("tests/strategy/test_rules_of_gates.py"),
        "FundingUnknown": ByPod("tests/strategy/test_failure_rows.py"),
        "OrderRejects": ByPod("tests/strategy/test_rules_of_gates.py"),
        "StoreFailed": ByPod("tests/strategy/test_store_failures.py"),
    },
    "Monitoring": {
        "Made": Told(monitored(Watching.MADE, "both are made"), "True", "made"),
        "KindsMissing": Told(monitored(Watching.KINDS_MISSING, "install the CRDs"), "False", "install"),
        "NameTaken": Told(monitored(Watching.NAME_TAKEN, "rename it"), "False", "rename"),
        "ApplyConflict": Told(monitored(Watching.APPLY_CONFLICT, "stop it"), "False", "stop"),
        "Refused": Told(monitored(Watching.REFUSED, "a webhook says no"), "False", "says no"),
    },
    "Paused": {
        "ReconcileAnnotation": Told(
            lambda: facts(report(), metadata={"annotations": {"hedgegrid.io/reconcile": "disabled"}}),
            "True",
            "remove the annotation",
        ),
    },
    "Ready": {
        "Trading": Told(lambda: facts(report()), "True", "as the object says"),
        "Halted": Told(lambda: facts(report(HALT), killSwitch="haltEntries"), "True", "exits stay"),
        "Flat": Told(killed(LegState.FLAT), "True", "no position"),
        "NotSynced": Told(lambda: facts(report(), generation=2), "False", "2 is due"),
        "NotReachable": Told(lambda: facts(report(), link=failing()), "False", "again and again"),
        "EngagedByAPI": Told(lambda: facts(report(long=API_HALT, short=API_HALT)), "False", "POST /resume"),
        "BelowMinNotional": Told(lambda: facts(report(conditions=(VENUE_OK, BELOW))), "False", "raise baseQty"),
        "RiskTrip": Told(lambda: facts(tripped()), "False", "raise spec.rearm to 4"),
        "Dust": Told(killed(LegState.DUST, quantity="0.0004"), "False", "too small"),
        # What stands in the way shows through with its own reason.
        "Flattening": Told(killed(LegState.FLATTENING), "False", "being closed"),
        "FlattenFailed": Told(killed(LegState.FAILED, last_error="no margin"), "False", "no margin"),
        "Deleting": Told(lambda: facts(report(), metadata=DELETED, deletion="flat soon"), "False", "flat soon"),
        "DuplicateTarget": Told(verdict(Reason.DUPLICATE_TARGET, "another trades it"), "False", "another"),
        "WaitingForFlat": Told(doing(Doing.WAITING_FOR_FLAT), "False", "as told"),
        "CrashLoop": Told(
            lambda: facts(report(), pod=dataclasses.replace(POD, state=PodState.CRASH_LOOP)), "False", "kubectl logs"
        ),
        "StaleData": Told(venue("StaleData"), "False", "words"),
    },
}

ROWS = [(kind, reason, row) for kind, reasons in TABLE.items() for reason, row in reasons.items()]
TOLD = [pytest.param(kind, reason, row, id=f"{kind}-{reason}") for kind, reason, row in ROWS if isinstance(row, Told)]
BY_POD = [(reason, row) for _, reason, row in ROWS if isinstance(row, ByPod)]


@pytest.mark.parametrize(("kind", "reason", "row"), TOLD)
def test_a_reason_is_reached_and_its_message_helps(kind: str, reason: str, row: Told) -> None:
    found = condition(build(row.facts()), kind)
    assert found is not None
    assert (found.status, found.reason) == (row.status, reason)
    assert row.says in found.message
    assert "\n" not in found.message
    assert "None" not in found.message
    assert len(found.message) < 500


@pytest.mark.parametrize(("reason", "row"), BY_POD)
def test_a_reason_of_the_pod_is_reached_by_a_test_of_the_pod_and_passed_on(reason: str, row: ByPod) -> None:
    assert f'"{reason}"' in (ROOT / row.test).read_text()
    found = condition(build(venue(reason)()), "VenueReady")
    assert found is not None
    assert (found.status, found.reason, found.message) == ("False", reason, "the pod's words")


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("Accepted", Reason),
        ("Progressing", Doing),
        ("PodReady", PodState),
        ("ControlReachable", Failure),
        ("Monitoring", Watching),
    ],
)
def test_nothing_is_told_that_is_not_in_the_table(kind: str, known: Any) -> None:
    assert {item.value for item in known} <= TABLE[kind].keys()


def test_every_status_keeps_the_conventions_of_kubernetes() -> None:
    for kind, _, row in ROWS:
        if not isinstance(row, Told):
            continue
        status = build(row.facts())
        types = [found.type for found in status.conditions]
        assert len(types) == len(set(types))
        assert {"Accepted", "Progressing", "PodReady", "ControlReachable", "ControlSynced", "Ready"} <= set(types), kind
        for found in status.conditions:
            assert re.fullmatch(r"[A-Z][A-Za-z]*", found.type)
            assert re.fullmatch(r"[A-Z][A-Za-z]*", found.reason), found
            assert found.message, found
            assert found.observed_generation == status.observed_generation


def test_a_message_stays_while_nothing_changes() -> None:
    """Status is written on meaningful change: a message that moved by itself would be a write each round."""
    for _, _, row in ROWS:
        if isinstance(row, Told):
            first = build(row.facts())
            later = dataclasses.replace(row.facts(), previous=first, now=NOW.replace(minute=30))
            again = {found.type: found.message for found in build(later).conditions}
            assert again == {found.type: found.message for found in first.conditions}


def kstatus(status: HedgeGridStatus, generation: int) -> str:
    """How GitOps tools judge an object (kstatus): by the newest generation's condition Ready alone."""
    if status.observed_generation != generation:
        return "InProgress"
    ready = condition(status, "Ready")
    return "Current" if ready is not None and ready.status == "True" else "InProgress"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: facts(report()), "Current"),
        (lambda: facts(report(), generation=2), "InProgress"),
        (killed(LegState.FLAT), "Current"),
        (killed(LegState.FLATTENING), "InProgress"),
        (lambda: facts(report(HALT), killSwitch="haltEntries"), "Current"),
        (lambda: facts(tripped()), "InProgress"),
        (lambda: facts(pod=None), "InProgress"),
        (throttled, "InProgress"),
    ],
)
def test_a_tool_that_waits_for_ready_waits_for_what_was_asked_and_no_longer(
    found: Callable[[], Facts], expected: str
) -> None:
    known = found()
    assert kstatus(build(known), known.controls.generation) == expected
    # A status of an earlier generation never passes for the present one.
    assert kstatus(build(known), known.controls.generation + 1) == "InProgress"


def test_a_throttle_through_the_api_is_not_what_the_object_asks_for() -> None:
    ready = condition(build(throttled()), "Ready")
    assert ready is not None
    assert ready.reason == "EngagedByAPI"
    assert ready.message.startswith(
        "entries are scaled by 0.3 through the pod's API, the object says 1; POST /throttle"
    )


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (
            {"killSwitch": "flattenAll"},
            "spec.killSwitch: flattenAll isn't known to this version and counts as haltEntries",
        ),
        ({"killSwitch": None}, "spec.killSwitch: None isn't known to this version and counts as haltEntries"),
        ({"throttle": 2}, "spec.throttle: 2 isn't known to this version and counts as 0.0; write a number from 0 to 1"),
        ({"throttle": True}, "spec.throttle: True isn't known to this version and counts as 0.0"),
        ({"rearm": "7"}, "spec.rearm: 7 isn't known to this version and counts as 0"),
        ({"risk": "tight"}, "spec.risk: "),
    ],
)
def test_a_control_that_this_version_does_not_know_is_told_with_what_it_counts_as(spec: Any, fault: str) -> None:
    """F46, F52: it is carried out as far as it is understood, and never silently."""
    wanted = facts(report(), **spec).document
    held = report(wanted.kill_switch, throttle=wanted.throttle)
    synced = condition(build(facts(held, **spec)), "ControlSynced")
    assert synced is not None
    assert (synced.status, synced.reason) == ("False", "Rejected")
    assert fault in synced.message
