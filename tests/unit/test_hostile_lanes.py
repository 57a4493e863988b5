"""One grid's trouble costs another nothing: lanes whose work hangs, and one grid that tells too much."""

import asyncio
from typing import Any

from hedgegrid_operator.event_budget import EventBudget
from hedgegrid_operator.events import Note, Recorder
from hedgegrid_operator.objects import GridRef
from hedgegrid_operator.queue import Lane


class Hanging:
    """Work that hangs for keys that begin with `dead`, until it is let go."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.hanging = 0
        self.gate = asyncio.Event()
        self.good = asyncio.Event()
        self.news = asyncio.Condition()

    async def __call__(self, key: str) -> None:
        if key.startswith("dead"):
            self.hanging += 1
            await self.gate.wait()
        else:
            self.good.set()
        self.done.append(key)
        async with self.news:
            self.news.notify_all()

    async def until(self, count: int) -> None:
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: len(self.done) >= count), 10)


async def test_work_that_hangs_gives_its_place_to_those_that_wait() -> None:
    """64 pods that don't answer don't keep the polls and throttles of the others from going out."""
    work = Hanging()
    lane = Lane("test", work, limit=4, patience=0.01)
    for number in range(40):
        lane.wake(f"dead-{number}")
    lane.wake("good")
    await asyncio.wait_for(work.good.wait(), 10)
    assert work.done == ["good"]
    assert work.hanging == 40
    work.gate.set()
    await lane.close(5)
    assert len(work.done) == 41


async def test_without_patience_a_bound_stays_a_bound() -> None:
    work = Hanging()
    lane = Lane("test", work, limit=4)
    for number in range(40):
        lane.wake(f"dead-{number}")
    assert (work.hanging, lane.depth) == (4, 36)
    work.gate.set()
    await lane.close(5)


async def test_places_that_were_given_up_arent_given_back_twice() -> None:
    work = Hanging()
    lane = Lane("test", work, limit=2, patience=0.01)
    for number in range(6):
        lane.wake(f"dead-{number}")
    lane.wake("good")
    await asyncio.wait_for(work.good.wait(), 10)
    for number in range(3):
        lane.forget(f"dead-{number}")
    work.gate.set()
    await work.until(7)
    # A bound again, neither more nor fewer places than before.
    work.gate.clear()
    lane._patience = None
    work.hanging = 0
    for number in range(10, 15):
        lane.wake(f"dead-{number}")
    assert (work.hanging, lane.depth) == (2, 3)
    work.gate.set()
    await lane.close(5)


class Written:
    """Takes Events."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def create(self, kind: Any, namespace: str, manifest: Any) -> None:
        self.notes.append(manifest["note"])


async def test_a_grid_that_has_too_much_to_tell_takes_no_place_from_others() -> None:
    written: Any = Written()
    recorder = Recorder(written, "operator-0", "hedgegrid-system")
    noisy, quiet = GridRef("default", "noisy", "uid-1"), GridRef("default", "quiet", "uid-2")
    for number in range(100_000):
        recorder.tell(noisy, Note("KillRequested", f"flattenBoth of generation {number}"))
    recorder.tell(quiet, Note("KillFlat", "flat"))
    await recorder.flush()
    assert written.notes[-1] == "flat"
    assert len(written.notes) <= 60
    assert len(recorder._told) < 100


async def test_an_event_is_one_bounded_line() -> None:
    written: Any = Written()
    recorder = Recorder(written, "operator-0", "hedgegrid-system")
    recorder.tell(GridRef("default", "btc", "uid-1"), Note("A", "line\n\x1b[31mred\u202e" + "x" * 5_000))
    await recorder.flush()
    assert written.notes[0].startswith("line redxxx")
    assert len(written.notes[0]) == 1024


async def test_many_grids_may_each_tell_their_story() -> None:
    written: Any = Written()
    recorder = Recorder(written, "operator-0", "hedgegrid-system")
    for number in range(200):
        for reason in ("Accepted", "PodCreated", "KillRequested", "KillDelivered"):
            recorder.tell(GridRef("default", f"grid-{number}", f"uid-{number}"), Note(reason, reason))
    await recorder.flush()
    assert len(written.notes) == 800


def test_what_a_grid_may_tell_comes_back_with_time_and_warnings_are_apart() -> None:
    budget = EventBudget()
    assert sum(budget.take("a", 0.0, warning=False) for _ in range(100)) == 40
    assert budget.take("a", 0.0, warning=True)
    assert budget.take("b", 0.0, warning=False)
    assert not budget.take("a", 9.0, warning=False)
    assert sum(budget.take("a", 29.0, warning=False) for _ in range(100)) == 2
    assert sum(budget.take("a", 10_000.0, warning=False) for _ in range(100)) == 40


def test_grids_that_are_gone_arent_remembered_for_ever() -> None:
    budget = EventBudget()
    for number in range(20_000):
        budget.take(f"uid-{number}", float(number), warning=False)
    assert len(budget._purses) < 3_000
