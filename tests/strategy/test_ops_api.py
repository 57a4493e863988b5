"""The control API over the strategy on a real node: shapes, commands, refusals, the audit log."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from hedgegrid_api.control import ControlReport, Refusal
from naut_hedgegrid.ops.api import control_api
from naut_hedgegrid.ops.auth import ApiKeys
from tests.strategy.ops_support import STILL, Served, alone, served, until


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as here:
        yield here


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, sim=STILL) as here:
        yield here


def core_of(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what the market changes by itself."""
    legs = report["killSwitch"]["legs"]
    for leg in legs.values():
        del leg["quantity"], leg["openOrders"]
    return {name: value for name, value in report.items() if name not in {"telemetry", "conditions"}}


# -- reading


async def test_documented_routes_have_the_documented_shapes(pod: Served) -> None:
    await until(lambda: pod.held() and pod.strategy.get_operational_metrics()["last_bar_timestamp"], "a fill, a bar")
    health = await pod.get("/health")
    assert set(health) == {"running", "last_bar_timestamp"}
    assert health["running"] is True
    assert health["last_bar_timestamp"] > 1.7e9

    status = await pod.get("/status")
    assert {"running", "positions", "margin_ratio", "open_orders", "pnl"} <= set(status)
    assert set(status["positions"]) == {"long", "short"}
    for leg in status["positions"].values():
        assert isinstance(leg["inventory_usdt"], float)
        assert isinstance(leg["quantity"], float)
    assert set(status["pnl"]) == {"realized", "unrealized", "total"}
    assert status["pnl"]["total"] == pytest.approx(status["pnl"]["realized"] + status["pnl"]["unrealized"])
    assert 0 < status["margin_ratio"] < 1

    ladders = await pod.get("/ladders")
    assert set(ladders) == {"timestamp", "mid_price", "long_ladder", "short_ladder"}
    for side, rungs in (("LONG", ladders["long_ladder"]), ("SHORT", ladders["short_ladder"])):
        assert len(rungs) == 5
        assert {rung["side"] for rung in rungs} == {side}
        assert all(set(rung) == {"price", "qty", "side"} for rung in rungs)

    orders = await pod.get("/orders")
    assert set(orders) == {"orders"}
    for order in orders["orders"]:
        assert set(order) == {
            "client_order_id", "side", "price", "quantity", "status", "leg", "role", "filled",
        }  # fmt: skip
        assert order["side"] in {"BUY", "SELL"}


async def test_orders_are_those_that_rest_at_the_venue(still: Served) -> None:
    await until(lambda: len(still.venue().open_orders) == 10, "ten entries")
    orders = (await still.get("/orders"))["orders"]
    assert {order["client_order_id"] for order in orders} == {o.client_order_id for o in still.venue().open_orders}
    assert {(order["role"], order["status"]) for order in orders} == {("ENTRY", "OPEN")}
    assert all((order["side"] == "BUY") == (order["leg"] == "LONG") for order in orders)
    assert (await still.get("/status"))["open_orders"] == 10


async def test_ladders_lie_around_the_price(still: Served) -> None:
    ladders = await still.get("/ladders")
    assert all(rung["price"] < ladders["mid_price"] for rung in ladders["long_ladder"])
    assert all(rung["price"] > ladders["mid_price"] for rung in ladders["short_ladder"])


async def test_report_is_the_contract(pod: Served) -> None:
    report = await pod.get("/control")
    assert ControlReport.model_validate(report).model_dump(mode="json", by_alias=True) == report
    assert report["bootID"] == pod.strategy.boot_id


async def test_docs_describe_every_route(pod: Served) -> None:
    page = await pod.ask("GET", "/docs")
    assert page.status == 200
    assert "swagger" in page.text.lower()
    paths = (await pod.get("/openapi.json"))["paths"]
    expected = {
        "/control", "/livez", "/readyz", "/health", "/status",
        "/ladders", "/orders", "/flatten", "/throttle", "/resume", "/history", "/fills", "/audit",
    }  # fmt: skip
    assert set(paths) == expected
    assert set(paths["/control"]) == {"get", "put"}


