"""Carries a deletion out: flat first, then the StatefulSet, the pod, the other children, and last the finalizer.

The kill itself is the courier's, who saw the deletion in the watch event. Here the pod is brought back if it is gone,
the report is waited for, and every step is written down so that a new start of the operator goes on where it was.
"""

import logging
from datetime import UTC, datetime

from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.events import Note, Recorder
from hedgegrid_operator.facts import Doing, Progress
from hedgegrid_operator.finalize import Stage, deletion_of, last_words, remains, stage
from hedgegrid_operator.finalizer import Finalizer, is_on
from hedgegrid_operator.kube import ApiError
from hedgegrid_operator.provision import Provisioner
from hedgegrid_operator.publish import Publisher
from hedgegrid_operator.status import previous_status, verified_by_status

log = logging.getLogger(__name__)

_PAUSE = 2.0
_REMOVING = Progress(Doing.IDLE, "the children are being removed")


class Farewell:
    """Sees grids off."""

    def __init__(
        self,
        cache: Cache,
        courier: Courier,
        provisioner: Provisioner,
        publisher: Publisher,
        finalizer: Finalizer,
        recorder: Recorder,
        *,
        own_namespace: str,
    ) -> None:
        self._cache = cache
        self._courier = courier
        self._provisioner = provisioner
        self._publisher = publisher
        self._finalizer = finalizer
        self._recorder = recorder
        self._own_namespace = own_namespace
        self._verified: set[str] = set()

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._verified.discard(uid)

    async def see_off(self, entry: Entry, verdict: Verdict, wanted: Desired | None) -> float | None:
        """One round; the pause until the next one, None when nothing is left to do. Raises what `Kube` raises."""
        if not is_on(entry):
            return None
        uid, now = entry.controls.ref.uid, datetime.now(UTC)
        ran = (
            self._cache.stateful_set(uid) is not None
            or self._cache.pod(uid) is not None
            or previous_status(entry.obj).config_hash is not None
        )
        found = stage(deletion_of(entry, ran=ran, verified=self._is_verified(entry)), now)
        if found in {Stage.RELEASE, Stage.ORPHAN}:
            return await self._release(entry, verdict, found, ran=ran)
        progress, told = await self._bring_back(entry, wanted, now)
        if found is Stage.OVERDUE:
            told = (
                f"not flat in the time that deletion.timeoutSeconds gives; {told}; it goes on trying; the annotation "
                f"hedgegrid.io/release: orphan lets the object go as it is ({remains(previous_status(entry.obj))})"
            )
            self._recorder.tell(entry.controls.ref, Note("DeletionBlocked", told, warning=True))
        else:
            self._recorder.tell(entry.controls.ref, Note("Deleting", "the grid is flattened before the object goes"))
        await self._publisher.publish(uid, verdict, progress, deletion=told)
        return _PAUSE

    def _is_verified(self, entry: Entry) -> bool:
        uid, report = entry.controls.ref.uid, self._courier.link(entry.controls.ref.uid).report
        if verified_by_status(previous_status(entry.obj), entry.controls.generation, entry.controls.deletion) or (
            report is not None and plan.verified(report, self._courier.document(entry))
        ):
            self._verified.add(uid)
        return uid in self._verified

    async def _bring_back(self, entry: Entry, wanted: Desired | None, now: datetime) -> tuple[Progress, str]:
        """A pod that is gone is made again, held, to flatten."""
        if wanted is None:
            return Progress(Doing.IDLE, "the spec can't be read"), "waiting for the pod that is there"
        try:
            progress = await self._provisioner.provide(entry, wanted, now, may_roll=False)
        except ApiError as error:
            if "being terminated" not in str(error):
                raise
            ref = entry.controls.ref
            told = (
                f"the namespace {ref.namespace} is being terminated and no pod can be made in it to flatten "
                f"({remains(previous_status(entry.obj))})"
            )
            note = Note("DeletionBlocked", f"{ref.namespace}/{ref.name}: {told}", warning=True)
            self._recorder.tell(ref, note, namespace=self._own_namespace)
            return Progress(Doing.IDLE, "the namespace is being terminated"), told
        return progress, "waiting until the pod has flattened both legs"

    async def _release(self, entry: Entry, verdict: Verdict, found: Stage, *, ran: bool) -> float | None:
        uid = entry.controls.ref.uid
        told = "flat; the children are being removed" if found is Stage.RELEASE else "given up; it is let go as it is"
        try:
            # First in the status: started anew, we don't ask for it again when the pod is gone.
            await self._publisher.publish(uid, verdict, _REMOVING, deletion=told, released=found is Stage.RELEASE)
        except ApiError as error:
            log.warning("the status can't be written: %s", error, extra=entry.controls.ref.fields())
        entry = self._cache.grid(uid) or entry
        if not await self._finalizer.remove_children(
            entry, wait_for_pod=found is Stage.RELEASE and not entry.controls.orphaned
        ):
            return _PAUSE
        words = last_words(entry, found, self._courier.link(uid).past, ran=ran)
        self._recorder.tell(entry.controls.ref, Note("Deleted", words, warning=found is Stage.ORPHAN))
        await self._finalizer.take_off(entry)
        return None
