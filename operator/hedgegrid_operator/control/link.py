"""What is known about the connection between a grid and its pod."""

from dataclasses import dataclass
from datetime import datetime

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_operator.control.client import Failure
from hedgegrid_operator.observed import Controls


@dataclass(slots=True)
class Link:
    """Written by the courier, read by the status builder. Times `…_at` are the loop's, others wall time."""

    pod_uid: str | None = None
    """The pod that the report and the failures are about."""
    report: ControlReport | None = None
    """Its last report; None before the first one of this pod."""
    past: ControlReport | None = None
    """The last report of any pod of this grid, the present one included."""
    failure: Failure | None = None
    """Why the last call failed; None when it didn't, or none was made."""
    failure_message: str = ""
    failing_since: datetime | None = None
    failures: int = 0
    """Failed calls in a row, since the pod's last event."""
    refusal: str | None = None
    """Why the pod refused the newest document."""
    refusals: int = 0
    """Refusals in a row."""
    plain: bool = False
    """The pod is of a version that doesn't know every deletion."""
    kill_seen: datetime | None = None
    """When the kill that the pod hasn't stored yet was first seen; None: none is pending."""
    kill_seen_at: float = 0.0
    kill_generation: int = 0
    """The generation that asked for it."""
    attempts: int = 0
    """Deliveries of that kill so far."""
    undelivered_since: float | None = None
    """When its delivery to this pod first failed for want of an answer; None: it didn't, or none is pending."""
    undelivered_at: float = 0.0
    """When that last happened."""
    rearm: int = 0
    """The rearm that `rearm_latches` belong to."""
    rearm_latches: tuple[str, ...] = ()
    """Latches that status showed when this rearm was first seen."""
    overtaken: int = 0
    """Generation that the pod knows of and that a consistent read has proved to be above the object's: the API server's
    store is an older copy of itself. 0: never seen."""
    waiting_for_flat: bool = False
    """A rollout waits for a flat moment."""
    draft: tuple[tuple[object, ...], ControlDocument] | None = None
    """The document made last, and what it was made of."""

    def notice(self, controls: Controls) -> None:
        """Remember what a new rearm may release: the latches in the very object that brought it."""
        consumed = max(controls.shown_rearm, self.report.rearm if self.report else 0)
        if controls.rearm > consumed and controls.rearm != self.rearm:
            self.rearm, self.rearm_latches = controls.rearm, controls.shown_latches

    def expect(self, generation: int, now: datetime, at: float) -> bool:
        """A kill of this generation is to be delivered; True when that is new. It is as old as the first one that the
        pod hasn't stored: another change of the spec doesn't make it younger.
        """
        if self.kill_seen is not None and self.kill_generation == generation:
            return False
        if self.kill_seen is None:
            self.kill_seen, self.kill_seen_at, self.attempts = now, at, 0
        self.kill_generation = generation
        return True

    def undelivered(self, at: float) -> bool:
        """The kill wasn't taken, for want of an answer; True when that is new."""
        first, self.undelivered_at = self.undelivered_since is None, at
        if first:
            self.undelivered_since = at
        return first

    def settled(self) -> None:
        """No kill is pending: the pod has it, or it isn't asked for any more."""
        self.kill_seen = self.undelivered_since = None

    def follow(self, pod_uid: str | None) -> bool:
        """Turn to the present pod; True when it is another one, of which nothing is known yet."""
        if pod_uid == self.pod_uid:
            return False
        self.pod_uid = pod_uid
        self.undelivered_since = None
        self.plain = False
        self.accepted()
        self.heard(None)
        return True

    def heard(self, report: ControlReport | None) -> None:
        """The pod answered."""
        self.report = report
        self.past = report or self.past
        self.failure, self.failure_message, self.failing_since, self.failures = None, "", None, 0

    def failed(self, failure: Failure, message: str, now: datetime) -> None:
        """The pod didn't answer."""
        self.failures += 1
        self.failing_since = self.failing_since or now
        self.failure, self.failure_message = failure, message

    def accepted(self) -> None:
        """The pod took a document."""
        self.refusal, self.refusals = None, 0

    def refused(self, message: str) -> None:
        """The pod refused a document."""
        self.refusal = message
        self.refusals += 1
