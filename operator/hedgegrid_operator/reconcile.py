"""One grid, top to bottom: admit → finalizer → desired → apply → status; or, when the object is deleted, farewell.

Controls aren't sent here: the courier does that, straight from the watch event and on its own clock, so that nothing in
this file can hold up a kill. This lane only talks to the API server, and only while the Lease is ours.
"""

from dataclasses import replace
from datetime import UTC, datetime

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.admit import Reason, Verdict, name_taken
from hedgegrid_operator.apply import NameTakenError
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.escalator import Escalator
from hedgegrid_operator.facts import REFUSED, Doing, Monitored, Progress, Watching
from hedgegrid_operator.farewell import Farewell, is_let_go
from hedgegrid_operator.finalizer import Finalizer, is_on
from hedgegrid_operator.installation import may_say_so
from hedgegrid_operator.kube import ApiError
from hedgegrid_operator.monitors import Monitors
from hedgegrid_operator.provision import Provisioner
from hedgegrid_operator.publish import Publisher
from hedgegrid_operator.status import condition, previous_status

_REFUSED_PAUSE = 15.0
_STANDING_PAUSE = 300.0
"""Seconds after which what stands is told again."""


class Reconciler:
    """Brings grids in line with their specs."""

    def __init__(
        self,
        cache: Cache,
        courier: Courier,
        admission: Admission,
        finalizer: Finalizer,
        provisioner: Provisioner,
        monitors: Monitors,
        publisher: Publisher,
        farewell: Farewell,
        escalator: Escalator,
    ) -> None:
        self._cache = cache
        self._courier = courier
        self._admission = admission
        self._finalizer = finalizer
        self._provisioner = provisioner
        self._monitors = monitors
        self._publisher = publisher
        self._farewell = farewell
        self._escalator = escalator
        self.refused: set[str] = set()
        """Grids that aren't accepted: they go on by themselves when the reason goes away."""

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self.refused.discard(uid)

    async def reconcile(self, uid: str) -> float | None:
        """One round; the pause until the next look, None: when something happens. Raises what `Kube` raises."""
        entry = self._cache.grid(uid)
        if entry is None:
            return None
        if self._cache.stateful_set(uid) is not None:
            await self._provisioner.keep_reachable(entry.controls.ref)
        verdict = self._admission.verdict(entry)
        if verdict.reason is Reason.OTHER_INSTALLATION:
            return await self._leave_alone(entry, verdict)
        due = await self._escalator.act(entry, verdict)
        pause = await self._bring_in_line(self._cache.grid(uid) or entry, verdict)
        return min((seconds for seconds in (due, pause) if seconds is not None), default=None)

    async def _leave_alone(self, entry: Entry, verdict: Verdict) -> None:
        """Another installation's: at most a word in a status that is nobody's."""
        uid = entry.controls.ref.uid
        self.refused.discard(uid)
        if may_say_so(previous_status(entry.obj), finalizer=is_on(entry)):
            await self._publisher.publish(uid, verdict, Progress(Doing.IDLE, "it is left alone"))

    async def _bring_in_line(self, entry: Entry, verdict: Verdict) -> float | None:
        uid = entry.controls.ref.uid
        if entry.controls.deleted is None and is_let_go(entry):
            return None
        if entry.controls.deleted is not None:
            return await self._farewell.see_off(entry, verdict, self._admission.wanted(uid))
        progress = Progress(Doing.IDLE, "nothing is made for it")
        if entry.controls.paused:
            waits = previous_status(entry.obj).rollout
            progress = Progress(Doing.IDLE, "reconciling is paused", rollout=waits, monitored=_monitored_before(entry))
        elif verdict.accepted:
            entry = await self._finalizer.put_on(entry)
            verdict, progress = await self._provide(entry, verdict)
        (self.refused.discard if verdict.accepted else self.refused.add)(uid)
        await self._publisher.publish(uid, verdict, progress)
        return self._next_look(uid, verdict, progress)

    async def _provide(self, entry: Entry, verdict: Verdict) -> tuple[Verdict, Progress]:
        wanted = self._admission.wanted(entry.controls.ref.uid)
        if wanted is None:
            return verdict, Progress(Doing.IDLE, "the spec can't be read")
        try:
            progress = await self._provisioner.provide(entry, wanted, datetime.now(UTC), may_roll=True)
        except NameTakenError as taken:
            return name_taken(verdict, taken.kind.kind, taken.name), Progress(Doing.IDLE, "a child's name is taken")
        except ApiError as error:
            if not error.refused:
                # How far a kill has got is told whatever becomes of the children.
                await self._publisher.publish(entry.controls.ref.uid, verdict, _as_before(entry))
                raise
            # A piece of spec.pod that no schema of ours checks, a quota, a policy: a person has to see it.
            progress = Progress(Doing.CREATING, f"{REFUSED}: {error}", refused=True)
        uid = entry.controls.ref.uid
        self._monitors.see_to(uid, wanted)
        return verdict, replace(progress, monitored=self._monitors.known(uid, wanted, _monitored_before(entry)))

    def _next_look(self, uid: str, verdict: Verdict, progress: Progress) -> float | None:
        if progress.refused:
            return _REFUSED_PAUSE
        link = self._courier.link(uid)
        flat = link.report is not None and plan.both_flat(link.report.kill_switch.legs)
        if progress.doing is Doing.WAITING_FOR_FLAT and flat:
            return 1.0
        stands = link.failure is not None or progress.doing is Doing.APPLY_CONFLICT or not verdict.accepted
        return _until(progress.due, _STANDING_PAUSE if stands else None)


def _as_before(entry: Entry) -> Progress:
    """What the status says about the children, where nothing new is known."""
    before = previous_status(entry.obj)
    told = condition(before, "Progressing")
    if told is None or told.reason not in set(Doing):
        progress = Progress(Doing.CREATING, "the children are being made", rollout=before.rollout)
    else:
        progress = Progress(Doing(told.reason), told.message, rollout=before.rollout)
    return replace(progress, monitored=_monitored_before(entry))


def _monitored_before(entry: Entry) -> Monitored | None:
    told = condition(previous_status(entry.obj), "Monitoring")
    if told is None or told.reason not in set(Watching):
        return None
    return Monitored(Watching(told.reason), told.message)


def _until(due: datetime | None, pause: float | None) -> float | None:
    """Seconds until a time, at least a moment and at most `pause`; None for never."""
    if due is None:
        return pause
    seconds = max(0.1, (due - datetime.now(UTC)).total_seconds())
    return seconds if pause is None else min(seconds, pause)
