"""Objects are taken off LISTs and watches as they come in; the framework is left versions, errors and ends."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hedgegrid_operator.inbox import Inbox
from hedgegrid_operator.objects import HEDGE_GRID, POD, Kind
from hedgegrid_operator.stream import Event, tapped

GRIDS = HEDGE_GRID.path("live")
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}

type Write = Callable[[web.StreamResponse], Awaitable[None]]


def grid(name: str, version: int, **spec: object) -> dict[str, Any]:
    about = {"name": name, "namespace": "live", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": HEDGE_GRID.api_version, "kind": "HedgeGrid", "metadata": about, "spec": spec}


def line(type_: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


def names(taken: list[list[Event]]) -> list[list[str]]:
    return [[event.obj["metadata"]["name"] for event in batch] for batch in taken]


async def unwatched(_: web.StreamResponse) -> None:
    """Nothing happens."""


def two_grids() -> web.Response:
    return web.json_response({"metadata": {"resourceVersion": "7"}, "items": [grid("a", 5), grid("b", 6)]})


@asynccontextmanager
async def server(
    write: Write, listed: Callable[[], web.Response] = two_grids
) -> AsyncGenerator[tuple[aiohttp.ClientSession, str, list[list[Event]]]]:
    """A session whose objects are taken off; its watches get what is written."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listed()
        response = web.StreamResponse()
        await response.prepare(request)
        await write(response)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    taken: list[list[Event]] = []
    async with aiohttp.ClientSession(response_class=tapped((HEDGE_GRID, POD), taken.append)) as session:
        yield session, f"http://{host}:{port}", taken
    await runner.cleanup()


def watched(*pieces: bytes, path: str = GRIDS) -> tuple[list[dict[str, Any]], list[list[Event]]]:
    """What is left of a watch that gets these pieces one by one, and what was taken off."""

    async def write(response: web.StreamResponse) -> None:
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.02)

    async def watch() -> tuple[list[dict[str, Any]], list[list[Event]]]:
        left = b""
        async with server(write) as (session, url, taken), session.get(f"{url}{path}?watch=true") as response:
            async for data in response.content.iter_chunked(1024 * 1024):
                left += data
        return [json.loads(found) for found in left.splitlines()], taken

    return asyncio.run(watch())


def test_of_a_list_the_framework_gets_the_version_only() -> None:
    async def read() -> tuple[dict[str, Any], list[list[Event]]]:
        async with server(unwatched) as (session, url, taken), session.get(url + GRIDS) as response:
            return await response.json(), taken

    left, taken = asyncio.run(read())
    assert left == {"metadata": {"resourceVersion": "7"}, "items": []}
    assert names(taken) == [["a", "b"]]
    assert not any(event.deleted for event in taken[0])


def test_all_that_has_come_is_taken_at_once_and_leaves_one_bookmark() -> None:
    left, taken = watched(line("ADDED", grid("a", 8)) + line("DELETED", grid("b", 9)), line("MODIFIED", grid("a", 10)))
    assert names(taken) == [["a", "b"], ["a"]]
    assert [event.deleted for event in taken[0]] == [False, True]
    assert [event.kind for event in taken[0]] == [HEDGE_GRID] * 2
    assert [found["type"] for found in left] == ["BOOKMARK", "BOOKMARK"]
    assert [found["object"]["metadata"] for found in left] == [{"resourceVersion": "9"}, {"resourceVersion": "10"}]


def test_a_line_may_come_in_pieces_and_one_that_breaks_off_isnt_told() -> None:
    whole = line("MODIFIED", grid("a", 8))
    left, taken = watched(whole[:40], whole[40:60], whole[60:], line("MODIFIED", grid("b", 9))[:50])
    assert names(taken) == [["a"]]
    assert [found["object"]["metadata"]["resourceVersion"] for found in left] == ["8"]


def test_bookmarks_and_errors_go_on_after_the_objects_before_them() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}
    rest = b"".join(json.dumps(found).encode() + b"\n" for found in (bookmark, EXPIRED))
    left, taken = watched(line("ADDED", grid("a", 8)) + rest)
    assert names(taken) == [["a"]]
    assert [found["type"] for found in left] == ["BOOKMARK", "BOOKMARK", "ERROR"]
    assert left[1:] == [bookmark, EXPIRED]


