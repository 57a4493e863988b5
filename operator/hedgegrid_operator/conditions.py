"""The conditions of a grid, one function each. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hedgegrid_api.control import PodCondition
from hedgegrid_api.status import Condition, Escalated, KillSwitchStatus
from hedgegrid_api.text import shown
from hedgegrid_api.types import LegState, Source
from hedgegrid_api.v1alpha1 import EscalationAction
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.client import Failure
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.escalation import RESTARTS_MAX
from hedgegrid_operator.facts import Doing, Facts, Watching
from hedgegrid_operator.objects import timestamp
from hedgegrid_operator.observed import PodState, PodView
from hedgegrid_operator.trips import risk_told

_OWN = frozenset(
    {
        "Accepted",
        "Progressing",
        "PodReady",
        "ControlReachable",
        "ControlSynced",
        "KillSwitchEngaged",
        "Monitoring",
        "Ready",
        "Paused",
    }
)
_MESSAGE_MAX = 4096
_POD_CONDITIONS_MAX = 32
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,99}")
"""What a pod may call a condition or a reason."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition before it is dated."""

    type: str
    holds: bool | None
    """None: Unknown."""
    reason: str
    message: str

    def dated(self, facts: Facts) -> Condition:
        """As it stands in the status: its time changes only with its status."""
        value = "Unknown" if self.holds is None else str(self.holds)
        before = next((found for found in facts.previous.conditions if found.type == self.type), None)
        since = before.last_transition_time if before is not None and before.status == value else None
        return Condition.model_validate(
            {
                "type": self.type,
                "status": value,
                "reason": self.reason,
                "message": shown(self.message, _MESSAGE_MAX),
                "lastTransitionTime": since or facts.now.replace(microsecond=0),
                "observedGeneration": facts.controls.generation,
            }
        )


def findings(facts: Facts, kill: KillSwitchStatus) -> Iterator[Finding]:
    """All conditions but the summary."""
    yield Finding("Accepted", facts.verdict.accepted, facts.verdict.reason.value, facts.verdict.message)
    doing = facts.progress.doing
    yield Finding("Progressing", doing is not Doing.IDLE, doing.value, facts.progress.message)
    yield _pod_ready(facts.pod, facts.taken, facts.progress.no_pod)
    yield _reachable(facts)
    yield _synced(facts)
    yield _engaged(facts, kill)
    yield from _of_pod(facts)
    if (monitored := facts.progress.monitored) is not None:
        yield Finding("Monitoring", monitored.reason is Watching.MADE, monitored.reason.value, monitored.message)
    if facts.controls.paused:
        yield Finding(
            "Paused",
            True,
            "ReconcileAnnotation",
            "hedgegrid.io/reconcile is disabled: children, rollouts and throttle stay as they are; kill switch and "
            "deletion still work; remove the annotation to go on",
        )


_POD_REMEDIES = {
    PodState.CRASH_LOOP: "kubectl logs --previous tells why",
    PodState.IMAGE_PULL_FAILED: "check spec.image and spec.imagePullSecrets",
    PodState.UNSCHEDULABLE: "check nodes, spec.pod and the volume claim",
    PodState.OOM_KILLED: "raise spec.pod.resources.limits.memory",
    PodState.EVICTED: "it is made anew; see to the node, or raise spec.pod.resources.requests",
    PodState.NODE_LOST: "see to the node; delete the pod by force only when the node is surely off",
}


def _pod_ready(pod: PodView | None, taken: PodView | None, no_pod: str | None) -> Finding:
    if pod is None and no_pod is not None:
        return Finding("PodReady", False, PodState.STARTING.value, no_pod)
    if taken is not None and (pod is None or pod.state is PodState.STARTING):
        text = f"pod {taken.name} was taken away ({taken.message}); another one is on its way"
        return Finding("PodReady", False, taken.state.value, text)
    if pod is None:
        return Finding("PodReady", False, PodState.STARTING.value, "there is no pod yet")
    ready = pod.state is PodState.READY
    message = pod.message or ("the pod is ready" if ready else "the pod is starting")
    remedy = _POD_REMEDIES.get(pod.state)
    return Finding("PodReady", ready, pod.state.value, f"{message}; {remedy}" if remedy else message)


_CALL_REMEDIES = {
    Failure.CONNECTION_REFUSED: "it is called again and again; look at the pod's log",
    Failure.TIMEOUT: "it is called again and again; look at the pod, and at network policies on the way to it",
    Failure.UNAUTHORIZED: "delete the pod, then it reads its Secret anew",
}


def _reachable(facts: Facts) -> Finding:
    kind, link = "ControlReachable", facts.link
    if facts.no_address:
        return Finding(kind, False, "NoPod", facts.no_address)
    if link.failure is not None:
        remedy = _CALL_REMEDIES.get(link.failure, "it is called again and again")
        return Finding(kind, False, link.failure.value, f"the pod's control API: {link.failure_message}; {remedy}")
    if facts.report is None:
        return Finding(kind, None, "Contacted", "the pod hasn't been called yet")
    return Finding(kind, True, "Contacted", "the pod answers")


