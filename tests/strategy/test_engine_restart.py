"""A node that starts on a book with a past: it takes over what the venue holds, and says so if it can't."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.barfile import BarFileError
from naut_hedgegrid.domain.values import Leg, Quote, VenueState
from naut_hedgegrid.engine.agreement import VenueDisagreementError
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.ledger import BookFileError
from naut_hedgegrid.venues.sim.market import MarketError
from tests.strategy.node_parts import D, Recorder, ZigzagGrid, bars_of, replay_file, synthetic_file, until, zigzag
from tests.unit.book_parts import desk

LONG, SHORT = Leg.LONG, Leg.SHORT


async def play(file: VenueFile, strategy: Recorder, book: Path, faults: Faults | None = None) -> None:
    """One process's life, to the end of the replay."""
    async with SimNode(file, strategy, book, faults=faults) as node:
        await node.wait_for_market_end()
        assert node.errors.counts == {}


async def test_orders_keep_their_ids_and_go_on_getting_events(tmp_path: Path) -> None:
    file = replay_file(bars_of(tmp_path / "bars.csv", ["50000"] * 4))

    def first(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.market("in", LONG, "0.010")
            strategy.limit("tp", LONG, "0.006", "50100", close=True, post_only=True)
            strategy.limit("entry", SHORT, "0.010", "50200", post_only=True)

    await play(file, Recorder(first), tmp_path / "book")
    second = Recorder()
    async with SimNode(file, second, tmp_path / "book") as node:
        second.venue.request_state(1)
        await until(lambda: bool(second.states))
        assert {order.client_order_id for order in second.states[0].open_orders} == {"tp", "entry"}
        assert second.states[0].positions[LONG].quantity == D("0.010")
        assert second.states[0].fills == ()
        second.venue.cancel("entry")
        second.limit("tp too", LONG, "0.004", "50000", close=True)
        await until(lambda: node.traffic.at_rest)
    assert second.told("entry") == ["OrderEnded"]
    assert second.told("tp too") == ["OrderAccepted", "OrderFilled"]
    assert second.told("in") == []
    with Audit(tmp_path / "book") as audit:
        assert [order.client_order_id for order in audit.snapshot().open_orders] == ["tp"]


async def test_a_partly_filled_order_is_filled_further_after_a_restart(tmp_path: Path) -> None:
    prices = ["50000", "50000", "49900", "49900", "49900", "49950", "49900", "49950"]

    def first(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.market("earlier", LONG, "0.010")
            strategy.limit("a", LONG, "0.010", "49950")

    def stopping(strategy: Recorder, what: Any) -> None:
        first(strategy, what)
        if strategy.fills and strategy.fills[-1].client_order_id == "a":
            asyncio.get_running_loop().call_soon(stop.set)

    stop = asyncio.Event()
    file = replay_file(bars_of(tmp_path / "bars.csv", prices), speed=60)
    faults = Faults(largest_tick_fill=D("0.004"))
    before = Recorder(stopping)
    async with SimNode(file, before, tmp_path / "book", faults=faults):
        await stop.wait()
    with Audit(tmp_path / "book") as audit:
        (order,) = audit.snapshot().open_orders
        assert D(0) < order.filled < order.quantity
    after = Recorder()
    await play(replay_file(tmp_path / "bars.csv"), after, tmp_path / "book", faults)
    assert set(after.told("a")) == {"OrderFilled"}
    with Audit(tmp_path / "book") as audit:
        assert audit.snapshot().open_orders == ()
        assert audit.snapshot().positions[LONG].quantity == D("0.020")
        assert [fill.trade_id for fill in before.fills + after.fills] == [fill.trade_id for fill in audit.fills()]


async def test_ten_restarts_after_fifty_trades_all_succeed(tmp_path: Path) -> None:
    file = replay_file(bars_of(tmp_path / "bars.csv", zigzag(60)))
    faults = Faults(largest_tick_fill=D("0.007"))
    await play(file, ZigzagGrid(), tmp_path / "book", faults)
    with Audit(tmp_path / "book") as audit:
        assert len(audit.fills()) >= 50
        before, log = audit.snapshot(), audit.order_log()
        assert before.open_orders
    for _ in range(10):
        strategy = ZigzagGrid()
        await play(file, strategy, tmp_path / "book", faults)
        assert strategy.states[0].open_orders == before.open_orders
    with Audit(tmp_path / "book") as audit:
        assert audit.order_log() == log  # 0 cancels, 0 creates
        assert audit.snapshot() == before


async def test_each_stop_in_the_middle_is_taken_up_again(tmp_path: Path) -> None:
    bars_of(tmp_path / "bars.csv", zigzag(60))
    faults = Faults(largest_tick_fill=D("0.007"))
    seen: list[int] = []
    for number in range(1, 9):
        enough = asyncio.Event()

        def react(strategy: Recorder, _what: Any, stop: asyncio.Event = enough, after: int = number * 3) -> None:
            if len(strategy.fills) >= after:
                stop.set()

        strategy = ZigzagGrid(react)
        file = replay_file(tmp_path / "bars.csv")
        async with SimNode(file, strategy, tmp_path / "book", faults=faults) as node:
            waits = [asyncio.create_task(enough.wait()), asyncio.create_task(node.wait_for_market_end())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        seen += [fill.trade_id for fill in strategy.fills]
    with Audit(tmp_path / "book") as audit:
        assert seen == [fill.trade_id for fill in audit.fills()][: len(seen)]
        assert len(seen) >= 50


async def test_the_market_goes_on_where_it_stopped(tmp_path: Path) -> None:
    prices = [str(50_000 + number) for number in range(0, 400, 10)]
    for start in range(0, len(prices), 4):
        prices[start + 1], prices[start + 3] = prices[start + 3], prices[start + 1]
        prices[start + 2] = prices[start]
    bars_of(tmp_path / "bars.csv", prices)
    heard: list[Quote] = []
    for _ in range(3):
        enough = asyncio.Event()

        def react(strategy: Recorder, _what: Any, stop: asyncio.Event = enough) -> None:
            if len(strategy.quotes) == 7:
                stop.set()

        strategy = Recorder(react)
        async with SimNode(replay_file(tmp_path / "bars.csv", speed=600), strategy, tmp_path / "book"):
            await enough.wait()
        heard += strategy.quotes
    last = Recorder()
    await play(replay_file(tmp_path / "bars.csv"), last, tmp_path / "book")
    heard += last.quotes
    assert [str(quote.bid) for quote in heard] == [f"{price}.0" for price in prices]
    again = Recorder()
    await play(replay_file(tmp_path / "bars.csv"), again, tmp_path / "book")
    assert (again.quotes, again.market_ended) == ([], 1)


async def test_a_synthetic_market_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def some(book: Path, count: int) -> list[D]:
        strategy = Recorder()
        async with SimNode(synthetic_file(ticks_per_second=500), strategy, book):
            await until(lambda: len(strategy.quotes) >= count)
        return [quote.bid for quote in strategy.quotes]

    whole = await some(tmp_path / "whole", 60)
    parts = [*await some(tmp_path / "parts", 20), *await some(tmp_path / "parts", 20)]
    shorter = min(len(whole), len(parts))
    assert shorter >= 40
    assert parts[:shorter] == whole[:shorter]


async def test_orders_work_before_the_first_tick_of_a_restart(tmp_path: Path) -> None:
    file = replay_file(bars_of(tmp_path / "bars.csv", ["50000"] * 4))

    def first(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.market("in", LONG, "0.010")

    await play(file, Recorder(first), tmp_path / "book")
    second = Recorder()
    async with SimNode(file, second, tmp_path / "book") as node:
        second.market("out", LONG, "0.010", close=True)
        await until(lambda: node.traffic.at_rest)
    assert second.told("out") == ["OrderAccepted", "OrderFilled"]


async def test_an_engine_that_did_not_take_over_the_position_does_not_trade(tmp_path: Path) -> None:
    """The fills of an order that is still open don't add up to the position: the file was tampered with."""

    def first(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.market("in", LONG, "0.010")
            strategy.limit("a", LONG, "0.010", "49950")

    prices = ["50000", "50000", "49900", "49950"]
    file = replay_file(bars_of(tmp_path / "bars.csv", prices))
    await play(file, Recorder(first), tmp_path / "book", Faults(largest_tick_fill=D("0.002")))
    with sqlite3.connect(tmp_path / "book") as db:
        db.execute("update venue set long_quantity = '0.999'")
    strategy = Recorder()
    node = SimNode(file, strategy, tmp_path / "book")
    with pytest.raises(VenueDisagreementError, match="LONG: engine"):
        await node.start()
    assert strategy.gateway is None
    assert not node.running


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: (folder / "bars.csv").write_text("nothing\n"), BarFileError),
        (lambda folder: (folder / "bars.csv").rename(folder / "other.csv"), BarFileError),
        (
            lambda folder: (folder / "book").write_bytes(b"no database, but long enough to be one" * 20),
            sqlite3.DatabaseError,
        ),
    ],
)
async def test_a_start_that_fails_says_why_and_leaves_nothing_behind(
    tmp_path: Path, spoil: Callable[[Path], object], error: type[Exception]
) -> None:
    file = replay_file(bars_of(tmp_path / "bars.csv", ["50000"] * 4))
    spoil(tmp_path)
    node = SimNode(file, Recorder(), tmp_path / "book")
    with pytest.raises(error):
        await node.start()
    (tmp_path / "book").unlink(missing_ok=True)
    await play(replay_file(bars_of(tmp_path / "good.csv", ["50000"] * 4)), Recorder(), tmp_path / "book")


async def test_a_book_in_use_or_of_another_market_is_refused(tmp_path: Path) -> None:
    file = replay_file(bars_of(tmp_path / "bars.csv", ["50000"] * 4))
    async with SimNode(file, Recorder(), tmp_path / "book") as node:
        with pytest.raises(BookFileError, match="in use"):
            Book(tmp_path / "book", node.book.rules)
        await node.wait_for_market_end()
    other = replay_file(bars_of(tmp_path / "other.csv", ["50000"] * 4))
    with pytest.raises(MarketError, match=r"replay bars\.csv"):
        await SimNode(other, Recorder(), tmp_path / "book").start()
    await play(file, Recorder(), tmp_path / "book")


async def test_a_bad_line_far_down_ends_the_market_and_is_reported(tmp_path: Path) -> None:
    path = bars_of(tmp_path / "bars.csv", ["50000"] * 600)
    with path.open("a") as lines:
        lines.write("1640999999000,1,2,0,2,1,1641000058999\n")
    errors: list[str] = []
    strategy = Recorder()
    node = SimNode(
        replay_file(path), strategy, tmp_path / "book", on_error=lambda where, error: errors.append(f"{where} {error}")
    )
    async with node:
        await until(lambda: bool(errors))
        assert node.running
    assert "market" in errors[0]
    assert "line 152" in errors[0]
    assert len(strategy.quotes) == 600
    assert strategy.market_ended == 0


def test_it_runs_on_uvloop(tmp_path: Path) -> None:
    strategy = ZigzagGrid()
    uvloop.run(play(replay_file(bars_of(tmp_path / "bars.csv", zigzag(20))), strategy, tmp_path / "book"))
    assert isinstance(strategy.heard[0], VenueState)
    assert strategy.fills


def _random_past(path: Path, seed: int) -> None:
    """Entries, exits, stops, the venue's own closes, partial fills and several fills at one time, in any order."""
    chance = random.Random(seed)
    with desk(path, Faults(largest_tick_fill=D("0.004")), starting_balance=D(100_000)) as at:
        price = D(50_000)
        for number in range(80):
            leg, quantity = chance.choice(list(Leg)), D(chance.randint(2, 14)) / 1000
            distance = leg.sign * D(chance.randint(-3, 40)) / 10
            held = at.quantity(leg)
            kinds = ["entry", "exit", "stop", "close", "autoclose", "cancel", "move"]
            match chance.choice(kinds) if number else "move":
                case "entry":
                    at.limit(f"e{number}", leg, str(quantity), str(price - distance))
                case "exit" if held:
                    at.limit(f"x{number}", leg, str(min(held, quantity)), str(price + distance), close=True)
                case "stop" if held:
                    at.stop(f"s{number}", leg, str(min(held, quantity)), str(price - distance))
                case "autoclose" if held:
                    close = chance.choice([at.book.liquidate, at.book.deleverage])
                    close(leg, min(held, quantity), price)
                case "close" if held:
                    at.market(f"m{number}", leg, str(min(held, quantity)), close=True)
                case "cancel":
                    at.cancel(f"e{chance.randint(0, number)}")
                case _:
                    price += D(chance.randint(-40, 40)) / 10
                    at.price(price, seconds=chance.choice([0, 1]))


async def test_any_past_is_taken_over(tmp_path: Path) -> None:
    """One tick may fill several orders of a leg: in which order decides on the average entry price."""
    for seed in range(30):
        path = tmp_path / f"book{seed}"
        _random_past(path, seed)
        with sqlite3.connect(path) as db:
            db.execute("update venue set market = 'synthetic seed 1 start 50000', position = '1 0.0'")
        async with SimNode(synthetic_file(), Recorder(), path) as node:  # raises where engine and venue differ
            assert node.running
