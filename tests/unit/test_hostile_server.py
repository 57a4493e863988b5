"""F32: an API server, or a proxy before it, that answers garbage: nothing is concluded from it, and no token leaks."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hedgegrid_api.text import shown
from hedgegrid_operator.credentials import Credentials
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.logs import JsonFormatter
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID
from tests.unit.operator_parts import FixedSource

TOKEN = "eyJhbGciOi.a-token-of-this-test.c2ln"


@asynccontextmanager
async def answering(status: int, body: str, **headers: str) -> AsyncIterator[tuple[Kube, list[str]]]:
    """A client of a server that always answers this, and the paths that were asked for."""
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        text = body.replace("@", request.headers["Authorization"])
        return web.Response(status=status, text=text, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Kube(
            FixedSource(f"http://127.0.0.1:{runner.addresses[0][1]}", TOKEN), Metrics(), 10, may_write=lambda: True
        ) as kube:
            yield kube, paths
    finally:
        await runner.cleanup()


GARBAGE = ["", "ok", "<html>@</html>", "null", "[]", "{}", '{"message":"@"}', "[" * 100_000, "1e999"]


@pytest.mark.parametrize("body", GARBAGE)
@pytest.mark.parametrize("status", [200, 404])
async def test_an_object_isn_t_gone_because_something_else_answers(status: int, body: str) -> None:
    async with answering(status, body) as (kube, _):
        with pytest.raises(ApiUnreachableError) as refused:
            await kube.get(HEDGE_GRID, "default", "btc")
        with pytest.raises(ApiUnreachableError):
            async for _ in kube.pages(HEDGE_GRID, None):
                pass
    assert TOKEN not in f"{refused.value} {refused.value!r} {refused.value.__cause__!r}"


async def test_a_list_of_metadata_holds_what_is_read_of_it() -> None:
    read = {
        "name": "btc",
        "namespace": "live",
        "uid": "u-1",
        "resourceVersion": "7",
        "generation": 2,
        "labels": {"a": "b"},
        "deletionTimestamp": "2026-03-01T12:00:00Z",
    }
    unread = {"managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}], "annotations": {"c": "d"}}
    about = {"resourceVersion": "9", "remainingItemCount": 3}
    page = {"kind": "PartialObjectMetadataList", "metadata": about, "items": [{"metadata": read | unread}]}
    async with answering(200, json.dumps(page)) as (kube, _):
        found = [it async for it in kube.pages(HEDGE_GRID, None, metadata_only=True)]
    assert found == [([{"metadata": read}], 9)]


async def test_a_list_of_metadata_that_is_another_answer_is_read_as_that() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    async with answering(410, json.dumps(status)) as (kube, _):
        with pytest.raises(ApiError) as told:
            _ = [it async for it in kube.pages(HEDGE_GRID, None, metadata_only=True)]
    assert (told.value.status, told.value.reason) == (410, "Expired")


async def test_an_object_that_the_api_server_says_is_gone_is_gone() -> None:
    gone = json.dumps({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})
    async with answering(404, gone) as (kube, _):
        assert await kube.get(HEDGE_GRID, "default", "btc") is None


@pytest.mark.parametrize(
    "body",
    ["<h1>@</h1>", json.dumps({"kind": "Status", "message": "your headers: @"}), '{"kind": 5, "message": ["@"]}'],
)
@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 429, 500, 502, 503])
async def test_a_token_that_is_echoed_is_never_repeated(status: int, body: str) -> None:
    async with answering(status, body) as (kube, _):
        with pytest.raises(ApiError) as refused:
            await kube.apply(HEDGE_GRID, {"metadata": {"name": "btc", "namespace": "default"}})
    assert TOKEN not in f"{refused.value} {refused.value!r}"
    assert refused.value.status == status


async def test_a_redirect_is_never_followed_with_the_token() -> None:
    async with answering(307, "", Location="/elsewhere") as (kube, paths):
        with pytest.raises(ApiError):
            await kube.get(HEDGE_GRID, "default", "btc")
    assert not any("elsewhere" in path for path in paths)


async def test_an_error_that_quotes_a_whole_object_is_cut_to_one_line() -> None:
    hostile = json.dumps({"kind": "Status", "reason": "Invalid", "message": "bad\n\x1b[31m\u202e" + "x" * 1_000_000})
    async with answering(422, hostile) as (kube, _):
        with pytest.raises(ApiError) as refused:
            await kube.apply(HEDGE_GRID, {"metadata": {"name": "btc", "namespace": "default"}})
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1200


def test_credentials_never_show_themselves() -> None:
    found = Credentials("https://10.0.0.1", certificate="PEM-CERT", key="PEM-KEY", authorization=f"Bearer {TOKEN}")
    assert TOKEN not in f"{found!r} {found}"
    assert "PEM" not in f"{found!r} {found}"


HOSTILE = {
    "line\nbreak\r\n": "line break  ",
    "\x1b[31mred\x1b[0m": "red",
    "\x1b]0;title\x07text": "text",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\": "link",
    "\x9b2Jclear": "clear",
    "a\u202eb\u2066c\u200b": "abc",
    "null\x00tab\tbell\x07": "null tab bell ",
    "sep\u2028a\u2029b\x85c": "sep a b c",
    "half \ud800 pair": "half  pair",
    "日本 µ −1 ×": "日本 µ −1 ×",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_shown_stands_on_one_line_and_steers_no_terminal(text: str) -> None:
    assert shown(text, 100) == HOSTILE[text]
    assert shown(text, 100).isprintable()


def test_what_is_shown_is_bounded() -> None:
    assert shown("x" * 100, 100) == "x" * 100
    assert shown("x" * 101, 100) == "x" * 99 + "…"
    assert shown("\x00" * 10_000_000 + "y", 10) == " " * 9 + "…"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_log_line_is_one_line_of_printable_json_whatever_is_told(text: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "grid": text, "reasons": [text]})
    line = JsonFormatter().format(record)
    assert line.isprintable()
    found: dict[str, Any] = json.loads(line)
    assert (found["message"], found["grid"], found["reasons"]) == (text, text, [text])


def test_a_log_line_is_bounded() -> None:
    line = JsonFormatter().format(logging.makeLogRecord({"msg": "x" * 10_000_000, "field": "y" * 10_000_000}))
    assert len(line) < 20_000
