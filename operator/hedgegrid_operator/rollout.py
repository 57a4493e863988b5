"""When a changed pod template may restart the pod: only when both legs are flat. Pure.

`OnDelete` alone doesn't hold a rollout back, since a pod that crashes or is evicted comes back on the newest template.
So a changed StatefulSet isn't even applied before it may roll. The order is then: a report of this moment says that
neither leg has a position and no kill is under way → the StatefulSet is applied → the pod is deleted (by uid). A grid
that trades may be filled in the milliseconds between; the pod cancels its entries on SIGTERM, keeps its exits, and the
new one takes both over.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

MEND_AFTER = timedelta(seconds=120)
"""A pod that has been down for so long won't get flat by itself: the new template may be its only way on."""


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
    flat: bool | None
    """Neither leg has a position, by that report, or by the last one ever seen; None: never known."""
    kill_under_way: bool
    pod_ready: bool
    """The cluster says that the pod is ready."""
    down_for: timedelta
    """How long it hasn't been ready."""


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


def _may_restart(standing: Standing) -> bool:
    if standing.reporting:
        return standing.flat is True and not standing.kill_under_way
    if standing.pod_ready:
        # It trades, and can't be asked.
        return False
    return standing.flat is not False or standing.down_for >= MEND_AFTER
