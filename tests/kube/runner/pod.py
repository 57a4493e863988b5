"""The life of one pod on the node, from its binding to its removal."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kube.apiclient import ApiClient, Json
from tests.kube.errors import ApiError
from tests.kube.network import hidden_address
from tests.kube.runner.background import Background, persistently, unless_gone
from tests.kube.runner.container import Container, Launch, Surroundings
from tests.kube.runner.ending import Grace
from tests.kube.runner.events import Events
from tests.kube.runner.faults import Faults
from tests.kube.runner.informer import key_of
from tests.kube.runner.launching import Launcher
from tests.kube.runner.objects import Kind
from tests.kube.runner.pod_volumes import PodVolumes
from tests.kube.runner.problems import NotYetError, UnsupportedError
from tests.kube.runner.relay import Relay
from tests.kube.runner.reporter import Reporter
from tests.kube.runner.states import Terminated, Waiting, now
from tests.kube.runner.status import Observed, build_status
from tests.kube.runner.volumes import Sources

RECHECK_SECONDS = 5.0


@dataclass(frozen=True)
class Grounds:
    """What all pods of a cluster share."""

    client: ApiClient
    launcher: Launcher
    sources: Sources
    faults: Faults
    events: Events
    background: Background
    folder: Path
    logs: Path
    relayed: bool


class Pod:
    """One pod, by uid."""

    def __init__(self, pod: Json, address: str, grounds: Grounds, finished: Callable[[], None]) -> None:
        self._pod = pod
        self._grounds = grounds
        self._finished = finished
        self.namespace, self.name = key_of(pod)
        self.uid: str = pod["metadata"]["uid"]
        self.address = address
        self.faults = grounds.faults.of(self.namespace, self.name)
        # Behind a relay the process listens elsewhere, and is told that address as its own.
        self._listens_at = hidden_address(address) if grounds.relayed else address
        self._folder = grounds.folder / self.uid
        self._volumes = PodVolumes(lambda: self._pod, self._folder, self._listens_at, grounds.sources)
        self._path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self._reporter = Reporter(grounds.client, self._path, self.uid, self._status, lambda: self.faults.lost)
        self._started_at = now()
        self._something_new = asyncio.Event()
        self._grace: Grace | None = None
        self._evicted: str | None = None
        around = self._surroundings()
        spec = pod["spec"]
        self.init = [Container(container, around) for container in spec.get("initContainers", [])]
        self.containers = [Container(container, around) for container in spec["containers"]]
        self._life = grounds.background.start(self._live())
        self._reporting = grounds.background.start(self._reporter.run())

    def update(self, pod: Json) -> None:
        """Take a newer state of the object; one that is to be deleted is stopped."""
        before, self._pod = self._pod["metadata"], pod
        metadata = pod["metadata"]
        if self.faults.lost:
            return
        if "deletionTimestamp" in metadata:
            self._delete(float(metadata.get("deletionGracePeriodSeconds", 0)))
        elif any(before.get(group) != metadata.get(group) for group in ("labels", "annotations")):
            self._grounds.background.start(self._volumes.refill(self._volumes.of_pod()))
        if pod["spec"].get("readinessGates"):
            self._reporter.changed()

    def object_changed(self, kind: Kind, name: str) -> None:
        """A ConfigMap or Secret of the pod's namespace is new or differs."""
        self.nudge()
        if chosen := self._volumes.of_object(kind, name):
            self._grounds.background.start(self._volumes.refill(chosen))

    def nudge(self) -> None:
        """Let what waits for something look again."""
        self._something_new.set()

    def evict(self, message: str) -> None:
        """Stop everything and fail, as a kubelet does on a node that runs short of something."""
        self._evicted = message
        self._grounds.background.start(self._wind_up(Grace(self._pod["spec"].get("terminationGracePeriodSeconds", 30))))

    def found_again(self) -> None:
        """The node is back: what it knows outranks what was said of it meanwhile."""
        self._reporter.again()
        self.nudge()

    def vanish(self) -> None:
        """The object is gone without our doing: nothing of the pod may stay."""
        for container in [*self.init, *self.containers]:
            if container.child:
                container.child.signal_group(signal.SIGKILL)
        self._clean_up()

    async def _live(self) -> None:
        beside: list[asyncio.Task[None]] = []
        try:
            await self._prepare()
            beside.append(self._grounds.background.start(self._volumes.keep_tokens()))
            if self._grounds.relayed:
                relay = Relay(self.address, self._listens_at, self._ports(), self.faults.traffic)
                beside.append(self._grounds.background.start(relay.run()))
            if await self._initialize():
                async with asyncio.TaskGroup() as group:
                    for container in self.containers:
                        group.create_task(container.run())
        finally:
            for task in beside:
                task.cancel()

    async def _prepare(self) -> None:
        """Return when every volume is there."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        while not self._volumes.filled:
            try:
                await self._volumes.fill()
            except NotYetError as problem:
                self._show(Waiting(problem.reason, str(problem)))
                self._grounds.events.warn(self._pod, "FailedMount", str(problem))
                await self._wait_for_something_new()
            except UnsupportedError as problem:
                self._show(Waiting(problem.reason, str(problem)))
                await asyncio.Event().wait()  # only another pod can change this
            except ApiError as problem:
                self._show(Waiting("ContainerCreating", str(problem)))
                await asyncio.sleep(RECHECK_SECONDS)
        self._reporter.changed()

    async def _initialize(self) -> bool:
        """Run the init containers one after the other; False if the pod has failed by that."""
        for container in self.init:
            await container.run()
            ended = container.state.current
            if not isinstance(ended, Terminated) or ended.exit_code != 0:
                return False
            container.state.ready = True
            self._reporter.changed()
        return True

    def _delete(self, seconds: float) -> None:
        if self._grace is None:
            self._grace = Grace(seconds)
            self._grounds.background.start(self._stop(self._grace))
        else:
            self._grace.at_most(seconds)

    async def _wind_up(self, grace: Grace) -> None:
        async with asyncio.TaskGroup() as group:
            for container in [*self.init, *self.containers]:
                group.create_task(container.stop(grace))
        self._reporter.changed()

    async def _stop(self, grace: Grace) -> None:
        await self._wind_up(grace)
        self._life.cancel()
        self._reporting.cancel()
        await asyncio.gather(self._life, self._reporting, return_exceptions=True)
        # How the containers ended has to be readable before the object goes.
        await self._reporter.report()
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        await unless_gone(persistently(lambda: self._grounds.client.delete(self._path, body)))
        self._clean_up()

    def _clean_up(self) -> None:
        self._life.cancel()
        self._reporting.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._finished()

    def _status(self) -> Json:
        known = [*self._pod["status"].get("conditions", []), *self._reporter.reported.get("conditions", [])]
        observed = Observed(
            pod=self._pod,
            conditions={condition["type"]: condition for condition in known},
            init=[container.state for container in self.init],
            containers=[container.state for container in self.containers],
            host_address=self._grounds.sources.node.address,
            pod_address=self.address if self._volumes.filled else None,
            started_at=self._started_at,
        )
        status = build_status(observed, now())
        if self._evicted is None or any(container.child for container in self.containers):
            return status
        return status | {"phase": "Failed", "reason": "Evicted", "message": self._evicted}

    def _surroundings(self) -> Surroundings:
        spec = self._pod["spec"]
        return Surroundings(
            launch=self._launch,
            report=self._reporter.changed,
            event=lambda reason, message: self._grounds.events.warn(self._pod, reason, message),
            something_new=self._wait_for_something_new,
            faults=self.faults,
            logs=self._grounds.logs / self.namespace / f"{self.name}_{self.uid}",
            grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
            restart_policy=spec.get("restartPolicy", "Always"),
        )

    async def _launch(self, container: Json) -> Launch:
        folders = self._volumes.folders
        return await self._grounds.launcher.launch(container, self._pod, self._folder, folders, self._listens_at)

    def _show(self, waiting: Waiting) -> None:
        for container in self.containers:
            container.state.current = waiting
        self._reporter.changed()

    async def _wait_for_something_new(self) -> None:
        with contextlib.suppress(TimeoutError):  # then look again all the same
            async with asyncio.timeout(RECHECK_SECONDS):
                await self._something_new.wait()
        # Cleared after the wait: what changed since the last look counts.
        self._something_new.clear()

    def _ports(self) -> list[int]:
        return [port["containerPort"] for c in self._pod["spec"]["containers"] for port in c.get("ports", [])]
