"""A template that waits: since when, for what, and what a person can do about it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from hedgegrid_api.status import RolloutStatus
from hedgegrid_api.v1alpha1 import UpdateStrategy
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.facts import Doing, Progress
from hedgegrid_operator.objects import ROLLOUT_ANNOTATION, timestamp
from hedgegrid_operator.rollout import Standing, flat_first, flattens


@dataclass(frozen=True, slots=True)
class Approval:
    """What the annotation of `Manual` has to say for the template that is wanted."""

    value: str
    """What a person is told to write: the configuration's hash, or the revision where only the pod changes."""
    accepted: frozenset[str]
    """What lets it go."""


def approval(wanted: Desired, running_config: str | None) -> Approval:
    """The approval of a template, for a pod that runs a configuration of this hash (None: not known).

    The hash of a configuration that already runs approves nothing: it may stand there since the last rollout.
    """
    if wanted.config_hash == running_config:
        return Approval(wanted.revision, frozenset({wanted.revision}))
    return Approval(wanted.config_hash, frozenset({wanted.config_hash, wanted.revision}))


def waiting(standing: Standing, before: RolloutStatus | None, value: str, now: datetime) -> RolloutStatus:
    """The rollout as it stands in the status. Its time is that of the first template that had to wait: a newer one
    doesn't begin the wait again.
    """
    since = before.since if before is not None and before.since is not None else now.replace(microsecond=0)
    return RolloutStatus(revision=standing.desired, approval=value, since=since)


def told(standing: Standing, rollout: RolloutStatus) -> Progress:
    """What is said about it."""
    since = timestamp(rollout.since) if rollout.since else "?"
    what = f"revision {standing.desired} of the pod waits"
    if standing.strategy is UpdateStrategy.MANUAL and not standing.approved:
        return Progress(
            Doing.WAITING_FOR_ANNOTATION,
            f"{what} for the annotation {ROLLOUT_ANNOTATION}: {rollout.approval}, since {since}; with it the pod is "
            "restarted at once, its exits kept",
            rollout=rollout,
        )
    if not flat_first(standing) and flattens(standing):
        text = f"{what} until the kill under way has reached its end, since {since}"
        return Progress(Doing.WAITING_FOR_FLAT, text, rollout=rollout)
    down = "; the pod doesn't run and can't get flat by itself" if standing.pod_stuck else ""
    text = (
        f"{what} until both legs are flat, since {since}{down}; killSwitch: haltEntries lets exits empty them "
        "(flattenBoth closes them at once), update.strategy: Immediate restarts the pod now, its exits kept"
    )
    if standing.max_wait is None or rollout.since is None:
        return Progress(Doing.WAITING_FOR_FLAT, text, rollout=rollout)
    due = rollout.since + standing.max_wait
    text += f"; it is restarted so at {timestamp(due)} (update.maxWaitSeconds)"
    return Progress(Doing.WAITING_FOR_FLAT, text, rollout=rollout, due=due)
