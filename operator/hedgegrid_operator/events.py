"""Kubernetes Events: what a change of status tells a person, each once, with the remedy where there is one."""

import asyncio
import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hedgegrid_api.preview import Advice
from hedgegrid_api.status import ControlStatus, HedgeGridStatus, KillSwitchStatus, Phase
from hedgegrid_api.text import shown
from hedgegrid_api.types import LegState
from hedgegrid_operator.conditions import escalated_told
from hedgegrid_operator.event_budget import EventBudget
from hedgegrid_operator.facts import NO_POD, REFUSED
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube, terminating
from hedgegrid_operator.objects import EVENT, HEDGE_GRID, GridRef, Json, Kind
from hedgegrid_operator.status import condition
from hedgegrid_operator.trips import trip_told

log = logging.getLogger(__name__)

_REPEAT_AFTER = 300.0
"""Seconds after which the same Event may be told again."""
_STARTING = timedelta(seconds=20)
"""A pod that starts may refuse connections for so long."""
_ROLLOUT = frozenset({"WaitingForFlat", "WaitingForAnnotation", "RollingOut"})
_WAITING_MAX = 1000
_NOTE_MAX = 1024


@dataclass(frozen=True, slots=True)
class Note:
    """One Event."""

    reason: str
    text: str
    warning: bool = False


def notes(
    before: HedgeGridStatus, after: HedgeGridStatus, *, by: str | None, now: datetime, advice: Iterable[Advice] = ()
) -> Iterator[Note]:
    """What to tell about the step from one status to the next; what lasts is told at each step. Pure."""
    yield from _accepted(before, after, advice)
    if after.pod_uid and after.pod_uid != before.pod_uid:
        yield Note("PodCreated", f"pod {after.pod_name} runs this grid (uid {after.pod_uid})")
    yield from _tripped(before.control, after.control)
    yield from _kill_notes(_kill(before), _kill(after), after.observed_generation, by)
    yield from _throttle_notes(before.control, after.control)
    yield from _reachability(before, after, now)
    yield from _standing(before, after)


def _kill(status: HedgeGridStatus) -> KillSwitchStatus:
    found = status.control.kill_switch if status.control else None
    return found or KillSwitchStatus()


def _accepted(before: HedgeGridStatus, after: HedgeGridStatus, advice: Iterable[Advice]) -> Iterator[Note]:
    old, new = condition(before, "Accepted"), condition(after, "Accepted")
    if new is not None and (old is None or (old.status, old.reason) != (new.status, new.reason)):
        yield Note("Accepted" if new.status == "True" else new.reason, new.message, warning=new.status != "True")
    # Told with each change of what the grid will do.
    if new is not None and (old is None or old.message != new.message):
        yield from (Note(found.reason, found.text, warning=True) for found in advice)


def _tripped(before: ControlStatus | None, after: ControlStatus | None) -> Iterator[Note]:
    trip, old = after.trip if after else None, before.trip if before else None
    if trip is not None and (old is None or old.id != trip.id):
        yield Note("RiskTrip", f"{trip_told(trip)}; it stands until it is released: raise spec.rearm", warning=True)


def _kill_notes(old: KillSwitchStatus, new: KillSwitchStatus, generation: int | None, by: str | None) -> Iterator[Note]:
    was, now = old.state or LegState.RELEASED, new.state or LegState.RELEASED
    source = new.source.value if new.source else "spec"
    # What risk or a person at the pod's API asks for isn't in the spec.
    asks = {"deletion": "deletion", "spec": new.desired}.get(source, new.effective)
    told = f"{asks} of generation {generation}" if source in {"deletion", "spec"} else f"{asks}"
    if now is LegState.RELEASED:
        if was is not LegState.RELEASED:
            yield Note("KillReleased", f"nothing is held back any more (generation {generation})")
        return
    another = new.operation_id != old.operation_id and new.operation_id is not None
    asked = was is not LegState.REQUESTED and (another or now is LegState.REQUESTED)
    if was is LegState.RELEASED or asked:
        yield Note(
            "KillRequested", f"{told} is asked for by {source}" + (f" ({by})" if by and source == "spec" else "")
        )
    if new.escalated and (old.escalated is None or new.escalated.restarts > old.escalated.restarts):
        why = f" ({new.last_error})" if new.last_error else ""
        yield Note("Escalated", f"{told} isn't taken by the pod{why}: {escalated_told(new.escalated)}", warning=True)
    if new.delivered_time and (another or new.delivered_time != old.delivered_time):
        yield Note("KillDelivered", f"{told}: the pod has stored it (operation {new.operation_id})")
    if now is LegState.FAILED and was is not now:
        yield Note("FlattenFailed", f"{told}: {new.last_error}; the pod goes on trying, see its log", warning=True)
    if new.flat_time and (another or new.flat_time != old.flat_time):
        yield _reached(now, told)


def _reached(state: LegState, told: str) -> Note:
    match state:
        case LegState.HALTED:
            return Note("KillHalted", f"{told}: no entry is open, exits stay")
        case LegState.DUST:
            return Note(
                "KillDust",
                f"{told}: the venue shows no order and a position below its smallest order; close it at the venue",
                warning=True,
            )
        case _:
            return Note("KillFlat", f"{told}: the venue shows no order and no position")


