"""The life of one pod on the node, from its binding to its removal."""

import asyncio
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kube.apiclient import STRATEGIC_PATCH, ApiClient, Json
from tests.kube.errors import ApiError
from tests.kube.network import hidden_address
from tests.kube.runner import volumes
from tests.kube.runner.background import Background, persistently
from tests.kube.runner.container import Container, Launch, Surroundings
from tests.kube.runner.ending import Grace
from tests.kube.runner.events import Events
from tests.kube.runner.faults import Faults
from tests.kube.runner.informer import key_of
from tests.kube.runner.launching import Launcher
from tests.kube.runner.objects import Kind
from tests.kube.runner.problems import NotYet, Unsupported
from tests.kube.runner.relay import Relay
from tests.kube.runner.states import Terminated, Waiting, now
from tests.kube.runner.status import Observed, build_status
from tests.kube.runner.substitution import Substitution
from tests.kube.runner.volumes import Sources

RECHECK_SECONDS = 5.0
TOKEN_REFRESH = 0.8


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
        # Behind a relay the process listens elsewhere; it is told that address as its own.
        self._listens_at = hidden_address(address) if grounds.relayed else address
        self._folder = grounds.folder / self.uid
        self._folders: dict[str, Path] = {}
        self._started_at = now()
        self._prepared = False
        self._reported: Json = {}
        self._status_changed = asyncio.Event()
        self._something_new = asyncio.Event()
        self._grace: Grace | None = None
        around = self._surroundings()
        spec = pod["spec"]
        self.init = [Container(container, around) for container in spec.get("initContainers", [])]
        self.containers = [Container(container, around) for container in spec["containers"]]
        self._life = grounds.background.start(self._live())
        self._reporting = grounds.background.start(self._report())

    def update(self, pod: Json) -> None:
        """Take a newer state of the object; one that is to be deleted is stopped."""
        before, self._pod = self._pod, pod
        if "deletionTimestamp" in pod["metadata"]:
            self._delete(float(pod["metadata"].get("deletionGracePeriodSeconds", 0)))
        elif before["metadata"].get("labels") != pod["metadata"].get("labels") or before["metadata"].get(
            "annotations"
        ) != pod["metadata"].get("annotations"):
            self._refill(lambda volume: "downwardAPI" in str(volume))
        if pod["spec"].get("readinessGates"):
            self._status_changed.set()

    def object_changed(self, kind: Kind, name: str) -> None:
        """A ConfigMap or Secret of the pod's namespace is new or differs."""
        self.nudge()
        self._refill(lambda volume: volumes.names_object(volume, kind, name))

    def nudge(self) -> None:
        """Let what waits for something look again."""
        self._something_new.set()

    def vanish(self) -> None:
        """The object is gone without our doing: nothing of the pod may stay."""
        for container in [*self.init, *self.containers]:
            if container.child:
                container.child.signal_group(signal.SIGKILL)
        self._clean_up()

    async def _live(self) -> None:
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._prepare()
            if self._grounds.relayed:
                relay = Relay(self.address, self._listens_at, self._ports(), self.faults.traffic)
                tasks.append(self._grounds.background.start(relay.run()))
            if self._volumes_expire():
                tasks.append(self._grounds.background.start(self._refresh_tokens()))
            if not await self._initialize():
                return
            async with asyncio.TaskGroup() as group:
                for container in self.containers:
                    group.create_task(container.run())
        finally:
            for task in tasks:
                task.cancel()

    async def _prepare(self) -> None:
        """Wait until every volume is there."""
        spec = self._pod["spec"]
        while not self._prepared:
            try:
                for volume in spec.get("volumes", []):
                    folder = volumes.folder_of(volume, self.namespace, self._folder, self._grounds.sources.claims)
                    self._folders[volume["name"]] = folder
                (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
                for volume in spec.get("volumes", []):
                    await self._fill(volume)
                self._prepared = True
            except NotYet as problem:
                self._show(Waiting(problem.reason, str(problem)))
                self._grounds.events.warn(self._pod, "FailedMount", str(problem))
                await self._wait_for_something_new()
            except Unsupported as problem:
                self._show(Waiting(problem.reason, str(problem)))
                await asyncio.Event().wait()  # only another pod can change this
            except ApiError as problem:
                self._show(Waiting("ContainerCreating", str(problem)))
                await asyncio.sleep(RECHECK_SECONDS)
        self._status_changed.set()

    async def _initialize(self) -> bool:
        """Run the init containers one after the other; False if the pod has failed by that."""
        for container in self.init:
            await container.run()
            ended = container.state.current
            if not isinstance(ended, Terminated) or ended.exit_code != 0:
                return False
            container.state.ready = True
            self._status_changed.set()
        return True

    def _delete(self, seconds: float) -> None:
        if self._grace is None:
            self._grace = Grace(seconds)
            self._grounds.background.start(self._stop(self._grace))
        else:
            self._grace.at_most(seconds)

    async def _stop(self, grace: Grace) -> None:
        async with asyncio.TaskGroup() as group:
            for container in [*self.init, *self.containers]:
                group.create_task(container.stop(grace))
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        # What a container was has to be readable until the very end, as a kubelet has it.
        self._reporting.cancel()
        await self._patch(self._status())
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        await self._unless_gone(lambda: self._grounds.client.delete(self._path, body))
        self._clean_up()

    def _clean_up(self) -> None:
        self._life.cancel()
        self._reporting.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._finished()

    async def _report(self) -> None:
        """Send the status whenever it has changed, the newest only."""
        while True:
            self._status_changed.clear()
            status = self._status()
            if status != self._reported:
                await self._patch(status)
            await self._status_changed.wait()

    async def _patch(self, status: Json) -> None:
        body = {"metadata": {"uid": self.uid}, "status": status}
        await self._unless_gone(lambda: self._grounds.client.patch(f"{self._path}/status", body, STRATEGIC_PATCH))
        self._reported = status

    async def _unless_gone(self, call: "Callable[[], asyncio.Future[Json]]") -> None:
        try:
            await persistently(call)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    def _status(self) -> Json:
        ours = self._reported.get("conditions", [])
        conditions = {c["type"]: c for c in [*self._pod["status"].get("conditions", []), *ours]}
        observed = Observed(
            pod=self._pod,
            conditions=conditions,
            init=[container.state for container in self.init],
            containers=[container.state for container in self.containers],
            host_address=self._grounds.sources.node.address,
            pod_address=self.address if self._prepared else None,
            started_at=self._started_at,
        )
        return build_status(observed, now())

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def _surroundings(self) -> Surroundings:
        spec = self._pod["spec"]
        return Surroundings(
            launch=self._launch,
            report=self._status_changed.set,
            event=lambda reason, message: self._grounds.events.warn(self._pod, reason, message),
            something_new=self._wait_for_something_new,
            faults=self.faults,
            logs=self._grounds.logs / self.namespace / f"{self.name}_{self.uid}",
            grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
            restart_policy=spec.get("restartPolicy", "Always"),
        )

    async def _launch(self, container: Json) -> Launch:
        launcher = self._grounds.launcher
        return await launcher.launch(container, self._pod, self._folder, self._folders, self._listens_at)

    def _show(self, waiting: Waiting) -> None:
        for container in self.containers:
            container.state.current = waiting
        self._status_changed.set()

    async def _wait_for_something_new(self) -> None:
        self._something_new.clear()
        try:
            async with asyncio.timeout(RECHECK_SECONDS):
                await self._something_new.wait()
        except TimeoutError:
            return  # look again, in case an event was missed

    def _ports(self) -> list[int]:
        return [p["containerPort"] for c in self._pod["spec"]["containers"] for p in c.get("ports", [])]

    async def _fill(self, volume: Json) -> None:
        mounts: dict[str, str] = {}
        for container in [*self._pod["spec"].get("initContainers", []), *self._pod["spec"]["containers"]]:
            mounts |= volumes.mount_folders(container, self._folders)
        substitute = Substitution(self._listens_at, mounts)
        folder = self._folders[volume["name"]]
        await persistently(lambda: volumes.fill(volume, folder, self._pod, self._grounds.sources, substitute))

    def _refill(self, which: Callable[[Json], bool]) -> None:
        chosen = [volume for volume in self._pod["spec"].get("volumes", []) if which(volume)]
        if self._prepared and chosen:
            self._grounds.background.start(self._fill_again(chosen))

    async def _fill_again(self, chosen: list[Json]) -> None:
        for volume in chosen:
            try:
                await self._fill(volume)
            except NotYet as problem:  # deleted meanwhile: a running pod keeps what it has
                self._grounds.events.warn(self._pod, "FailedMount", str(problem))

    def _volumes_expire(self) -> list[float]:
        return volumes.token_lives(self._pod["spec"].get("volumes", []))

    async def _refresh_tokens(self) -> None:
        with_tokens = [v for v in self._pod["spec"]["volumes"] if volumes.token_lives([v])]
        while True:
            await asyncio.sleep(min(self._volumes_expire()) * TOKEN_REFRESH)
            await self._fill_again(with_tokens)
