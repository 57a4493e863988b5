"""`run_sim` as a real process: started, killed, stopped, restarted. What happened is read from the venue's book."""

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg, VenueOrder
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.runners import process as runner
from naut_hedgegrid.runners.identity import Identity
from naut_hedgegrid.runners.options import parse
from naut_hedgegrid.store.sqlite import SqliteStore
from tests.strategy.ops_support import LIVELY, STILL, Process, strategy_values, until, venue_values, wait_until

UID = "8f14e45f-ceea-467a-9575-6a4e3e0a1b2c"
POD = {"HEDGEGRID_UID": UID, "HEDGEGRID_NAME": "btc", "HEDGEGRID_NAMESPACE": "desk"}
LIVELIER = {**LIVELY, "annualVolatility": 5}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path, sim=LIVELIER) as process:
        yield process


def entries(orders: tuple[VenueOrder, ...]) -> list[VenueOrder]:
    return [order for order in orders if order.side is order.leg.opening]


def exits(orders: tuple[VenueOrder, ...]) -> list[VenueOrder]:
    return [order for order in orders if order.side is order.leg.closing]


def holding(process: Process) -> bool:
    """Something is held and every bit of it has its exit resting."""
    venue = process.venue()
    held = {leg: position.quantity for leg, position in venue.positions.items()}
    covered = {leg: sum((o.leaves for o in exits(venue.open_orders) if o.leg is leg), Decimal(0)) for leg in Leg}
    return any(held.values()) and held == covered


def test_it_trades_and_sigterm_cancels_entries_and_keeps_exits(run: Process) -> None:
    run.start(env=POD).running()
    wait_until(lambda: holding(run) and len(entries(run.venue().open_orders)) > 3, "fills, exits and entries")
    run.signal()
    run.signal()
    assert run.ended() == 0
    venue = run.venue()
    assert entries(venue.open_orders) == []
    for leg, position in venue.positions.items():
        resting = sum((order.leaves for order in exits(venue.open_orders) if order.leg is leg), Decimal(0))
        assert resting == position.quantity, "every bit that is held keeps its exit"
    assert run.book.name == f"{UID}.venue.sqlite"
    assert (run.store / f"{UID}.sqlite").is_file()
    assert all(order.client_order_id.startswith("hg-8f14e45f-") for order in venue.open_orders)

    lines = run.lines()
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert {(line["grid"], line["namespace"], line["uid"]) for line in lines} == {("btc", "desk", UID)}
    messages = [line["message"] for line in lines]
    assert messages[0].startswith("no own watch of the HedgeGrid: not in a cluster")
    assert messages[1:3] == ["running", "SIGTERM: stopping"]
    assert messages[-1] == "stopped"
    assert {line["level"] for line in lines[1:]} == {"INFO"}


def test_killed_and_restarted_it_adopts_everything_and_sends_nothing(run: Process) -> None:
    """Positions with their exits, entries around them; the market stands still while it happens."""
    run.start().running()
    wait_until(lambda: holding(run) and len(entries(run.venue().open_orders)) > 3, "fills, exits and entries")
    run.signal(signal.SIGKILL)
    run.ended()
    run.market(STILL | {"seed": LIVELIER["seed"]})
    run.start().running()
    settled = wait_for_rest(run)
    run.signal(signal.SIGKILL)
    run.ended()

    before = run.venue()
    assert entries(before.open_orders)
    run.start().running()
    wait_until(lambda: run.ask("GET", "/readyz").status == 200, "it to be ready")
    first_bar = run.ask("GET", "/health").json["last_bar_timestamp"]
    wait_until(lambda: run.ask("GET", "/health").json["last_bar_timestamp"] > first_bar + 1, "two bars")
    after = run.venue()
    assert len(run.commands()) == settled, "0 cancels, 0 creates"
    assert after.open_orders == before.open_orders
    assert after.positions == before.positions
    orders = run.ask("GET", "/orders").json["orders"]
    assert {order["client_order_id"] for order in orders} == {order.client_order_id for order in after.open_orders}
    assert run.ask("GET", "/status").json["callback_errors"] == 0


def wait_for_rest(process: Process) -> int:
    """The number of commands, once two bars have brought none."""
    seen = (-1, 0.0)

    def same() -> int | None:
        nonlocal seen
        count = len(process.commands())
        bar = process.ask("GET", "/health").json["last_bar_timestamp"]
        if count != seen[0]:
            seen = (count, bar)
        return count if bar > seen[1] + 2 else None

    found = wait_until(same, "two bars without a command")
    assert found
    return found


def test_awaiting_control_it_sends_nothing_until_the_first_document(run: Process) -> None:
    run.start("--await-control", env=POD).running()
    wait_until(lambda: run.ask("GET", "/readyz").status == 200, "it to be ready")
    wait_until(lambda: run.ask("GET", "/health").json["last_bar_timestamp"] > 0, "a bar")
    assert run.ask("GET", "/control").json["synced"] is False
    assert run.commands() == []
    refused = run.ask("PUT", "/control", {"uid": "another", "generation": 1})
    assert (refused.status, refused.json["reason"]) == (409, "uid")
    assert run.commands() == []
    accepted = run.ask("PUT", "/control", {"uid": UID, "generation": 1, "throttle": 0.5})
    assert accepted.status == 200
    wait_until(run.commands, "entries")
    assert {command.quantity for command in run.commands() if command.opening} == {Decimal("0.005")}


