"""History, fills and audit log over HTTP: what the venue did, what the grid was worth, who asked for what."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.ops import sampler
from naut_hedgegrid.ops.auth import KeyFolder
from naut_hedgegrid.ops.sampler import sample_of
from naut_hedgegrid.store.errors import StoreError, StoreProblem
from naut_hedgegrid.store.protocol import Archive
from naut_hedgegrid.store.samples import Sample
from naut_hedgegrid.venues.sim.audit import Audit
from tests.strategy.ops_support import STILL, Served, alone, served, until

D = Decimal
MINUTE = 60 * 10**9


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as here:
        yield here


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, sim=STILL) as here:
        yield here


def archive(pod: Served) -> Archive:
    assert pod.strategy.archive is not None
    return pod.strategy.archive


# -- fills


async def test_fills_are_those_of_the_venue_newest_first_page_by_page(pod: Served) -> None:
    await until(
        lambda: pod.venue().last_trade_id >= 5 and any(held.quantity for held in pod.venue().positions.values()),
        "five fills and a position",
    )
    await pod.strategy.flatten("both")
    await until(lambda: pod.venue().flat and pod.strategy.idle, "the venue to be flat")
    pages, query = [], "?limit=2"
    while True:
        page = await pod.get(f"/fills{query}")
        pages.append(page["fills"])
        if page["next"] is None:
            break
        query = f"?limit=2&before={page['next']}"
    assert {len(page) for page in pages[:-1]} == {2}
    listed = [fill for page in pages for fill in page]
    with Audit(pod.book) as audit:
        done = audit.fills()
    assert [fill["trade_id"] for fill in listed] == [fill.trade_id for fill in reversed(done)]
    for shown, fill in zip(listed, reversed(done), strict=True):
        assert D(shown["price"]) == fill.price
        assert D(shown["quantity"]) == fill.quantity
        assert D(shown["commission"]) == fill.commission
        assert (shown["leg"], shown["side"], shown["maker"]) == (fill.leg, fill.side, fill.maker)
        assert shown["client_order_id"] == fill.client_order_id
    assert {fill["role"] for fill in listed} >= {"ENTRY", "FLATTEN"}
    assert (await pod.get("/fills"))["next"] is None


async def test_a_fill_that_comes_between_two_pages_moves_none(pod: Served) -> None:
    await until(lambda: pod.venue().last_trade_id >= 3, "three fills")
    first = await pod.get("/fills?limit=1")
    before = pod.venue().last_trade_id
    await until(lambda: pod.venue().last_trade_id > before, "another fill")
    second = await pod.get(f"/fills?limit=1&before={first['next']}")
    assert second["fills"][0]["trade_id"] == first["fills"][0]["trade_id"] - 1


# -- history


async def test_samples_are_taken_while_the_grid_runs_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "SAMPLE_SECONDS", 0.05)
    async with served(tmp_path, start=False) as pod:
        await until(lambda: pod.ops._exporter._snapshot, "the first snapshot")
        for _ in range(3):
            await pod.get("/history")
        assert sample_of(pod.strategy, 1) is None
        assert (await pod.get("/history"))["points"] == []
        await pod.node.start()
        await until(pod.held, "a position")

        async def last() -> dict[str, Any]:
            points = (await pod.get("/history"))["points"]
            return points[-1]["last"] if points else {}

        seen: dict[str, Any] = {}
        async with asyncio.timeout(20):
            while not seen.get("fills"):
                seen = await last()
    assert D(seen["equity"]) == D(seen["wallet"]) + D(seen["unrealized"])
    assert D(seen["net_inventory"]) == D(seen["long_inventory"]) - D(seen["short_inventory"])
    assert D(seen["mark"]) > 0
    assert D(seen["fees"]) > 0
    assert D(seen["throttle"]) == 1
    assert seen["open_orders"] > 0


async def test_history_comes_oldest_first_page_by_page_in_each_resolution(still: Served) -> None:
    now = time.time_ns() // MINUTE * MINUTE
    for number in range(12):
        sample = Sample(now - (12 - number) * MINUTE // 6, equity=D(1000 + number), mark=D(42000))
        await asyncio.wrap_future(archive(still).record_sample(sample))
    start, end = iso(now - 2 * MINUTE), iso(now)
    first = await still.get(f"/history?start={start}&end={end}&limit=5")
    assert [point["last"]["equity"] for point in first["points"]] == ["1000", "1001", "1002", "1003", "1004"]
    assert first["points"][0]["last"]["wallet"] is None, "unknown is null"
    rest = await still.get(f"/history?start={first['next']}&end={end}")
    assert [point["last"]["equity"] for point in rest["points"]] == [str(1000 + number) for number in range(5, 12)]
    assert rest["next"] is None
    minutes = await still.get(f"/history?resolution=1m&start={start}&end={end}")
    assert minutes["resolution"] == "1m"
    assert [
        (point["samples"], point["low"]["equity"], point["high"]["equity"], point["last"]["equity"])
        for point in minutes["points"]
    ] == [(6, "1000", "1005", "1005"), (6, "1006", "1011", "1011")]
    assert minutes["points"][0]["time"] == start
    seconds = await still.get(f"/history?start={(now - 2 * MINUTE) // 10**9}&end={now // 10**9}&limit=5")
    assert seconds == first, "seconds since the epoch say the same"
    newest = await still.get(f"/history?end={end}&limit=3")
    assert [point["last"]["equity"] for point in newest["points"]] == ["1009", "1010", "1011"]


def iso(ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)).isoformat().replace("+00:00", "Z")


# -- audit log


async def test_the_audit_log_tells_who_did_what_and_why(still: Served) -> None:
    by = {"manager": "kubectl-patch", "time": "2026-01-02T03:04:05Z", "reason": "quiet"}
    await still.put(1, by=by, throttle=0.5)
    await still.ask("POST", "/flatten", {"side": "long", "reason": "drill"})
    await still.ask("POST", "/throttle", {"throttle": 0.25})
    await still.ask("POST", "/throttle", {"throttle": 7})
    await until(lambda: len(archive(still).audit(None, 10).result(10).items) == 3, "three entries")
    page = await still.get("/audit")
    assert [line["operation"] for line in page["entries"]] == ["throttle", "flatten", "control"], "newest first"
    throttle, flatten, control = page["entries"]
    assert (control["who"], control["why"], control["asked"]) == ("kubectl-patch", "quiet", "2026-01-02T03:04:05Z")
    assert (flatten["what"], flatten["why"], flatten["asked"]) == ("long", "drill", None)
    assert (throttle["what"], throttle["result"]) == ("0.25", "0.25 acts, from api")
    assert {line["role"] for line in page["entries"]} == {"admin"}
    assert throttle["number"] > flatten["number"] > control["number"]
    second = await still.get(f"/audit?limit=1&before={throttle['number']}")
    assert [line["number"] for line in second["entries"]] == [flatten["number"]]
    assert second["next"] == flatten["number"]


async def test_the_audit_log_outlives_the_process(tmp_path: Path) -> None:
    async with served(tmp_path, sim=STILL) as pod:
        await pod.ask("POST", "/flatten", {"side": "both", "reason": "drill"})
    async with served(tmp_path, sim=STILL) as pod:
        [line] = (await pod.get("/audit"))["entries"]
        assert (line["operation"], line["why"]) == ("flatten", "drill")


# -- who may read


async def test_viewers_read_history_and_fills_and_admins_the_audit_log(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("viewer", "trader", "admin"):
        (keys / name).write_text(f"{name}-key")
    async with served(tmp_path, keys=KeyFolder(keys), sim=STILL) as pod:
        for path in ("/history", "/fills"):
            assert (await pod.ask("GET", path)).status == 401
            for name in ("viewer", "trader", "admin"):
                assert (await pod.ask("GET", path, key=f"{name}-key")).status == 200
        for name, status in (("viewer", 403), ("trader", 403), ("admin", 200)):
            assert (await pod.ask("GET", "/audit", key=f"{name}-key")).status == status


# -- stores that don't answer


async def test_f47_a_store_that_hangs_holds_up_neither_the_api_nor_a_flatten(
    still: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naut_hedgegrid.ops.records.PATIENCE_SECONDS", 0.05)
    store: Any = archive(still)
    for name in ("history", "fills", "audit", "record_audit"):
        monkeypatch.setattr(store, name, lambda *_: Future[Any]())
    for path in ("/history", "/fills", "/audit"):
        answer = await still.ask("GET", path)
        assert (answer.status, answer.json) == (503, {"detail": "the store has not answered for 0.05 s"})
    assert (await still.ask("POST", "/flatten", {"side": "both"})).status == 200
    assert (await still.get("/control"))["killSwitch"]["effective"] == "flattenBoth"


async def test_f47_a_store_that_cant_be_read_is_told_with_its_file(
    still: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = StoreError(StoreProblem.DAMAGED, Path("/data/grid.sqlite"), "page 7 is damaged", "move it away")

    def failed(*_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future

    store: Any = archive(still)
    for name in ("history", "fills", "audit", "record_audit", "record_sample"):
        monkeypatch.setattr(store, name, failed)
    for path in ("/history", "/fills", "/audit"):
        answer = await still.ask("GET", path)
        assert (answer.status, answer.json) == (503, {"detail": str(error)})
    assert (await still.ask("POST", "/throttle", {"throttle": 0.5})).status == 200
    assert "the audit log is in this log only: /data/grid.sqlite: page 7 is damaged" in caplog.text


async def test_a_grid_without_a_store_says_that_it_keeps_no_records(tmp_path: Path) -> None:
    strategy = alone(tmp_path)
    strategy.archive = None
    async with served(tmp_path / "other", sim=STILL) as pod:
        pod.ops.stop()
        await pod.ops.closed()
        pod.ops._strategy = strategy
        pod.ops.start()
        for path in ("/history", "/fills", "/audit"):
            answer = await pod.ask("GET", path)
            assert answer.status == 503
            assert answer.json["detail"] == "this grid keeps no records: it runs without a store"
