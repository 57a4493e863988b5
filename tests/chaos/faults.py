"""Breaks things on schedule, and heals them when their time is over."""

import signal
import threading
import time
from collections.abc import Callable

from urllib3.exceptions import HTTPError

from tests.chaos.life import Life
from tests.chaos.schedule import Fault, Kind
from tests.chaos.world import World
from tests.kube import ApiError, HostError

PATIENCE_SECONDS = 60.0
"""How long a fault waits for something to break: a process that just ended, an API server that is away."""


class Breaker:
    """Sets faults. One of a kind and target at a time: the next one waits until the last one is healed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._locks = {kind: threading.Lock() for kind in Kind}
        self._threads: list[threading.Thread] = []

    def run(self, faults: list[Fault]) -> None:
        """Set all of them at their times; returns when the last one is healed."""
        began = time.monotonic()
        for fault in faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            thread = threading.Thread(target=self._one, args=(fault,), name=fault.kind.value, daemon=True)
            thread.start()
            self._threads.append(thread)
        for thread in self._threads:
            thread.join()

    def _one(self, fault: Fault) -> None:
        with self._locks[fault.kind]:
            life = self._world.subjects[fault.target].life
            if not self._tried(lambda: self._begin(fault, life)):
                self._world.diary.note(f"{fault.kind} found nothing to break at {life.grid.name}")
                return
            self._world.diary.fault(fault.kind, f"{life.grid.name}, {fault.lasts:.1f} s")
            began = time.monotonic()
            time.sleep(fault.lasts)
            self._heal(fault, life)
            if fault.kind is Kind.SERVER_KILLED:
                # On a busy machine it is long in coming back: it is to be there half of the time at least.
                time.sleep(time.monotonic() - began)

    def _tried(self, work: Callable[[], None]) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                work()
            except (HTTPError, ApiError, HostError, LookupError):
                time.sleep(0.1)
            else:
                return True
        return False

    def _begin(self, fault: Fault, life: Life) -> None:
        world, grid = self._world, life.grid
        match fault.kind:
            case Kind.OPERATOR_KILLED | Kind.OPERATOR_STOPPED:
                if not world.operator.process.running:
                    raise LookupError("the next one hasn't started")
                number = signal.SIGKILL if fault.kind is Kind.OPERATOR_KILLED else signal.SIGTERM
                world.operator.process.send_signal(number)
            case Kind.POD_KILLED:
                grid.pod.kill()
            case Kind.POD_DELETED:
                if grid.pod.uid is None:
                    raise LookupError("there is no pod")
                # A node that is drained in a hurry, or lost.
                world.cluster.api.delete("v1", "Pod", f"{grid.child}-0", grid.namespace, grace=fault.target % 2)
            case Kind.POD_FROZEN:
                life.freeze()
            case Kind.POD_REFUSES:
                grid.pod.refuse()
            case Kind.POD_UNHEARD:
                grid.pod.drop_answer()
            case Kind.SERVER_KILLED:
                world.cluster.stop_apiserver(signal.SIGKILL)
            case Kind.OPERATOR_CUT:
                world.proxy.refuse()
            case Kind.OPERATOR_BLIND:
                world.proxy.freeze()
            case Kind.PODS_CUT:
                world.cluster.cut_pods_off()
            case Kind.PODS_BLIND:
                world.cluster.cut_pods_off(frozen=True)

    def _heal(self, fault: Fault, life: Life) -> None:
        world = self._world
        match fault.kind:
            case Kind.POD_FROZEN:
                life.thaw()
            case Kind.POD_REFUSES | Kind.POD_UNHEARD:
                life.grid.pod.mend()
            case Kind.SERVER_KILLED:
                world.cluster.start_apiserver()
            case Kind.OPERATOR_CUT:
                world.proxy.accept()
            case Kind.OPERATOR_BLIND:
                world.proxy.thaw()
            case Kind.PODS_CUT | Kind.PODS_BLIND:
                world.cluster.let_pods_through()
            case _:
                return
        world.diary.note(f"healed: {fault.kind}, {life.grid.name}")
