"""Carries a deletion out: what its policy asks for, then StatefulSet, pod and the other children go, and last the
finalizer.

The kill itself is the courier's, who saw the deletion in the watch event. Here the pod is brought back if it is gone,
the report is waited for, and every step is written down so that a new start of the operator goes on where it was.
"""

import logging
from datetime import UTC, datetime

from hedgegrid_api.status import Phase
from hedgegrid_api.types import LegLevel
from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.apply import NameTakenError
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.events import Note, Recorder
from hedgegrid_operator.facts import REFUSED, Doing, Progress
from hedgegrid_operator.finalize import Deletion, Stage, deletion_of, stage
from hedgegrid_operator.finalizer import Finalizer, is_on
from hedgegrid_operator.kube import ApiError, terminating
from hedgegrid_operator.parting import LET_GO, awaited, begins, last_words, overdue, remains
from hedgegrid_operator.provision import Provisioner
from hedgegrid_operator.publish import Publisher
from hedgegrid_operator.status import previous_status, verified_by_status

log = logging.getLogger(__name__)

_PAUSE = 2.0
_REMOVING = Progress(Doing.IDLE, "the children are being removed")
_ENDING = Progress(Doing.IDLE, "the namespace is being terminated")
_RELEASES = {
    Stage.RELEASE: "done; the children are being removed",
    Stage.LEAVE: "the pod is being stopped",
    Stage.ORPHAN: "given up; it is let go as it is",
}


def is_let_go(entry: Entry) -> bool:
    """Whether a grid that isn't deleted yet was seen off with its namespace, whose controller deletes it soon.

    Only then is our finalizer off and the last phase Deleting. Put on again, by an operator that has just started, it
    would hold the namespace for a pod that can't be made in it any more.
    """
    return not is_on(entry) and previous_status(entry.obj).phase is Phase.DELETING


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
    ) -> None:
        self._cache = cache
        self._courier = courier
        self._provisioner = provisioner
        self._publisher = publisher
        self._finalizer = finalizer
        self._recorder = recorder
        self._verified: dict[str, tuple[LegLevel, LegLevel]] = {}
        """Levels of LONG and SHORT that were asked for and reached: nothing opens any more after that."""

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._verified.pop(uid, None)

    async def see_off(self, entry: Entry, verdict: Verdict, wanted: Desired | None) -> float | None:
        """One round; the pause until the next one, None when nothing is left to do. Raises what `Kube` raises."""
        if not is_on(entry):
            return None
        uid, now = entry.controls.ref.uid, datetime.now(UTC)
        ran = self._is_there(uid) or previous_status(entry.obj).config_hash is not None
        deletion = deletion_of(entry, ran=ran, verified=self._is_verified(entry))
        found = stage(deletion, now)
        if found not in {Stage.WORK, Stage.OVERDUE}:
            return await self._release(entry, verdict, deletion, now)
        progress, told = await self._bring_back(entry, wanted, now)
        told = "; ".join(part for part in (awaited(entry, deletion.policy), told) if part)
        if found is Stage.OVERDUE:
            told = overdue(entry, self._courier.link(uid).past, told)
            self._recorder.tell(entry.controls.ref, Note("DeletionBlocked", told, warning=True))
        else:
            self._recorder.tell(entry.controls.ref, Note("Deleting", begins(deletion.policy)))
        await self._publisher.publish(uid, verdict, progress, deletion=told)
        return _PAUSE

    def _is_there(self, uid: str) -> bool:
        return self._cache.stateful_set(uid) is not None or self._cache.pod(uid) is not None

    def _is_verified(self, entry: Entry) -> bool:
        """Whether the venue has confirmed what is asked now. Asked for more than before, it has to confirm anew."""
        uid, controls = entry.controls.ref.uid, entry.controls
        report, document = self._courier.link(uid).report, self._courier.document(entry)
        levels = plan.wanted_levels(document)
        if verified_by_status(previous_status(entry.obj), controls.generation, levels) or (
            report is not None and plan.verified(report, document)
        ):
            self._verified[uid] = levels
        known = self._verified.get(uid)
        return known is not None and all(had.rank >= asked.rank for had, asked in zip(known, levels, strict=True))

    async def _bring_back(self, entry: Entry, wanted: Desired | None, now: datetime) -> tuple[Progress, str | None]:
        """A pod that is gone is made again, held; what is in the way of that, None where nothing is."""
        ref = entry.controls.ref
        if self._cache.doomed(ref.uid):
            return _ENDING, self._homeless(entry)
        if wanted is None:
            there = self._is_there(ref.uid)
            told = None if there else "the spec can't be read, so no pod can be made to do it"
            return Progress(Doing.IDLE, "the spec can't be read"), told
        try:
            progress = await self._provisioner.provide(entry, wanted, now, may_roll=False)
        except NameTakenError as taken:
            told = (
                f"no pod can be made to do it: {taken.kind.kind} {taken.name} exists and isn't this grid's; delete or "
                "rename it"
            )
            return Progress(Doing.IDLE, "a child's name is taken"), told
        except ApiError as error:
            if terminating(error, ref.namespace):
                return _ENDING, self._homeless(entry)
            if not error.refused:
                raise
            return Progress(Doing.CREATING, f"{REFUSED}: {error}", refused=True), f"{REFUSED}: {error}"
        return progress, progress.no_pod

    def _homeless(self, entry: Entry) -> str | None:
        """Nothing can be made in a namespace that is being terminated; a pod that is still there may get it done."""
        ref, past = entry.controls.ref, self._courier.link(entry.controls.ref.uid).past
        if self._cache.pod(ref.uid) is not None:
            return None
        told = (
            f"the namespace {ref.namespace} is being terminated and no pod can be made in it to do it "
            f"({remains(entry, past)}); {LET_GO}"
        )
        self._recorder.tell(ref, Note("DeletionBlocked", told, warning=True))
        return told

    async def _release(self, entry: Entry, verdict: Verdict, deletion: Deletion, now: datetime) -> float | None:
        uid, found = entry.controls.ref.uid, stage(deletion, now)
        told = _RELEASES[found]
        if found is Stage.LEAVE:
            self._recorder.tell(entry.controls.ref, Note("Deleting", begins(deletion.policy)))
            if deletion.overdue(now):
                told = overdue(entry, self._courier.link(uid).past, awaited(entry, deletion.policy))
                self._recorder.tell(entry.controls.ref, Note("DeletionBlocked", told, warning=True))
        try:
            # First in the status: started anew, we don't ask for it again when the pod is gone.
            await self._publisher.publish(uid, verdict, _REMOVING, deletion=told, released=found is Stage.RELEASE)
        except ApiError as error:
            log.warning("the status can't be written: %s", error, extra=entry.controls.ref.fields())
        entry = self._cache.grid(uid) or entry
        # Asked for more in the meantime, it has to make all of them again.
        self._provisioner.doubt(uid)
        if not await self._finalizer.remove_children(entry, wait_for_pod=not deletion.given_up(now)):
            return _PAUSE
        words = last_words(entry, deletion, found, self._courier.link(uid).past)
        self._recorder.tell(entry.controls.ref, Note("Deleted", words, warning=found is not Stage.RELEASE))
        await self._recorder.flush()
        await self._finalizer.take_off(entry)
        return None
