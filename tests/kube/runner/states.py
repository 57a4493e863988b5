"""The state of a container as a kubelet reports it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.kube.apiclient import Json


def now() -> str:
    """This second, in the form of the API."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Waiting:
    """Not started, and why."""

    reason: str
    message: str = ""

    def render(self) -> Json:
        """As in `state`."""
        return {"waiting": {"reason": self.reason} | ({"message": self.message} if self.message else {})}


@dataclass(frozen=True)
class Running:
    """A process runs."""

    started_at: str = field(default_factory=now)

    def render(self) -> Json:
        """As in `state`."""
        return {"running": {"startedAt": self.started_at}}


@dataclass(frozen=True)
class Terminated:
    """A process has ended, or could not be started at all."""

    exit_code: int
    reason: str
    container_id: str
    started_at: str
    finished_at: str = field(default_factory=now)
    message: str = ""

    @classmethod
    def of(cls, return_code: int, container_id: str, started_at: str) -> "Terminated":
        """From a return code, where -n stands for signal n, which a container runtime shows as 128 + n."""
        code = return_code if return_code >= 0 else 128 - return_code
        return cls(code, "Completed" if code == 0 else "Error", container_id, started_at)

    def render(self) -> Json:
        """As in `state` and `lastState`."""
        shown = {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "containerID": self.container_id,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
        }
        return {"terminated": shown | ({"message": self.message} if self.message else {})}


type State = Waiting | Running | Terminated


@dataclass
class ContainerState:
    """All that `containerStatuses` shows of one container."""

    name: str
    image: str
    current: State = field(default_factory=lambda: Waiting("ContainerCreating"))
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    """Its startup probe has succeeded, or it runs and has none."""
    ready: bool = False
    container_id: str = ""

    def render(self) -> Json:
        """As in `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": self.container_id,
            "state": self.current.render(),
            "lastState": self.last.render() if self.last else {},
            "restartCount": self.restarts,
            "started": self.started,
            "ready": self.ready,
        }
