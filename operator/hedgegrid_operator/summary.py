"""One line about a grid: the condition Ready, and the phase. Pure.

Ready says whether what is observed equals what is desired: a kill that was asked for and is reached is Ready, so that
tools which wait for an object don't wait for ever; one that is under way, or that nobody wrote into the spec, isn't.
"""

from collections.abc import Mapping

from hedgegrid_api.control import ControlReport
from hedgegrid_api.status import KillSwitchStatus, Phase
from hedgegrid_api.types import LegLevel, LegState, Source
from hedgegrid_operator.conditions import Finding
from hedgegrid_operator.control import plan
from hedgegrid_operator.facts import Doing, Facts
from hedgegrid_operator.trips import risk_told

_UNFINISHED = frozenset({Doing.WAITING_FOR_FLAT, Doing.WAITING_FOR_ANNOTATION, Doing.ROLLING_OUT, Doing.APPLY_CONFLICT})


def ready(facts: Facts, kill: KillSwitchStatus, known: Mapping[str, Finding]) -> Finding:
    """The condition Ready."""
    obstacle = _obstacle(facts, known) or _kill_obstacle(facts, kill, known)
    if obstacle is not None:
        return Finding("Ready", False, *obstacle)
    state = kill.state or LegState.RELEASED
    if state is not LegState.RELEASED:
        return Finding("Ready", True, state.value, known["KillSwitchEngaged"].message)
    for kind in ("PodReady", "VenueReady"):
        if known[kind].holds is not True:
            return Finding("Ready", False, known[kind].reason, known[kind].message)
    if (told := _throttled(facts.report) or _told_by_pod(facts.report)) is not None:
        return Finding("Ready", False, *told)
    return Finding("Ready", True, "Trading", "the grid trades as the object says")


def _throttled(report: ControlReport | None) -> tuple[str, str] | None:
    """That somebody has throttled the grid further than its object."""
    if report is None or report.throttle.source is Source.SPEC or report.throttle.effective >= report.throttle.desired:
        return None
    acts, asked = report.throttle.effective, report.throttle.desired
    return "EngagedByAPI", (
        f"entries are scaled by {acts:g} through the pod's API, the object says {asked:g}; POST /throttle with 1, or "
        "another spec.throttle, ends that"
    )


def _told_by_pod(report: ControlReport | None) -> tuple[str, str] | None:
    """Why the pod says that the grid can't trade as configured (BelowMinNotional)."""
    told = (item for item in report.conditions if item.type == "Ready" and not item.status) if report else ()
    return next(((item.reason, item.message) for item in told), None)


def _obstacle(facts: Facts, known: Mapping[str, Finding]) -> tuple[str, str] | None:
    if facts.deletion is not None:
        return "Deleting", facts.deletion
    if not facts.verdict.accepted:
        return facts.verdict.reason.value, facts.verdict.message
    for kind, reason in (("ControlReachable", "NotReachable"), ("ControlSynced", "NotSynced")):
        if known[kind].holds is not True:
            return reason, known[kind].message
    if facts.progress.doing in _UNFINISHED or facts.progress.refused:
        return facts.progress.doing.value, facts.progress.message
    return None


def _kill_obstacle(facts: Facts, kill: KillSwitchStatus, known: Mapping[str, Finding]) -> tuple[str, str] | None:
    state, told = kill.state or LegState.RELEASED, known["KillSwitchEngaged"]
    if state is LegState.RELEASED:
        return None
    if facts.trip is not None or kill.source is Source.RISK:
        # Of whatever else holds the grid back, too: it wouldn't trade if that were released.
        return "RiskTrip", risk_told(facts)
    if facts.report is not None and _beyond_spec(facts.report):
        return "EngagedByAPI", f"{told.message}; release it by POST /resume with the latch's id, or by a higher rearm"
    return None if state in {LegState.FLAT, LegState.HALTED} else (told.reason, told.message)


def _beyond_spec(report: ControlReport) -> bool:
    """Whether any leg is held back by somebody else than the spec."""
    legs = report.kill_switch.legs
    return any(leg.level is not LegLevel.OPEN and leg.source is not Source.SPEC for leg in (legs.long, legs.short))


def phase(facts: Facts, kill: KillSwitchStatus, known: Mapping[str, Finding]) -> Phase:
    """One word for the whole grid."""
    if facts.deletion is not None:
        return Phase.DELETING
    if not facts.verdict.accepted:
        return Phase.REJECTED
    if facts.pod is None:
        return Phase.PENDING
    report, failed = facts.report, facts.link.failure is not None
    if failed and (report is not None or known["PodReady"].holds):
        return Phase.DEGRADED
    if report is None or not report.synced:
        return Phase.STARTING
    return _phase_of(report, kill, venue_ready=known["VenueReady"].holds is True)


def _phase_of(report: ControlReport, kill: KillSwitchStatus, *, venue_ready: bool) -> Phase:
    if kill.state is LegState.REQUESTED or plan.under_way(report):
        return Phase.FLATTENING
    levels = {report.kill_switch.legs.long.level, report.kill_switch.legs.short.level}
    if levels == {LegLevel.FLAT}:
        return Phase.FLAT
    if LegLevel.OPEN not in levels:
        return Phase.HALTED
    return Phase.RUNNING if venue_ready else Phase.DEGRADED
