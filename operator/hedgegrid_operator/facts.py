"""What a status is made of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hedgegrid_api.control import ControlDocument, ControlReport, Latch, Trip
from hedgegrid_api.status import HedgeGridStatus, RolloutStatus
from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.observed import LATCHES_MAX, Controls, PodView
from hedgegrid_operator.restarts import Restarts


class Doing(StrEnum):
    """Reasons of the condition Progressing."""

    CREATING = "Creating"
    ROLLING_OUT = "RollingOut"
    WAITING_FOR_FLAT = "WaitingForFlat"
    WAITING_FOR_ANNOTATION = "WaitingForAnnotation"
    IDLE = "Idle"
    APPLY_CONFLICT = "ApplyConflict"


REFUSED = "the API server refuses a child"
"""How the message begins while a child can't be made."""
NO_POD = "there is no pod, the API server refuses it"
"""How it is said that the StatefulSet's controller may not make its pod."""


class Watching(StrEnum):
    """Reasons of the condition Monitoring."""

    MADE = "Made"
    KINDS_MISSING = "KindsMissing"
    NAME_TAKEN = "NameTaken"
    APPLY_CONFLICT = "ApplyConflict"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Monitored:
    """What has become of `spec.monitoring`."""

    reason: Watching
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the operator is doing with the children."""

    doing: Doing
    message: str
    refused: bool = False
    """The API server doesn't accept a child; it is tried again."""
    rollout: RolloutStatus | None = None
    """The template that waits."""
    due: datetime | None = None
    """When something changes by itself: the wait of that template is over, a drain may take the pod, it is looked up
    again why there is none.
    """
    monitored: Monitored | None = None
    """None where `spec.monitoring` asks for nothing."""
    no_pod: str | None = None
    """Why there is no pod, where its controller was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a status is made of."""

    now: datetime
    controls: Controls
    previous: HedgeGridStatus
    verdict: Verdict
    progress: Progress
    document: ControlDocument
    """What the pod is to hold."""
    link: Link
    """Read only."""
    pod: PodView | None
    config_hash: str | None
    """Of the configuration that is applied; None before the first."""
    deletion: str | None = None
    """Where a deletion stands, in words; None: the object isn't being deleted."""
    restarting: Restarts | None = None
    """What `spec.escalation` has done when the pod that it deletes next is gone; None: it deletes none now."""
    taken: PodView | None = None
    """The pod before this one, where it was evicted or lost with its node, until this one has come up."""
    released: bool = False
    """The deletion has verified flat and takes the pod away."""

    @property
    def report(self) -> ControlReport | None:
        """The pod's last report."""
        return self.link.report

    @property
    def latches(self) -> tuple[Latch, ...]:
        """What stands until released. A pod that waits for its document may have lost its store: what status showed
        stands on, and goes back to the pod with the document.
        """
        before = self.previous.control.latches[:LATCHES_MAX] if self.previous.control else ()
        if self.report is None:
            return before
        if self.report.synced:
            return self.report.latches
        told = {latch.id for latch in self.report.latches}
        return (*self.report.latches, *(latch for latch in before if latch.id not in told))

    @property
    def trip(self) -> Trip | None:
        """The risk limit that stopped the grid, None where none did or its latch is released."""
        standing = {latch.id for latch in self.latches}
        before = self.previous.control.trip if self.previous.control else None
        trips = (self.report.trip if self.report else None, before)
        return next((trip for trip in trips if trip is not None and trip.id in standing), None)

    @property
    def rearm_consumed(self) -> int:
        """Highest rearm consumed: it only grows, and a pod that has lost its store has forgotten it."""
        before = self.previous.control.rearm if self.previous.control else None
        return max(before or 0, self.report.rearm if self.report else 0)

    @property
    def restarts(self) -> Restarts:
        """What `spec.escalation` has done for the present engagement."""
        return self.restarting or self.controls.restarts

    @property
    def urgency(self) -> Urgency:
        """How the wanted document relates to that report."""
        return plan.urgency(self.document, self.report)

    @property
    def unheard(self) -> bool:
        """Whether nothing can be said yet beyond what the status says: it is about this very pod, which a leader that
        has just begun is calling for the first time (F19).
        """
        pod, link = self.pod, self.link
        silent = link.report is None and link.failure is None and link.refusal is None
        return pod is not None and pod.ip is not None and pod.uid == self.previous.pod_uid and silent

    @property
    def no_address(self) -> str | None:
        """Why the pod can't be called at all; None: it can."""
        if self.pod is None:
            return self.progress.no_pod or "there is no pod"
        return None if self.pod.ip else "the pod has no address yet"