def test_what_cant_be_read_is_left_to_the_framework() -> None:
    async def write(response: web.StreamResponse) -> None:
        await response.write(b'{"type": "ADDED", \n' + line("ADDED", grid("a", 8)))

    async def watch() -> tuple[list[bytes], list[list[Event]]]:
        async with server(write) as (session, url, taken), session.get(f"{url}{GRIDS}?watch=true") as response:
            return [data async for data in response.content.iter_chunked(1024)], taken

    left, taken = asyncio.run(watch())
    assert b'{"type": "ADDED", \n' in b"".join(left)
    assert names(taken) == [["a"]]


def test_an_error_of_somebody_else_is_left_to_the_framework() -> None:
    """It reads one that isn't JSON as text, and tries again."""

    def refused() -> web.Response:
        return web.Response(status=502, body=b"<p>d\xe9sol\xe9</p>", content_type="text/html")

    async def read() -> list[list[Event]]:
        async with server(unwatched, refused) as (session, url, taken), session.get(url + GRIDS) as response:
            with pytest.raises(aiohttp.ContentTypeError):
                await response.json()
            return taken

    assert asyncio.run(read()) == []


def test_other_kinds_pass_as_they_are() -> None:
    lease = line("ADDED", grid("a", 8))
    left, taken = watched(lease, path="/apis/coordination.k8s.io/v1/namespaces/live/leases")
    assert left == [json.loads(lease)]
    assert taken == []


def seen(*batches: list[Event]) -> list[str]:
    """Names in the order in which the operator's loop gets them, where all of these came at once."""

    async def run() -> list[str]:
        order: list[str] = []
        all_seen = asyncio.Event()

        def sink(kind: Kind, obj: dict[str, Any], deleted: bool) -> None:
            del kind, deleted
            order.append(obj["metadata"]["name"])
            if len(order) == sum(map(len, batches)):
                all_seen.set()
            if obj["metadata"]["name"] == "broken":
                raise ValueError

        def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            del loop
            assert isinstance(context["exception"], ValueError)

        asyncio.get_running_loop().set_exception_handler(told)
        inbox = Inbox(sink)
        for batch in batches:
            inbox.put(batch)
        await asyncio.wait_for(all_seen.wait(), 5)
        return order

    return asyncio.run(run())


def calm(count: int) -> list[Event]:
    return [Event(HEDGE_GRID, grid(f"g{number}", number + 1, throttle=0.5), deleted=False) for number in range(count)]


def test_a_kill_overtakes_what_came_before_it() -> None:
    kill = Event(HEDGE_GRID, grid("killed", 1001, killSwitch="flattenBoth"), deleted=False)
    assert seen([*calm(1000), kill])[0] == "killed"
    order = seen(calm(1000), [kill])
    assert order.index("killed") <= 8


def test_a_deletion_overtakes_and_an_unknown_switch_counts_as_a_kill() -> None:
    going = grid("going", 1001)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    events = [
        Event(HEDGE_GRID, going, deleted=False),
        Event(HEDGE_GRID, grid("odd", 1002, killSwitch=7), deleted=False),
    ]
    assert seen([*calm(100), *events])[:2] == ["going", "odd"]


def test_a_pod_overtakes_all_but_kills() -> None:
    kill = Event(HEDGE_GRID, grid("killed", 1001, killSwitch="haltEntries"), deleted=False)
    pods = [Event(POD, grid(name, 1), deleted=False) for name in ("pod-a", "pod-b")]
    assert seen([*calm(100), *pods, kill])[:3] == ["killed", "pod-a", "pod-b"]


def test_the_rest_keeps_its_order_and_what_fails_stops_nothing() -> None:
    broken = Event(HEDGE_GRID, grid("broken", 3), deleted=False)
    order = seen([*calm(20), broken, *calm(20)])
    assert order == [*(f"g{n}" for n in range(20)), "broken", *(f"g{n}" for n in range(20))]
