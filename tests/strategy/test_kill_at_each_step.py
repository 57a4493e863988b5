"""F1, F4, F18, F28, F40, F43: SIGKILL after every step, on the real process, with venue, store and report compared.

Each phase is lived through once without a kill, which tells its steps (see `marked_child`) and where it has to end.
Then it is lived through again and again from the same state, killed each time at another step, and started once more.
So many steps a phase are tried as fit into the time; which ones rotates by the day, and `HEDGEGRID_KILL_SEED` names a
day again, `HEDGEGRID_KILLS` the number of steps (0: all).
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from naut_hedgegrid.domain.values import ZERO, Leg, OrderKind
from naut_hedgegrid.venues.sim.records import Action
from tests.strategy.killed import Booking, Killed, Rest, check_order_log, check_protection
from tests.strategy.ops_support import wait_until

SEED = int(os.environ.get("HEDGEGRID_KILL_SEED", str(int(time.time()) // 86_400)))
KILLS = int(os.environ.get("HEDGEGRID_KILLS", "20"))
LATENCY_MS = 60
"""Where a release has to come in mid-flatten."""
ENTRIES = 6


@dataclass(frozen=True, slots=True)
class States:
    """The grid at rest at three moments, each killed there."""

    empty: Killed
    """Never started."""
    placed: Killed
    """Both ladders rest."""
    entered: Killed
    """LONG holds one lot."""
    holding: Killed
    """Both legs hold lots, with take-profits and stops."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a phase without a kill was like."""

    marks: list[str]
    resting: list[Rest]
    booked: list[Booking]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    """Made by living."""
    folder = tmp_path_factory.mktemp("states")
    empty = Killed(folder / "empty")
    (empty.folder / "store").mkdir()
    empty.plays(50_000)
    placed = _after(empty, folder / "placed", (50_000,), lambda grid: len(grid.resting()) == ENTRIES)
    entered = _after(placed, folder / "entered", (49_870,), lambda grid: _exits(grid, Leg.LONG) == 2)
    # On the way up the take-profit of LONG fills and two rungs of SHORT do; on the way down one of them closes again.
    up = _after(
        entered, folder / "up", (50_255,), lambda grid: _exits(grid, Leg.SHORT) == 4 and not grid.held()[Leg.LONG]
    )
    holding = _after(
        up,
        folder / "holding",
        (49_870, 50_000),
        lambda grid: all(_exits(grid, leg) == 2 for leg in Leg) and len(grid.resting()) == 8,
    )
    yield States(empty, placed, entered, holding)


def _after(before: Killed, folder: Path, prices: tuple[int, ...], goal: Callable[[Killed], bool]) -> Killed:
    with before.copy(folder) as grid:
        grid.plays(*prices)
        grid.start()
        grid.settles(lambda: goal(grid), "where the next phases begin")
    return grid


def _exits(grid: Killed, leg: Leg) -> int:
    return sum(order.leg is leg and order.side is leg.closing for order in grid.snapshot().open_orders)


