"""The watches: kopf as an informer, and the only module that knows it.

kopf runs in a thread and a loop of its own. It lists, watches, goes on after an end, and begins anew where its version
is too old; the objects are taken off what it is answered (`stream.py`). It handles nothing, patches nothing, and stops
within a second when asked.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf

from hedgegrid_operator.cache import WATCHED, Sink
from hedgegrid_operator.credentials import Credentials, CredentialSource
from hedgegrid_operator.inbox import Inbox
from hedgegrid_operator.objects import HEDGE_GRID, UID_LABEL
from hedgegrid_operator.stream import Take, tapped

log = logging.getLogger(__name__)

_RESTART_PAUSE = 1.0
_WATCHING = ("watcher for ", "pause-waiter for ")
"""How kopf names the tasks of its watches, in the order in which they can end."""


class Watch:
    """Watches grids, StatefulSets and pods until it is stopped; the sink is called in the operator's own loop."""

    def __init__(self, source: CredentialSource, namespaces: tuple[str | None, ...], sink: Sink) -> None:
        self._source = source
        self._namespaces = [name for name in namespaces if name is not None]
        self._inbox = Inbox(sink)
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._stop = threading.Event()
        self._left = asyncio.Event()

    async def run(self) -> None:
        """Watch; start again whenever the framework gives up (an API server that answers with errors, say)."""
        while not self._stopped:
            ended: asyncio.Future[None] = self._loop.create_future()
            self._stop, self._left = threading.Event(), asyncio.Event()
            threading.Thread(target=self._run_thread, args=(ended, self._stop), name="watch", daemon=True).start()
            left = asyncio.create_task(self._left.wait())
            await asyncio.wait((ended, left), return_when=asyncio.FIRST_COMPLETED)
            left.cancel()
            if not self._stopped:
                log.warning("the watches %s; they are started again", "ended" if ended.done() else "are silent")
                await asyncio.sleep(_RESTART_PAUSE)

    def renew(self) -> None:
        """Watch anew: what watches now is told to end and isn't waited for; it may stand still in its ending (seen)."""
        self._stop.set()
        self._left.set()

    def stop(self) -> None:
        """Ask for the end."""
        self._stopped = True
        self._stop.set()

    def _run_thread(self, ended: asyncio.Future[None], stop: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_told_in_a_line)
        try:
            kopf.run(
                loop=loop,
                registry=self._registry(stop),
                settings=_settings(),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )
        except Exception as error:  # noqa: BLE001 — whatever it is, watching starts again, and LISTs go on meanwhile
            log.warning("the watches failed: %s", error or type(error).__name__)
        finally:
            stop.set()  # a thread of the framework waits for it, and the process's end for that thread
            loop.close()
            self._loop.call_soon_threadsafe(_settle, ended)

    def _registry(self, stop: threading.Event) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login())
        kopf.on.cleanup(registry=registry)(_end_together(stop))
        for kind in WATCHED:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(_watched)
        return registry

    def _login(self) -> Callable[..., Awaitable[kopf.AiohttpSession]]:
        async def login(**_: object) -> kopf.AiohttpSession:
            return _session(await self._source.load(), self._inbox.put)

        return login


async def _watched(**_: object) -> None:
    """kopf watches the kinds that have a handler; no object ever comes so far."""


def _end_together(stop: threading.Event) -> Callable[..., Awaitable[None]]:
    """Where one watch fails, kopf would wait seconds for the others, which go on with a session that it closes next,
    and for its own thread that waits to be told to stop.
    """

    async def cleanup(**_: object) -> None:
        stop.set()
        for name in _WATCHING:
            left = [task for task in asyncio.all_tasks() if task.get_name().startswith(name)]
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=_RESTART_PAUSE)

    return cleanup


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _told_in_a_line(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Where one watch fails the framework ends and is started again; what the others failed of adds nothing."""
    about = str(context.get("message") or "").partition("\n")[0]
    log.info("the watches: %s: %s", about, context.get("exception"))


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 250
    for kind in WATCHED:
        if kind is not HEDGE_GRID:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = UID_LABEL
    settings.networking.request_timeout = 10
    settings.networking.error_backoffs = (0.1, 0.5, 1, 2)
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    return settings


def _session(found: Credentials, take: Take) -> kopf.AiohttpSession:
    """A session of the loop that runs; kopf closes it."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.ssl_context()),
        headers={"Authorization": found.authorization} if found.authorization else None,
        response_class=tapped(WATCHED, take),
    )
    return kopf.AiohttpSession(server=found.server, aiohttp_session=session)
