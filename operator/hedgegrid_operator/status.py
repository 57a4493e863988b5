"""From what is known to the object's status: pure, and never more than is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from hedgegrid_api.control import ControlDocument, ControlReport, LegReport
from hedgegrid_api.status import Condition, ControlStatus, HedgeGridStatus, KillSwitchStatus, Phase, ThrottleStatus
from hedgegrid_api.types import LegLevel, LegState, Source
from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.objects import Json, as_object, section
from hedgegrid_operator.observed import Controls, PodState, PodView


class Doing(StrEnum):
    """Reasons of the condition Progressing."""

    CREATING = "Creating"
    ROLLING_OUT = "RollingOut"
    WAITING_FOR_FLAT = "WaitingForFlat"
    IDLE = "Idle"
    APPLY_CONFLICT = "ApplyConflict"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the operator is doing with the children."""

    doing: Doing
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a status is made of."""

    now: datetime
    controls: Controls
    previous: HedgeGridStatus
    verdict: Verdict
    progress: Progress
    document: ControlDocument
    """What the pod is to hold."""
    link: Link
    """Read only."""
    pod: PodView | None
    config_hash: str | None
    """Of the configuration that is applied; None before the first."""
    deletion: str | None = None
    """Where a deletion stands, in words; None: the object isn't being deleted."""

    @property
    def report(self) -> ControlReport | None:
        """The pod's last report."""
        return self.link.report

    @property
    def urgency(self) -> Urgency:
        """How the wanted document relates to that report."""
        return plan.urgency(self.document, self.report)


type _Finding = tuple[str, bool | None, str, str]
"""Type, status (None: Unknown), reason and message of a condition."""


def previous_status(grid: Json) -> HedgeGridStatus:
    """The status in an object; an unreadable one (of another version) counts as empty."""
    try:
        return HedgeGridStatus.model_validate(section(grid, "status"))
    except ValidationError:
        return HedgeGridStatus()


def condition(status: HedgeGridStatus, kind: str) -> Condition | None:
    """A condition by its type."""
    return next((found for found in status.conditions if found.type == kind), None)


def build(facts: Facts) -> HedgeGridStatus:
    """The whole status."""
    kill = _kill_switch(facts)
    findings = list(_findings(facts, kill))
    findings.append(_ready(facts, kill, findings))
    report, pod = facts.report, facts.pod
    telemetry = report.telemetry if report else facts.previous.telemetry
    return HedgeGridStatus(
        observed_generation=facts.controls.generation,
        phase=_phase(facts, kill, findings),
        pod_name=pod.name if pod else None,
        pod_uid=pod.uid if pod else None,
        image=pod.image if pod else facts.previous.image,
        config_hash=facts.config_hash,
        control=_control(facts, kill),
        telemetry=telemetry,
        conditions=tuple(_dated(finding, facts) for finding in findings),
    )


