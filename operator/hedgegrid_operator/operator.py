"""The operator put together: events in, lanes, loops, and the order of start and stop."""

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine

from hedgegrid_operator.apply import Children
from hedgegrid_operator.cache import Cache, Change, Entry
from hedgegrid_operator.control.client import PodClient
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.credentials import CredentialSource
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.events import Recorder
from hedgegrid_operator.finalize import Remover
from hedgegrid_operator.health import HealthServer
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.leader import Leader, LeadershipLostError, LeaseTimes
from hedgegrid_operator.master_key import master_key
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, STATEFUL_SET, GridRef, Json, Kind, uid_of
from hedgegrid_operator.provision import Provisioner
from hedgegrid_operator.queue import Lane
from hedgegrid_operator.reconcile import Reconciler
from hedgegrid_operator.resync import Resync
from hedgegrid_operator.settings import Settings
from hedgegrid_operator.watch import Watch

log = logging.getLogger(__name__)

_GRACE = 2.0
"""Seconds that work under way gets to end."""


class Brain:
    """What leading takes: cache, courier, reconciler and their lanes."""

    def __init__(
        self, settings: Settings, kube: Kube, client: PodClient, leader: Leader, metrics: Metrics, key: bytes
    ) -> None:
        self._settings = settings
        self._kube = kube
        self._leader = leader
        self._metrics = metrics
        self._refs: dict[str, GridRef] = {}
        self.cache = Cache()
        self.children = Children(kube)
        self.recorder = Recorder(kube, leader.identity)
        self.courier = Courier(
            self.cache, client, self, metrics, idle=settings.poll_interval, busy=settings.kill_poll_interval
        )
        self.provisioner = Provisioner(
            kube,
            self.cache,
            self.children,
            self.courier,
            self.observe,
            master_key=key,
            secret_interval=settings.children_interval / 2,
        )
        self.reconciler = Reconciler(
            kube,
            self.cache,
            self.courier,
            self.children,
            self.provisioner,
            Remover(kube, self.cache, self.children, self.recorder),
            self.recorder,
            leader,
            metrics,
            defaults=ImageDefaults(settings.strategy_image, settings.strategy_tag, settings.strategy_pull_policy),
            own_namespace=settings.own_namespace,
        )
        self.objects = Lane("reconcile", self.reconciler.work, limit=settings.workers)
        self.resync = Resync(
            kube,
            self.cache,
            self.children,
            self.recorder,
            settings.namespaces,
            observe=self.observe,
            react=self._react,
        )

    # What the courier needs besides the pods.

    @property
    def epoch(self) -> int:
        """The leader's epoch."""
        return self._leader.epoch

    async def outrun(self, epoch: int) -> bool:
        """Raise the epoch above a pod's."""
        return await self._leader.outrun(epoch)

    async def confirm(self, uid: str) -> Entry | None:
        """The grid by a consistent read."""
        entry = self.cache.grid(uid)
        if entry is None:
            return None
        ref = entry.controls.ref
        try:
            found = await self._kube.get(HEDGE_GRID, ref.namespace, ref.name)
        except (ApiError, ApiUnreachableError) as error:
            log.warning("the object can't be read, nothing that allows more is sent: %s", error, extra=ref.fields())
            return None
        if found is None or uid_of(found) != uid:
            self.observe(HEDGE_GRID, entry.obj, deleted=True)
        else:
            self.observe(HEDGE_GRID, found)
        return self.cache.grid(uid)

    def news(self, uid: str) -> None:
        """Something that status shows has changed."""
        self._wake(uid)

    # Events in.

    def observe(self, kind: Kind, obj: Json, deleted: bool = False) -> None:
        """Take over an object that was seen; kills leave from here."""
        self._react(*self.cache.observe(kind, obj, deleted=deleted))

    def _react(self, uid: str, change: Change) -> None:
        match change:
            case Change.NOTHING:
                return
            case Change.GRID:
                # First of all: a kill leaves here.
                self.courier.look(uid)
                self._remember(uid)
            case Change.POD:
                self.courier.look(uid, pod_event=True)
            case Change.STATEFUL_SET:
                self._compare_stateful_set(uid)
            case Change.GRID_GONE:
                self._forget(uid)
                return
        self._wake(uid)

    def _remember(self, uid: str) -> None:
        entry = self.cache.grid(uid)
        if entry is not None:
            self._refs[uid] = entry.controls.ref

    def _compare_stateful_set(self, uid: str) -> None:
        view = self.cache.stateful_set(uid)
        for name in self.children.names(uid, STATEFUL_SET):
            self.children.seen(uid, STATEFUL_SET, name, view.generation if view else None)
        if view is None:
            self._wake_refused()

    def _wake(self, uid: str) -> None:
        entry = self.cache.grid(uid)
        if entry is not None:
            self.objects.wake(uid, urgent=entry.controls.deleted is not None)

    def _wake_refused(self) -> None:
        for uid in tuple(self.reconciler.refused):
            self._wake(uid)

    def _forget(self, uid: str) -> None:
        ref = self._refs.pop(uid, None)
        self.objects.forget(uid)
        self.courier.forget(uid)
        self.reconciler.forget(uid)
        self.resync.forget(uid)
        if ref is not None:
            self._metrics.forget(ref)
            log.info("object gone", extra=ref.fields())
        self._wake_refused()

    # Loops.

    async def resync_watched(self) -> None:
        """One LIST of everything watched."""
        await self.resync.watched()

    async def check_children(self) -> None:
        """One check of the children that aren't watched."""
        if not self._leader.may_write:
            return
        stale = await self.resync.children()
        for uid in stale:
            self._wake(uid)
        for uid in self.cache.grids():
            entry, wanted = self.cache.grid(uid), self.reconciler.wanted(uid)
            names = self.resync.config_maps.get(uid, [])
            if entry is not None and wanted is not None and len(names) > 1 and not entry.controls.paused:
                await self.provisioner.prune(entry.controls.ref, wanted, names)
            # Secrets are read one by one, spread over the time until the next check.
            self.objects.wake_within(uid, random.uniform(0, self._settings.children_interval / 2))

    def wake_all(self) -> None:
        """Look at every grid."""
        for uid in self.cache.grids():
            self._wake(uid)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.courier.measure()
        self._metrics.queue_depth.labels(self.objects.name).set(self.objects.depth)

    async def close(self) -> None:
        """End what is under way: kills may finish, the rest may finish if it is quick."""
        await asyncio.gather(*(lane.close(_GRACE) for lane in (self.courier.kills, self.courier.calm, self.objects)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.recorder.flush(), _GRACE)


class Operator:
    """One process: waits for the Lease, leads, and ends in order."""

    def __init__(self, settings: Settings, own_name: str) -> None:
        self._settings = settings
        self._own_name = own_name
        self._metrics = Metrics()
        self._leader: Leader | None = None
        self._brain: Brain | None = None
        self._tried_at = 0.0
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT (0), or until another one leads (1)."""
        loop = asyncio.get_running_loop()
        self._tried_at = loop.time()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        settings = self._settings
        source = CredentialSource(settings.kubeconfig, settings.context)
        health = HealthServer(self._metrics, live=self._live, ready=self._ready, measure=self._measure)
        async with Kube(source, self._metrics, settings.request_timeout) as kube:
            await health.start(settings.health_host, settings.health_port)
            try:
                return await self._until_stopped(self._lead(kube, source))
            finally:
                if self._leader is not None:
                    await self._leader.release()
                await health.stop()

    async def _until_stopped(self, work: Coroutine[None, None, None]) -> int:
        leading = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((leading, stopping), return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        stopping.cancel()
        leading.cancel()
        try:
            await leading
        except asyncio.CancelledError:
            return 0
        except LeadershipLostError as lost:
            log.error("%s; this one ends", lost)  # noqa: TRY400 — an expected end, no traceback
            return 1
        return 0

    async def _lead(self, kube: Kube, source: CredentialSource) -> None:
        settings = self._settings
        key = await master_key(kube, settings.own_namespace, settings.keys_secret)
        leader = self._leader = Leader(
            kube,
            self._metrics,
            namespace=settings.own_namespace,
            name=settings.lease_name,
            own_name=self._own_name,
            times=LeaseTimes(settings.lease_duration, settings.renew_deadline, settings.retry_period),
        )
        await leader.acquire()
        async with (
            PodClient(key, settings.pod_timeout, 10 * settings.poll_interval) as client,
            asyncio.TaskGroup() as group,
        ):
            brain = self._brain = Brain(settings, kube, client, leader, self._metrics, key)
            watch = Watch(source, settings.namespaces, brain.observe)
            group.create_task(leader.hold(brain.wake_all))
            group.create_task(brain.recorder.run())
            try:
                await self._first_list(brain)
                group.create_task(watch.run())
                group.create_task(self._repeat(brain.check_children, settings.children_interval))
                await self._repeat(brain.resync_watched, settings.resync_interval)
            finally:
                watch.stop()
                await brain.close()

    async def _first_list(self, brain: Brain) -> None:
        """Nothing is decided before everything has been seen once: who has a StatefulSet keeps its target."""
        while not await self._attempt(brain.resync_watched):
            await asyncio.sleep(self._settings.retry_period)

    async def _repeat(self, work: Callable[[], Awaitable[None]], interval: float) -> None:
        while True:
            await asyncio.sleep(interval * random.uniform(0.9, 1.1))
            await self._attempt(work)

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except (ApiError, ApiUnreachableError) as error:
            log.warning("LIST failed: %s", error)
            return False
        finally:
            self._tried_at = asyncio.get_running_loop().time()
        return True

    def _live(self) -> str | None:
        """Wrong when the loops stand still; an API server that doesn't answer is no reason to be restarted."""
        if self._brain is None:
            return None
        age = asyncio.get_running_loop().time() - self._tried_at
        limit = 3 * self._settings.resync_interval + 4 * self._settings.request_timeout
        return f"no LIST was tried for {age:.0f} s" if age > limit else None

    def _ready(self) -> str | None:
        """Wrong before the Lease could be read; for a leader, while the API server can't be used."""
        now, settings = asyncio.get_running_loop().time(), self._settings
        leader, brain = self._leader, self._brain
        if leader is None or leader.read_at is None or now - leader.read_at > settings.lease_duration:
            return "the Lease can't be read"
        if brain is None:
            return None
        if brain.resync.done_at is None or now - brain.resync.done_at > 3 * settings.resync_interval:
            return "no complete LIST lately"
        return None if leader.may_write else "the Lease can't be renewed"

    def _measure(self) -> None:
        if self._brain is not None:
            self._brain.measure()