def test_no_route_is_a_sync_function(tmp_path: Path) -> None:
    guard: Any = control_api(alone(tmp_path), ApiKeys.single("k"))
    endpoints = [route.endpoint for route in guard._app.routes]
    assert len([route for route in guard._app.routes if isinstance(route, APIRoute)]) == 14
    assert all(inspect.iscoroutinefunction(endpoint) for endpoint in endpoints), "FastAPI would use a thread"


async def test_before_the_node_runs_all_is_unknown_and_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, start=False) as pod:
        assert (await pod.ask("GET", "/livez")).status == 200
        ready = await pod.ask("GET", "/readyz")
        assert (ready.status, ready.json) == (503, {"ready": False, "reason": "the node is not running"})
        health = await pod.ask("GET", "/health")
        assert (health.status, health.json) == (503, {"running": False, "last_bar_timestamp": 0.0})
        status = await pod.get("/status")
        assert status["running"] is False
        assert status["open_orders"] is None
        assert status["margin_ratio"] is None
        assert status["pnl"] == {"realized": None, "unrealized": None, "total": None}
        assert status["positions"]["long"]["quantity"] is None
        assert await pod.get("/ladders") == {"long_ladder": [], "short_ladder": [], "mid_price": 0.0}
        assert await pod.get("/orders") == {"orders": []}


async def test_ready_once_the_books_are_adopted_and_a_quote_has_come(still: Served) -> None:
    assert await still.get("/readyz") == {"ready": True, "reason": None}


async def test_stale_data_are_not_ready_but_alive(tmp_path: Path) -> None:
    async with served(tmp_path, sim=STILL) as pod:
        pod.strategy.on_market_end()
        answer = await pod.ask("GET", "/readyz")
        assert answer.status == 503
        assert "stale" in answer.json["reason"]
        assert await pod.get("/livez") == {"live": True}
        assert (await pod.get("/health"))["running"] is True


# -- PUT /control


async def test_kill_by_document_flattens_and_release_trades_again(pod: Served) -> None:
    await until(pod.held, "a position")
    report = await pod.put(1, killSwitch="flattenBoth")
    operation = report["killSwitch"]["operationID"]
    assert report["killSwitch"]["state"] in {"Delivered", "Flattening", "Flat"}
    assert report["killSwitch"]["legs"]["long"]["delivered"] is not None
    await until(lambda: pod.venue().flat, "the venue to be flat")
    await until(lambda: pod.strategy.report().kill_switch.state == "Flat", "the report to say so")
    assert (await pod.get("/control"))["killSwitch"]["operationID"] == operation
    released = await pod.put(2)
    assert released["killSwitch"]["state"] == "Released"
    await until(lambda: pod.venue().open_orders, "entries to rest again")


async def test_a_kill_before_the_node_runs_is_carried_out_by_it(tmp_path: Path) -> None:
    async with served(tmp_path) as pod:
        await until(pod.held, "a position")
    async with served(tmp_path, start=False, await_control=True) as pod:
        report = await pod.put(1, killSwitch="flattenBoth")
        assert report["killSwitch"]["state"] == "Delivered", "stored, and not said to be flat before it is"
        await pod.node.start()
        await until(lambda: pod.venue().flat, "the venue to be flat")


async def test_throttle_by_document_halves_entries_only(still: Served) -> None:
    await until(lambda: len(still.venue().open_orders) == 10, "ten entries")
    await still.put(1, throttle=0.5)
    await until(lambda: {str(o.quantity) for o in still.venue().open_orders} == {"0.005"}, "halved entries")
    assert (await still.get("/control"))["throttle"] == {"desired": 0.5, "effective": 0.5, "source": "spec"}