def written(status: HedgeGridStatus) -> Json:
    """The status as it stands in the object; what isn't known is absent."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def loud(status: HedgeGridStatus) -> Json:
    """The part of a status whose change is worth a write of its own: not figures that move with the market."""
    found = written(status)
    figures = as_object(found.pop("telemetry", None))
    quantities = [section(figures, leg).get("quantity") for leg in ("long", "short")]
    found["figures"] = [*quantities, figures.get("openOrders")]
    for quiet in ("attempts", "lastError"):
        section(found, "control", "killSwitch").pop(quiet, None)
    return found


def _dated(finding: _Finding, facts: Facts) -> Condition:
    kind, holds, reason, message = finding
    value = "Unknown" if holds is None else str(holds)
    before = condition(facts.previous, kind)
    unchanged = before is not None and before.status == value
    return Condition.model_validate(
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": message,
            "lastTransitionTime": before.last_transition_time
            if unchanged and before
            else facts.now.replace(microsecond=0),
            "observedGeneration": facts.controls.generation,
        }
    )


def _control(facts: Facts, kill: KillSwitchStatus) -> ControlStatus:
    report, before = facts.report, facts.previous.control
    if report is None:
        known = before or ControlStatus()
        return known.model_copy(update={"kill_switch": kill})
    throttle = ThrottleStatus(
        desired=report.throttle.desired, effective=report.throttle.effective, source=report.throttle.source
    )
    old = before.throttle if before else None
    same = old is not None and old.model_copy(update={"applied_time": None}) == throttle
    applied = old.applied_time if same and old else facts.now.replace(microsecond=0)
    return ControlStatus(
        boot_id=report.boot_id,
        applied_generation=report.applied_generation,
        rearm=report.rearm,
        throttle=throttle.model_copy(update={"applied_time": applied}),
        kill_switch=kill,
        latches=report.latches,
    )


def _kill_switch(facts: Facts) -> KillSwitchStatus:
    report, link = facts.report, facts.link
    before = facts.previous.control.kill_switch if facts.previous.control else None
    requested = facts.urgency is Urgency.KILL
    if report is None and not requested:
        return KillSwitchStatus(desired=facts.controls.kill_switch.value)
    if requested:
        state = LegState.REQUESTED
        source: Source | None = Source.DELETION if facts.controls.deleted else Source.SPEC
    else:
        state = report.kill_switch.state if report else LegState.RELEASED
        source = report.kill_switch.source if report else None
    engaged_before = before is not None and before.state not in {None, LegState.RELEASED}
    since = before.engaged_time if engaged_before and before else link.kill_seen or facts.now
    engaged = state is not LegState.RELEASED
    legs = report.kill_switch.legs if report else None
    stored = not requested and engaged and legs is not None
    moments = [leg for leg in (legs.long, legs.short) if leg.level is not LegLevel.OPEN] if stored and legs else []
    done = bool(moments) and all(plan.reached(leg) for leg in moments)
    return KillSwitchStatus(
        desired=facts.controls.kill_switch.value,
        effective=report.kill_switch.effective if report else None,
        state=state,
        source=source,
        operation_id=report.kill_switch.operation_id if stored and report else None,
        engaged_time=since if engaged else None,
        delivered_time=max((leg.delivered for leg in moments if leg.delivered), default=None),
        flat_time=max((leg.reached for leg in moments if leg.reached), default=None) if done else None,
        attempts=link.attempts or None,
        last_error=_last_error(facts, moments),
        legs=legs,
    )


def _last_error(facts: Facts, legs: list[LegReport]) -> str | None:
    if facts.urgency is Urgency.KILL:
        return facts.link.failure_message or facts.link.refusal or _no_pod(facts.pod)
    return next((leg.last_error for leg in legs if leg.last_error), None)


def _no_pod(pod: PodView | None) -> str | None:
    if pod is None:
        return "there is no pod"
    return None if pod.ip else "the pod has no address yet"


def _findings(facts: Facts, kill: KillSwitchStatus) -> Iterator[_Finding]:
    yield "Accepted", facts.verdict.accepted, facts.verdict.reason.value, facts.verdict.message
    progress = facts.progress
    yield "Progressing", progress.doing is not Doing.IDLE, progress.doing.value, progress.message
    yield _pod_ready(facts.pod)
    yield _reachable(facts)
    yield _synced(facts)
    yield _engaged(facts, kill)
    yield from _of_pod(facts)
    if facts.controls.paused:
        yield (
            "Paused",
            True,
            "ReconcileAnnotation",
            "hedgegrid.io/reconcile is disabled: children, rollouts and throttle stay as they are; kill switch and "
            "deletion still work; remove the annotation to go on",
        )


def _pod_ready(pod: PodView | None) -> _Finding:
    if pod is None:
        return "PodReady", False, PodState.STARTING.value, "there is no pod"
    message = pod.message or ("the pod is ready" if pod.state is PodState.READY else "the pod is starting")
    return "PodReady", pod.state is PodState.READY, pod.state.value, message


def _reachable(facts: Facts) -> _Finding:
    link = facts.link
    missing = _no_pod(facts.pod)
    if missing:
        return "ControlReachable", False, "NoPod", missing
    if link.failure is not None:
        return "ControlReachable", False, link.failure.value, f"the pod's control API: {link.failure_message}"
    if facts.report is None:
        return "ControlReachable", None, "Contacted", "the pod hasn't been called yet"
    return "ControlReachable", True, "Contacted", "the pod answers"


def _synced(facts: Facts) -> _Finding:
    report, urgency = facts.report, facts.urgency
    if facts.link.refusal:
        return "ControlSynced", False, "Rejected", f"the pod refuses the document: {facts.link.refusal}"
    if report is None:
        return "ControlSynced", False, "Pending", "the pod hasn't reported since it started"
    if not report.synced:
        return "ControlSynced", False, "StaleBoot", "the pod has restarted and waits for its document; entries are held"
    if urgency in {Urgency.HELD, Urgency.REFRESH} and plan.holds(report, facts.document):
        return "ControlSynced", True, "Applied", f"the pod holds generation {report.applied_generation}"
    held = report.applied_generation
    return "ControlSynced", False, "Pending", f"the pod holds generation {held}, {facts.controls.generation} is due"


def _engaged(facts: Facts, kill: KillSwitchStatus) -> _Finding:
    state = kill.state or LegState.RELEASED
    kind = "KillSwitchEngaged"
    if state is LegState.RELEASED:
        return kind, False, "Released", "nothing is held back"
    wanted = "deletion" if facts.controls.deleted else kill.desired
    by = f"by {kill.source.value}" if kill.source else ""
    match state:
        case LegState.REQUESTED:
            why = f" ({kill.last_error})" if kill.last_error else ""
            if not facts.verdict.accepted and facts.pod is None and not facts.config_hash:
                why = " (the object was never run: there is nothing to kill)"
            return kind, True, "Requested", f"{wanted} is asked for; the pod hasn't stored it yet{why}"
        case LegState.FAILED:
            return (
                kind,
                True,
                "FlattenFailed",
                f"not flat in time, the pod goes on trying: {kill.last_error or 'no reason given'}",
            )
        case _:
            return kind, True, state.value, f"{kill.effective} {by}: {_told(state)}"


def _told(state: LegState) -> str:
    match state:
        case LegState.DELIVERED:
            return "the pod has stored it"
        case LegState.FLATTENING:
            return "orders are out, positions are being closed"
        case LegState.HALTED:
            return "no entry is open; exits stay"
        case LegState.DUST:
            return "the venue shows no order and a position too small to be closed"
        case _:
            return "the venue shows no order and no position"


_OWN = frozenset(
    {"Accepted", "Progressing", "PodReady", "ControlReachable", "ControlSynced", "KillSwitchEngaged", "Ready", "Paused"}
)


def _of_pod(facts: Facts) -> Iterator[_Finding]:
    """Conditions that only the pod can know, as it last reported them."""
    report = facts.report
    told = {item.type: item for item in report.conditions if item.type not in _OWN} if report else {}
    if "VenueReady" not in told:
        yield "VenueReady", None, "Connecting", "the pod hasn't reported about its venue yet"
    for item in told.values():
        yield item.type, item.status, item.reason, item.message


def _ready(facts: Facts, kill: KillSwitchStatus, findings: list[_Finding]) -> _Finding:
    """The summary: whether what is observed equals what is desired."""
    known = {kind: (holds, reason, message) for kind, holds, reason, message in findings}

    def not_ready(reason: str, message: str) -> _Finding:
        return "Ready", False, reason, message

    if facts.deletion is not None:
        return not_ready("Deleting", facts.deletion)
    if not facts.verdict.accepted:
        return not_ready(facts.verdict.reason.value, facts.verdict.message)
    if known["ControlReachable"][0] is not True:
        return not_ready("NotReachable", known["ControlReachable"][2])
    if known["ControlSynced"][0] is not True:
        return not_ready("NotSynced", known["ControlSynced"][2])
    if facts.progress.doing in {Doing.WAITING_FOR_FLAT, Doing.ROLLING_OUT, Doing.APPLY_CONFLICT}:
        return not_ready(facts.progress.doing.value, facts.progress.message)
    state, reason = kill.state or LegState.RELEASED, known["KillSwitchEngaged"][1]
    if state is not LegState.RELEASED and kill.source is not Source.SPEC:
        return not_ready("EngagedByAPI", f"{known['KillSwitchEngaged'][2]}; release it by POST /resume or a rearm")
    if state not in {LegState.RELEASED, LegState.FLAT, LegState.HALTED}:
        return not_ready(reason, known["KillSwitchEngaged"][2])
    venue, venue_reason, venue_message = known["VenueReady"]
    if venue is not True and state is LegState.RELEASED:
        return not_ready(venue_reason, venue_message)
    if state is not LegState.RELEASED:
        return "Ready", True, state.value, known["KillSwitchEngaged"][2]
    return "Ready", True, "Trading", "the grid trades as the object says"


def _phase(facts: Facts, kill: KillSwitchStatus, findings: list[_Finding]) -> Phase:
    holds = {kind: value for kind, value, _, _ in findings}
    if facts.deletion is not None:
        return Phase.DELETING
    if not facts.verdict.accepted:
        return Phase.REJECTED
    if facts.pod is None:
        return Phase.PENDING
    report = facts.report
    if report is None or not report.synced:
        return Phase.DEGRADED if facts.link.failure and holds["PodReady"] else Phase.STARTING
    if facts.link.failure is not None:
        return Phase.DEGRADED
    if kill.state is LegState.REQUESTED or plan.under_way(report):
        return Phase.FLATTENING
    levels = {report.kill_switch.legs.long.level, report.kill_switch.legs.short.level}
    if levels == {LegLevel.FLAT}:
        return Phase.FLAT
    if LegLevel.OPEN not in levels:
        return Phase.HALTED
    return Phase.RUNNING if holds["VenueReady"] is True else Phase.DEGRADED


def last_known_flat(report: ControlReport | None, status: Json) -> bool | None:
    """Whether the grid had no position when its pod last reported; None: never known."""
    if report is not None:
        return plan.both_flat(report)
    legs = section(status, "control", "killSwitch", "legs")
    quantities: list[Any] = [section(legs, leg).get("quantity") for leg in ("long", "short")]
    if any(quantity is None for quantity in quantities):
        return None
    return all(float(quantity) == 0 for quantity in quantities)
