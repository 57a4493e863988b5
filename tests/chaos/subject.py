"""One grid under the hands of people: killed, released, throttled, reshaped, deleted and made again."""

import random
import threading
import time
from contextlib import suppress

from urllib3.exceptions import HTTPError

from tests.chaos.diary import Diary
from tests.chaos.life import Life
from tests.chaos.witness import Witness
from tests.kube import ApiError, wait_until
from tests.operator.grid_parts import Field

PAUSE_SECONDS = (0.2, 1.2)
SWITCHES = ["haltEntries", "flattenLong", "flattenShort", "flattenBoth", "flattenBoth"]
WEIGHTS = {"kill": 30, "release": 34, "throttle": 30, "rearm": 3, "levels": 2, "delete": 2}
HELD = 0.5
"""Part of the kills that stand until the venue is flat, if that takes no longer than `HELD_SECONDS`."""
HELD_SECONDS = 15.0
GONE_SECONDS = 600.0


class Subject:
    """A name, the object that has it at present, and those that had it before."""

    def __init__(self, field: Field, witness: Witness, number: int, seed: int, diary: Diary) -> None:
        self.name = f"chaos-{number}"
        self.lives: list[Life] = []
        self.held = self.reached = 0
        """Kills that stood, and those of them that reached flat before they were released."""
        self._field = field
        self._witness = witness
        self._diary = diary
        self._dice = random.Random(f"{seed} {number}")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.failure: BaseException | None = None

    @property
    def life(self) -> Life:
        """The present object."""
        return self.lives[-1]

    def begin(self) -> None:
        """Make the object; patches come when `start` is called."""
        self.lives.append(Life(self._field, self._witness, self.name))
        self._diary.patch("create", f"{self.name}: created, uid {self.life.grid.uid}")

    def start(self) -> None:
        """Let people at it."""
        self._thread.start()

    def stop(self) -> None:
        """No change any more, but for those that `last` makes."""
        self._end.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def last(self) -> None:
        """What it has to be in the end: released, halted or flat. Raises HTTPError, ApiError."""
        life = self.life
        life.settle()
        if not life.deleted:
            switch = self._dice.choice(["none", "haltEntries", "flattenBoth"])
            life.patch(f"at last {switch}", killSwitch=switch, throttle=1)
            self._diary.patch("last", f"{self.name}: at last {switch}, generation {life.asked[-1].generation}")

    def _run(self) -> None:
        try:
            while not self._end.wait(self._dice.uniform(*PAUSE_SECONDS)):
                kind = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
                # An API server that is away: people try again, or think of something else.
                try:
                    self._change(kind)
                except HTTPError as error:
                    self._diary.note(f"{self.name}: {kind} without an answer: {type(error).__name__}")
                except ApiError as error:
                    # 404: it has gone meanwhile.
                    if error.status < 500 and error.status not in {404, 409, 429}:
                        raise
                    self._diary.note(f"{self.name}: {kind} refused: {error}")
        except BaseException as error:  # noqa: BLE001 - the run tells it at its end
            self.failure = error

    def _change(self, kind: str) -> None:
        life = self.life
        life.settle()
        life.observe()
        if life.deleted:
            self._made_again(life)
            return
        what = kind
        match kind:
            case "kill":
                what = self._dice.choice(SWITCHES)
                self._kill(life, what)
            case "release":
                life.patch("release", killSwitch="none")
            case "throttle":
                value = self._dice.choice([0, 0.4, 0.7, 1])
                what = f"throttle {value}"
                life.patch(what, throttle=value)
            case "rearm":
                life.patch("rearm", rearm=life.rearm + 1)
            case "levels":
                levels = self._dice.randint(3, 6)
                what = f"levels {levels}"
                life.patch(what, grid={"levelsLong": levels, "levelsShort": levels})
            case _:
                life.delete()
        self._diary.patch(kind, f"{self.name}: {what}, generation {life.asked[-1].generation}")

    def _kill(self, life: Life, switch: str) -> None:
        life.patch(f"killSwitch {switch}", killSwitch=switch)
        if switch == "flattenBoth" and self._dice.random() < HELD:
            self.held += 1
            deadline = time.monotonic() + HELD_SECONDS
            while not self._end.is_set() and time.monotonic() < deadline:
                if life.at_venue():
                    self.reached += 1
                    return
                self._end.wait(0.1)

    def _made_again(self, life: Life) -> None:
        """Once it is gone, another object takes its name."""

        def gone() -> bool:
            return self._end.is_set() or life.grid.get() is None

        with suppress(TimeoutError):
            wait_until(gone, GONE_SECONDS, f"{self.name} to be gone")
        if not self._end.is_set():
            self._diary.note(f"{self.name}: gone")
            with suppress(ApiError):  # the name is still taken
                self.begin()
