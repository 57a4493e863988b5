"""What leading takes: events in, the lanes, and what each event wakes."""

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.apply import Children
from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.cache import Cache, Change, Entry
from hedgegrid_operator.contention import Contention
from hedgegrid_operator.control.client import PodClient
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.doom import Doom
from hedgegrid_operator.escalator import Escalator
from hedgegrid_operator.events import Recorder
from hedgegrid_operator.farewell import Farewell
from hedgegrid_operator.finalizer import Finalizer
from hedgegrid_operator.grid_secrets import GridSecrets
from hedgegrid_operator.installation import is_stranger
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube, NotLeadingError
from hedgegrid_operator.leader import Leader
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.monitors import Monitors
from hedgegrid_operator.objects import HEDGE_GRID, STATEFUL_SET, GridRef, Json, Kind, resource_version, uid_of
from hedgegrid_operator.observed import PodState
from hedgegrid_operator.overlap import Overlap
from hedgegrid_operator.provision import Provisioner
from hedgegrid_operator.publish import Publisher
from hedgegrid_operator.queue import Lane
from hedgegrid_operator.recognize import Recognition
from hedgegrid_operator.reconcile import Reconciler
from hedgegrid_operator.resync import Resync
from hedgegrid_operator.served import Served
from hedgegrid_operator.settings import Settings
from hedgegrid_operator.sweep import Sweep

log = logging.getLogger(__name__)

_GRACE = 0.5
"""Seconds that work under way gets to end: the next leader waits, and sends again what wasn't confirmed."""
_RETRY_MAX = 30.0
_NOT_LEADING_PAUSE = 1.0
"""Seconds until a grid is looked at again while nothing may be written."""
_RECOGNIZING_PAUSE = 0.2
"""Seconds until a grid's turn is tried again while it isn't known yet what stands."""
_SETTLE = 0.005
"""Seconds between an event and the reconciliation that it causes: bursts become one, and kills are out before."""


