"""When a deleted object may go: once the venue shows what its policy asks for, or by the way out that its spec or a
person gives. Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hedgegrid_api.deletion import policy_of
from hedgegrid_api.v1alpha1 import DeletionPolicy, OnTimeout
from hedgegrid_operator.cache import Entry
from hedgegrid_operator.objects import section

_DEFAULT_TIMEOUT = 300


class Stage(Enum):
    """Where a deletion stands."""

    WORK = "work"
    """The pod has to do what the policy asks for; nothing is taken away from it."""
    OVERDUE = "overdue"
    """The same, later than asked for: it goes on, and says so."""
    RELEASE = "release"
    """Verified, or there was never anything to verify."""
    LEAVE = "leave"
    """Policy Orphan: the pod is stopped, and what is left is left."""
    ORPHAN = "orphan"
    """Given up on time-out, or by hand: what is left is left."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What decides about a deletion."""

    policy: DeletionPolicy | None
    """None: not one that we know."""
    began: datetime
    timeout: timedelta | None
    """None: wait for ever."""
    on_timeout: OnTimeout
    by_hand: bool
    """Annotation `hedgegrid.io/release: orphan`."""
    ever_ran: bool
    """A StatefulSet was made for it once."""
    verified: bool
    """The venue has confirmed what is asked of both legs, by the report of the pod."""

    def overdue(self, now: datetime) -> bool:
        """Whether the time-out is over."""
        return self.timeout is not None and now >= self.began + self.timeout

    def given_up(self, now: datetime) -> bool:
        """Whether nothing is waited for any more."""
        return self.by_hand or (self.on_timeout is OnTimeout.ORPHAN and self.overdue(now))


def stage(deletion: Deletion, now: datetime) -> Stage:
    """Where a deletion stands. A policy that isn't known is never carried out: somebody has to say what it means."""
    if not deletion.ever_ran or (deletion.verified and deletion.policy in _VERIFIED):
        return Stage.RELEASE
    if deletion.given_up(now):
        return Stage.ORPHAN
    if deletion.policy is DeletionPolicy.ORPHAN:
        return Stage.LEAVE
    return Stage.OVERDUE if deletion.overdue(now) else Stage.WORK


_VERIFIED = frozenset({DeletionPolicy.FLATTEN, DeletionPolicy.CANCEL_ORDERS})


def deletion_of(entry: Entry, *, ran: bool, verified: bool) -> Deletion:
    """The deletion of an object, read without the full model: one that it rejects can still be deleted."""
    wanted = section(entry.obj, "spec", "deletion")
    seconds = wanted.get("timeoutSeconds", _DEFAULT_TIMEOUT)
    known = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds >= 0
    timeout = timedelta(seconds=seconds if known else _DEFAULT_TIMEOUT)
    began = entry.controls.deleted
    if began is None:
        raise ValueError(f"{entry.controls.ref.namespace}/{entry.controls.ref.name} isn't being deleted")
    return Deletion(
        policy=policy_of(section(entry.obj, "spec")),
        began=began,
        timeout=timeout or None,
        on_timeout=OnTimeout.ORPHAN if wanted.get("onTimeout") == OnTimeout.ORPHAN.value else OnTimeout.BLOCK,
        by_hand=entry.controls.orphaned,
        ever_ran=ran,
        verified=verified,
    )