async def test_the_same_document_twice_gives_the_same_report(still: Served) -> None:
    first = core_of(await still.put(4, killSwitch="haltEntries", throttle=0.5))
    await until(lambda: not still.venue().open_orders, "entries to be gone")
    second = core_of(await still.put(4, killSwitch="haltEntries", throttle=0.5))
    first["killSwitch"]["state"] = second["killSwitch"]["state"] = "Halted"
    for leg in ("long", "short"):
        first["killSwitch"]["legs"][leg] |= {"state": "Halted", "reached": None}
        second["killSwitch"]["legs"][leg] |= {"state": "Halted", "reached": None}
    assert first == second


STALE_DOCUMENTS = (
    ({"uid": "uid-2", "generation": 9, "epoch": 9}, "uid"),
    ({"uid": "uid-1", "generation": 9, "epoch": 2}, "epoch"),
    ({"uid": "uid-1", "generation": 4, "epoch": 3}, "generation"),
    ({"uid": "uid-1", "generation": 4, "epoch": 9}, "generation"),
)


async def test_stale_and_foreign_documents_are_refused(still: Served) -> None:
    await still.put(5, epoch=3, killSwitch="haltEntries")
    await until(lambda: still.strategy.report().kill_switch.state == "Halted", "the halt")
    before = core_of(await still.get("/control"))
    for document, reason in STALE_DOCUMENTS:
        answer = await still.ask("PUT", "/control", document)
        assert answer.status == 409, document
        refusal = Refusal.model_validate_json(answer.text)
        assert refusal.reason == reason
        assert core_of(refusal.held.model_dump(mode="json", by_alias=True)) == before
        assert core_of(await still.get("/control")) == before


async def test_a_pod_that_knows_its_object_refuses_another_ones_first_document(tmp_path: Path) -> None:
    async with served(tmp_path, uid="uid-1", await_control=True, sim=STILL) as pod:
        answer = await pod.ask("PUT", "/control", {"uid": "uid-2", "generation": 1})
        assert answer.status == 409
        assert answer.json["reason"] == "uid"
        assert (await pod.get("/control"))["synced"] is False
        assert (await pod.put(1))["synced"] is True


BAD_DOCUMENTS = {
    "throttle above": ('{"uid":"uid-1","generation":6,"throttle":1.1}', "throttle"),
    "throttle below": ('{"uid":"uid-1","generation":6,"throttle":-0.1}', "throttle"),
    "throttle NaN": ('{"uid":"uid-1","generation":6,"throttle":NaN}', "throttle"),
    "throttle infinite": ('{"uid":"uid-1","generation":6,"throttle":Infinity}', "throttle"),
    "throttle text": ('{"uid":"uid-1","generation":6,"throttle":"much"}', "throttle"),
    "no uid": ('{"generation":6}', "uid"),
    "no generation": ('{"uid":"uid-1"}', "generation"),
    "switch of another kind": ('{"uid":"uid-1","generation":6,"killSwitch":5}', "killSwitch"),
    "not JSON": ('{"uid":', "JSON"),
    "not an object": ("[]", "the body"),
}


async def test_bad_documents_change_nothing(still: Served) -> None:
    before = core_of(await still.put(5, throttle=0.5))
    for name, (body, named) in BAD_DOCUMENTS.items():
        answer = await still.ask("PUT", "/control", raw=body)
        assert (answer.status, set(answer.json)) == (422, {"detail"}), name
        assert named in answer.json["detail"], name
        assert core_of(await still.get("/control")) == before, name


async def test_a_body_that_is_not_declared_as_json_is_refused(still: Served) -> None:
    url = f"http://127.0.0.1:{still.ops.api_port}/flatten"
    headers = {"Content-Type": "text/plain"}
    async with still.session.post(url, data='{"side": "both"}', headers=headers) as response:
        assert response.status == 422
        assert "Content-Type: application/json" in (await response.json())["detail"]
    assert (await still.get("/control"))["latches"] == []


