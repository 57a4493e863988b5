"""From what is known to the object's status. Pure, and never more than is known."""

from hedgegrid_api.control import ControlReport
from hedgegrid_api.status import Condition, ControlStatus, HedgeGridStatus, KillSwitchStatus, ThrottleStatus
from hedgegrid_api.tolerance import readable
from hedgegrid_api.types import LegLevel, LegState, Source
from hedgegrid_operator.conditions import findings
from hedgegrid_operator.control import plan
from hedgegrid_operator.facts import Facts
from hedgegrid_operator.kill_status import kill_switch
from hedgegrid_operator.objects import Json, as_object, section
from hedgegrid_operator.summary import phase, ready

_ENDS = frozenset({LegState.HALTED, LegState.FLAT, LegState.DUST})


def previous_status(grid: Json) -> HedgeGridStatus:
    """The status in an object, as far as it can be read (another version, or anybody, may have written into it)."""
    return readable(HedgeGridStatus, section(grid, "status"))


def condition(status: HedgeGridStatus, kind: str) -> Condition | None:
    """A condition by its type."""
    return next((found for found in status.conditions if found.type == kind), None)


def build(facts: Facts) -> HedgeGridStatus:
    """The whole status."""
    kill = kill_switch(facts)
    known = {found.type: found for found in findings(facts, kill)}
    summary = ready(facts, kill, known)
    report, pod = facts.report, facts.pod
    return HedgeGridStatus(
        observed_generation=facts.controls.generation,
        phase=phase(facts, kill, known),
        pod_name=pod.name if pod else None,
        pod_uid=pod.uid if pod else None,
        image=pod.image if pod else facts.previous.image,
        config_hash=facts.config_hash,
        rollout=facts.progress.rollout,
        control=_control(facts, kill),
        telemetry=report.telemetry if report else facts.previous.telemetry,
        conditions=tuple(found.dated(facts) for found in (*known.values(), summary)),
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
    kill = section(found, "control", "killSwitch")
    for tries in (kill, section(kill, "legs", "long"), section(kill, "legs", "short")):
        for quiet in ("attempts", "lastError"):
            tries.pop(quiet, None)
    return found


def verified_by_status(status: HedgeGridStatus, generation: int, levels: tuple[LegLevel, LegLevel]) -> bool:
    """Whether a status of this generation, that of a deletion, already says that both legs have got where it asks."""
    control = status.control
    kill = control.kill_switch if control else None
    if control is None or kill is None or kill.legs is None:
        return False
    # What a deletion asked for stands; it was asked for before this generation where the whole namespace goes.
    lasts = {kill.legs.long.source, kill.legs.short.source} == {Source.DELETION}
    if not lasts and (control.applied_generation or 0) < generation:
        return False
    return kill.state in _ENDS and plan.carried_out(kill.legs, levels)


def last_known_flat(report: ControlReport | None, status: HedgeGridStatus) -> bool | None:
    """Whether the grid had no position when a pod of it last reported; None: never known."""
    if report is not None:
        return plan.both_flat(report.kill_switch.legs)
    figures = status.telemetry
    quantities = (figures.long.quantity, figures.short.quantity) if figures else (None, None)
    return None if None in quantities else not any(quantities)


def _control(facts: Facts, kill: KillSwitchStatus) -> ControlStatus:
    report, before = facts.report, facts.previous.control
    if report is None:
        return (before or ControlStatus()).model_copy(update={"kill_switch": kill})
    throttle = ThrottleStatus(
        desired=report.throttle.desired, effective=report.throttle.effective, source=report.throttle.source
    )
    old = before.throttle if before else None
    same = old is not None and old.model_copy(update={"applied_time": None}) == throttle
    applied = old.applied_time if old is not None and same else facts.now.replace(microsecond=0)
    return ControlStatus(
        boot_id=report.boot_id,
        applied_generation=report.applied_generation,
        rearm=facts.rearm_consumed,
        throttle=throttle.model_copy(update={"applied_time": applied}),
        kill_switch=kill,
        latches=facts.latches,
        trip=facts.trip,
    )
