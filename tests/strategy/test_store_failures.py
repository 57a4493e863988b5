"""F47: with a store hung, full, damaged, foreign or newer, a flatten works and entries stop; the file is kept."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg, OrderKind
from naut_hedgegrid.grid.records import Changes
from tests.strategy.direct import D, Rig, strategy_file

LONG, SHORT = Leg.LONG, Leg.SHORT


def loaded(make: Callable[..., Rig]) -> Rig:
    """Long and short hold something, with exits far away; entries rest on both sides."""
    rig = make(stored=True, config=strategy_file(takeProfitSteps=8))
    for price in (42000, 41895, 41790, 42105, 42210, 42000):
        rig.quote(price)
    rig.bar()
    assert all(rig.position(leg) > 0 for leg in Leg)
    return rig


def store_condition(rig: Rig) -> str | None:
    """Message of the condition, if the pod says StoreFailed."""
    found = [c for c in rig.strategy.report().conditions if c.reason == "StoreFailed"]
    assert all(not c.status and c.type == "VenueReady" for c in found)
    return found[0].message if found else None


def opened(rig: Rig) -> int:
    """Orders that open, as the venue received them."""
    return sum(not order.reduce_only for order in rig.venue.submitted)


def entries(rig: Rig) -> int:
    """Entries that rest at the venue."""
    return sum(len(rig.resting(leg, opening=True)) for leg in Leg)


async def assert_flattens(rig: Rig, generation: int = 9) -> None:
    """A kill closes exactly what is held, opens nothing, and says what is wrong with the store."""
    held = {leg: rig.position(leg) for leg in Leg}
    before, closed_before = opened(rig), closed(rig)
    report = await rig.control(generation, killSwitch="flattenBoth")
    rig.wait(5)
    assert {leg: rig.position(leg) for leg in Leg} == dict.fromkeys(Leg, D(0))
    assert entries(rig) == 0
    assert all(rig.resting(leg, opening=False) == {} for leg in Leg)
    assert {leg: closed(rig)[leg] - closed_before[leg] for leg in Leg} == held
    assert opened(rig) == before
    final = rig.strategy.report().kill_switch
    assert (final.state, final.operation_id) == (LegState.FLAT, report.kill_switch.operation_id)
    assert "grid.sqlite" in (final.legs.long.last_error or "")
    assert store_condition(rig) is not None


def closed(rig: Rig) -> dict[Leg, Any]:
    """Filled by market orders of each leg, from the venue's fills."""
    ids = {o.client_order_id for o in rig.venue.submitted if o.kind is OrderKind.MARKET}
    fills = [f for f in rig.book.state(0).fills if f.client_order_id in ids]
    return {leg: sum((f.quantity for f in fills if f.leg is leg), D(0)) for leg in Leg}


def overwrite(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * 2000)