async def test_newer_senders_are_understood(still: Served) -> None:
    report = await still.put(1, killSwitch="flattenEverythingTwice", sundial=True)
    assert report["killSwitch"]["desired"] == "haltEntries"
    await until(lambda: not still.venue().open_orders, "entries to be gone")


# -- emergency operations


async def test_flatten_is_idempotent_and_stands_until_it_is_resumed(pod: Served) -> None:
    await until(pod.held, "a position")
    first = await pod.ask("POST", "/flatten", {"side": "both", "reason": "drill"})
    assert first.status == 200
    assert set(first.json) == {"cancelled_orders", "closing_positions", "operationID"}
    assert first.json["cancelled_orders"] > 0
    assert {(p["leg"], p["side"]) for p in first.json["closing_positions"]} <= {("LONG", "SELL"), ("SHORT", "BUY")}
    await until(lambda: pod.venue().flat, "the venue to be flat")
    log_length = pod.venue().last_trade_id
    again = await pod.ask("POST", "/flatten", {"side": "both"})
    assert again.json == {"cancelled_orders": 0, "closing_positions": [], "operationID": first.json["operationID"]}
    assert pod.venue().last_trade_id == log_length

    report = await pod.put(1, killSwitch="none")
    assert report["killSwitch"]["effective"] == "flattenBoth", "a document doesn't undo what a person did"
    assert {latch["source"] for latch in report["latches"]} == {"api"}
    latch = first.json["operationID"]["LONG"]
    half = await pod.ask("POST", "/resume", {"id": latch, "side": "short"})
    assert half.json["killSwitch"]["effective"] == "flattenLong"
    whole = await pod.ask("POST", "/resume", {"id": latch})
    assert whole.json["killSwitch"]["state"] == "Released"
    await until(lambda: pod.venue().open_orders, "entries to rest again")


async def test_throttle_of_the_api_acts_while_it_is_the_smaller_one(still: Served) -> None:
    await still.put(1, throttle=0.8)
    lower = await still.ask("POST", "/throttle", {"throttle": 0.5})
    assert lower.json == {"throttle": 0.5, "effective": 0.5, "source": "api"}
    higher = await still.ask("POST", "/throttle", {"throttle": 0.9})
    assert higher.json == {"throttle": 0.9, "effective": 0.8, "source": "spec"}
    await still.ask("POST", "/throttle", {"throttle": 0.5})
    ended = await still.ask("POST", "/throttle", {"throttle": 1})
    assert ended.json == {"throttle": 1.0, "effective": 0.8, "source": "spec"}


BAD_OPERATIONS = (
    ("/flatten", '{"side":"LONG"}', 422, "'long', 'short', 'both'"),
    ("/flatten", '{"side":""}', 422, "'long', 'short', 'both'"),
    ("/flatten", "{}", 422, "side"),
    ("/throttle", '{"throttle":1.01}', 422, "throttle"),
    ("/throttle", '{"throttle":-1}', 422, "throttle"),
    ("/throttle", '{"throttle":NaN}', 422, "throttle"),
    ("/throttle", '{"throttle":-Infinity}', 422, "throttle"),
    ("/throttle", "{}", 422, "throttle"),
    ("/resume", '{"id":"op-of-nobody"}', 404, "op-of-nobody"),
    ("/resume", '{"id":"op-of-nobody","side":"left"}', 422, "'left'"),
    ("/resume", "{}", 422, "id"),
)


async def test_bad_operations_change_nothing(still: Served) -> None:
    before = core_of(await still.get("/control"))
    for path, body, status, named in BAD_OPERATIONS:
        answer = await still.ask("POST", path, raw=body)
        assert (answer.status, set(answer.json)) == (status, {"detail"}), (path, body)
        assert named in answer.json["detail"], (path, body)
        assert core_of(await still.get("/control")) == before, (path, body)


