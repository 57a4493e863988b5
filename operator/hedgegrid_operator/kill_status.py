"""The kill switch in the status: the operator's view until the pod has stored it, the pod's afterwards. Pure."""

from datetime import datetime

from hedgegrid_api.status import Escalated, KillSwitchStatus
from hedgegrid_api.types import LegLevel, LegState, Source
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.facts import Facts


def kill_switch(facts: Facts) -> KillSwitchStatus:
    """Never further than known: Requested until the pod has stored it, Flat only by the pod's word for the venue."""
    report, before = facts.report, _before(facts)
    if facts.released and report is None:
        # The pod is gone because it was flat.
        return before
    if facts.urgency is Urgency.KILL:
        return _requested(facts, before)
    if report is None:
        return KillSwitchStatus(desired=facts.controls.kill_switch.value)
    legs, state = report.kill_switch.legs, report.kill_switch.state
    engaged = [leg for leg in (legs.long, legs.short) if leg.level is not LegLevel.OPEN]
    done = bool(engaged) and all(plan.reached(leg) for leg in engaged)
    return KillSwitchStatus(
        desired=facts.controls.kill_switch.value,
        effective=report.kill_switch.effective,
        state=state,
        source=report.kill_switch.source,
        operation_id=report.kill_switch.operation_id,
        engaged_time=_engaged_time(facts, before) if engaged else None,
        delivered_time=max((leg.delivered for leg in engaged if leg.delivered), default=None),
        flat_time=max((leg.reached for leg in engaged if leg.reached), default=None) if done else None,
        attempts=facts.link.attempts or None,
        last_error=next((leg.last_error for leg in engaged if leg.last_error), None),
        escalated=_escalated(facts) if engaged else None,
        legs=legs,
    )


def delivery_problem(facts: Facts) -> str | None:
    """Why a kill isn't stored by the pod yet, as far as known."""
    return facts.link.failure_message or facts.link.refusal or facts.no_address


def _before(facts: Facts) -> KillSwitchStatus:
    found = facts.previous.control.kill_switch if facts.previous.control else None
    return found or KillSwitchStatus()


def _requested(facts: Facts, before: KillSwitchStatus) -> KillSwitchStatus:
    report = facts.report
    return KillSwitchStatus(
        desired=facts.controls.kill_switch.value,
        effective=report.kill_switch.effective if report else None,
        state=LegState.REQUESTED,
        source=Source.DELETION if facts.controls.deleted else Source.SPEC,
        engaged_time=_engaged_time(facts, before),
        attempts=facts.link.attempts or None,
        last_error=delivery_problem(facts),
        escalated=_escalated(facts),
        legs=report.kill_switch.legs if report else None,
    )


def _escalated(facts: Facts) -> Escalated | None:
    done = facts.restarts
    if not done.count:
        return None
    return Escalated(restarts=done.count, pod_uid=done.pod_uid or "", time=done.time or facts.now)


def _engaged_time(facts: Facts, before: KillSwitchStatus) -> datetime:
    if before.state not in {None, LegState.RELEASED} and before.engaged_time is not None:
        return before.engaged_time
    return facts.link.kill_seen or facts.now
