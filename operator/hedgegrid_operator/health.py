"""/healthz, /readyz and /metrics on one port."""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from hedgegrid_operator.metrics import Metrics

log = logging.getLogger(__name__)

type Check = Callable[[], str | None]
"""What is wrong, None when nothing is."""


class HealthServer:
    """Answers probes and scrapes."""

    def __init__(self, metrics: Metrics, *, live: Check, ready: Check, measure: Callable[[], None]) -> None:
        self._metrics = metrics
        self._live = live
        self._ready = ready
        self._measure = measure
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; raises `OSError` when the address can't be had."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host or None, port)
        await site.start()
        log.info("probes and metrics are served", extra={"addresses": [str(found) for found in self._runner.addresses]})

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._live())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._ready())

    async def _metrics_page(self, _: web.Request) -> web.Response:
        self._measure()
        # Writing thousands of series takes longer than a kill may wait for the loop.
        body = await asyncio.to_thread(self._metrics.exposition)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _answer(wrong: str | None) -> web.Response:
    return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)