def _behind(held: int, generation: int) -> str:
    return (
        f"the pod holds generation {held}, the object has {generation}: the API server's store was restored from an "
        "older copy; kill switch and deletion work, but nothing that allows more is taken from a lower generation: "
        f"check the spec, then change it {held - generation + 1} times (its throttle, say)"
    )


def _rejected(facts: Facts) -> str | None:
    """Why something that the object asks for isn't carried out."""
    report = facts.report
    if report is not None and plan.newest(report) == facts.link.overtaken >= facts.controls.generation:
        return _behind(facts.link.overtaken, facts.controls.generation)
    if facts.link.refusal:
        return f"the pod refuses the document: {facts.link.refusal}"
    if facts.document.faults and plan.holds(report, facts.document):
        return f"the pod holds what can be read of it: {'; '.join(facts.document.faults)}"
    return None


def _synced(facts: Facts) -> Finding:
    kind, report = "ControlSynced", facts.report
    if (why := _rejected(facts)) is not None:
        return Finding(kind, False, "Rejected", why)
    if report is None:
        return Finding(kind, False, "Pending", "the pod hasn't reported since it started")
    if not report.synced:
        return Finding(kind, False, "StaleBoot", "the pod has started and waits for its document; entries are held")
    held = report.applied_generation
    if facts.urgency in {Urgency.HELD, Urgency.REFRESH} and plan.holds(report, facts.document):
        if facts.document.faults:
            why = "; ".join(facts.document.faults)
            return Finding(
                kind, False, "Rejected", f"the pod holds generation {held} but for what can't be read: {why}"
            )
        return Finding(kind, True, "Applied", f"the pod holds generation {held}")
    return Finding(kind, False, "Pending", f"the pod holds generation {held}, {facts.controls.generation} is due")


_TOLD = {
    LegState.DELIVERED: "the pod has stored it",
    LegState.FLATTENING: "orders are out, positions are being closed",
    LegState.HALTED: "no entry is open, exits stay",
    LegState.DUST: "the venue shows no order and a position too small to be closed",
    LegState.FLAT: "the venue shows no order and no position",
}


def _engaged(facts: Facts, kill: KillSwitchStatus) -> Finding:
    kind, state = "KillSwitchEngaged", kill.state or LegState.RELEASED
    if state is LegState.RELEASED:
        return Finding(kind, False, "Released", "nothing is held back")
    if state is LegState.REQUESTED:
        return _requested(facts, kill)
    if state is LegState.FAILED:
        why = kill.last_error or "no reason given"
        return Finding(kind, True, "FlattenFailed", f"not flat in time, the pod goes on trying: {why}")
    if kill.source is Source.RISK:
        return Finding(kind, True, "RiskTrip", f"{kill.effective} by risk: {_TOLD[state]}; {risk_told(facts)}")
    by = f" by {kill.source.value}" if kill.source else ""
    return Finding(kind, True, state.value, f"{kill.effective}{by}: {_TOLD[state]}")


def _requested(facts: Facts, kill: KillSwitchStatus) -> Finding:
    kind, wanted = "KillSwitchEngaged", "deletion" if facts.controls.deleted else kill.desired
    if not facts.verdict.accepted and facts.pod is None and not facts.config_hash:
        return Finding(
            kind, True, "Requested", f"{wanted} is asked for, the object was never run: there is nothing to kill"
        )
    why = f" ({kill.last_error})" if kill.last_error else ""
    told = f"{wanted} is asked for, the pod hasn't stored it yet{why}"
    if kill.escalated is not None:
        return Finding(kind, True, "Escalated", f"{told}; {escalated_told(kill.escalated)}")
    if facts.link.failure is None or facts.pod is None:
        return Finding(kind, True, "Requested", told)
    remedy = f"see to pod {facts.pod.name}, or delete it: it comes back halted"
    if facts.controls.escalation.action is EscalationAction.RESTART_POD:
        remedy = f"after {facts.controls.escalation.after:g} s of that the pod is restarted"
    return Finding(kind, True, "Requested", f"{told}; it is sent again and again; {remedy}")


def escalated_told(done: Escalated) -> str:
    """What the escalation has done so far."""
    so_far = f"the pod was restarted for it {done.restarts} of {RESTARTS_MAX} times, last at {timestamp(done.time)}"
    if done.restarts < RESTARTS_MAX:
        return so_far
    return f"{so_far}; if it still doesn't take it, see to its node and log, and to the positions at the venue"


def _of_pod(facts: Facts) -> Iterator[Finding]:
    """Conditions that only the pod can know, as it last reported them."""
    report = facts.report
    listed = report.conditions[:_POD_CONDITIONS_MAX] if report else ()
    told = {item.type: item for item in listed if item.type not in _OWN and _named(item)}
    if "VenueReady" not in told:
        yield Finding("VenueReady", None, "Connecting", "the pod hasn't reported about its venue yet")
    for item in told.values():
        yield Finding(item.type, item.status, item.reason, item.message)


def _named(item: PodCondition) -> bool:
    return all(_WORD.fullmatch(word) for word in (item.type, item.reason))
