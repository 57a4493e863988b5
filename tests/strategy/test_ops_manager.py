"""OperationsManager: started and stopped from anywhere, errors that leave nothing behind, resources freed."""

import asyncio
import json
import math
import socket
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.ops import OperationsManager
from naut_hedgegrid.ops.manager import OperationsError
from naut_hedgegrid.ops.port import LoopPort
from naut_hedgegrid.venues.sim.audit import Audit
from tests.strategy.ops_support import INSTRUMENT, Served, alone, samples, served, until, wait_until


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[OperationsManager]:
    """Without any loop around it."""
    manager = OperationsManager(alone(tmp_path), INSTRUMENT, prometheus_port=0, api_port=0)
    yield manager
    manager.stop()


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return response.read().decode()


def free(port: int) -> bool:
    """Nobody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def operations_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "operations"]


def test_without_a_loop_it_serves_on_its_own_thread_and_frees_everything(manager: OperationsManager) -> None:
    manager.start()
    api, metrics = manager.api_port, manager.prometheus_port
    assert 0 not in {api, metrics}
    assert json.loads(get(api, "/livez")) == {"live": True}
    assert "hedgegrid_uptime_seconds" in get(metrics, "/metrics")
    assert len(operations_threads()) == 1
    manager.stop()
    assert free(api)
    assert free(metrics)
    assert operations_threads() == []
    assert not manager.running
    manager.stop()


def test_it_can_be_started_again(manager: OperationsManager) -> None:
    for _ in range(2):
        manager.start()
        assert json.loads(get(manager.api_port, "/control"))["synced"] is True
        manager.stop()


def test_started_twice_is_an_error_and_changes_nothing(manager: OperationsManager) -> None:
    manager.start()
    with pytest.raises(OperationsError, match="stop them first"):
        manager.start()
    assert json.loads(get(manager.api_port, "/livez")) == {"live": True}


@pytest.mark.parametrize("taken", ["control API", "metrics exporter"])
def test_a_port_in_use_is_one_clear_error_and_nothing_stays_behind(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as probe:
        used, unused = other.getsockname()[1], probe.getsockname()[1]
        probe.close()
        ports = {"api_port": used, "prometheus_port": unused}
        if taken == "metrics exporter":
            ports = {"api_port": unused, "prometheus_port": used}
        manager = OperationsManager(alone(tmp_path), INSTRUMENT, **ports)
        with pytest.raises(OperationsError, match=rf"{taken} can't listen on 127.0.0.1 port {used}: .*in use.*--api-"):
            manager.start()
        assert free(unused)
        assert operations_threads() == []
    manager.start()
    assert json.loads(get(manager.api_port, "/livez")) == {"live": True}
    manager.stop()


async def test_on_a_loop_it_listens_when_start_returns_and_is_freed_by_stop(tmp_path: Path) -> None:
    manager = OperationsManager(alone(tmp_path), INSTRUMENT, 0, 0)
    manager.start()
    port = manager.api_port
    assert operations_threads() == []
    assert json.loads(await asyncio.to_thread(get, port, "/livez")) == {"live": True}
    manager.stop()
    assert free(port)
    await manager.closed()
    assert not manager.running
    manager.start()
    await asyncio.to_thread(get, manager.api_port, "/livez")
    await asyncio.to_thread(manager.stop)
    assert not manager.running


async def test_it_may_be_stopped_before_it_has_served_anything(tmp_path: Path) -> None:
    manager = OperationsManager(alone(tmp_path), INSTRUMENT, 0, 0)
    manager.start()
    port = manager.api_port
    manager.stop()
    await manager.closed()
    assert free(port)


def test_update_metrics_takes_a_new_snapshot(manager: OperationsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.start()
    wait_until(lambda: "NaN" not in get(manager.prometheus_port, "/metrics").split("throttle{", 1)[1][:60], "a refresh")
    manager._strategy.set_throttle(0.25)
    manager.update_metrics()
    found = samples(get(manager.prometheus_port, "/metrics"))
    assert found[f'hedgegrid_throttle{{instrument="{INSTRUMENT}"}}'] == 0.25
    assert math.isnan(found[f'hedgegrid_margin_ratio{{instrument="{INSTRUMENT}"}}'])


async def test_a_scrape_shows_the_grid_within_a_second_or_two(tmp_path: Path) -> None:
    async with served(tmp_path, labels={"grid_namespace": "desk", "grid": "btc"}) as pod:
        await until(lambda: pod.strategy.get_operational_metrics()["maker_ratio"] >= 0, "a fill")
        labels = f'{{grid="btc",grid_namespace="desk",instrument="{INSTRUMENT}"}}'
        pod.ops.update_metrics()
        metrics = pod.strategy.get_operational_metrics()
        found = await pod.scrape()
        for name in ("uptime_seconds", "open_orders", "realized_pnl_usdt", "margin_ratio", "maker_ratio"):
            assert not math.isnan(found[f"hedgegrid_{name}{labels}"]), name
        assert found[f"hedgegrid_uptime_seconds{labels}"] <= metrics["uptime_seconds"]
        shown = found[f"hedgegrid_uptime_seconds{labels}"]
        await until(lambda: shown_now(pod) > shown, "a refresh by itself")
        assert (await pod.scrape())[f"hedgegrid_uptime_seconds{labels}"] > shown


def shown_now(pod: Served) -> Any:
    """The uptime in the exporter's snapshot."""
    return pod.ops._exporter._snapshot["uptime_seconds"][()]