async def test_unknown_routes_and_verbs_get_a_sentence(still: Served) -> None:
    missing = await still.ask("GET", "/positions")
    assert (missing.status, missing.json) == (404, {"detail": "there is no /positions here; /docs lists the routes"})
    verb = await still.ask("DELETE", "/control")
    assert verb.status == 405
    assert "DELETE" in verb.json["detail"]


async def test_a_failure_inside_is_a_sentence_and_a_log_line(still: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no figures today")

    monkeypatch.setattr(still.strategy, "figures", broken)
    answer = await still.ask("GET", "/status")
    assert (answer.status, answer.json) == (500, {"detail": "the request failed; the log says why"})
    assert (await still.get("/livez")) == {"live": True}


async def test_each_operation_leaves_one_audit_line(pod: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "naut_hedgegrid.audit")
    by = {"manager": "kubectl-patch", "time": "2026-01-02T03:04:05Z", "reason": "margin call"}
    await pod.put(1, by=by, throttle=0.5)
    await pod.put(2, by=by, throttle=0.5)
    flattened = await pod.ask("POST", "/flatten", {"side": "long", "reason": "drill"})
    await pod.ask("POST", "/throttle", {"throttle": 0.25})
    await pod.ask("POST", "/resume", {"id": flattened.json["operationID"]["LONG"]})
    await pod.ask("POST", "/resume", {"id": "op-of-nobody"})
    lines = [vars(record) for record in caplog.records if record.name == "naut_hedgegrid.audit"]
    assert [line["operation"] for line in lines] == ["control", "flatten", "throttle", "resume"], "a repetition is none"
    control, flatten, throttle, resume = lines
    assert (control["who"], control["why"]) == ("kubectl-patch", "margin call")
    assert control["when"].startswith("2026-01-02T03:04:05")
    assert "throttle=0.5" in control["what"]
    assert (flatten["what"], flatten["why"]) == ("long", "drill")
    assert flattened.json["operationID"]["LONG"] in flatten["result"]
    assert (throttle["what"], throttle["result"]) == ("0.25", "0.25 acts, from api")
    assert resume["result"] == "none acts"


async def test_many_callers_at_once_get_consistent_answers(pod: Served) -> None:
    generations = range(1, 41)

    async def read() -> None:
        report = await pod.get("/control")
        assert report["throttle"]["effective"] == min(report["throttle"]["desired"], 1)
        await pod.get("/status")
        await pod.get("/orders")

    async def write(generation: int) -> int:
        body = {"uid": "uid-1", "generation": generation, "throttle": generation / 40}
        return (await pod.ask("PUT", "/control", body)).status

    answers = await asyncio.gather(*(write(generation) for generation in generations), *(read() for _ in generations))
    assert set(answers) <= {200, 409, None}
    report = await pod.get("/control")
    assert (report["appliedGeneration"], report["throttle"]["effective"]) == (40, 1.0), "the last generation wins"
    assert pod.strategy.errors == 0


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /status HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /status?" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /status HTTP/1.1\r\n" + b"X-A: b\r\n" * 50_000 + b"\r\n",
        b"POST /flatten HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /flatten HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"\x00\xff" * 1_000 + b"\r\n\r\n",
    ],
    ids=["long header", "long query", "many headers", "negative length", "broken chunk", "no HTTP"],
)
async def test_f32_what_is_hardly_http_is_refused_by_the_server_which_goes_on(still: Served, request_: bytes) -> None:
    before = core_of(await still.get("/control"))
    reader, writer = await asyncio.open_connection("127.0.0.1", still.ops.api_port)
    try:
        writer.write(request_)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(200), 10)
    except ConnectionError:
        answer = b""
    finally:
        writer.close()
    assert answer == b"" or answer.split(b" ", 2)[1] in {b"400", b"413", b"422", b"431"}, answer
    assert core_of(await still.get("/control")) == before
