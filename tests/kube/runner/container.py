"""One container of a pod: its process, its restarts, its probes."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.kube.apiclient import UNREACHABLE, Json
from tests.kube.children import Child
from tests.kube.errors import ApiError
from tests.kube.runner.ending import Grace, end
from tests.kube.runner.faults import PodFaults
from tests.kube.runner.probes import Probe, Target, follow
from tests.kube.runner.problems import NotYetError, UnsupportedError
from tests.kube.runner.states import ContainerState, Running, Terminated, Waiting, now

# A kubelet's 10 s to 5 min, shortened: the first restart comes at once, tests needn't wait for the later ones.
BACK_OFF_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 10.0)
HEALTHY_SECONDS = 10.0
RETRY_SECONDS = 2.0
START_ERROR = 128


@dataclass(frozen=True)
class Launch:
    """A container's command with everything put in."""

    argv: list[str]
    environment: Mapping[str, str]
    folder: Path
    target: Target


@dataclass(frozen=True)
class Surroundings:
    """What a container has from its pod."""

    launch: Callable[[Json], Awaitable[Launch]]
    """Everything that a start needs; raises NotYetError or UnsupportedError."""
    report: Callable[[], None]
    """The state has changed."""
    event: Callable[[str, str], None]
    """A warning Event: reason, message."""
    something_new: Callable[[], Awaitable[None]]
    """Returns when a ConfigMap, a Secret, a claim or a fault has changed."""
    faults: PodFaults
    logs: Path
    grace_seconds: float
    restart_policy: str


class Container:
    """Runs until its pod stops it, or until its restart policy says that it is done."""

    def __init__(self, spec: Json, around: Surroundings) -> None:
        self.spec = spec
        self.state = ContainerState(spec["name"], spec["image"])
        self._around = around
        self._child: Child | None = None
        self._stopping = False
        self._starting = asyncio.Lock()
        self._crashes = 0

    @property
    def child(self) -> Child | None:
        """The running process."""
        return self._child

    def log(self, run: int | None = None) -> Path:
        """The log of the current run, or of the run with this number, counted from 0."""
        return self._around.logs / self.state.name / f"{self.state.restarts if run is None else run}.log"

    async def run(self) -> None:
        """Start the process, again and again."""
        while True:
            try:
                launch = await self._prepared()
                code, seconds = await self._one_run(launch)
            except UnsupportedError as problem:
                self._wait(Waiting(problem.reason, str(problem)))
                await asyncio.Event().wait()  # only another pod can change this
                return
            self._crashes = 0 if seconds >= HEALTHY_SECONDS else self._crashes
            if self._stopping or not self._restarts(code):
                return
            await self._back_off()
            self.state.restarts += 1

    async def stop(self, grace: Grace) -> None:
        """End the process, if there is one, and let `run` return."""
        self._stopping = True
        async with self._starting:
            child = self._child
        if child:
            await end(child, grace)

    def _restarts(self, code: int) -> bool:
        policy = self._around.restart_policy
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _prepared(self) -> Launch:
        while True:
            try:
                return await self._around.launch(self.spec)
            except NotYetError as problem:
                if self._wait(Waiting(problem.reason, str(problem))):
                    self._around.event("Failed", str(problem))
                await self._around.something_new()
            except (*UNREACHABLE, ApiError) as problem:
                self._wait(Waiting("ContainerCreating", f"the API server did not answer: {problem}"))
                await asyncio.sleep(RETRY_SECONDS)

    async def _one_run(self, launch: Launch) -> tuple[int, float]:
        """Run the process once; returns its exit code and for how long it ran."""
        state, clock = self.state, asyncio.get_running_loop().time
        began, started_at = clock(), now()
        state.container_id = f"process://{self._around.logs.name}/{state.name}/{state.restarts}"
        log = self.log()
        try:
            async with self._starting:
                if self._stopping:
                    return 0, 0.0
                self._child = await Child.start(launch.argv, log=log, env=launch.environment, cwd=launch.folder)
        except OSError as error:
            reason = f"{launch.argv[0]}: {error.strerror or error}"
            self._ended(Terminated(START_ERROR, "StartError", state.container_id, started_at, message=reason))
            self._around.event("Failed", f"Error: {reason}")
            return START_ERROR, 0.0
        if self._around.faults.frozen:
            self._child.signal_group(signal.SIGSTOP)
        state.current = Running(started_at)
        probes = asyncio.create_task(self._probe(self._child, launch.target))
        self._around.report()
        try:
            code = await self._child.wait()
        finally:
            probes.cancel()
            self._child = None
        with contextlib.suppress(asyncio.CancelledError):
            await probes
        self._ended(self._how(Terminated.of(code, state.container_id, started_at)))
        return code, clock() - began

    def _how(self, ended: Terminated) -> Terminated:
        faults = self._around.faults
        if not faults.out_of_memory or ended.exit_code != 128 + signal.SIGKILL:
            return ended
        faults.out_of_memory = False
        return replace(ended, reason="OOMKilled")

    def _ended(self, how: Terminated) -> None:
        self.state.current = how
        self.state.started = self.state.ready = False
        self._around.report()

    def _wait(self, waiting: Waiting) -> bool:
        """Show why there is no process; False where that is shown already."""
        if self.state.current == waiting:
            return False
        if isinstance(self.state.current, Terminated):
            self.state.last = self.state.current
        self.state.current = waiting
        self._around.report()
        return True

    async def _back_off(self) -> None:
        delay = BACK_OFF_SECONDS[min(self._crashes, len(BACK_OFF_SECONDS) - 1)]
        self._crashes += 1
        if isinstance(self.state.current, Terminated):
            self.state.last = self.state.current
        if delay:
            message = f"back-off {delay:g}s restarting failed container={self.state.name}"
            self._wait(Waiting("CrashLoopBackOff", message))
            self._around.event("BackOff", message)
            await asyncio.sleep(delay)

    async def _probe(self, child: Child, target: Target) -> None:
        startup, liveness, readiness = (Probe.of(self.spec, kind) for kind in ("startup", "liveness", "readiness"))
        if startup:
            await self._until_started(startup, child, target)
        self.state.started = True
        self.state.ready = readiness is None
        self._around.report()
        async with asyncio.TaskGroup() as group:
            if liveness:
                group.create_task(follow(liveness, target, partial(self._live, liveness, child)))
            if readiness:
                group.create_task(follow(readiness, target, self._ready))

    async def _until_started(self, probe: Probe, child: Child, target: Target) -> None:
        started = asyncio.Event()

        async def verdict(good: bool, why: str) -> None:
            if good:
                started.set()
            else:
                await self._kill_unhealthy("Startup", probe, child, why)

        following = asyncio.create_task(follow(probe, target, verdict))
        try:
            await started.wait()
        finally:
            following.cancel()

    async def _live(self, probe: Probe, child: Child, good: bool, why: str) -> None:
        if not good:
            await self._kill_unhealthy("Liveness", probe, child, why)

    async def _ready(self, good: bool, why: str) -> None:
        if self.state.ready != good:
            self.state.ready = good
            self._around.report()
            if not good:
                self._around.event("Unhealthy", f"Readiness probe failed: {why}")

    async def _kill_unhealthy(self, kind: str, probe: Probe, child: Child, why: str) -> None:
        # A process that winds up may stop answering before it ends; on a lost node nobody asks.
        if self._stopping or self._around.faults.lost:
            return
        self._around.event("Unhealthy", f"{kind} probe failed: {why}")
        grace = self._around.grace_seconds if probe.grace_period is None else probe.grace_period
        await end(child, Grace(grace))
