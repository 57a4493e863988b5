"""F32: what a pod, or whatever answers in its place, may send: nothing of it harms the operator, and no key leaks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hedgegrid_api.control import ControlDocument, Refusal
from hedgegrid_operator.control import client as client_module
from hedgegrid_operator.control.answer import LARGEST_ANSWER, DocumentRefusedError, NoAnswerError, report_in
from hedgegrid_operator.control.client import PodClient, PodUnreachableError, operator_key
from tests.unit.operator_parts import UID, report
from tests.unit.tls_parts import secret_of, serving, trust

MASTER = b"a master key of this test only"
KEY = operator_key(MASTER, UID)
GOOD = report().model_dump(mode="json", by_alias=True)


def answered(body: bytes | Any, status: int = 200) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return report_in(status, data, uid=UID, key=KEY)


def with_value(value: Any, *path: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(GOOD))
    node = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return changed


def raw(text: str, *path: str) -> bytes:
    """A report with this JSON text in one place, for numbers that Python doesn't write."""
    return json.dumps(with_value("@", *path)).replace('"@"', text).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"null",
        b"[]",
        b"{}",
        b"1e999",
        b"[" * 40_000,
        b'{"a":' * 40_000,
        b'{"synced":true}',
        json.dumps(GOOD).encode()[:-1],
        json.dumps(GOOD).encode("utf-16"),
        b"\xff\xfe\x00",
        b'{"bootID":"\\ud800"}',
        raw("1e999", "appliedGeneration")[:-1],
        json.dumps(with_value([], "killSwitch")).encode(),
        json.dumps(with_value("maybe", "synced")).encode(),
        json.dumps(with_value("another-uid", "uid")).encode(),
    ],
)
def test_what_is_no_report_of_this_grid_is_refused_in_one_sentence(body: bytes) -> None:
    with pytest.raises(NoAnswerError) as refused:
        answered(body)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 400])
def test_numbers_that_no_object_can_hold_are_unknown(number: str) -> None:
    assert answered(raw(number, "telemetry", "marginRatio")).telemetry.margin_ratio is None
    assert answered(raw(number, "appliedGeneration")).applied_generation is None


@pytest.mark.parametrize(
    "figure", ['"1e999999999"', '"1e-999999999"', '"NaN"', '"Infinity"', '"-1"', f'"{"9" * 2000}"']
)
def test_a_figure_that_would_fill_the_memory_when_written_out_is_unknown(figure: str) -> None:
    """And costs no other one: a pod of another version must stay in reach (F52)."""
    assert answered(raw(figure, "telemetry", "long", "quantity")).telemetry.long.quantity is None
    with pytest.raises(NoAnswerError):
        answered(raw(figure, "killSwitch", "legs", "long", "quantity"))


def test_texts_of_a_report_are_one_bounded_line_each() -> None:
    hostile = "\x1b[31mred\x1b[0m\nline\u202eevil\x00\u2028" + "x" * 5_000
    told = {"type": "VenueReady", "status": False, "reason": "Down\n", "message": hostile}
    found = answered(with_value([told], "conditions")).conditions[0]
    assert found.message.startswith("red lineevil  xxx")
    assert len(found.message) <= 1024
    assert found.reason.isprintable()


@pytest.mark.parametrize("status", [200, 201, 301, 400, 404, 409, 413, 422, 500, 503])
def test_a_key_that_is_echoed_is_never_repeated(status: int) -> None:
    """An error page that shows the request's headers."""
    pages: tuple[Any, ...] = (
        f"X-API-Key: {KEY}".encode(),
        {"detail": f"headers: X-API-Key: {KEY}"},
        {"detail": {"headers": {"X-API-Key": KEY}}},
        Refusal(reason="uid", message=KEY, held=report()).model_dump(mode="json", by_alias=True) | {"detail": KEY},
        with_value(KEY, "throttle", "source"),
        with_value([{"type": KEY, "status": True, "reason": KEY, "message": KEY}], "conditions"),
    )
    for page in pages:
        try:
            told = str(answered(page, status))
        except (NoAnswerError, DocumentRefusedError) as refused:
            told = f"{refused} {refused!r} {getattr(refused, 'held', '')} {refused.__cause__!r} {refused.__context__}"
        assert KEY not in told


def test_a_refusal_about_another_object_tells_nothing_of_that_object() -> None:
    held = report(uid="another-uid")
    with pytest.raises(DocumentRefusedError) as refused:
        answered(Refusal(reason="uid", message="another's", held=held).model_dump(mode="json", by_alias=True), 409)
    assert refused.value.held is None


type Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def pod(
    handler: Handler, monkeypatch: pytest.MonkeyPatch, patience: float = 5, master: bytes = MASTER
) -> AsyncIterator[PodClient]:
    """A client, and a pod on loopback that answers as the handler does."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving(secret_of()))
    await site.start()
    monkeypatch.setattr(client_module, "API_PORT", runner.addresses[0][1])
    try:
        async with PodClient(master, trust(), patience) as client:
            yield client
    finally:
        await runner.cleanup()


async def test_a_redirect_is_never_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with pod(elsewhere, monkeypatch) as client:
        with pytest.raises(PodUnreachableError, match="307"):
            await client.put("127.0.0.1", ControlDocument(uid=UID, generation=1))
    assert seen == ["/control"]


async def test_an_endless_answer_is_cut_off_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" " * 65_536)
            sent += 65_536

    async with pod(flood, monkeypatch, patience=60) as client:
        with pytest.raises(PodUnreachableError, match="more than 65536 bytes"):
            await client.get("127.0.0.1", UID)
    # What lay in the buffers of both sides, and no more.
    assert sent < 100 * LARGEST_ANSWER


async def test_a_small_packed_answer_is_never_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def bomb(request: web.Request) -> web.Response:
        answer = web.Response(body=b" " * 30_000_000)
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    async with pod(bomb, monkeypatch) as client:
        with pytest.raises(PodUnreachableError, match=r"not an answer|more than"):
            await client.get("127.0.0.1", UID)


async def test_an_answer_that_drips_ends_with_the_time_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b" ")
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with pod(drip, monkeypatch, patience=0.2) as client:
        with pytest.raises(PodUnreachableError) as refused:
            await client.get("127.0.0.1", UID)
        await asyncio.wait_for(ended.wait(), 10)
    assert refused.value.failure.value == "Timeout"


async def test_a_wrong_content_type_doesn_t_matter_and_a_wrong_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def any_type(request: web.Request) -> web.Response:
        if request.headers["X-API-Key"] != KEY:
            raise web.HTTPUnauthorized(text=request.headers["X-API-Key"])
        return web.Response(text=json.dumps(GOOD), content_type="text/html")

    async with pod(any_type, monkeypatch) as client:
        assert (await client.get("127.0.0.1", UID)).synced
    async with pod(any_type, monkeypatch, master=b"another") as client:
        with pytest.raises(PodUnreachableError) as refused:
            await client.get("127.0.0.1", UID)
    assert refused.value.failure.value == "Unauthorized"
    assert operator_key(b"another", UID) not in str(refused.value)
