"""What the user of a cluster can ask its host for, by the names that cluster.py, pods.py and processes.py call."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kube.children import Child
from tests.kube.errors import HostError
from tests.kube.rpc import Operation
from tests.kube.runner.faults import Hold, Traffic

if TYPE_CHECKING:
    from tests.kube.host import Host
    from tests.kube.runner.container import Container


def operations(host: "Host") -> Mapping[str, Operation]:
    """All operations, by name."""
    return _Processes(host).table() | _Pods(host).table()


class _Processes:
    """Daemons and spawned processes, by name."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._waiters: set[asyncio.Task[int]] = set()

    def table(self) -> dict[str, Operation]:
        return {
            "ready": self.ready,
            "spawn": self.spawn,
            "process": self.process,
            "send_signal": self.send_signal,
            "wait": self.wait,
            "stop_apiserver": self.stop_apiserver,
            "start_apiserver": self.start_apiserver,
            "replace_store": self.replace_store,
        }

    async def ready(self) -> dict[str, Any]:
        return await asyncio.shield(self._host.started)

    async def spawn(self, name: str, argv: list[str], env: dict[str, str], cwd: str) -> dict[str, Any]:
        taken = self._host.spawned
        unique = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if n not in taken)
        log = self._host.folder / "logs" / f"{unique}.log"
        child = taken[unique] = await Child.start(argv, log=log, env=env, cwd=Path(cwd))
        # Somebody has to see its end, so that nothing of its group outlives it.
        waiter = asyncio.create_task(child.wait())
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return {"name": unique, "log": str(log)}

    async def process(self, name: str) -> dict[str, Any]:
        child = self._find(name)
        return {"pid": child.pid, "returncode": child.returncode}

    async def send_signal(self, name: str, number: int) -> None:
        self._find(name).send_signal(number)

    async def wait(self, name: str, seconds: float) -> int:
        try:
            return await asyncio.wait_for(self._find(name).wait(), seconds)
        except TimeoutError:
            raise TimeoutError(f"{name} still runs after {seconds:g} s") from None

    async def stop_apiserver(self, number: int) -> None:
        await self._host.plane.stop_apiserver(number)

    async def start_apiserver(self) -> None:
        plane = self._host.plane
        await plane.launch_apiserver()
        if self._host.client:
            await plane.until_served(self._host.client)

    async def replace_store(self, by_saved: bool) -> None:
        plane = self._host.plane
        await plane.replace_store(by_saved=by_saved)
        if self._host.client:
            await plane.until_served(self._host.client)

    def _find(self, name: str) -> Child:
        if name in self._host.spawned:
            return self._host.spawned[name]
        if name in self._host.plane.daemons:
            return self._host.plane.daemons[name]
        raise HostError(f"no process {name} was started here")


class _Pods:
    """Pods and their faults, by namespace and name."""

    def __init__(self, host: "Host") -> None:
        self._host = host

    def table(self) -> dict[str, Operation]:
        return {
            "pod_process": self.pod_process,
            "pod_log": self.pod_log,
            "pod_signal": self.pod_signal,
            "freeze": self.freeze,
            "thaw": self.thaw,
            "traffic": self.traffic,
            "server_traffic": self.server_traffic,
            "out_of_memory": self.out_of_memory,
            "lose": self.lose,
            "evict": self.evict,
            "heal": self.heal,
            "heal_namespace": self.heal_namespace,
            "hold_pending": self.hold_pending,
            "release": self.release,
            "refuse_image": self.refuse_image,
            "accept_image": self.accept_image,
            "claim_folder": self.claim_folder,
            "problems": self.problems,
        }

    async def pod_process(self, namespace: str, name: str) -> int | None:
        found = self._host.runner.container(namespace, name)
        return found.child.pid if found and found.child else None

    async def pod_log(self, namespace: str, name: str, previous: bool) -> str:
        found = self._container(namespace, name)
        return str(found.log(found.state.restarts - previous))

    async def pod_signal(self, namespace: str, name: str, number: int) -> None:
        found = self._container(namespace, name)
        if found.child is None:
            raise HostError(f"pod {namespace}/{name} has no running process now: {found.state.current}")
        found.child.send_signal(number)

    async def freeze(self, namespace: str, name: str) -> None:
        self._host.runner.faults.of(namespace, name).frozen = True
        self._signal_all(namespace, name, signal.SIGSTOP)

    async def thaw(self, namespace: str, name: str) -> None:
        self._host.runner.faults.of(namespace, name).frozen = False
        self._signal_all(namespace, name, signal.SIGCONT)

    async def traffic(self, namespace: str, name: str, **changes: Any) -> None:
        if not self._host.settings.network_faults:
            raise HostError("network faults need a cluster made with network_faults=True")
        self._change(self._host.runner.faults.of(namespace, name).traffic, changes)

    async def server_traffic(self, **changes: Any) -> None:
        if not self._host.settings.network_faults:
            raise HostError("network faults need a cluster made with network_faults=True")
        self._change(self._host.runner.faults.server, changes)

    @staticmethod
    def _change(traffic: Traffic, changes: Mapping[str, Any]) -> None:
        for fault, value in changes.items():
            setattr(traffic, fault, value)
        traffic.notify()

    async def out_of_memory(self, namespace: str, name: str) -> None:
        self._host.runner.faults.of(namespace, name).out_of_memory = True
        await self.pod_signal(namespace, name, signal.SIGKILL)

    async def lose(self, namespace: str, name: str) -> None:
        self._host.runner.faults.of(namespace, name).lost = True
        await self.freeze(namespace, name)

    async def evict(self, namespace: str, name: str, message: str) -> None:
        for pod in self._host.runner.pods_named(namespace, name):
            pod.evict(message)

    async def heal(self, namespace: str, name: str) -> None:
        lost = self._host.runner.faults.of(namespace, name).lost
        self._host.runner.faults.heal(namespace, name)
        await self.thaw(namespace, name)
        if lost:
            for pod in self._host.runner.pods_named(namespace, name):
                pod.found_again()
            self._host.runner.reconsider()

    async def heal_namespace(self, namespace: str) -> None:
        for name in self._host.runner.faults.forget(namespace):
            self._signal_all(namespace, name, signal.SIGCONT)
        self._host.runner.reconsider()

    async def hold_pending(self, namespace: str, pattern: str, unschedulable: bool) -> None:
        self._host.runner.faults.hold(Hold(namespace, pattern, unschedulable))

    async def release(self, namespace: str, pattern: str) -> None:
        self._host.runner.faults.release(namespace, pattern)
        self._host.runner.reconsider()

    async def refuse_image(self, image: str) -> None:
        self._host.runner.faults.refuse_image(image)

    async def accept_image(self, image: str) -> None:
        self._host.runner.faults.accept_image(image)
        self._host.runner.reconsider()

    async def claim_folder(self, namespace: str, claim: str) -> str | None:
        folder = self._host.runner.claims.folder_of(namespace, claim)
        return str(folder) if folder else None

    async def problems(self) -> list[str]:
        return self._host.runner.problems

    def _container(self, namespace: str, name: str) -> "Container":
        found = self._host.runner.container(namespace, name)
        if found is None:
            raise HostError(f"no pod {namespace}/{name} is on the node")
        return found

    def _signal_all(self, namespace: str, name: str, number: int) -> None:
        for pod in self._host.runner.pods_named(namespace, name):
            for container in [*pod.init, *pod.containers]:
                if container.child:
                    container.child.signal_group(number)
