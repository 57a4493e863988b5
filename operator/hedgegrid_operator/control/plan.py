"""What to tell a pod, and how urgently: pure decisions over the object's controls and the pod's last report."""

from enum import Enum

from hedgegrid_api.control import ControlDocument, ControlReport, DeletionIntent, LegReport, LegReports
from hedgegrid_api.deletion import LEVELS
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Source, levels_of
from hedgegrid_operator.observed import Controls

KILL_BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the next try of a kill, by failures so far; the last one for ever."""
_RETRY_MAX = 60.0
_REACHED = {
    LegLevel.OPEN: frozenset(LegState),
    LegLevel.HALTED: frozenset({LegState.HALTED, LegState.FLAT, LegState.DUST}),
    LegLevel.FLAT: frozenset({LegState.FLAT, LegState.DUST}),
}


class Urgency(Enum):
    """What has to happen with a document."""

    KILL = "kill"
    """It holds a leg back further than the pod does: at once, before anything else."""
    THROTTLE = "throttle"
    """It throttles further down: without asking anybody, in its turn."""
    WEAKER = "weaker"
    """It allows more than the pod does, or may (limits aren't in the report): only after a consistent read of the
    object."""
    REFRESH = "refresh"
    """It changes nothing that acts (epoch): in its turn."""
    HELD = "held"
    """The pod has it."""


def document(
    controls: Controls, *, epoch: int, rearm_latches: tuple[str, ...], report: ControlReport | None
) -> ControlDocument:
    """The whole desired state of a grid's controls. While reconciling is paused, the pod's throttle stands."""
    frozen = controls.paused and report is not None and report.synced
    return ControlDocument(
        uid=controls.ref.uid,
        generation=controls.generation,
        epoch=epoch,
        by=controls.by,
        kill_switch=controls.kill_switch,
        throttle=report.throttle.desired if frozen and report else controls.throttle,
        rearm=controls.rearm,
        rearm_latches=rearm_latches,
        risk=controls.risk,
        latches=controls.latches,
        faults=controls.faults,
        deletion=controls.deletion,
    )


def plainly(wanted: ControlDocument) -> ControlDocument:
    """The same for a pod that knows no deletion but Flatten: its entries are kept out by the switch. (Not where the
    switch closes one leg: no value of it halts the other.)
    """
    if wanted.deletion is not DeletionIntent.CANCEL_ORDERS or len(set(levels_of(wanted.kill_switch))) > 1:
        return wanted
    least = KillSwitch.HALT_ENTRIES if wanted.kill_switch is KillSwitch.NONE else wanted.kill_switch
    return wanted.model_copy(update={"deletion": DeletionIntent.NONE, "kill_switch": least})


def wanted_levels(wanted: ControlDocument) -> tuple[LegLevel, LegLevel]:
    """Levels of LONG and SHORT that a document asks for, by its switch or by a deletion."""
    least = LEVELS[wanted.deletion]
    long, short = levels_of(wanted.kill_switch)
    return max(long, least, key=_rank), max(short, least, key=_rank)


def _rank(level: LegLevel) -> int:
    return level.rank


def urgency(wanted: ControlDocument, report: ControlReport | None) -> Urgency:
    """How a document relates to what the pod last reported; None is a pod that hasn't reported since it started."""
    if report is None or not report.synced or report.uid != wanted.uid:
        restrains = wanted_levels(wanted) != (LegLevel.OPEN, LegLevel.OPEN)
        return Urgency.KILL if restrains else Urgency.WEAKER
    newer = (report.applied_generation or 0) < wanted.generation
    switches = tuple(zip(levels_of(wanted.kill_switch), levels_of(report.kill_switch.desired), strict=True))
    deletes = wanted.deletion is not DeletionIntent.NONE and (newer or _lacks(wanted, report))
    opens = any(ours.rank < theirs.rank for ours, theirs in switches)
    throttles = wanted.throttle - report.throttle.desired
    releases = wanted.rearm > report.rearm and bool(report.latches)
    # The first that applies.
    answers = {
        Urgency.KILL: (deletes and not _lets_go(wanted, report))
        or any(ours.rank > theirs.rank for ours, theirs in switches),
        Urgency.THROTTLE: throttles < 0 and not opens and not releases,
        Urgency.WEAKER: opens or throttles > 0 or newer,
        Urgency.REFRESH: (report.epoch or 0) < wanted.epoch,
        Urgency.HELD: True,
    }
    return next(answer for answer, applies in answers.items() if applies)


def _lacks(wanted: ControlDocument, report: ControlReport) -> bool:
    """Whether the pod holds a leg back less than asked for."""
    legs = report.kill_switch.legs
    return any(
        leg.level.rank < level.rank for leg, level in zip((legs.long, legs.short), wanted_levels(wanted), strict=True)
    )


def _lets_go(wanted: ControlDocument, report: ControlReport) -> bool:
    """Whether a leg that the object holds back is asked for less than before: switch or policy were changed."""
    legs = report.kill_switch.legs
    return any(
        leg.source in {Source.DELETION, Source.SPEC} and level.rank < leg.level.rank
        for leg, level in zip((legs.long, legs.short), wanted_levels(wanted), strict=True)
    )


def ahead(report: ControlReport | None, wanted: ControlDocument) -> bool:
    """Whether the pod knows a newer object than this document's, by a document or by its own watch: our view is old."""
    return report is not None and report.uid in {wanted.uid, None} and newest(report) > wanted.generation


def newest(report: ControlReport) -> int:
    """The newest generation that a pod knows of its object; 0: none."""
    return max(report.applied_generation or 0, report.due_generation or 0)


def restrained(wanted: ControlDocument, report: ControlReport) -> ControlDocument:
    """What holds the pod back in a document whose generation is below the pod's, in the pod's own generation.

    For an object that was proved to be an older copy (a restored store): a kill, or a deletion, works at once. What
    would allow more than the pod has now is left out, since nothing tells which of both came later. Where no switch
    asks for both what the pod has and what the object wants, the object's stands.
    """
    legs, desired = report.kill_switch.legs, levels_of(report.kill_switch.desired)
    # A deletion that the pod knows of and the object no longer does goes on, too; and what its own watch has engaged.
    own = report.due_generation is not None
    throttle = report.throttle.effective if own else report.throttle.desired
    held = [
        max(level, leg.level, key=_rank) if own or leg.source is Source.DELETION else level
        for leg, level in zip((legs.long, legs.short), desired, strict=True)
    ]
    long, short = (max(pair, key=_rank) for pair in zip(wanted_levels(wanted), held, strict=True))
    both = next((switch for switch in KillSwitch if levels_of(switch) == (long, short)), wanted.kill_switch)
    return wanted.model_copy(
        update={
            "generation": newest(report),
            "kill_switch": both,
            "throttle": min(wanted.throttle, throttle),
            "rearm": report.rearm,
            "rearm_latches": (),
            "risk": None,
        }
    )


def holds(report: ControlReport | None, wanted: ControlDocument) -> bool:
    """Whether the pod's report is about this document: stored since its start, of this generation."""
    return (
        report is not None
        and report.synced
        and report.uid == wanted.uid
        and (report.applied_generation or 0) >= wanted.generation
    )


def reached(leg: LegReport) -> bool:
    """Whether a leg is as its level asks: Halted, Flat or Dust; an open leg always is."""
    return leg.state in _REACHED[leg.level]


def under_way(report: ControlReport) -> bool:
    """Whether an engagement still has to reach its end."""
    legs = report.kill_switch.legs
    return not (reached(legs.long) and reached(legs.short))


def flat(leg: LegReport) -> bool | None:
    """Whether a leg has no position (what is too small to be closed counts as none); None: not known."""
    if leg.quantity is None:
        return None
    return leg.quantity == 0 or (leg.dust is not None and leg.quantity <= leg.dust)


def both_flat(legs: LegReports) -> bool | None:
    """Whether neither leg has a position; None: not known."""
    long, short = flat(legs.long), flat(legs.short)
    if long is None or short is None:
        return False if long is False or short is False else None
    return long and short


def verified(report: ControlReport, wanted: ControlDocument) -> bool:
    """Whether the pod holds this document of a deletion and the venue has confirmed both legs as it asks: flat, or
    without an entry; what others ask beyond that is reached as well.
    """
    return holds(report, wanted) and carried_out(report.kill_switch.legs, wanted_levels(wanted))


def carried_out(legs: LegReports, levels: tuple[LegLevel, LegLevel]) -> bool:
    """Whether LONG and SHORT are held back so far at least, and have got there."""
    return all(
        leg.level.rank >= level.rank and reached(leg)
        for leg, level in zip((legs.long, legs.short), levels, strict=True)
    )


def tells(report: ControlReport) -> tuple[object, ...]:
    """The part of a report whose change has to be shown at once: not figures that move with the market."""
    figures = report.telemetry
    return (
        *(report.boot_id, report.uid, report.applied_generation, report.epoch, report.rearm, report.synced),
        *(report.throttle, report.kill_switch, report.latches, report.trip, report.conditions),
        *(figures.long.quantity, figures.short.quantity, figures.open_orders),
    )


def kill_delay(failures: int) -> float:
    """Seconds until the next try of a kill after so many failures in a row (at least 1); goes on for ever."""
    return KILL_BACKOFF[min(failures, len(KILL_BACKOFF)) - 1]


def retry_delay(failures: int, jitter: float) -> float:
    """The same for everything else: 1, 2, 4 … 60 s, times `jitter` (about 1)."""
    return min(_RETRY_MAX, 2.0 ** min(failures - 1, 6)) * jitter


def poll_delay(
    report: ControlReport | None, *, idle: float, busy: float, least: float, waiting_for_flat: bool, jitter: float
) -> float:
    """Seconds until the next read of the report: `busy` while a kill is under way, else `idle` times `jitter`, and more
    where `least` is more.
    """
    if report is not None and under_way(report):
        return busy
    # A grid that trades may be flat for a moment only.
    return max(least, min(idle, 1.0) if waiting_for_flat else idle) * jitter
