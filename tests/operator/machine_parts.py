"""What the state machine of the grids moves: a few grids in turn, their operators, and the evidence about each.

Three grids take turns, so that one comes to rest while sequences run on the others. Every action is written down as a
line of JSON, by which a sequence can be played again.
"""

import json
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from naut_hedgegrid.domain.values import Leg
from tests.chaos.audit import closed_beyond_position, order_ids_used_twice, violations
from tests.chaos.evidence import Ending, Latched, Violation
from tests.chaos.life import Life
from tests.chaos.witness import Witness, read_book
from tests.kube import ApiError, HostError
from tests.kube.installation import Operator
from tests.operator.grid_parts import POSITIONS_STAY, Field, Json, merged

GRIDS = 3
REST_SECONDS = 240.0
"""A machine with other work to do may take many times the usual second."""
HASTE = {
    "HEDGEGRID_OPERATOR_LEASE_DURATION": "1",
    "HEDGEGRID_OPERATOR_RENEW_DEADLINE": "0.8",
    "HEDGEGRID_OPERATOR_RETRY_PERIOD": "0.2",
    "HEDGEGRID_OPERATOR_POLL_INTERVAL": "1",
}
CHILDREN = {"Service": "", "ServiceAccount": "", "Secret": "-api"}
RISK = {
    "maxDrawdownPercent": 20,
    "maxPositionQuote": None,
    "confirmations": 3,
    "action": "flattenBoth",
}


class Slot(Life):
    """A grid that takes its turn."""

    def __init__(self, field: Field, witness: Witness, name: str) -> None:
        super().__init__(field, witness, name, **POSITIONS_STAY)
        self.steps: list[str] = []
        """What was done since it was at rest."""
        self.audited = 0
        """Lines of the venue's order log that were judged already."""
        self.cut = False
        """Its pod can't be reached as it should."""


class Operators:
    """Two names for operators; one of them at least runs, and is started again when it has ended."""

    def __init__(self, field_: Field) -> None:
        self._all = [field_.new_operator("first", **HASTE), field_.new_operator("second", **HASTE)]
        self._at = 0
        self._stalled: list[Operator] = []
        self.restarts = 0

    @property
    def present(self) -> Operator:
        """The one that was started last."""
        return self._all[self._at]

    def start(self) -> None:
        """Start the present one and wait until it leads."""
        self.present.start()
        self.present.wait_leading()

    def kill(self) -> None:
        """SIGKILL; the next process is on its way at once."""
        self.present.process.kill()
        self._next()

    def stop(self) -> None:
        """SIGTERM; the next process starts while this one ends."""
        self.present.process.terminate()
        self._next()

    def stall(self, *, replaced: bool) -> None:
        """SIGSTOP, until `heal`; replaced: another one takes the Lease over meanwhile."""
        self.present.process.freeze()
        self._stalled.append(self.present)
        if replaced:
            self._next()

    def wake(self) -> None:
        """SIGCONT: one that was replaced finds that out, and ends."""
        for operator in self._stalled:
            operator.process.thaw()
        self._stalled.clear()

    def heal(self) -> None:
        """All go on, and one runs."""
        self.wake()
        if not self.present.process.running:
            self._next()

    def _next(self) -> None:
        self._at = 1 - self._at
        self.restarts += 1
        with suppress(LookupError):
            process = self.present.process
            process.thaw()
            process.kill()
            process.wait(10)
        if self.present in self._stalled:
            self._stalled.remove(self.present)
        self.present.start()


