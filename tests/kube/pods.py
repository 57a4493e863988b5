"""Handles on pods: their process, and the faults that tests set on them."""

import signal
from pathlib import Path
from typing import Any, Literal

from tests.kube import rpc
from tests.kube.api import Api

type Side = Literal["answers", "requests"]


class Pod:
    """A pod by namespace and name. Faults hold for later pods of that name too, until they are healed."""

    def __init__(self, folder: Path, api: Api, namespace: str, name: str) -> None:
        self._folder = folder
        self._api = api
        self.namespace = namespace
        self.name = name

    def get(self) -> dict[str, Any] | None:
        """The object, None where there is none."""
        return self._api.get("v1", "Pod", self.name, self.namespace)

    @property
    def uid(self) -> str | None:
        """The uid, None where there is no such pod."""
        found = self.get()
        return found["metadata"]["uid"] if found else None

    @property
    def address(self) -> str | None:
        """status.podIP, None until the pod has one."""
        found = self.get()
        return found["status"].get("podIP") if found else None

    @property
    def pid(self) -> int | None:
        """Process id of the (first) container, None while it has no process."""
        pid: int | None = self._call("pod_process")
        return pid

    def log(self, *, previous: bool = False) -> str:
        """What the (first) container's current or previous run has written so far; raises HostError without a pod."""
        path = Path(self._call("pod_log", previous=previous))
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal the (first) container's main process; raises HostError where none runs."""
        self._call("pod_signal", number=int(number))

    def freeze(self) -> None:
        """SIGSTOP to all processes of the pod, also of restarted containers. Probes go on and fail."""
        self._call("freeze")

    def thaw(self) -> None:
        """Let the processes run again."""
        self._call("thaw")

    def out_of_memory(self) -> None:
        """SIGKILL to the (first) container's main process, reported as the kernel's for want of memory."""
        self._call("out_of_memory")

    def lose(self) -> None:
        """Its node is gone: the processes stand still, nothing is reported, a deletion isn't carried out."""
        self._call("lose")

    def evict(self, message: str) -> None:
        """Its node runs short of something: it is stopped and failed, with this message."""
        self._call("evict", message=message)

    def delay(self, seconds: float, side: Side = "answers") -> None:
        """Hold bytes back: those from the pod (work is done, the answer is late), or those to it."""
        self._call("traffic", **{"answer_delay" if side == "answers" else "request_delay": seconds})

    def refuse(self) -> None:
        """Nobody listens at the pod's address any more; open connections are reset."""
        self._call("traffic", refused=True)

    def drop_answer(self) -> None:
        """Requests arrive and are carried out, but each connection is cut at the first byte of an answer.

        A TLS handshake isn't an answer."""
        self._call("traffic", drop_answers=True)

    def mend(self) -> None:
        """End `delay`, `refuse` and `drop_answer`; a frozen pod stays frozen."""
        self._call("traffic", answer_delay=0.0, request_delay=0.0, refused=False, drop_answers=False)

    def heal(self) -> None:
        """Take every fault of this pod away."""
        self._call("heal")

    def _call(self, operation: str, **arguments: Any) -> Any:
        return rpc.call(self._folder, operation, namespace=self.namespace, name=self.name, **arguments)
