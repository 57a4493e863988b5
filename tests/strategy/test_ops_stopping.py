"""The stop of a strategy whose venue doesn't answer any more: it ends all the same, and says what is left."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.runners.stopping import Patience, wind_down
from tests.strategy.direct import Rig

SHORT_PATIENCE = Patience(entries=0.1, answers=0.1, flatten=0.2)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.quote(42000)
    rig.quote(41790)
    yield rig
    rig.close()


async def test_entries_go_and_exits_stay(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    held = rig.position(Leg.LONG)
    assert held > 0
    rig.strategy.halt()
    rig.pump()
    await wind_down(rig.strategy, SHORT_PATIENCE)
    assert rig.resting(Leg.LONG, opening=True) == rig.resting(Leg.SHORT, opening=True) == {}
    assert sum(rig.resting(Leg.LONG, opening=False).values()) == held
    assert caplog.messages == []


async def test_with_a_position_the_operator_can_still_ask_for_a_flatten(rig: Rig) -> None:
    ending = asyncio.create_task(wind_down(rig.strategy, Patience(answers=5, flatten=10), attended=True))
    await asyncio.sleep(0)
    rig.pump()
    assert rig.strategy.entries_gone
    await asyncio.sleep(0.1)
    assert not ending.done()
    await rig.control(1, deletion="Flatten")
    rig.pump()
    assert rig.position(Leg.LONG) == 0
    ending.cancel()


async def test_alone_or_without_a_position_nothing_is_waited_for(rig: Rig) -> None:
    rig.strategy.halt()
    rig.pump()
    await asyncio.wait_for(wind_down(rig.strategy, Patience(answers=60)), 10)
    await rig.control(1, killSwitch="flattenBoth")
    rig.pump()
    await rig.control(2, killSwitch="none")
    assert not rig.strategy.holding
    await asyncio.wait_for(wind_down(rig.strategy, Patience(answers=60), attended=True), 10)


async def test_entries_that_can_not_be_cancelled_are_named(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.venue.lost = True
    await wind_down(rig.strategy, SHORT_PATIENCE)
    assert rig.resting(Leg.LONG, opening=True)
    assert [message for message in caplog.messages if "entries are left at the venue" in message]


async def test_a_flatten_that_can_not_be_finished_is_named(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.venue.lost = True
    rig.strategy.flatten_side("both")
    await wind_down(rig.strategy, SHORT_PATIENCE)
    assert rig.position(Leg.LONG) > 0
    assert "a flatten is left undone: it goes on at the next start" in caplog.messages


async def test_nothing_opens_after_the_halt_whatever_a_document_says(rig: Rig) -> None:
    await rig.control(1, killSwitch="flattenBoth")
    rig.strategy.halt()
    await rig.control(2, killSwitch="none")
    sent = len(rig.venue.submitted)
    rig.bar(42000)
    rig.bar(42300)
    await wind_down(rig.strategy, SHORT_PATIENCE)
    assert [order for order in rig.venue.submitted[sent:] if not order.reduce_only] == []