class Stage:
    """Grids, operators, evidence."""

    def __init__(self, field_: Field) -> None:
        self.field = field_
        self.api = field_.cluster.api
        self.operators = Operators(field_)
        self.witness = Witness()
        self.lengths: list[int] = []
        """Steps of each sequence."""
        self.actions: Counter[str] = Counter()
        self.failure: Exception | None = None
        self._made = 0
        self._slots: list[Slot] = []
        self._leavers: list[Slot] = []
        self._all: list[Slot] = []

    def start(self) -> None:
        """An operator leads, and the grids trade."""
        self.operators.start()
        self._slots = [self._new() for _ in range(GRIDS)]
        for slot in self._slots:
            slot.grid.wait(lambda seen: seen.get("phase") == "Running", "the grid to trade", REST_SECONDS)

    # Sequences.

    @property
    def slot(self) -> Slot:
        """The grid whose turn it is."""
        return self._slots[len(self.lengths) % GRIDS]

    def run(self, step: Callable[[], None]) -> None:
        """Do it, unless something was wrong before: what is wrong is kept, since real time can't be run again."""
        if self.failure is None:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends the test later
                self.failure = error

    def begin(self) -> None:
        """A new sequence, on a grid that has come to rest since its last one."""
        self.lengths.append(0)
        self._settle(self.slot)
        if self.slot.deleted:
            self._leavers.append(self.slot)
            self._slots[len(self.lengths) % GRIDS] = self._new()
        else:
            self._reset(self.slot)

    def end(self) -> None:
        """Take away what the sequence has broken; its last generation is to be reached."""
        slot = self.slot
        slot.heal()
        slot.cut = False
        self.operators.heal()
        with suppress(ApiError):
            slot.grid.annotate(reconcile=None)

    def close(self) -> None:
        """Everything comes to rest, and is judged once more as a whole."""
        for slot in [*self._slots, *self._leavers]:
            self._settle(slot)
        self.witness.close()
        found = [
            violation
            for slot in self._all
            for judge in (order_ids_used_twice, closed_beyond_position)
            for violation in judge(slot.case(Ending(gone=slot.deleted)))
        ]
        assert found == [], "\n".join(map(str, found))

    def do(self, action: Any, *arguments: Any) -> None:
        """One step: a method of `Actions` by its name."""
        self.lengths[-1] += 1
        self.actions[action] += 1
        self.slot.steps.append(json.dumps([action, *arguments]))
        getattr(Actions(self, self.slot), action)(*arguments)

    def replay(self, steps: list[list[Any]]) -> None:
        """The steps of one sequence, as they were printed."""
        self.begin()
        for action, *arguments in steps:
            self.do(action, *arguments)
        self.end()
        for slot in self._slots:
            self._settle(slot)

    # Grids.

    def _new(self) -> Slot:
        self._made += 1
        slot = Slot(self.field, self.witness, f"machine-{self._made}")
        self._all.append(slot)
        return slot

    def patch(self, slot: Slot, what: str, **spec: Any) -> None:
        """Change the spec, if the object is still there."""
        try:
            slot.patch(what, **spec)
        except ApiError as error:
            if error.status != 404 or not slot.deleted:
                raise

    def _reset(self, slot: Slot) -> None:
        """As it was at its creation, but for another throttle, which ends one of the API's."""
        throttle = 1 if slot.throttle != 1 else 0.95
        slot.steps.clear()
        Actions(self, slot).rearm("none", {"throttle": throttle, "risk": RISK})

    # Judging.

    def _settle(self, slot: Slot) -> None:
        """Wait until nothing moves any more, then judge."""
        if slot.deleted and slot in self._leavers:
            return
        try:
            ending = slot.rest(REST_SECONDS)
            self.witness.look()
            found = violations(slot.case(ending, slot.audited))
        except TimeoutError as error:
            found = [
                Violation(
                    "no rest", slot.grid.name, time.time_ns(), "\n".join([str(error), *getattr(error, "__notes__", [])])
                )
            ]
        assert found == [], self._told(slot, found)
        book = read_book(slot.book, slot.audited)[0]
        slot.audited = book[-1].sequence if book else slot.audited
        slot.asked, slot.latched, slot.stopped = slot.asked[-1:], [], []
        if slot.store is not None:
            slot.store.sightings.clear()

    def _told(self, slot: Slot, found: list[Violation]) -> str:
        lines = [f"{violation.kind}: {violation.what} (at {violation.at})" for violation in found]
        lines += [f"asked: {asked}" for asked in slot.asked]
        lines += [f"seen: {seen}" for seen in (slot.store.sightings if slot.store else [])]
        lines.append(f"play it again with HEDGEGRID_REPLAY='[{', '.join(slot.steps)}]'")
        return "\n".join(lines)