class Brain:
    """What leading takes: cache, courier, reconciler and their lanes."""

    def __init__(
        self,
        settings: Settings,
        kube: Kube,
        client: PodClient,
        leader: Leader,
        metrics: Metrics,
        key: bytes,
        ca: CaSecret,
    ) -> None:
        self._settings = settings
        self._installation = settings.own_installation
        self._kube = kube
        self._leader = leader
        self._metrics = metrics
        self._refs: dict[str, GridRef] = {}
        self._witnessed_at: float | None = None
        self._failures: defaultdict[str, int] = defaultdict(int)
        self.cache = Cache()
        self.served = Served(kube)
        self.children = Children(kube, Contention(settings.conflict_window, settings.conflict_pause))
        self.recorder = Recorder(kube, leader.identity, settings.own_namespace)
        self.courier = Courier(
            self.cache,
            client,
            self,
            metrics,
            idle=settings.poll_interval,
            busy=settings.kill_poll_interval,
            polls_per_second=settings.polls_per_second,
        )
        self.ca = ca
        self.secrets = GridSecrets(
            kube,
            ca,
            master_key=key,
            lifetime=timedelta(seconds=settings.certificate_lifetime),
            interval=settings.secret_interval,
        )
        self.overlap = Overlap(self.cache, client, ca, self.secrets)
        self.provisioner = Provisioner(kube, self.cache, self.children, self.courier, self.observe, self.secrets)
        self.admission = Admission(
            self.cache,
            settings.image_defaults,
            self._installation,
            settings.access,
            settings.runbook_url,
        )
        self.monitors = Monitors(
            self.cache,
            self.admission,
            self.children,
            self.served,
            news=self._wake,
            interval=settings.children_interval,
        )
        self.publisher = Publisher(kube, self.cache, self.courier, self.admission, self.recorder, metrics)
        finalizer = Finalizer(kube, self.cache, self.children, self.observe, self._installation, self.served)
        self.farewell = Farewell(
            self.cache,
            self.courier,
            self.provisioner,
            self.publisher,
            finalizer,
            self.recorder,
        )
        self.reconciler = Reconciler(
            self.cache,
            self.courier,
            self.admission,
            finalizer,
            self.provisioner,
            self.monitors,
            self.publisher,
            self.farewell,
            Escalator(kube, self.cache, self.courier, self.publisher, metrics),
        )
        self.objects = Lane("reconcile", self._reconcile, limit=settings.workers, settle=_SETTLE)
        self.doom = Doom(kube, self.cache, self._react)
        self.sweep = Sweep(kube, self.cache, self.children, self.recorder)
        self._recognition = Recognition(kube, self.cache, self.children, self.admission, self.served)
        self._recognized = False
        self.resync = Resync(
            kube,
            self.cache,
            self.children,
            settings.namespaces,
            self.served,
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
            if resource_version(found) < entry.controls.resource_version:
                # A consistent read that is older than what was seen: the store was restored.
                self.cache.rewind()
                self.children.rewind()
            self.observe(HEDGE_GRID, found)
        return self.cache.grid(uid)

    def news(self, uid: str) -> None:
        """Something that status shows has changed."""
        self._wake(uid)

    # Events in.

    def witness(self, kind: Kind, obj: Json, deleted: bool) -> None:
        """An event of a watch: proof that changes are seen."""
        self._witnessed_at = asyncio.get_running_loop().time()
        self.resync.heard(kind, obj)
        self.observe(kind, obj, deleted=deleted)

    def observe(self, kind: Kind, obj: Json, deleted: bool = False) -> None:
        """Take over an object that was seen; kills leave from here."""
        self._react(*self.cache.observe(kind, obj, deleted=deleted))

    def _react(self, uid: str, change: Change) -> None:
        match change:
            case Change.NOTHING:
                return
            case Change.GRID:
                # First of all: a kill leaves here.
                self._look(uid)
                self._remember(uid)
            case Change.POD:
                self._look(uid, pod_event=True)
                self.doom.pod_changed(uid)
                if self.cache.pod(uid) is None:
                    self.provisioner.doubt(uid)
                    self._wake_refused()
            case Change.STATEFUL_SET:
                self._compare_stateful_set(uid)
            case Change.GRID_GONE:
                self._forget(uid)
                return
        self._wake(uid)

    def _look(self, uid: str, *, pod_event: bool = False) -> None:
        entry = self.cache.grid(uid)
        if entry is not None and is_stranger(entry.controls.installation, self._installation):
            # Perhaps it was ours a moment ago.
            self.courier.forget(uid)
            return
        self.courier.look(uid, pod_event=pod_event)

    def _remember(self, uid: str) -> None:
        entry = self.cache.grid(uid)
        if entry is not None:
            self._refs[uid] = entry.controls.ref

    def _compare_stateful_set(self, uid: str) -> None:
        view = self.cache.stateful_set(uid)
        for name in self.children.names(uid, STATEFUL_SET):
            self.children.seen(uid, STATEFUL_SET, name, view.generation if view else None)
        if view is None:
            self.provisioner.doubt(uid)
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
        self._failures.pop(uid, None)
        for part in (
            self.objects,
            self.courier,
            self.children,
            self.secrets,
            self.overlap,
            self.provisioner,
            self.monitors,
            self.admission,
            self.publisher,
            self.farewell,
            self.reconciler,
        ):
            part.forget(uid)
        if ref is not None:
            self._metrics.forget(ref)
            log.info("object gone", extra=ref.fields())
        self._wake_refused()

    async def _reconcile(self, uid: str) -> float | None:
        """Work of the object lane: a round, and how to go on after one that failed."""
        entry = self.cache.grid(uid)
        if entry is None:
            return None
        if not self._leader.may_write:
            return _NOT_LEADING_PAUSE
        if not self._recognized:
            return _RECOGNIZING_PAUSE
        result, started = "failed", asyncio.get_running_loop().time()
        try:
            pause = await self.reconciler.reconcile(uid)
            result = "done"
            self._failures.pop(uid, None)
        except NotLeadingError:
            pause = _NOT_LEADING_PAUSE
        except (ApiError, ApiUnreachableError) as error:
            conflict = isinstance(error, ApiError) and error.status == 409
            result = "conflict" if conflict else "failed"
            self._failures[uid] += 1
            failures = self._failures[uid]
            pause = min(_RETRY_MAX, 0.1 * 2 ** min(failures, 9)) * random.uniform(0.8, 1.2)
            if isinstance(error, ApiError):
                pause = max(pause, error.retry_after * random.uniform(1.0, 1.5))
            # Somebody else wrote the object meanwhile: the newer one is on its way to us.
            if not conflict or failures > 3:
                log.warning("%s; again in %.1f s", error, pause, extra=entry.controls.ref.fields(failures=failures))
        finally:
            self._metrics.reconcile_seconds.labels(result).observe(asyncio.get_running_loop().time() - started)
        return pause

    # Loops.

    async def recognize(self) -> None:
        """Before anything is reconciled: see which children already stand as they should."""
        while not self._recognized:
            try:
                await self._look_for_kinds()
                await self._recognition.run(self._settings.namespaces)
            except ApiUnreachableError:
                await asyncio.sleep(self._settings.retry_period)
                continue
            except ApiError as error:
                log.warning("the children can't be listed, each is looked at by itself: %s", error)
            self._recognized = True

    async def resync_watched(self) -> None:
        """One LIST of everything watched."""
        try:
            await self.resync.watched()
        except (ApiError, ApiUnreachableError) as error:
            log.warning("LIST failed: %s", error)
            self.resync.attempts.failed(error)

    async def check_children(self) -> None:
        """One check of the children that aren't watched."""
        if not self._leader.may_write:
            return
        try:
            await self._check_children()
        except (ApiError, ApiUnreachableError) as error:
            log.warning("the check of the children failed: %s", error)

    async def _check_children(self) -> None:
        await self.ca.refresh()
        await self._look_for_kinds()
        checked = await self.resync.children()
        for uid in checked.stale:
            self._wake(uid)
        await self.sweep.clean(checked.left)
        for uid in self.cache.grids():
            entry, wanted, spare = self.cache.grid(uid), self.admission.wanted(uid), checked.spare.get(uid)
            if entry is not None and wanted is not None and spare and not entry.controls.paused:
                await self.provisioner.prune(entry.controls.ref, wanted, spare)
            pod = self.cache.pod(uid)
            if pod is None or pod.state is not PodState.READY:
                # It may be a Secret that it waits for.
                self.secrets.doubt(uid)
            if self.secrets.due(uid) or uid in self.reconciler.refused:
                # Secrets are read one by one, spread over the time until the next check.
                self.objects.wake_within(uid, random.uniform(0, self._settings.children_interval / 2))
        # Last: pods that don't answer take their time.
        await self.overlap.settle()

    async def _look_for_kinds(self) -> None:
        """Look whether the cluster has the kinds by now that it may lack: then what waits for them is made."""
        try:
            changed = await self.served.look()
        except ApiError as error:
            log.warning("what the API server offers can't be looked up: %s", error)
            return
        for uid in self.cache.grids() if changed else ():
            wanted = self.admission.wanted(uid)
            if wanted is not None:
                self.monitors.see_to(uid, wanted)

    def wake_all(self) -> None:
        """Look at every grid."""
        for uid in self.cache.grids():
            self._wake(uid)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.courier.measure()
        self.overlap.measure(self._metrics)
        now = datetime.now(UTC)
        for uid in self.cache.grids():
            entry = self.cache.grid(uid)
            if entry is not None and entry.controls.deleted is not None:
                ref, age = entry.controls.ref, now - entry.controls.deleted
                self._metrics.deletion_pending_seconds.labels(ref.namespace, ref.name).set(age.total_seconds())
        self._metrics.queue_depth.labels(self.objects.name).set(self.objects.depth)
        for lane in (self.courier.kills, self.courier.calm, self.objects):
            self._metrics.queue_oldest_seconds.labels(lane.name).set(lane.oldest)
        proofs = [at for at in (self._witnessed_at, self.resync.done_at) if at is not None]
        if proofs:
            self._metrics.watch_age_seconds.set(asyncio.get_running_loop().time() - max(proofs))

    async def close(self) -> None:
        """End what is under way: kills may finish, the rest may finish if it is quick."""
        lanes = (self.courier.kills, self.courier.calm, self.objects, self.monitors.lane)
        await asyncio.gather(*(lane.close(_GRACE) for lane in lanes))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.recorder.flush(), _GRACE)