def test_a_kill_survives_kill_9_and_is_finished_by_the_next_start(run: Process) -> None:
    run.market({**LIVELIER, "latencyMs": 300})
    run.start(env=POD).running()
    wait_until(lambda: any(p.quantity for p in run.venue().positions.values()), "a position")
    kill = {"uid": UID, "generation": 1, "killSwitch": "flattenBoth"}
    operation = run.ask("PUT", "/control", kill).json["killSwitch"]["operationID"]
    answered = time.time_ns()
    run.signal(signal.SIGKILL)
    run.ended()
    assert not run.venue().flat, "killed in the middle of it"
    run.start("--await-control", env=POD).running()
    wait_until(lambda: run.venue().flat, "the venue to be flat")
    wait_until(lambda: run.ask("GET", "/control").json["killSwitch"]["state"] == "Flat", "the report to say so")
    report = run.ask("GET", "/control").json
    assert (report["killSwitch"]["operationID"], report["synced"]) == (operation, False)
    assert run.openings(answered) == [], "nothing opens after a kill"


def test_a_flatten_under_way_is_finished_before_the_process_ends(run: Process) -> None:
    run.market({**LIVELIER, "latencyMs": 300})
    run.start().running()
    wait_until(lambda: any(p.quantity for p in run.venue().positions.values()), "a position")
    assert run.ask("POST", "/flatten", {"side": "both"}).status == 200
    run.signal()
    assert not run.venue().flat
    wait_until(lambda: run.venue().flat, "the venue to be flat")
    flattened = wait_until(lambda: run.ask("GET", "/control").json["killSwitch"]["state"] == "Flat", "the report")
    assert flattened, "after SIGTERM /control still answers"
    assert run.ended() == 0
    assert run.venue().flat


def test_a_key_never_shows_up_in_the_log(run: Process, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "admin").write_text("s3cret-admin\n")
    run.start("--api-keys-dir", str(keys), "--log-level", "DEBUG", "--host", "127.0.0.3").running()
    assert run.ask("GET", "/control").status == 401
    assert run.ask("POST", "/throttle", {"throttle": 0.5}, key="s3cret-admin").status == 200
    run.signal(signal.SIGINT)
    assert run.ended() == 0
    assert "s3cret" not in run.log.read_text()
    audited = run.line("throttle 0.5")
    assert audited is not None
    assert (audited["who"], audited["role"]) == ("admin", "admin")


def test_without_operations_it_trades_as_well(run: Process) -> None:
    run.start(ops=False).running()
    wait_until(run.commands, "orders")
    run.signal()
    assert run.ended() == 0
    assert entries(run.venue().open_orders) == []


# -- starts that can't be


def test_a_wrong_file_is_one_message_and_status_2(run: Process) -> None:
    run._strategy.write_text(json.dumps(strategy_values(stepBps=-1, levelsLong="many")))
    assert run.start().ended() == 2
    (line,) = run.lines()
    assert line["level"] == "CRITICAL"
    assert "grid.stepBps" in line["message"]
    assert "grid.levelsLong" in line["message"]
    assert not run.store.exists()


@dataclass
class Start:
    """The process's main coroutine in the test's own loop."""

    folder: Path
    log: pytest.LogCaptureFixture

    def __call__(self, *arguments: str, sim: dict[str, Any] = STILL) -> Coroutine[None, None, int]:
        files = {"--strategy-config": strategy_values(), "--venue-config": venue_values(sim)}
        given: list[str] = []
        for flag, values in files.items():
            path = self.folder / f"{flag[2:]}.yaml"
            path.write_text(json.dumps(values))
            given += [flag, str(path)]
        given += [
            "--enable-ops",
            "--api-port",
            "0",
            "--prometheus-port",
            "0",
            "--store-dir",
            str(self.folder / "store"),
        ]
        return runner.run_process(parse("run", "", [*given, *arguments], {}), Identity())

    @property
    def message(self) -> str:
        """The one message about what is wrong."""
        (found,) = [record.getMessage() for record in self.log.records if record.levelno == logging.CRITICAL]
        return found


@pytest.fixture
def start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Start:
    caplog.set_level(logging.INFO)
    return Start(tmp_path, caplog)


async def test_a_missing_market_file_is_one_message_and_status_2(start: Start) -> None:
    assert await start(sim={"market": "replay", "replay": {"path": "/nowhere/bars.csv"}}) == 2
    assert "/nowhere/bars.csv" in start.message


async def test_an_open_address_without_a_key_is_refused(start: Start) -> None:
    assert await start("--host", "192.0.2.1") == 2
    assert "--api-keys-dir" in start.message


async def test_an_empty_key_folder_is_refused(start: Start, tmp_path: Path) -> None:
    assert await start("--api-keys-dir", str(tmp_path / "none")) == 2
    assert "no API key" in start.message


async def test_a_port_in_use_is_one_message(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert await start("--api-port", str(port)) == 2
    assert f"port {port}" in start.message


async def test_a_store_in_use_is_refused(start: Start, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store" / "sim.sqlite", "0badcafe", "BTCUSDT-PERP.BINANCE")
    assert await start() == 1
    assert "in use by another process" in start.message
    store.close()


async def test_another_market_than_the_books_is_refused_and_everything_is_freed(start: Start) -> None:
    running = asyncio.create_task(start())
    await until(lambda: "running" in start.log.messages, "the start")
    signal.raise_signal(signal.SIGTERM)
    assert await running == 0
    assert await start(sim={**STILL, "seed": 8}) == 2
    assert "seed 8" in start.message


async def test_a_node_that_ends_by_itself_ends_the_process_with_its_reason(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes: list[SimNode] = []

    class Watched(SimNode):
        async def start(self) -> None:
            await super().start()
            nodes.append(self)

    monkeypatch.setattr(runner, "SimNode", Watched)
    running = asyncio.create_task(start())
    await until(lambda: nodes and "running" in start.log.messages, "the node")
    assembly: Any = nodes[0]._assembly
    assembly.handle.stop()
    assert await asyncio.wait_for(running, 20) == 1
    assert "ended by itself" in start.message
