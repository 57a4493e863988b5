"""When a changed pod template may restart the pod. Pure.

`OnDelete` alone doesn't hold a rollout back, since a pod that crashes or is evicted comes back on the newest template.
So a changed StatefulSet isn't even applied before it may roll. The order is then: a report of this moment says that
neither leg has a position and no kill is under way → the StatefulSet is applied → the pod is deleted (by uid). A grid
that trades may be filled in the milliseconds between; the pod cancels its entries on SIGTERM, keeps its exits, and the
new one takes both over.

Where a restart with a position is asked for (`Immediate`, `Manual` with its annotation, `maxWaitSeconds` over),
the same happens without flat; only a flatten that gets on is waited for.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from hedgegrid_api.v1alpha1 import UpdateStrategy

SETTLED = timedelta(seconds=20)
"""A grid that trades and was flat in every report for so long counts as one that a drain may interrupt."""


class Step(Enum):
    """What to do with the StatefulSet and its pod."""

    APPLY = "apply"
    """Apply the desired manifest; no pod has to go."""
    HOLD = "hold"
    """Keep the running revision, and put that back where somebody changed it."""
    REPLACE = "replace"
    """Apply the desired manifest, then delete the pod."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about template, pod and position."""

    desired: str
    """Revision that the spec asks for."""
    applied: str | None
    """Revision of the StatefulSet; None: there is none."""
    running: str | None
    """Revision of the pod; None: there is none."""
    reporting: bool
    """The pod has just sent its report."""
    ever_reported: bool
    """Some pod of this grid has reported once."""
    flat: bool | None
    """Neither leg has a position, by that report, or by the last one ever seen; None: not known."""
    flat_for: timedelta
    """How long every report has said so."""
    held: bool
    """Neither leg may open anything."""
    kill_under_way: bool
    """An engagement hasn't reached its end, or waits to be delivered."""
    kill_failed: bool
    """It wasn't flat in time, and the pod goes on trying: nobody knows for how long."""
    pod_ready: bool
    """The cluster says that the pod is ready."""
    pod_stuck: bool
    """It doesn't run, and only a change can help."""
    strategy: UpdateStrategy
    approved: bool
    """The annotation that `Manual` waits for is there."""
    waited: timedelta
    """Since a template of this grid first had to wait."""
    max_wait: timedelta | None
    """How long `WhenFlat` waits; None: for ever."""


def decide(standing: Standing) -> Step:
    """Next step."""
    if standing.applied is None:
        return Step.APPLY
    old_pod = standing.running is not None and standing.running != standing.desired
    if standing.applied == standing.desired and not old_pod:
        return Step.APPLY
    if not _may_restart(standing):
        return Step.HOLD
    return Step.REPLACE if old_pod else Step.APPLY


def evictable(standing: Standing) -> bool:
    """Whether a drain may take the pod: whenever it likes with `Immediate`, else only from a grid that is flat.

    Nobody asks us at the moment of an eviction, and a report is seconds old: a grid that trades counts as flat when it
    has been so for a while, one whose legs are both held at once.
    """
    if standing.strategy is UpdateStrategy.IMMEDIATE:
        return True
    flat = standing.reporting and standing.flat is True and not standing.kill_under_way
    return flat and (standing.held or standing.flat_for >= SETTLED)


def settles_in(standing: Standing) -> timedelta | None:
    """How long until that changes by itself; None: it doesn't."""
    settled = replace(standing, flat_for=SETTLED)
    return SETTLED - standing.flat_for if evictable(settled) and not evictable(standing) else None


def flat_first(standing: Standing) -> bool:
    """Whether a restart has to wait for both legs flat."""
    return standing.strategy is UpdateStrategy.WHEN_FLAT and not overdue(standing)


def overdue(standing: Standing) -> bool:
    """Whether `maxWaitSeconds` is over."""
    return standing.max_wait is not None and standing.waited >= standing.max_wait


def flattens(standing: Standing) -> bool:
    """Whether a restart would interrupt an engagement that gets on."""
    return standing.reporting and standing.kill_under_way and not standing.kill_failed


def _may_restart(standing: Standing) -> bool:
    if standing.strategy is UpdateStrategy.MANUAL and not standing.approved:
        return False
    if not flat_first(standing):
        return not flattens(standing)
    if standing.reporting:
        return standing.flat is True and not standing.kill_under_way
    if standing.pod_ready:
        # It trades, and can't be asked.
        return False
    # Down. One that never came up has never traded: the new template may be its only way on.
    return standing.flat is True or not standing.ever_reported
