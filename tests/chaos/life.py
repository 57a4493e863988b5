"""One object from its creation to its end: what was asked of it, what was done to it, what it leaves as evidence."""

import sys
import time
import urllib.error
from contextlib import suppress
from pathlib import Path
from typing import Any

from hedgegrid_api.types import KillSwitch, LegLevel
from tests.chaos.evidence import Asked, Case, Ending, Latched, asked_levels
from tests.chaos.witness import Store, Witness, read_book
from tests.kube import HostError, wait_until
from tests.operator.grid_parts import API, Field, Grid, Json, condition, kill_of

WORDS = 1500
"""Characters of a pod's log."""
DONE = {LegLevel.HALTED: {"Halted", "Flat"}, LegLevel.FLAT: {"Flat"}}


class Life:
    """Patches go through here, so that each generation is known; only one thread may patch."""

    def __init__(self, field: Field, witness: Witness, name: str, **spec: Any) -> None:
        """Create the object. Raises what the API server makes of that."""
        self.asked: list[Asked] = []
        self.latched: list[Latched] = []
        self.stopped: list[tuple[int, int]] = []
        self.switch = KillSwitch.NONE
        self.throttle = 1.0
        self.rearm = 0
        self.deleted = False
        self.store: Store | None = None
        self._witness = witness
        self._api = field.cluster.api
        self._frozen_at: int | None = None
        self._unsure: tuple[int, str] | None = None
        """A request whose answer never came: it was carried out, or not."""
        sent = time.time_ns()
        self.grid: Grid = field.create(name, **spec)
        self.asked.append(Asked(1, sent, asked_levels(KillSwitch.NONE), "created"))

    @property
    def frozen(self) -> bool:
        """Whether its pod is frozen."""
        return self._frozen_at is not None

    def patch(self, what: str, **spec: Any) -> None:
        """Change the spec. Raises HTTPError where the answer doesn't arrive, ApiError where the object is gone."""
        self.settle()
        sent = time.time_ns()
        self._unsure = sent, what
        found = self._api.patch(API, "HedgeGrid", self.grid.name, self.grid.namespace, {"spec": spec})
        self._note(found, sent, what)

    def delete(self) -> None:
        """Ask for its deletion. Raises as `patch`."""
        self.settle()
        sent = time.time_ns()
        self._unsure = sent, "deleted"
        self.deleted = True
        self.grid.delete()
        self.settle()

    def settle(self) -> None:
        """Find out what became of a request without an answer. Raises HTTPError."""
        if self._unsure is not None:
            found = self.grid.get()
            if found is not None and found["metadata"]["uid"] == self.grid.uid:
                self._note(found, *self._unsure)
            self._unsure = None

    def _note(self, found: Json, sent: int, what: str) -> None:
        self._unsure = None
        spec, generation = found["spec"], found["metadata"]["generation"]
        self.deleted = "deletionTimestamp" in found["metadata"]
        self.switch = KillSwitch(spec["killSwitch"])
        self.throttle, self.rearm = spec["throttle"], spec["rearm"]
        if generation > self.asked[-1].generation:
            self.asked.append(Asked(generation, sent, asked_levels(self.switch, deleted=self.deleted), what))

    def freeze(self) -> None:
        """SIGSTOP to its pod."""
        self._frozen_at = self._frozen_at or time.time_ns()
        self.grid.pod.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        if self._frozen_at is not None:
            self.grid.pod.thaw()
            self.stopped.append((self._frozen_at, time.time_ns()))
            self._frozen_at = None

    def heal(self) -> None:
        """Take every fault of its pod away."""
        self.thaw()
        self.grid.pod.heal()

    def observe(self) -> None:
        """Look at its store from now on, if it has one by now."""
        folder = self._folder() if self.store is None else None
        if folder is not None:
            self.store = self._witness.watch(folder / f"{self.grid.uid}.sqlite")

    def rest(self, seconds: float) -> Ending:
        """Wait until nothing moves any more. Raises TimeoutError, with the state and the last words of its pod."""
        self.settle()
        try:
            return self._gone(seconds) if self.deleted else self._reached(seconds)
        except TimeoutError as error:
            pod = self.grid.pod
            with suppress(HostError):
                error.add_note(f"pod: {(pod.get() or {}).get('status')}\n{pod.log()[-WORDS:]}")
                error.add_note(f"its run before: {pod.log(previous=True)[-WORDS:]}")
            raise

    def case(self, ending: Ending, after: int = 0) -> Case:
        """The evidence, with the order log after a sequence number."""
        commands, fills, venue = read_book(self.book, after)
        return Case(
            name=self.grid.name,
            uid=self.grid.uid,
            asked=self.asked,
            sightings=list(self.store.sightings) if self.store is not None else [],
            commands=commands,
            fills=fills,
            venue=venue,
            ending=ending,
            latched=self.latched,
            stopped=self.stopped,
            kept=dict(self.store.kept) if self.store is not None else {},
            lateness=list(self._witness.lateness),
        )

    @property
    def book(self) -> Path:
        """The venue's book."""
        return (self._folder() or Path("/nonexistent")) / f"{self.grid.uid}.venue.sqlite"

    def at_venue(self) -> bool:
        """Whether the venue is as the last generation asks, leg by leg."""
        venue = read_book(self.book, sys.maxsize)[2]
        return venue is not None and all(
            level is not LegLevel.FLAT
            or (venue.positions[leg].quantity == 0 and all(order.leg is not leg for order in venue.open_orders))
            for leg, level in self.asked[-1].levels.items()
        )

    def _is_there(self) -> bool:
        found = self.grid.get()
        return found is not None and found["metadata"]["uid"] == self.grid.uid

    def _folder(self) -> Path | None:
        return self.grid.cluster.claim_folder(self.grid.namespace, f"data-{self.grid.child}-0")

    def _reached(self, seconds: float) -> Ending:
        last = self.asked[-1]
        found = self.grid.wait(lambda status: _rests(status, last), f"rest after {last.what}", seconds)
        report = self._report(seconds)
        return Ending(
            gone=False,
            generation=found["metadata"]["generation"],
            wanted=(found["spec"]["killSwitch"], found["spec"]["throttle"]),
            pod_generation=report["appliedGeneration"],
            pod_wanted=(report["killSwitch"]["desired"], report["throttle"]["desired"]),
            status_generation=found["status"]["control"]["appliedGeneration"],
        )

    def _report(self, seconds: float) -> Json:
        """The pod's own report."""

        def ask() -> Json | None:
            # AssertionError: the Secret with the key isn't back yet.
            with suppress(urllib.error.URLError, TimeoutError, ConnectionError, AssertionError):
                status, report = self.grid.call("GET", "/control")
                return report if status == 200 and report["synced"] else None
            return None

        return wait_until(ask, seconds, f"the report of {self.grid.name}")

    def _gone(self, seconds: float) -> Ending:
        wait_until(lambda: not self._is_there(), seconds, f"{self.grid.name} to be gone")
        with suppress(TimeoutError):
            wait_until(lambda: not self.grid.all_children(), seconds, "the children to be gone")
        return Ending(gone=True, children=tuple(self.grid.all_children()))


def _rests(status: Json, last: Asked) -> bool:
    """Whether a status says that a generation is held and reached."""
    legs = kill_of(status).get("legs") or {}
    return (
        status.get("observedGeneration") == last.generation
        and (status.get("control") or {}).get("appliedGeneration") == last.generation
        and condition(status, "ControlSynced").get("status") == "True"
        and all(
            level is LegLevel.OPEN or legs.get(leg.lower(), {}).get("state") in DONE[level]
            for leg, level in last.levels.items()
        )
    )
