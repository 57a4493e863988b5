"""The documented operational surface of HedgeGridV1 and OperationsManager, on a real node with a moving market."""

import asyncio
import itertools
import math
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hedgegrid_api.types import LegState
from naut_hedgegrid.ops import OperationsManager
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.sim.audit import Audit
from tests.strategy.ops_support import INSTRUMENT, Served, alone, served, until

METRICS = {
    "long_inventory_usdt",
    "short_inventory_usdt",
    "net_inventory_usdt",
    "active_rungs_long",
    "active_rungs_short",
    "open_orders_count",
    "margin_ratio",
    "maker_ratio",
    "funding_rate_current",
    "funding_cost_1h_projected_usdt",
    "realized_pnl_usdt",
    "unrealized_pnl_usdt",
    "total_pnl_usdt",
    "uptime_seconds",
    "last_bar_timestamp",
}


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as here:
        await until(here.held, "a position")
        yield here


def test_the_strategy_has_the_methods(tmp_path: Path) -> None:
    strategy = alone(tmp_path)
    for method in (
        "get_operational_metrics",
        "attach_kill_switch",
        "flatten_side",
        "set_throttle",
        "get_ladders_snapshot",
    ):
        assert callable(getattr(strategy, method))


def test_metrics_are_complete_and_unknown_before_the_start(tmp_path: Path) -> None:
    metrics = alone(tmp_path).get_operational_metrics()
    assert set(metrics) == METRICS
    assert metrics["last_bar_timestamp"] == 0.0
    assert math.isnan(metrics["margin_ratio"])
    assert math.isnan(metrics["maker_ratio"])
    assert metrics["uptime_seconds"] >= 0


async def test_metrics_follow_the_venue(pod: Served) -> None:
    await until(lambda: pod.strategy.get_operational_metrics()["last_bar_timestamp"], "a bar")
    metrics = pod.strategy.get_operational_metrics()
    assert set(metrics) == METRICS
    assert all(isinstance(value, float) for value in metrics.values())
    net = metrics["long_inventory_usdt"] - metrics["short_inventory_usdt"]
    assert metrics["net_inventory_usdt"] == pytest.approx(net)
    assert metrics["total_pnl_usdt"] == pytest.approx(metrics["realized_pnl_usdt"] + metrics["unrealized_pnl_usdt"])
    assert 0 < metrics["maker_ratio"] <= 1


async def test_the_state_of_the_metrics_begins_with_the_start_and_counts_each_fill_once(tmp_path: Path) -> None:
    async with served(tmp_path, start=False) as pod:
        begin = pod.strategy.get_operational_metrics()
        assert begin["last_bar_timestamp"] == 0.0
        assert math.isnan(begin["maker_ratio"])
        assert math.isnan(begin["open_orders_count"]), "unknown, not none"
        await pod.node.start()
        await until(pod.held, "a position")
        await pod.strategy.flatten("both")
        await until(lambda: pod.venue().flat and pod.strategy.idle, "the venue to be flat")
        metrics = pod.strategy.get_operational_metrics()
        with Audit(pod.book) as audit:
            fills = audit.fills()
    notional = sum(fill.price * fill.quantity for fill in fills)
    made = sum(fill.price * fill.quantity for fill in fills if fill.maker)
    assert metrics["maker_ratio"] == pytest.approx(float(made / notional))
    assert metrics["uptime_seconds"] > begin["uptime_seconds"]
    assert metrics["long_inventory_usdt"] == metrics["short_inventory_usdt"] == 0


def test_the_snapshot_of_the_ladders_before_the_first_one(tmp_path: Path) -> None:
    assert alone(tmp_path).get_ladders_snapshot() == {"long_ladder": [], "short_ladder": [], "mid_price": 0.0}


async def test_the_ladders_are_tracked(pod: Served) -> None:
    snapshot = pod.strategy.get_ladders_snapshot()
    assert set(snapshot) == {"timestamp", "mid_price", "long_ladder", "short_ladder"}
    assert snapshot["timestamp"] > 1.7e18
    for side, ladder in (("LONG", snapshot["long_ladder"]), ("SHORT", snapshot["short_ladder"])):
        assert [set(rung) for rung in ladder] == [{"price", "qty", "side"}] * 5
        assert {rung["side"] for rung in ladder} == {side}
    prices = [rung["price"] for rung in snapshot["long_ladder"]]
    assert prices == sorted(prices, reverse=True)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan, math.inf, -math.inf])
