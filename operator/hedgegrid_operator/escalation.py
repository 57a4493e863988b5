"""When a pod that doesn't take the kill switch is restarted. Pure.

The clock runs from the first failed try to hand the kill to this very pod: a pod that is made anew has its full time
again. How often it was done stands in the status, written before the pod is deleted, so that neither an operator that
starts anew nor a second try for the same pod counts wrongly.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from hedgegrid_api.v1alpha1 import EscalationAction
from hedgegrid_operator.observed import PodState, PodView
from hedgegrid_operator.restarts import Restarts, Wish

RESTARTS_MAX = 3
"""Pods that are deleted for one engagement."""
_TRIED_WITHIN = 15.0
"""Seconds within which the last try must have failed: one that was stopped for a while asks the pod again first."""
_NOTHING_TO_RESTART = frozenset({PodState.IMAGE_PULL_FAILED, PodState.UNSCHEDULABLE})


class Step(Enum):
    """What to do about a pod that doesn't take a kill."""

    NOTHING = "nothing"
    WAIT = "wait"
    """It may still take it."""
    RESTART = "restart"
    """Delete it, with its grace period."""
    EXHAUSTED = "exhausted"
    """It was done as often as it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides."""

    wish: Wish
    pod: PodView | None
    """As watched."""
    failing_for: float | None
    """Seconds since the pending kill first failed to reach this pod; None: none is pending, or none failed."""
    tried: float
    """Seconds since the last one."""
    restarts: Restarts


@dataclass(frozen=True, slots=True)
class Decision:
    """The step, and when to look again."""

    step: Step
    wait: float | None = None
    """Seconds until it may be due."""


def decide(standing: Standing) -> Decision:
    """What to do now."""
    pod, failing = standing.pod, standing.failing_for
    if standing.wish.action is EscalationAction.NONE or failing is None or not _runs(pod):
        return Decision(Step.NOTHING)
    if failing < standing.wish.after:
        return Decision(Step.WAIT, standing.wish.after - failing)
    if standing.tried > _TRIED_WITHIN:
        return Decision(Step.WAIT, 1.0)
    # A pod that is counted already is still there when the operator or the API server failed before its deletion.
    again = pod is not None and pod.uid == standing.restarts.pod_uid
    return Decision(Step.RESTART if again or standing.restarts.count < RESTARTS_MAX else Step.EXHAUSTED)


def counted(restarts: Restarts, pod: PodView, now: datetime) -> Restarts:
    """What stands in the status before that pod is deleted."""
    return restarts if restarts.pod_uid == pod.uid else Restarts(restarts.count + 1, pod.uid, now)


def _runs(pod: PodView | None) -> bool:
    """Whether there is a process that a restart could help: not one that still waits for its node or its image."""
    return (
        pod is not None
        and pod.ip is not None
        and not pod.deleting
        and pod.started
        and pod.state not in _NOTHING_TO_RESTART
    )