def _steps(marks: list[str]) -> list[str]:
    """The marks to be killed at, evenly spread; which ones depends on the seed."""
    count = min(KILLS or len(marks), len(marks))
    offset = SEED % max(1, len(marks) // count)
    return [marks[number * len(marks) // count + offset] for number in range(count)]


class Phase:
    """One phase, lived through as often as asked."""

    def __init__(self, start: Killed, folder: Path, prices: tuple[int, ...], *, hour: bool = False) -> None:
        self.start, self.folder, self.prices, self.hour = start, folder, prices, hour
        self.reached = 0
        """Kills that came."""

    def begin(self, name: str, *, latency_ms: int = 0) -> Killed:
        """The state that the phase starts from."""
        grid = self.start.copy(self.folder / name, latency_ms=latency_ms)
        grid.plays(*self.prices, hour=self.hour)
        return grid

    def clean(self, goal: Callable[[Killed], bool]) -> Ran:
        """Without a kill."""
        with self.begin("clean") as grid:
            grid.start()
            grid.settles(lambda: goal(grid), "the end of the phase")
            return self.told(grid)

    def told(self, grid: Killed) -> Ran:
        check_order_log(grid)
        return Ran(grid.passed(), grid.resting(), grid.booked())

    def killed(self, ran: Ran) -> None:
        """With a kill at each chosen step; at the end all is as without one."""
        for number, mark in enumerate(_steps(ran.marks)):
            with self.begin(f"{number}") as grid:
                print(f"kill at {mark}, seed {SEED}")
                grid.start(kill_at=mark)
                wait_until(lambda grid=grid: grid.dead, f"the kill at {mark}", 30)
                self.reached += 1
                grid.start()
                grid.settles(
                    lambda grid=grid: (grid.resting(), grid.booked()) == (ran.resting, ran.booked),
                    f"the orders, fills and settlements of a run without a kill at {mark}",
                )
                check_order_log(grid)
                check_protection(grid)
        print(f"{self.reached} kills at {len(ran.marks)} marks, seed {SEED}")


def test_f1_sigkill_after_each_step_of_placing_the_ladders_ends_in_the_same_orders(
    states: States, tmp_path: Path
) -> None:
    phase = Phase(states.empty, tmp_path, (50_000,))
    ran = phase.clean(lambda grid: len(grid.resting()) == ENTRIES)
    assert {"after write ladder#1", "after write orders#1", "before venue submit E#1", "after send E#6"} <= set(
        ran.marks
    )
    phase.killed(ran)


def test_f1_f40_sigkill_after_each_step_of_an_entrys_fill_leaves_it_with_its_exits(
    states: States, tmp_path: Path
) -> None:
    phase = Phase(states.placed, tmp_path, (49_870,))
    ran = phase.clean(lambda grid: _exits(grid, Leg.LONG) == 2)
    assert {"after venue fill E#1", "before hear OrderFilled E#1", "after send T#1", "after send S#1"} <= set(ran.marks)
    phase.killed(ran)


def test_f1_sigkill_after_each_step_of_a_take_profits_fill_takes_its_stop_back_and_arms_its_rung(
    states: States, tmp_path: Path
) -> None:
    phase = Phase(states.entered, tmp_path, (50_255,))
    ran = phase.clean(
        lambda grid: _exits(grid, Leg.SHORT) == 4 and not grid.held()[Leg.LONG] and len(grid.resting()) == 8
    )
    assert {"after send cancel S#1", "after send E#1", "before send T#2"} <= set(ran.marks), ran.marks
    phase.killed(ran)


def test_f18_sigkill_after_each_step_of_a_settlement_books_it_once(states: States, tmp_path: Path) -> None:
    phase = Phase(states.holding, tmp_path, (50_000,), hour=True)

    def paid(grid: Killed) -> bool:
        return bool(grid.funding()) and grid.resting() == states.holding.resting()

    ran = phase.clean(paid)
    marks = {"after venue funding#1", "before hear funding#1", "after store funding#1"}
    assert marks <= set(ran.marks), ran.marks
    phase.killed(ran)


class Flatten(Phase):
    """A phase that a document begins."""

    def __init__(self, start: Killed, folder: Path, switch: str, *, release: bool = False) -> None:
        super().__init__(start, folder, (50_000,))
        self.switch, self.release = switch, release
        self.latency_ms = LATENCY_MS if release else 0

    def live(self, grid: Killed, kill_at: str | None) -> tuple[str | None, int | None]:
        """One life with the kill switch set; operation and moment of the answer, where there was one."""
        grid.start(armed_by=2, kill_at=kill_at)
        grid.settles(lambda: grid.resting() == self.start.resting(), "where the phase begins")
        report = grid.put(2, self.switch)
        answered = None if report is None else time.time_ns()
        if self.release:
            wait_until(
                lambda: grid.dead or any(mark.startswith("after send F") for mark in grid.passed()), "a close", 30
            )
            grid.put(3, "none")
        return (None if report is None else report["killSwitch"]["operationID"]), answered

    def again(self, grid: Killed, before: str | None) -> tuple[str, int]:
        """The life after the kill: it goes on by itself with what its store has; the operator sends its document again.
        Operation, and since when nothing may have been opened."""
        grid.start()
        wait_until(lambda: grid.listening, "the API", 30)
        if self.release:
            grid.put(3, "none")
            return "", 0
        resumed = grid.ask("GET", "/control").json["killSwitch"]["operationID"]
        if before is not None:
            assert resumed == before, "what was answered is stored"
        report = grid.put(2, self.switch)
        assert report is not None
        operation = report["killSwitch"]["operationID"]
        assert resumed in (None, operation)
        return operation, time.time_ns()

    def test(self, goal: Callable[[Killed], bool], legs: tuple[Leg, ...]) -> None:
        """Without a kill, then with one at each chosen step."""
        with self.begin("clean", latency_ms=self.latency_ms) as grid:
            self.live(grid, None)
            grid.settles(lambda: goal(grid), "the end of the phase")
            ran = self.told(grid)
        for number, mark in enumerate(_steps(ran.marks)):
            with self.begin(f"{number}", latency_ms=self.latency_ms) as grid:
                print(f"kill at {mark}, seed {SEED}")
                held = grid.held()
                operation, answered = self.live(grid, mark)
                wait_until(lambda grid=grid: grid.dead, f"the kill at {mark}", 30)
                self.reached += 1
                again, since = self.again(grid, operation)
                grid.settles(lambda grid=grid: goal(grid), f"the end of the phase after a kill at {mark}")
                if not self.release:
                    assert grid.resting() == ran.resting
                    assert grid.booked() == ran.booked
                    assert grid.ask("GET", "/control").json["killSwitch"]["operationID"] == again
                    opened = grid.openings(answered or since)
                    assert [command for command in opened if command.leg in legs] == []
                self.check_closes(grid, held, legs)
                check_order_log(grid)
        print(f"{self.reached} kills at {len(ran.marks)} marks, seed {SEED}")

    def check_closes(self, grid: Killed, held: dict[Leg, Decimal], legs: tuple[Leg, ...]) -> None:
        """Refused ones included, no more was ever sent to be closed than was held, and nothing of the other leg."""
        for leg in Leg:
            closes = [c for c in grid.commands() if c.action is Action.SUBMIT and c.kind is OrderKind.MARKET]
            total = sum((c.quantity or ZERO for c in closes if c.leg is leg), ZERO)
            assert total <= (held[leg] if leg in legs else ZERO), closes


def test_f4_f18_sigkill_after_each_step_of_flattening_both_legs_ends_flat_with_one_operation(
    states: States, tmp_path: Path
) -> None:
    phase = Flatten(states.holding, tmp_path, "flattenBoth")
    phase.test(lambda grid: grid.snapshot().flat and _state(grid) == "Flat", tuple(Leg))


def test_f4_sigkill_after_each_step_of_flattening_one_leg_leaves_the_other_alone(
    states: States, tmp_path: Path
) -> None:
    phase = Flatten(states.holding, tmp_path, "flattenLong")
    other = [rest for rest in states.holding.resting() if rest[0] == Leg.SHORT]
    phase.test(lambda grid: grid.resting() == other and _state(grid) == "Flat", (Leg.LONG,))


def test_f43_sigkill_after_each_step_of_a_release_in_mid_flatten_covers_what_is_held_and_trades_on(
    states: States, tmp_path: Path
) -> None:
    """R19. Whether a leg was closed depends on where the kill fell; what it holds has its exits, its rungs rest."""

    def released(grid: Killed) -> bool:
        if _state(grid) != "Released":
            return False
        try:
            check_protection(grid)
        except AssertionError:
            return False
        orders = grid.snapshot().open_orders
        rungs = {leg: {o.price for o in orders if o.leg is leg and o.side is leg.opening} for leg in Leg}
        return all(len(rungs[leg]) == (2 if grid.held()[leg] else 3) for leg in Leg)

    Flatten(states.holding, tmp_path, "flattenBoth", release=True).test(released, tuple(Leg))


def _state(grid: Killed) -> str:
    return grid.ask("GET", "/control").json["killSwitch"]["state"]