def test_the_throttle_is_validated(tmp_path: Path, wrong: float) -> None:
    strategy = alone(tmp_path)
    with pytest.raises(ValueError, match=str(wrong)):
        strategy.set_throttle(wrong)
    assert strategy.report().throttle.effective == 1
    strategy.set_throttle(0.0)
    assert strategy.report().throttle.effective == 0


@pytest.mark.parametrize("wrong", ["LONG", "", "all", "Both"])
def test_flatten_validates_its_side(tmp_path: Path, wrong: str) -> None:
    strategy = alone(tmp_path)
    with pytest.raises(ValueError, match=r"'long', 'short', 'both'"):
        strategy.flatten_side(wrong)
    assert strategy.report().latches == ()


async def test_flatten_side_answers_and_flattens(pod: Served) -> None:
    answer = await asyncio.to_thread(pod.strategy.flatten_side, "both")
    assert set(answer) == {"cancelled_orders", "closing_positions"}
    assert answer["cancelled_orders"] > 0
    await until(lambda: pod.strategy.report().kill_switch.state is LegState.FLAT, "state Flat")
    assert pod.venue().flat
    again = pod.strategy.flatten_side("both")
    assert again == {"cancelled_orders": 0, "closing_positions": []}


class Monitor:
    """A risk monitor of somebody's own: flattens when it is told to."""

    strategy: HedgeGridV1 | None = None

    def attached(self, strategy: HedgeGridV1) -> None:
        self.strategy = strategy

    def trip(self) -> dict[str, Any]:
        assert self.strategy is not None
        return self.strategy.flatten_side("both")


async def test_an_attached_kill_switch_may_flatten_from_any_thread(pod: Served) -> None:
    monitor = Monitor()
    pod.strategy.attach_kill_switch(monitor)
    assert pod.strategy.kill_switch is monitor
    answer = await asyncio.to_thread(monitor.trip)
    assert answer["cancelled_orders"] > 0
    await until(lambda: pod.venue().flat, "the venue to be flat")
    assert {latch.leg for latch in pod.strategy.report().latches} == {"LONG", "SHORT"}


async def test_an_attached_kill_switch_may_flatten_on_the_strategys_own_thread(pod: Served) -> None:
    monitor = Monitor()
    pod.strategy.attach_kill_switch(monitor)
    assert monitor.trip()["cancelled_orders"] > 0
    await until(lambda: pod.venue().flat, "the venue to be flat")


async def test_a_kill_switch_that_trips_in_many_threads_at_once_flattens_once(pod: Served) -> None:
    monitor = Monitor()
    pod.strategy.attach_kill_switch(monitor)
    await asyncio.gather(*(asyncio.to_thread(monitor.trip) for _ in range(8)))
    await until(lambda: pod.venue().flat and pod.strategy.idle, "the venue to be flat")
    engaged = pod.strategy.report().kill_switch
    assert len({engaged.legs.long.operation_id, engaged.legs.short.operation_id}) == 1
    with Audit(pod.book) as audit:
        cancelled = [command.client_order_id for command in audit.order_log() if command.action == "cancel"]
    assert len(cancelled) == len(set(cancelled)), "no order is cancelled twice"


def test_a_kill_switch_that_wants_to_know_nothing_attaches_too(tmp_path: Path) -> None:
    strategy = alone(tmp_path)
    other: Any = object()
    strategy.attach_kill_switch(other)
    assert strategy.kill_switch is other


def test_the_manager_initialises_as_documented(tmp_path: Path) -> None:
    manager = OperationsManager(strategy=alone(tmp_path), instrument_id=INSTRUMENT)
    assert (manager.prometheus_port, manager.api_port, manager.host) == (9090, 8080, "127.0.0.1")
    assert not manager.running
    manager.stop()


async def test_the_manager_starts_updates_and_stops(pod: Served) -> None:
    manager = OperationsManager(strategy=pod.strategy, instrument_id=INSTRUMENT, prometheus_port=0, api_port=0)
    manager.start()
    assert manager.running
    api, metrics = manager.api_port, manager.prometheus_port
    await asyncio.to_thread(manager.update_metrics)
    async with pod.session.get(f"http://127.0.0.1:{api}/health") as answer:
        assert (await answer.json())["running"] is True
    async with pod.session.get(f"http://127.0.0.1:{metrics}/metrics") as answer:
        text = await answer.text()
    assert f'hedgegrid_throttle{{instrument="{INSTRUMENT}"}} 1.0' in text
    for name in METRICS - {"open_orders_count"} | {"open_orders"}:
        assert f"# TYPE hedgegrid_{name} gauge" in text, name
    manager.stop()
    await manager.closed()
    assert not manager.running
    for port in (api, metrics):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "the port is free again"


