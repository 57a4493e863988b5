"""One grid, top to bottom: admit → desired → apply → status; or, while the object is being deleted, flat → gone.

Controls aren't sent here: the courier does that, straight from the watch event and on its own clock, so that nothing in
this file can hold up a kill. This lane only talks to the API server, and only while the Lease is ours.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import UTC, datetime

from hedgegrid_api.types import LegState
from hedgegrid_operator.admit import Rival, Verdict, admit, name_taken
from hedgegrid_operator.apply import Children, NameTakenError
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.desired.build import Desired, desired
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.events import Note, Recorder, notes
from hedgegrid_operator.finalize import Remover, Stage, deletion_of, remains, stage
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.leader import Leader
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import FINALIZER, HEDGE_GRID, Json, metadata
from hedgegrid_operator.provision import Provisioner
from hedgegrid_operator.status import Doing, Facts, Progress, build, loud, previous_status, written

log = logging.getLogger(__name__)

_QUIET_INTERVAL = 300.0
"""Seconds between two writes of a status in which only figures have changed."""
_RETRY_MAX = 30.0
_DELETION_PAUSE = 2.0
_STANDING_PAUSE = 300.0


@dataclass(slots=True)
class _Memory:
    """What is kept about a grid between two rounds."""

    generation: int = -1
    parsed: Verdict | None = None
    wanted: Desired | None = None
    wrote_at: float = 0.0
    failures: int = 0


class Reconciler:
    """Work of the object lane."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        courier: Courier,
        children: Children,
        provisioner: Provisioner,
        remover: Remover,
        recorder: Recorder,
        leader: Leader,
        metrics: Metrics,
        *,
        defaults: ImageDefaults,
        own_namespace: str,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._courier = courier
        self._children = children
        self._provisioner = provisioner
        self._remover = remover
        self._recorder = recorder
        self._leader = leader
        self._metrics = metrics
        self._defaults = defaults
        self._own_namespace = own_namespace
        self._memories: dict[str, _Memory] = {}
        self.refused: set[str] = set()
        """Grids that aren't accepted: they go on by themselves when the reason goes away."""

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self.refused.discard(uid)
        self._memories.pop(uid, None)
        self._provisioner.forget(uid)
        self._children.forget(uid)

    def wanted(self, uid: str) -> Desired | None:
        """What the grid's newest valid generation asks for, None where that isn't known."""
        memory = self._memories.get(uid)
        return memory.wanted if memory else None

    async def work(self, uid: str) -> float | None:
        """Bring one grid in line; the pause until the next look, None: when something happens."""
        entry = self._cache.grid(uid)
        if entry is None:
            return None
        if not self._leader.may_write:
            return 1.0
        memory = self._memories.setdefault(uid, _Memory(wrote_at=_now() - random.uniform(0, _QUIET_INTERVAL)))
        result, started = "failed", _now()
        try:
            pause = await self._round(entry, memory)
            result, memory.failures = "done", 0
        except (ApiError, ApiUnreachableError) as error:
            conflict = isinstance(error, ApiError) and error.status == 409
            result = "conflict" if conflict else "failed"
            memory.failures += 1
            pause = min(_RETRY_MAX, 0.2 * 2 ** min(memory.failures, 8)) * random.uniform(0.8, 1.2)
            if not conflict or memory.failures > 3:
                log.warning(
                    "%s; again in %.1f s", error, pause, extra=entry.controls.ref.fields(failures=memory.failures)
                )
        finally:
            self._metrics.reconcile_seconds.labels(result).observe(_now() - started)
        return pause

    async def _round(self, entry: Entry, memory: _Memory) -> float | None:
        if entry.controls.deleted is not None:
            return await self._delete(entry, memory)
        uid = entry.controls.ref.uid
        verdict = self._admit(entry, memory)
        progress = Progress(Doing.IDLE, "nothing is made for it")
        if entry.controls.paused:
            progress = Progress(Doing.IDLE, "reconciling is paused")
        elif verdict.accepted:
            entry = await self._hold(entry)
            verdict, progress = await self._provide(entry, memory, verdict, may_roll=True)
        (self.refused.discard if verdict.accepted else self.refused.add)(uid)
        await self._write(entry, memory, verdict, progress, None)
        link = self._courier.link(uid)
        if progress.doing is Doing.WAITING_FOR_FLAT:
            return 1.0 if link.report is not None and plan.both_flat(link.report) else None
        # Only while something stands that is told again, or may have to be told, is there a next look by itself.
        stands = link.failure is not None or progress.doing is Doing.APPLY_CONFLICT or not verdict.accepted
        return _STANDING_PAUSE if stands else None

    def _admit(self, entry: Entry, memory: _Memory) -> Verdict:
        uid = entry.controls.ref.uid
        rivals = [found for other in self._cache.rivals(uid) if (found := self._rival(other)) is not None]
        if memory.generation == entry.controls.generation and memory.parsed is not None and not rivals:
            return memory.parsed
        verdict = admit(entry.obj, self._own(entry), rivals)
        memory.generation, memory.parsed = entry.controls.generation, verdict
        if verdict.spec is not None and verdict.config is not None:
            memory.wanted = desired(entry.controls.ref, verdict.spec, verdict.config, self._defaults)
        if not verdict.accepted:
            memory.generation = -1
        return verdict

    def _own(self, entry: Entry) -> Rival:
        ref = entry.controls.ref
        return Rival(ref, entry.controls.created, self._cache.stateful_set(ref.uid) is not None, valid=True)

    def _rival(self, uid: str) -> Rival | None:
        entry = self._cache.grid(uid)
        if entry is None:
            return None
        memory = self._memories.get(uid)
        known = memory.parsed if memory else None
        invalid = known is not None and known.spec is None
        has_set = self._cache.stateful_set(uid) is not None
        # One that is going, and has nothing, is no rival.
        if entry.controls.deleted is not None and not has_set:
            return None
        return Rival(entry.controls.ref, entry.controls.created, has_set, valid=not invalid)

    async def _hold(self, entry: Entry) -> Entry:
        """Put our finalizer on before anything is made that would have to be taken away again."""
        about = metadata(entry.obj)
        finalizers: list[str] = about.get("finalizers") or []
        if FINALIZER in finalizers:
            return entry
        ref = entry.controls.ref
        patch: Json = {
            "metadata": {"resourceVersion": about["resourceVersion"], "finalizers": [*finalizers, FINALIZER]}
        }
        self._cache.observe(HEDGE_GRID, await self._kube.merge(HEDGE_GRID, ref.namespace, ref.name, patch))
        return self._cache.grid(ref.uid) or entry

    async def _provide(
        self, entry: Entry, memory: _Memory, verdict: Verdict, *, may_roll: bool
    ) -> tuple[Verdict, Progress]:
        if memory.wanted is None:
            return verdict, Progress(Doing.IDLE, "the spec can't be read")
        try:
            return verdict, await self._provisioner.provide(entry, memory.wanted, datetime.now(UTC), may_roll=may_roll)
        except NameTakenError as taken:
            return name_taken(verdict, taken.kind.kind, taken.name), Progress(Doing.IDLE, "a child's name is taken")

    async def _delete(self, entry: Entry, memory: _Memory) -> float | None:
        """Flat first, then gone. The kill itself is the courier's: it saw the deletion before we did."""
        ref = entry.controls.ref
        if FINALIZER not in (metadata(entry.obj).get("finalizers") or []):
            return None
        uid = ref.uid
        link, document = self._courier.link(uid), self._courier.document(entry)
        ran = (
            self._cache.stateful_set(uid) is not None
            or self._cache.pod(uid) is not None
            or previous_status(entry.obj).config_hash is not None
        )
        verified = link.report is not None and plan.verified_flat(link.report, document)
        deletion = deletion_of(entry, ran=ran, verified=verified)
        found = stage(deletion, datetime.now(UTC))
        verdict = self._admit(entry, memory)
        if found in {Stage.RELEASE, Stage.ORPHAN}:
            left = self._left(entry, found, ran=ran)
            waiting = await self._remover.release(entry, found, left)
            if waiting is None:
                return None
            await self._write(entry, memory, verdict, Progress(Doing.IDLE, "children are removed"), waiting)
            return _DELETION_PAUSE
        progress, told = await self._bring_back(entry, memory, verdict)
        if found is Stage.OVERDUE:
            told = (
                f"not flat after {deletion.timeout}; {told}; it goes on trying; the annotation hedgegrid.io/release: "
                f"orphan lets the object go as it is ({remains(link.report)})"
            )
            self._recorder.tell(ref, Note("DeletionBlocked", told, warning=True))
        else:
            self._recorder.tell(ref, Note("Deleting", "the grid is flattened before the object goes"))
        await self._write(entry, memory, verdict, progress, told)
        return _DELETION_PAUSE

    def _left(self, entry: Entry, found: Stage, *, ran: bool) -> str:
        report = self._courier.link(entry.controls.ref.uid).report
        if not ran:
            return ""
        if found is Stage.ORPHAN:
            return remains(report)
        legs = report.kill_switch.legs if report else None
        dust = [leg for leg in (legs.long, legs.short) if leg.state is LegState.DUST] if legs else []
        if dust:
            sizes = ", ".join(str(leg.quantity) for leg in dust)
            return f"flat but for what is too small to be closed ({sizes})"
        return "both legs are flat and no order is open, as the venue has confirmed"

    async def _bring_back(self, entry: Entry, memory: _Memory, verdict: Verdict) -> tuple[Progress, str]:
        """A pod that is gone is made again, held, to flatten."""
        told = "waiting until the pod has flattened both legs"
        try:
            _, progress = await self._provide(entry, memory, verdict, may_roll=False)
        except ApiError as error:
            if "being terminated" not in str(error):
                raise
            ref = entry.controls.ref
            told = (
                f"the namespace {ref.namespace} is being terminated and no pod can be made in it to flatten "
                f"({remains(self._courier.link(ref.uid).report)})"
            )
            note = Note("DeletionBlocked", f"{ref.namespace}/{ref.name}: {told}", warning=True)
            self._recorder.tell(ref, note, namespace=self._own_namespace)
            progress = Progress(Doing.IDLE, "the namespace is being terminated")
        return progress, told

    async def _write(
        self, entry: Entry, memory: _Memory, verdict: Verdict, progress: Progress, deletion: str | None
    ) -> None:
        """Write the status if it has changed in something that counts, and tell what the change means."""
        ref = entry.controls.ref
        entry = self._cache.grid(ref.uid) or entry
        before = previous_status(entry.obj)
        current = self._cache.stateful_set(ref.uid)
        applied = (
            memory.wanted.config_hash
            if current and memory.wanted and memory.wanted.revision == current.revision
            else None
        )
        facts = Facts(
            now=datetime.now(UTC),
            controls=entry.controls,
            previous=before,
            verdict=verdict,
            progress=progress,
            document=self._courier.document(entry),
            link=self._courier.link(ref.uid),
            pod=self._cache.pod(ref.uid),
            config_hash=applied or before.config_hash,
            deletion=deletion,
        )
        status = build(facts)
        for note in notes(before, status, entry.controls.by.manager):
            self._recorder.tell(ref, note)
        if status == before or (loud(status) == loud(before) and _now() - memory.wrote_at < _QUIET_INTERVAL):
            return
        about = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
        manifest: Json = {"metadata": about, "status": written(status)}
        obj = await self._kube.apply(HEDGE_GRID, manifest, "status")
        memory.wrote_at = _now()
        self._cache.observe(HEDGE_GRID, obj)


def _now() -> float:
    return asyncio.get_running_loop().time()