def execute(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(text)


SPOILT: dict[str, Callable[[Path], object]] = {
    "header overwritten": lambda path: overwrite(path, 0),
    "page overwritten": lambda path: overwrite(path, path.stat().st_size // 2 // 4096 * 4096),
    "controls that make no sense": lambda path: execute(
        path, "update entries set value = '{\"rearm\": \"x\"}' where name = 'controls'"
    ),
    "another grid's": lambda path: execute(path, "update identity set owner = 'deadbeef'"),
    "another program's": lambda path: execute(path, "pragma application_id = 7"),
    "no SQLite": lambda path: path.write_text("dear diary"),
    "newer": lambda path: execute(path, "pragma user_version = 99"),
}


@pytest.mark.parametrize("kind", SPOILT)
async def test_f47_a_start_without_its_store_keeps_exits_stops_entries_and_takes_a_kill(
    make: Callable[..., Rig], kind: str
) -> None:
    rig = loaded(make)
    await rig.control(1)
    exits = {leg: rig.resting(leg, opening=False) for leg in Leg}
    held = {leg: rig.position(leg) for leg in Leg}
    rig.crash()
    path = rig.folder / "grid.sqlite"
    SPOILT[kind](path)
    before = path.read_bytes()

    rig.boot()
    assert str(path) in (store_condition(rig) or "")
    assert "the file is kept as it is" in (store_condition(rig) or "")
    assert entries(rig) == 0
    assert {leg: rig.resting(leg, opening=False) for leg in Leg} == exits
    assert {leg: rig.position(leg) for leg in Leg} == {leg: rig.lots(leg) for leg in Leg} == held
    rig.check()
    await rig.control(2)
    for price in (41500, 42000, 42500, 42000):
        rig.quote(price)
        rig.bar()
    assert opened(rig) == 0
    rig.check()
    await assert_flattens(rig)
    rig.crash()
    assert path.read_bytes() == before


async def test_f47_a_start_without_its_store_finds_the_exits_of_lots_that_have_none(make: Callable[..., Rig]) -> None:
    """What was filled while the pod was down gets the exit that it would have had: entry price and two steps."""
    rig = make(stored=True)
    rig.quote(42000)
    rig.crash()
    rig.market(41895)
    rig.market(41950)
    assert rig.position(LONG) > 0
    overwrite(rig.folder / "grid.sqlite", 0)
    rig.boot()
    assert rig.resting(LONG, opening=False) == {D("42104.5"): rig.position(LONG)}
    rig.check()


async def test_f47_a_start_without_its_store_uses_no_id_again(make: Callable[..., Rig]) -> None:
    """The engine refuses ids that it knows, of ended orders too."""
    rig = loaded(make)
    for generation in (1, 3):
        await rig.control(generation, killSwitch="flattenBoth")
        rig.wait(2)
        await rig.control(generation + 1)
        rig.bar(42000)
        rig.quote(41895)
        rig.quote(42105)
        assert all(rig.position(leg) > 0 for leg in Leg)
    used = {fill.client_order_id for fill in rig.book.state(0).fills}
    rig.crash()
    overwrite(rig.folder / "grid.sqlite", 0)
    rig.boot()
    await assert_flattens(rig)
    assert not used & {order.client_order_id for order in rig.venue.submitted}
    assert rig.strategy.report().kill_switch.legs.long.attempts == 1


async def test_f47_known_trips_stand_while_the_store_is_lost(make: Callable[..., Rig]) -> None:
    rig = loaded(make)
    rig.strategy.flatten_side("long")
    rig.pump()
    rig.wait(2)
    assert rig.position(LONG) == 0
    spoil_while_open(rig)
    rig.quote(42315)
    rig.bar()
    assert store_condition(rig)
    latch = rig.strategy.report().latches[0]
    assert latch.leg == "LONG"
    assert rig.strategy.report().kill_switch.legs.long.state is LegState.FLAT
    assert entries(rig) == 0


def spoil_while_open(rig: Rig) -> None:
    """Bytes of the file are overwritten under the running process, wherever it will look next."""
    path = rig.folder / "grid.sqlite"
    rig.store.store._connection.execute("pragma wal_checkpoint(truncate)")
    rig.store.store._connection.execute("pragma shrink_memory")
    for at in range(4096, path.stat().st_size, 4096):
        overwrite(path, at)


async def test_f47_damage_found_later_stops_entries_and_takes_a_kill(make: Callable[..., Rig]) -> None:
    rig = loaded(make)
    await rig.control(1)
    assert entries(rig) > 0
    spoil_while_open(rig)
    rig.quote(41685)
    rig.quote(42000)
    rig.bar()
    assert "grid.sqlite" in (store_condition(rig) or "")
    assert entries(rig) == 0
    rig.check()
    await assert_flattens(rig)
    rig.crash()
    rig.boot()
    assert "the file is kept as it is" in (store_condition(rig) or "")
    rig.quote(42000)
    rig.bar()
    assert entries(rig) == 0


async def test_f47_a_full_disk_stops_entries_keeps_exits_and_leaves_no_gap(make: Callable[..., Rig]) -> None:
    rig = loaded(make)
    await rig.control(1)
    db = rig.store.store._connection
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages}")
    fill_up(rig)
    rig.quote(41685)
    rig.wait(0.2)
    assert "full" in (store_condition(rig) or "")
    assert entries(rig) == 0
    rig.check()
    before = opened(rig)
    rig.quote(42000)
    rig.bar()
    assert opened(rig) == before

    db.execute("pragma max_page_count = 100000")
    until(lambda: rig.store.failure is None)
    rig.timer()
    assert store_condition(rig) is None
    rig.bar()
    assert entries(rig) > 0
    report = rig.strategy.report()
    rig.crash()
    rig.boot()
    rig.check()
    assert rig.strategy.report().telemetry.pnl.realized == report.telemetry.pnl.realized


async def test_f47_a_full_disk_takes_a_kill_and_delivers_it_once_there_is_room(make: Callable[..., Rig]) -> None:
    rig = loaded(make)
    await rig.control(1)
    db = rig.store.store._connection
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages}")
    fill_up(rig)
    await assert_flattens(rig, 2)
    assert rig.strategy.report().kill_switch.legs.long.delivered is None
    db.execute("pragma max_page_count = 100000")
    until(lambda: rig.store.failure is None)
    rig.timer()
    leg = rig.strategy.report().kill_switch.legs.long
    assert (leg.state, leg.last_error) == (LegState.FLAT, None)
    assert leg.delivered is not None
    rig.crash()
    rig.boot()
    rig.wait(1)
    assert rig.strategy.report().kill_switch.legs.long.operation_id == leg.operation_id
    assert opened(rig) == 0