async def test_update_metrics_fetches_from_the_strategy_by_itself(pod: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naut_hedgegrid.ops.manager.REFRESH_SECONDS", 3600)
    manager = OperationsManager(strategy=pod.strategy, instrument_id=INSTRUMENT, prometheus_port=0, api_port=0)
    manager.start()
    for throttle in (0.25, 0.75):
        pod.strategy.set_throttle(throttle)
        await asyncio.to_thread(manager.update_metrics)
        async with pod.session.get(f"http://127.0.0.1:{manager.prometheus_port}/metrics") as answer:
            assert f'hedgegrid_throttle{{instrument="{INSTRUMENT}"}} {throttle}' in await answer.text()
    manager.stop()
    await manager.closed()


async def test_a_strategy_that_fails_is_shown_as_unknown_and_the_api_stays_up(
    pod: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naut_hedgegrid.ops.manager.REFRESH_SECONDS", 0.01)

    def broken() -> None:
        raise RuntimeError("no figures today")

    monkeypatch.setattr(pod.strategy, "get_operational_metrics", broken)
    throttle = f'hedgegrid_throttle{{instrument="{INSTRUMENT}"}}'
    async with asyncio.timeout(20):
        while not math.isnan((await pod.scrape())[throttle]):  # noqa: ASYNC110  a scrape has no event
            await asyncio.sleep(0.01)
    assert await pod.get("/livez") == {"live": True}
    with pytest.raises(RuntimeError, match="no figures today"):
        pod.ops.update_metrics()


async def test_eight_threads_hammer_the_methods_while_the_market_moves(pod: Served) -> None:
    """An engine object touched off its loop would abort the process; a torn answer would break an identity."""
    strategy = pod.strategy
    stop = threading.Event()
    done: list[int] = []

    def metrics(_: int) -> None:
        found = strategy.get_operational_metrics()
        assert set(found) == METRICS
        assert found["net_inventory_usdt"] == pytest.approx(
            found["long_inventory_usdt"] - found["short_inventory_usdt"], abs=1e-6
        )

    def ladders(_: int) -> None:
        snapshot = strategy.get_ladders_snapshot()
        assert len(snapshot["long_ladder"]) == len(snapshot["short_ladder"]) == 5
        assert snapshot["long_ladder"][0]["price"] < snapshot["short_ladder"][0]["price"]

    def throttle(turn: int) -> None:
        strategy.set_throttle((turn % 5) / 4)

    def flatten(turn: int) -> None:
        answer = strategy.flatten_side(("long", "short", "both")[turn % 3])
        assert set(answer) == {"cancelled_orders", "closing_positions"}

    def attach(_: int) -> None:
        strategy.attach_kill_switch(_Silent())

    def hammer(call: Callable[[int], None]) -> None:
        for turn in itertools.count():
            if stop.is_set():
                done.append(turn)
                return
            call(turn)

    def export(_: int) -> None:
        pod.ops.update_metrics()

    calls = [metrics, metrics, ladders, ladders, throttle, flatten, attach, export]
    before = pod.venue().ts
    pool = ThreadPoolExecutor(len(calls))
    workers = [asyncio.get_running_loop().run_in_executor(pool, hammer, call) for call in calls]
    for _ in range(3):
        await until(lambda: pod.strategy.report().kill_switch.legs.long.state == "Flat", "a flatten in the storm")
        for latch in {latch.id for latch in strategy.report().latches}:
            await strategy.resume(latch, "both")
    await until(lambda: pod.venue().ts - before > 2e9, "the market to move on")
    stop.set()
    await asyncio.gather(*workers)
    pool.shutdown()
    assert len(done) == 8
    assert min(done) > 10
    assert strategy.errors == 0

    await strategy.flatten("both")
    await until(lambda: pod.venue().flat, "the venue to be flat")
    strategy.set_throttle(1.0)
    for latch in {latch.id for latch in strategy.report().latches}:
        await strategy.resume(latch, "both")
    await until(lambda: pod.venue().open_orders, "trading to go on")


class _Silent:
    def attached(self, strategy: Any) -> None:
        """Nothing to do."""
