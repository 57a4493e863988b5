"""One process: waits for the Lease, leads, and ends in order."""

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta

from hedgegrid_operator.brain import Brain
from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.control.client import PodClient
from hedgegrid_operator.credentials import CredentialSource
from hedgegrid_operator.health import HealthServer
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.leader import Leader, LeadershipLostError, LeaseTimes
from hedgegrid_operator.logs import quiet_connections
from hedgegrid_operator.master_key import master_key
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.settings import Settings
from hedgegrid_operator.watch import Watch

log = logging.getLogger(__name__)


class Operator:
    """One process: waits for the Lease, leads, and ends in order."""

    def __init__(self, settings: Settings, own_name: str) -> None:
        self._settings = settings
        self._own_name = own_name
        self._metrics = Metrics()
        self._leader: Leader | None = None
        self._brain: Brain | None = None
        self._stopping = asyncio.Event()
        self._replaced = False

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT (0), or until another one leads (1)."""
        loop = asyncio.get_running_loop()
        quiet_connections(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        settings = self._settings
        source = CredentialSource(settings.kubeconfig, settings.context, settings.service_account_dir)
        health = HealthServer(self._metrics, live=self._live, ready=self._ready, measure=self._measure)
        # The Lease has connections and a time-out of its own: nothing stands before a renewal, and two tries fit into
        # the time that it may take.
        patience = min(settings.request_timeout, settings.renew_deadline / 2)
        async with (
            Kube(source, self._metrics, patience, may_write=lambda: True) as own,
            Kube(source, self._metrics, settings.request_timeout, may_write=self._may_write) as kube,
        ):
            await health.start(settings.health_host, settings.health_port)
            try:
                return await self._until_stopped(self._lead(own, kube, source))
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
        with contextlib.suppress(asyncio.CancelledError):
            await leading
        return 1 if self._replaced else 0

    def _may_write(self) -> bool:
        return self._leader is not None and self._leader.may_write

    async def _lead(self, own: Kube, kube: Kube, source: CredentialSource) -> None:
        settings = self._settings
        key = await master_key(own, settings.own_namespace, settings.keys_secret)
        leader = self._leader = Leader(
            own,
            self._metrics,
            namespace=settings.own_namespace,
            name=settings.lease_name,
            own_name=self._own_name,
            times=LeaseTimes(settings.lease_duration, settings.renew_deadline, settings.retry_period),
        )
        await leader.acquire()
        ca = CaSecret(kube, settings.own_namespace, settings.ca_secret, timedelta(seconds=settings.ca_lifetime))
        async with (
            PodClient(key, ca.trust, settings.pod_timeout) as client,
            asyncio.TaskGroup() as group,
        ):
            brain = self._brain = Brain(settings, kube, client, leader, self._metrics, key, ca)
            watch = Watch(source, settings.namespaces, brain.witness)
            brain.resync.silent = watch.renew
            group.create_task(self._hold(leader, brain))
            group.create_task(brain.recorder.run())
            try:
                await ca.begin()
                await self._first_list(brain)
                group.create_task(watch.run())
                group.create_task(brain.recognize())
                group.create_task(self._repeat(brain.check_children, settings.children_interval))
                await self._repeat(brain.resync_watched, settings.resync_interval)
            finally:
                watch.stop()
                await brain.close()

    async def _hold(self, leader: Leader, brain: Brain) -> None:
        try:
            await leader.hold(brain.wake_all)
        except LeadershipLostError as lost:
            log.error("%s; this one ends", lost)  # noqa: TRY400 — an expected end, no traceback
            self._replaced = True
            self._stopping.set()

    async def _first_list(self, brain: Brain) -> None:
        """Nothing is decided before everything has been seen once: who has a StatefulSet keeps its target."""
        await brain.resync_watched()
        while brain.resync.done_at is None:
            await asyncio.sleep(self._settings.retry_period)
            await brain.resync_watched()

    async def _repeat(self, work: Callable[[], Awaitable[None]], interval: float) -> None:
        while True:
            await asyncio.sleep(interval * random.uniform(0.9, 1.1))
            await work()

    def _live(self) -> str | None:
        """Wrong when the loops stand still or the API server answers and refuses, not when it doesn't answer."""
        settings = self._settings
        if self._brain is not None:
            limit = 3 * settings.resync_interval + 4 * settings.request_timeout
            return self._brain.resync.attempts.wrong("a LIST", limit)
        limit = 3 * settings.lease_duration + 4 * settings.request_timeout
        return self._leader.attempts.wrong("the Lease", limit) if self._leader is not None else None

    def _ready(self) -> str | None:
        """Wrong before the Lease could be read; for a leader, while the API server can't be used."""
        leader, brain = self._leader, self._brain
        if leader is None or not leader.known:
            return "the Lease can't be read"
        if brain is None:
            return None
        now, limit = asyncio.get_running_loop().time(), 3 * self._settings.resync_interval
        if brain.resync.done_at is None or now - brain.resync.done_at > limit:
            return "no complete LIST lately"
        return None if leader.may_write else "the Lease can't be renewed"

    def _measure(self) -> None:
        if self._brain is not None:
            self._brain.measure()
