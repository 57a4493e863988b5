"""A proxy before the API server, whose requests can be counted, held up, delayed, answered here, cut, or ended with a
bang at the n-th.

An operator that is given `kubeconfig(…)` asks through it. Plain HTTP on loopback, in a thread of the test: it carries
bearer tokens, so it is for ServiceAccounts and not for users with a client certificate.
"""

import asyncio
import base64
import json
import random
import secrets
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

from tests.kube.cluster import Cluster

_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"})
_START_SECONDS = 10.0


@dataclass(slots=True)
class Call:
    """One request that came through."""

    method: str
    path: str
    watch: bool
    status: int | None = None
    """Of the API server's answer; None while there is none."""
    last: bytes = b""
    """Of a watch, the block of its stream that was passed on last."""

    @property
    def writes(self) -> bool:
        """It changes an object; a Lease, which its holder renews all the time, doesn't count."""
        return self.method in {"POST", "PUT", "PATCH", "DELETE"} and "/leases" not in self.path


type Which = Callable[[Call], bool]
"""Picks requests."""


def every(_: Call) -> bool:
    """All of them."""
    return True


def watches(call: Call) -> bool:
    """Streams of events."""
    return call.watch


def writes(call: Call) -> bool:
    """Changes, but for those of a Lease."""
    return call.writes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a picked request gets instead of the API server's answer."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


@dataclass(slots=True)
class _Stop:
    left: int
    which: Which
    then: Callable[[], object]
    before: bool


class ApiProxy:
    """`with ApiProxy(cluster) as proxy:`; methods may be called from any thread."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-proxy", daemon=True)
        self._open: set[asyncio.Transport] = set()
        self._held: Which | None = None
        self._refusing = False
        self._stop: _Stop | None = None
        self._answer: tuple[Which, Answer] | None = None
        self._delay: tuple[Which, float, float] | None = None
        self._moved = asyncio.Event()
        self._port = 0
        self._calls: list[Call] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._serving = self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held = None
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kubeconfig(self, config: Path) -> Path:
        """A copy of a ServiceAccount's kubeconfig that leads here."""
        content = yaml.safe_load(config.read_text())
        content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._port}"}
        path = config.with_name(f"{config.name}.proxied-{secrets.token_hex(4)}")
        path.touch(mode=0o600)
        path.write_text(json.dumps(content))
        return path

    @property
    def calls(self) -> list[Call]:
        """What came through so far, in order of arrival."""
        return list(self._calls)

    def freeze(self, which: Which = every) -> None:
        """Requests that are picked are accepted and nothing flows any more: neither to the server nor from it."""
        self._set("_held", which)

    def thaw(self) -> None:
        """What was held up goes on."""
        self._set("_held", None)

    def refuse(self) -> None:
        """Cut every connection, and every new one at its first request."""
        self._set("_refusing", True)
        self.cut()

    def accept(self) -> None:
        """End `refuse`."""
        self._set("_refusing", False)

    def answer(self, answer: Answer, which: Which = every) -> None:
        """Requests that are picked get this answer and don't reach the API server, until `heal`."""
        self._set("_answer", (which, answer))

    def delay(self, least: float, most: float, which: Which = every) -> None:
        """Requests that are picked reach the API server so many seconds late, until `heal`."""
        self._set("_delay", (which, least, most))

    def heal(self) -> None:
        """Everything passes again."""
        for fault in ("_held", "_answer", "_delay"):
            self._set(fault, None)
        self._set("_refusing", False)

    def cut(self) -> None:
        """Cut the connections that are open now."""
        self._run(self._cut())

    def stop_at(self, count: int, then: Callable[[], object], which: Which = writes, *, before: bool = False) -> None:
        """At the `count`-th (from 1) picked request from now on call `then`, while everything else is held up, and cut
        the connection: the request was carried out, or not even sent where `before`, and its answer arrives never.
        """
        self._set("_stop", _Stop(count, which, then, before))

    @property
    def stopping(self) -> bool:
        """Whether `stop_at` still waits for its request."""
        return self._stop is not None

    def forget_stop(self) -> None:
        """Take back `stop_at`."""
        self._set("_stop", None)

    # In the thread.

    async def _start(self) -> tuple[web.AppRunner, aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=_trusting(self._cluster.kubeconfig), limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = int(runner.addresses[0][1])
        return runner, self._session

    async def _end(self) -> None:
        await self._cut()
        self._moved.set()
        runner, session = self._serving
        await runner.cleanup()
        await session.close()

    async def _cut(self) -> None:
        for transport in tuple(self._open):
            transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.method, request.path, "watch" in request.query)
        self._calls.append(call)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._open.add(transport)
        try:
            if self._refusing:
                return self._gone(transport)
            if self._delay is not None and self._delay[0](call):
                await asyncio.sleep(random.uniform(*self._delay[1:]))
            if self._answer is not None and self._answer[0](call):
                return self._answered(call, self._answer[1])
            stop = self._due(call)
            if stop is None or not stop.before:
                await self._may_pass(call)
                body = await request.read()
                headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
                async with self._session.request(
                    request.method,
                    f"{self._cluster.api.server}{request.path_qs}",
                    headers=headers,
                    data=body or None,
                    skip_auto_headers=("Content-Type", "Accept", "Accept-Encoding", "User-Agent"),
                ) as answer:
                    call.status = answer.status
                    if stop is None:
                        return await self._pass_on(call, request, answer)
                    await answer.read()
            assert stop is not None
            await self._end_with(stop)
            return self._gone(transport)
        except aiohttp.ClientError:
            return self._gone(transport)
        finally:
            self._open.discard(transport)

    @staticmethod
    def _answered(call: Call, answer: Answer) -> web.Response:
        call.status = answer.status
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))

    def _due(self, call: Call) -> _Stop | None:
        stop = self._stop
        if stop is None or not stop.which(call):
            return None
        stop.left -= 1
        if stop.left:
            return None
        self._stop = None
        return stop

    async def _end_with(self, stop: _Stop) -> None:
        held, self._held = self._held, every
        try:
            await self._loop.run_in_executor(None, stop.then)
        finally:
            self._held = held
            self._moved.set()

    async def _pass_on(self, call: Call, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        if not call.watch:
            body = await answer.read()
            await self._may_pass(call)
            return web.Response(status=answer.status, headers=headers, body=body)
        passed = web.StreamResponse(status=answer.status, headers=headers)
        await passed.prepare(request)
        async for block in answer.content.iter_any():
            await self._may_pass(call)
            await passed.write(block)
            call.last = block
        await passed.write_eof()
        return passed

    async def _may_pass(self, call: Call) -> None:
        while self._held is not None and self._held(call):
            self._moved.clear()
            await self._moved.wait()

    @staticmethod
    def _gone(transport: asyncio.Transport) -> web.Response:
        transport.abort()
        return web.Response()

    # From other threads.

    def _set(self, name: str, value: object) -> None:
        async def change() -> None:
            setattr(self, name, value)
            self._moved.set()

        self._run(change())

    def _run[T](self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(_START_SECONDS)


def _trusting(kubeconfig: Path) -> ssl.SSLContext:
    """For connections to the API server without a certificate of ours: whose token it is has to decide."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    return ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