def _throttle_notes(before: ControlStatus | None, after: ControlStatus | None) -> Iterator[Note]:
    old = before.throttle if before else None
    new = after.throttle if after else None
    if new is None or new.effective is None:
        return
    if old is None or (old.effective, old.source) != (new.effective, new.source):
        source = new.source.value if new.source else "spec"
        yield Note("ThrottleApplied", f"entries are scaled by {new.effective:g} (asked for by {source})")


def _reachability(before: HedgeGridStatus, after: HedgeGridStatus, now: datetime) -> Iterator[Note]:
    old, new = condition(before, "ControlReachable"), condition(after, "ControlReachable")
    if new is None or after.pod_uid is None or _stopping(after):
        return
    was = old.status if old is not None and before.pod_uid == after.pod_uid else "Unknown"
    if new.status == "False" and (was == "True" or now - new.last_transition_time > _STARTING):
        yield Note("PodUnreachable", f"{new.reason}: {new.message}", warning=True)
    if new.status == "True" and was == "False":
        yield Note("PodReachable", "the pod answers")


def _stopping(status: HedgeGridStatus) -> bool:
    """Whether the pod goes because we want it to."""
    progressing = condition(status, "Progressing")
    rolled = progressing is not None and progressing.reason == "RollingOut"
    return rolled or (status.phase is Phase.DELETING and _kill(status).flat_time is not None)


def _standing(before: HedgeGridStatus, after: HedgeGridStatus) -> Iterator[Note]:
    for kind, reason, name in (
        ("ControlSynced", "Rejected", "ControlRejected"),
        ("Progressing", "ApplyConflict", "ApplyConflict"),
    ):
        found = condition(after, kind)
        if found is not None and found.reason == reason:
            yield Note(name, found.message, warning=True)
    new, old = condition(after, "Monitoring"), condition(before, "Monitoring")
    if new is not None and new.status != "True" and (old is None or old.reason != new.reason):
        yield Note("MonitoringUnavailable", f"{new.reason}: {new.message}", warning=True)
    new, old = condition(after, "Progressing"), condition(before, "Progressing")
    if new is not None and new.reason in _ROLLOUT:
        another = after.rollout is not None and before.rollout is not None and before.rollout != after.rollout
        if old is None or old.reason != new.reason or another:
            yield Note(new.reason, new.message)
    for found, words in ((new, REFUSED), (condition(after, "PodReady"), NO_POD)):
        if found is not None and found.message.startswith(words):
            yield Note("ChildRefused", found.message, warning=True)


class Recorder:
    """Writes Events in the background; never in the way of anything, and the same one at most every 5 minutes."""

    def __init__(self, kube: Kube, instance: str, own_namespace: str) -> None:
        self._kube = kube
        self._own_namespace = own_namespace
        self._instance = instance
        self._told: dict[tuple[str, str, str], float] = {}
        self._budget = EventBudget()
        self._waiting: asyncio.Queue[tuple[str, Json]] = asyncio.Queue(_WAITING_MAX)

    def tell(self, grid: GridRef, note: Note, *, kind: Kind = HEDGE_GRID) -> None:
        """Write an Event about a grid; beside the operator, where the grid's namespace is being terminated."""
        now = asyncio.get_running_loop().time()
        key = grid.uid, note.reason, note.text
        if now - self._told.get(key, -_REPEAT_AFTER) < _REPEAT_AFTER:
            return
        if not self._budget.take(grid.uid, now, warning=note.warning):
            log.debug("Event left out, this grid has told too much lately", extra=grid.fields(event=note.reason))
            return
        if len(self._told) > 10 * _WAITING_MAX:
            self._told = {known: at for known, at in self._told.items() if now - at < _REPEAT_AFTER}
        self._told[key] = now
        level = logging.WARNING if note.warning else logging.INFO
        log.log(level, note.text, extra=grid.fields(event=note.reason))
        place = grid.namespace
        manifest: Json = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{grid.name}.{secrets.token_hex(8)}", "namespace": place},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "hedgegrid.io/operator",
            "reportingInstance": self._instance[:128],
            "action": note.reason,
            "reason": note.reason,
            "type": "Warning" if note.warning else "Normal",
            "note": shown(note.text, _NOTE_MAX),
            "regarding": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "name": grid.name,
                "namespace": place,
                "uid": grid.uid,
            },
        }
        try:
            self._waiting.put_nowait((place, manifest))
        except asyncio.QueueFull:
            log.warning("Event dropped, too many are waiting", extra=grid.fields(event=note.reason))

    async def run(self) -> None:
        """Write what is waiting, for ever."""
        while True:
            await self._write(*await self._waiting.get())

    async def flush(self) -> None:
        """Write what is still waiting."""
        while not self._waiting.empty():
            await self._write(*self._waiting.get_nowait())

    async def _write(self, namespace: str, manifest: Json) -> None:
        try:
            await self._kube.create(EVENT, namespace, manifest)
        except ApiError as error:
            if terminating(error, namespace) and namespace != self._own_namespace:
                await self._write(self._own_namespace, _moved(manifest, self._own_namespace))
                return
            log.warning("Event %s can't be written: %s", manifest["reason"], error)
        except ApiUnreachableError as error:
            log.warning("Event %s can't be written: %s", manifest["reason"], error)


def _moved(manifest: Json, namespace: str) -> Json:
    """An Event for another namespace: it has to lie in that of what it is about, so its text names the grid."""
    about = manifest["regarding"]
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "namespace": namespace},
        "note": shown(f"{about['namespace']}/{about['name']}: {manifest['note']}", _NOTE_MAX),
        "regarding": {**about, "namespace": namespace},
    }
