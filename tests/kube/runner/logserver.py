"""The node's HTTPS endpoint: what the API server asks for `kubectl logs`."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from tests.kube.certificates import KeyPair
from tests.kube.runner.container import Container

POLL_SECONDS = 0.1
BLOCK_BYTES = 1 << 16

type Find = Callable[[str, str, str], Container | None]


async def serve_logs(address: str, port: int, keys: KeyPair, authority: Path, find: Find) -> web.AppRunner:
    """Serve until the returned runner is cleaned up; only clients with a certificate of the cluster's CA are heard."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(keys.certificate, keys.key)

    async def logs(request: web.Request) -> web.StreamResponse:
        return await _logs(request, find)

    async def other(request: web.Request) -> web.Response:
        return web.Response(status=501, text=f"the pod runner does not do {request.path.split('/')[1]}, only logs\n")

    application = web.Application()
    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    application.router.add_route("*", "/{rest:.*}", other)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, port, ssl_context=context).start()
    return runner


async def _logs(request: web.Request, find: Find) -> web.StreamResponse:
    names, query = request.match_info, request.query
    for option in ("timestamps", "sinceSeconds", "sinceTime", "stream"):
        if query.get(option, "false") not in {"false", "All"}:
            return web.Response(status=400, text=f"the pod runner keeps lines without times: no {option}\n")
    container = find(names["namespace"], names["pod"], names["container"])
    if container is None:
        return web.Response(status=404, text=f"no container {names['container']} in pod {names['pod']}\n")
    run = container.state.restarts
    if query.get("previous") == "true":
        if run == 0:
            return web.Response(status=400, text=f"container {names['container']} has no previous run\n")
        run -= 1
    path = container.log(run)
    content = path.read_bytes() if path.exists() else b""
    position = len(content)
    if "tailLines" in query:
        content = _tail(content, int(query["tailLines"]))
    if "limitBytes" in query:
        content = content[: int(query["limitBytes"])]
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await response.write(content)
    if query.get("follow") == "true":
        await _follow(response, container, run, position)
    return response


async def _follow(response: web.StreamResponse, container: Container, run: int, position: int) -> None:
    """Send what is appended until this run of the container has ended and all of it is sent."""
    path = container.log(run)
    while True:
        running = container.child is not None and container.state.restarts == run
        if path.exists():
            with path.open("rb") as log:
                log.seek(position)
                while block := log.read(BLOCK_BYTES):
                    position += len(block)
                    await response.write(block)
        if not running:
            return
        await asyncio.sleep(POLL_SECONDS)


def _tail(content: bytes, lines: int) -> bytes:
    return b"".join(content.splitlines(keepends=True)[-lines:]) if lines > 0 else b""
