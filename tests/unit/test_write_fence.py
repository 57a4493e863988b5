"""F31: a leader that was replaced writes nothing any more, wherever a pause of its process has caught the work."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from hedgegrid_operator.kube import Kube, NotLeadingError
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID
from tests.unit.operator_parts import FixedSource

CONNECTIONS = 64
"""So many requests are under way at most; others wait for a connection."""
GRID = {"metadata": {"name": "btc", "namespace": "x"}}


class Server:
    """An API server that answers reads when it is told to; `leads` says whether the client may write."""

    def __init__(self) -> None:
        self.reading = 0
        self.full = asyncio.Event()
        """Every connection is taken."""
        self.writes: list[str] = []
        self.answers = asyncio.Event()
        self.leads = True
        self.breaks = False
        """Whether the connection ends instead of an answer, and the leadership with it."""

    async def handle(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            self.reading += 1
            if self.reading == CONNECTIONS:
                self.full.set()
            await self.answers.wait()
        else:
            self.writes.append(request.method)
            if self.breaks:
                self.leads = False
                assert request.transport is not None
                request.transport.abort()
        return web.json_response({"kind": "HedgeGrid", "metadata": {}})


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def kube(server: Server) -> AsyncIterator[Kube]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    source = FixedSource(f"http://127.0.0.1:{runner.addresses[0][1]}", "a token")
    async with Kube(source, Metrics(), 10, may_write=lambda: server.leads) as found:
        yield found
    await runner.cleanup()


async def test_nothing_is_written_for_a_leader_that_may_not(kube: Kube, server: Server) -> None:
    server.leads = False
    with pytest.raises(NotLeadingError):
        await kube.apply(HEDGE_GRID, GRID, "status")
    with pytest.raises(NotLeadingError):
        await kube.delete(HEDGE_GRID, "x", "btc")
    assert server.writes == []


async def test_a_write_that_waited_for_its_connection_asks_again(kube: Kube, server: Server) -> None:
    reads = [asyncio.create_task(kube.get(HEDGE_GRID, "x", "btc")) for _ in range(CONNECTIONS)]
    await server.full.wait()
    write = asyncio.create_task(kube.apply(HEDGE_GRID, GRID))
    await asyncio.sleep(0.05)
    server.leads = False
    server.answers.set()
    with pytest.raises(NotLeadingError):
        await write
    await asyncio.gather(*reads)
    assert server.writes == []
    server.leads = True
    await kube.apply(HEDGE_GRID, GRID)
    assert server.writes == ["PATCH"]


async def test_a_write_whose_connection_broke_isnt_sent_again_without_asking(kube: Kube, server: Server) -> None:
    """aiohttp sends a DELETE a second time by itself where a connection that was used before breaks."""
    server.answers.set()
    await kube.get(HEDGE_GRID, "x", "btc")
    server.breaks = True
    with pytest.raises(NotLeadingError):
        await kube.delete(HEDGE_GRID, "x", "btc")
    assert server.writes == ["DELETE"]