def fill_up(rig: Rig) -> None:
    """The room that is left in the file's pages is used up."""
    n = 0
    while rig.store.commit(Changes(values={f"filler {n}": "x" * 200})).exception(10) is None:
        n += 1


@pytest.fixture
def hang() -> Iterator[Callable[[Rig], threading.Event]]:
    """Has a rig's store get stuck in SQLite, in the middle of a write, until the event is set."""
    released: list[threading.Event] = []

    def stuck(rig: Rig) -> threading.Event:
        released.append(release := threading.Event())
        rig.store.hangs = True
        rig.store.store._connection.set_progress_handler(lambda: int(not release.wait(30)), 1)
        return release

    yield stuck
    for release in released:
        release.set()


async def test_f47_a_hung_store_takes_a_kill_and_delivers_it_when_it_wakes(
    make: Callable[..., Rig], hang: Callable[[Rig], threading.Event]
) -> None:
    rig = loaded(make)
    release = hang(rig)
    report = await rig.control(2, killSwitch="flattenBoth")
    assert report.kill_switch.legs.long.last_error == "the store has not answered for 0.5 s"
    rig.wait(10)
    assert {leg: rig.position(leg) for leg in Leg} == dict.fromkeys(Leg, D(0))
    assert entries(rig) == 0
    final = rig.strategy.report().kill_switch
    assert (final.state, final.legs.long.delivered) == (LegState.FLAT, None)
    assert "grid.sqlite: no write was answered for 5 s" in (store_condition(rig) or "")
    release.set()
    until(rig.store.catch_up)
    rig.store.hangs = False
    rig.timer()
    assert store_condition(rig) is None
    assert rig.strategy.report().kill_switch.legs.long.delivered is not None


async def test_f47_a_hung_store_keeps_back_entries_at_once_and_cancels_them_after_a_while(
    make: Callable[..., Rig], hang: Callable[[Rig], threading.Event]
) -> None:
    rig = loaded(make)
    await rig.control(1)
    before, resting = opened(rig), entries(rig)
    release = hang(rig)
    rig.quote(41685)
    rig.wait(1)
    assert sum(rig.resting(LONG, opening=False).values()) == rig.position(LONG), "exits don't wait"
    assert 0 < entries(rig) < resting, "one has been filled, what else rests stays for the moment"
    assert store_condition(rig) is None
    rig.wait(6)
    assert store_condition(rig) is not None
    assert entries(rig) == 0
    rig.bar()
    assert opened(rig) == before
    release.set()
    until(rig.store.catch_up)
    rig.store.hangs = False
    rig.timer()
    assert store_condition(rig) is None
    rig.bar()
    assert entries(rig) > 0
    rig.check()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what another thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
