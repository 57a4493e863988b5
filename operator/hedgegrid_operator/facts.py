"""What a status is made of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.observed import Controls, PodView


class Doing(StrEnum):
    """Reasons of the condition Progressing."""

    CREATING = "Creating"
    ROLLING_OUT = "RollingOut"
    WAITING_FOR_FLAT = "WaitingForFlat"
    IDLE = "Idle"
    APPLY_CONFLICT = "ApplyConflict"


REFUSED = "the API server refuses a child"
"""How the message begins while a child can't be made."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the operator is doing with the children."""

    doing: Doing
    message: str
    refused: bool = False
    """The API server doesn't accept a child; it is tried again."""


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
    released: bool = False
    """The deletion has verified flat and takes the pod away."""

    @property
    def report(self) -> ControlReport | None:
        """The pod's last report."""
        return self.link.report

    @property
    def urgency(self) -> Urgency:
        """How the wanted document relates to that report."""
        return plan.urgency(self.document, self.report)

    @property
    def no_address(self) -> str | None:
        """Why the pod can't be called at all; None: it can."""
        if self.pod is None:
            return "there is no pod"
        return None if self.pod.ip else "the pod has no address yet"