class Actions:
    """The steps of a sequence, on one grid. None of them waits for its effect."""

    def __init__(self, stage: Stage, slot: Slot) -> None:
        self._stage = stage
        self._slot = slot
        self._grid = slot.grid
        slot.observe()

    def kill_switch(self, value: str) -> None:
        """Ask for a level."""
        self._stage.patch(self._slot, f"killSwitch {value}", killSwitch=value)

    def throttle(self, value: float) -> None:
        """Scale entries."""
        self._stage.patch(self._slot, f"throttle {value}", throttle=value)

    def rearm(self, switch: str, others: Json) -> None:
        """Release what the API has engaged, and set the switch."""
        now = time.time_ns()
        self._slot.latched[:] = [_released(latch, now) for latch in self._slot.latched]
        change = merged(others, {"killSwitch": switch, "rearm": self._slot.rearm + 1})
        self._stage.patch(self._slot, f"rearm and killSwitch {switch}", **change)

    def risk(self, limits: Json) -> None:
        """Other limits, none of which trips."""
        self._stage.patch(self._slot, f"risk {limits}", risk=limits)

    def grid_field(self, levels: int) -> None:
        """A change that needs another pod: it waits until the grid is flat."""
        self._stage.patch(self._slot, f"levels {levels}", grid={"levelsLong": levels, "levelsShort": levels})

    def pause(self, value: str | None) -> None:
        """Annotation reconcile."""
        with suppress(ApiError):  # gone meanwhile
            self._grid.annotate(reconcile=value)

    def api(self, operation: str, argument: str) -> None:
        """An emergency operation at the pod, by a person."""
        if self._slot.frozen or self._slot.cut or self._slot.deleted:
            return
        with suppress(urllib.error.URLError, TimeoutError, ConnectionError, AssertionError):  # restarting just now
            getattr(self, f"_api_{operation}")(argument)

    def _api_flatten(self, side: str) -> None:
        status, _ = self._grid.call("POST", "/flatten", {"side": side}, key="trader")
        answered = time.time_ns()
        if status == 200:
            for latch in self._grid.call("GET", "/control")[1]["latches"]:
                if latch["source"] == "api" and latch["id"] not in {known.id for known in self._slot.latched}:
                    legs = tuple(leg for leg in Leg if latch["leg"] in {leg.value, "BOTH"})
                    self._slot.latched.append(Latched(latch["id"], legs, answered))

    def _api_resume(self, side: str) -> None:
        standing = [latch for latch in self._slot.latched if latch.release_sent is None]
        if standing:
            now = time.time_ns()
            self._slot.latched[:] = [_released(one, now) if one in standing else one for one in self._slot.latched]
            self._grid.call("POST", "/resume", {"id": standing[0].id, "side": side}, key="trader")

    def _api_throttle(self, value: str) -> None:
        self._grid.call("POST", "/throttle", {"throttle": float(value)}, key="trader")

    def pod(self, fault: str) -> None:
        """Something happens to the pod or to the way to it."""
        slot, pod = self._slot, self._grid.pod
        with suppress(HostError, ApiError):  # no process at this moment
            match fault:
                case "freeze":
                    slot.freeze()
                case "thaw":
                    slot.thaw()
                case "kill":
                    pod.kill()
                case "refuse":
                    slot.cut = True
                    pod.refuse()
                case "drop":
                    slot.cut = True
                    pod.drop_answer()
                case "delay":
                    slot.cut = True
                    pod.delay(0.3)
                case "heal":
                    slot.heal()
                    slot.cut = False

    def take_pod(self, grace: int) -> None:
        """Delete the pod."""
        self._stage.api.delete("v1", "Pod", f"{self._grid.child}-0", self._grid.namespace, grace=grace)

    def take_stateful_set(self) -> None:
        """Delete the StatefulSet, and its pod with it."""
        self._stage.api.delete("apps/v1", "StatefulSet", self._grid.child, self._grid.namespace)

    def take_child(self, kind: str) -> None:
        """Delete another child."""
        self._stage.api.delete("v1", kind, f"{self._grid.child}{CHILDREN[kind]}", self._grid.namespace)

    def operator(self, fault: str) -> None:
        """Something happens to the operator."""
        operators = self._stage.operators
        faults: dict[str, Callable[[], None]] = {
            "kill": operators.kill,
            "stop": operators.stop,
            "stall": lambda: operators.stall(replaced=False),
            "replace": lambda: operators.stall(replaced=True),
            "wake": operators.wake,
        }
        faults[fault]()

    def delete(self) -> None:
        """Delete the object; another one takes its place when its turn comes."""
        if not self._slot.deleted:
            self._slot.delete()


def _released(latch: Latched, now: int) -> Latched:
    if latch.release_sent is not None:
        return latch
    return Latched(latch.id, latch.legs, latch.answered, now)