async def test_a_scrape_shows_what_the_venue_has_done(tmp_path: Path) -> None:
    async with served(tmp_path) as pod:
        await until(lambda: (found := pod.strategy.counts()) and sum(found.round_trips.values()), "a round trip")
        await pod.strategy.flatten("both")
        await until(lambda: pod.venue().flat and pod.strategy.idle, "the venue to be flat")
        pod.ops.update_metrics()
        found = {name: value for name, value in (await pod.scrape()).items() if not math.isnan(value)}
        venue = pod.venue()
        with Audit(pod.book) as audit:
            fills = audit.fills()

    def shown(name: str, **labels: str) -> float:
        """Sum over the series with these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        series = [key for key in found if key.startswith(f"hedgegrid_{name}{{")]
        return sum(found[key] for key in series if all(label in key for label in wanted))

    assert shown("fills_total") == len(fills)
    assert shown("fills_total", leg="LONG", liquidity="maker") == len(
        [fill for fill in fills if fill.maker and fill.leg == "LONG"]
    )
    assert shown("fees_usdt_total") == pytest.approx(float(sum(fill.commission for fill in fills)))
    assert shown("orders_total", outcome="sent") == shown("orders_total", outcome="accepted") > 10
    assert shown("orders_total", role="FLATTEN", outcome="filled") >= 1
    assert shown("order_latency_seconds_count") == shown("orders_total", outcome="accepted")
    assert shown("fill_to_take_profit_seconds_count") > 0
    assert shown("round_trips_total") >= 1
    assert shown("account_balance_usdt") == shown("equity_usdt") == pytest.approx(float(venue.wallet))
    assert 0 <= shown("data_age_seconds") < 10
    assert shown("kill_switch_state", leg="LONG", state="Flat") == 1


async def test_a_scrape_never_touches_the_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naut_hedgegrid.ops.manager.REFRESH_SECONDS", 3600)
    async with served(tmp_path, start=False) as pod:
        await until(lambda: pod.ops._exporter._snapshot, "the first refresh")

        def touched() -> None:
            raise AssertionError("a scrape asked the strategy")

        for question in ("get_operational_metrics", "report", "figures", "counts", "risk_figures", "unprotected"):
            monkeypatch.setattr(pod.strategy, question, touched)
        assert (await pod.scrape())[f'hedgegrid_throttle{{instrument="{INSTRUMENT}"}}'] == 1


def test_operations_on_one_loop_and_the_node_on_another(tmp_path: Path) -> None:
    """The engine aborts the process when it is touched off its loop; a kill over HTTP has to hop."""
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, Served]] = Future()

    async def node() -> None:
        async with served(tmp_path) as pod:
            stop = asyncio.Event()
            ready.set_result((asyncio.get_running_loop(), stop, pod))
            await stop.wait()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(lambda: asyncio.run(node()))
        loop, stop, pod = ready.result(30)
        second = OperationsManager(pod.strategy, INSTRUMENT, 0, 0)
        second.start()
        try:
            wait_until(pod.held, "a position")
            body: dict[str, Any] = {"uid": "uid-1", "generation": 1, "killSwitch": "flattenBoth"}
            url = f"http://127.0.0.1:{second.api_port}/control"
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
            with urllib.request.urlopen(request, timeout=10) as response:
                assert json.load(response)["killSwitch"]["desired"] == "flattenBoth"
            wait_until(lambda: pod.venue().flat, "the venue to be flat")
            assert json.loads(get(second.api_port, "/status"))["kill_switch"] == "flattenBoth"
            second.update_metrics()
        finally:
            second.stop()
            loop.call_soon_threadsafe(stop.set)
            ended.result(30)


def test_what_another_thread_posts_after_the_loop_has_gone_is_dropped() -> None:
    """The engine that it would touch belongs to the loop's thread: from any other one it ends the process."""
    port, done = LoopPort(), list[str]()
    port.post(lambda: done.append("never bound: in place"))

    async def bound() -> None:
        port.bind()
        port.release()

    asyncio.run(bound())
    port.post(lambda: done.append("same thread: in place"))
    other = threading.Thread(target=port.post, args=(lambda: done.append("another thread"),))
    other.start()
    other.join()
    assert done == ["never bound: in place", "same thread: in place"]
