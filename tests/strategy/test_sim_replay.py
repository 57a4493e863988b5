"""A replay waits for the strategy: two runs give the same fills, at any speed."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg, OrderFilled, Quote
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.bars import BarFile
from naut_hedgegrid.venues.sim.records import LoggedCommand
from tests.strategy.node_parts import D, Recorder, ZigzagGrid, bars_of, replay_file, until, zigzag

LONG = Leg.LONG


def real_month() -> Path:
    folder = Path(os.environ.get("HEDGEGRID_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
    path = folder / "btc-perp-1m-2022-01.csv.gz"
    if not path.exists():
        pytest.skip(f"no market data at {path}; set HEDGEGRID_DATA to the folder that has it")
    return path


async def run(name: Path, bars: Path, strategy: Recorder, **sim: Any) -> tuple[list[OrderFilled], list[Any]]:
    """Fills and order log of a whole replay."""
    book = name.with_suffix(".book")
    async with SimNode(replay_file(bars, sim=sim), strategy, book) as node:
        await node.wait_for_market_end()
        assert node.errors.counts == {}
    with Audit(book) as audit:
        return audit.fills(), [_without_wall_time(command) for command in audit.order_log()]


def _without_wall_time(command: LoggedCommand) -> tuple[Any, ...]:
    return (command.sequence, command.ts, command.action, command.client_order_id, command.price, command.result)


async def test_two_runs_over_generated_bars_are_identical(tmp_path: Path) -> None:
    bars = bars_of(tmp_path / "bars.csv", zigzag(100))
    first = await run(tmp_path / "a", bars, ZigzagGrid())
    second = await run(tmp_path / "b", bars, ZigzagGrid())
    assert len(first[0]) > 100
    assert first == second


async def test_latency_changes_nothing_in_a_replay_whose_time_stands_still(tmp_path: Path) -> None:
    bars = bars_of(tmp_path / "bars.csv", zigzag(4))
    assert await run(tmp_path / "a", bars, ZigzagGrid()) == await run(tmp_path / "b", bars, ZigzagGrid(), latencyMs=15)


async def test_two_runs_over_the_first_day_of_the_real_month_are_identical(tmp_path: Path) -> None:
    day = tmp_path / "day.csv"
    lines = ["time,open,high,low,close"]
    lines += [
        f"{bar.close_ts},{bar.open},{bar.high},{bar.low},{bar.close}"
        for bar in islice(BarFile(real_month()).bars(), 1440)
    ]
    day.write_text("\n".join(lines) + "\n")
    make: Callable[[], ZigzagGrid] = partial(ZigzagGrid, centre=46_800, step=120)
    first = await run(tmp_path / "a", day, make())
    second = await run(tmp_path / "b", day, make())
    assert len(first[0]) > 20
    assert first == second


async def test_a_strategy_that_is_not_idle_holds_the_market(tmp_path: Path) -> None:
    """As one that waits for its store: what it sends then still meets the price it was decided at."""
    loop = asyncio.get_running_loop()

    def react(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 2:
            strategy.idle = False
            loop.call_later(0.05, decided, strategy)

    def decided(strategy: Recorder) -> None:
        assert len(strategy.quotes) == 2
        strategy.market("late", LONG, "0.010")
        strategy.idle = True

    strategy = Recorder(react)
    fills, _ = await run(tmp_path / "a", bars_of(tmp_path / "bars.csv", ["50000", "50400", "50000", "50100"]), strategy)
    assert [fill.price for fill in fills] == [D(50400)]
    assert len(strategy.quotes) == 4


async def test_a_strategy_that_never_rests_does_not_stop_the_market(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("naut_hedgegrid.engine.node._PATIENCE_SECONDS", 0.05)

    def react(strategy: Recorder, what: Any) -> None:
        strategy.idle = False
        if not isinstance(what, Quote):
            strategy.venue.request_state(10**9)  # for ever something new
        elif len(strategy.quotes) == 2:
            strategy.venue.request_state(10**9)

    strategy = Recorder(react)
    await run(tmp_path / "a", bars_of(tmp_path / "bars.csv", ["50000"] * 8), strategy)
    assert (len(strategy.quotes), strategy.market_ended) == (8, 1)
    assert "the replay goes on after 0.05 s" in caplog.text


async def test_speed_is_kept_in_wall_time(tmp_path: Path) -> None:
    strategy = Recorder()
    bars = bars_of(tmp_path / "bars.csv", ["50000"] * 12)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with SimNode(replay_file(bars, speed=300), strategy, tmp_path / "book"):
        await until(lambda: len(strategy.quotes) == 7)
        assert loop.time() - began >= 0.3  # six quarters of a minute
