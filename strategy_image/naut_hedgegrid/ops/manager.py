"""Control API and metrics exporter, started and stopped together."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent import futures
from concurrent.futures import Future

from naut_hedgegrid.ops.api import control_api
from naut_hedgegrid.ops.auth import ApiKeys
from naut_hedgegrid.ops.figures import snapshot_of
from naut_hedgegrid.ops.metrics import Exporter
from naut_hedgegrid.ops.sampler import Sampler
from naut_hedgegrid.ops.servers import ListenError, WebServer, is_loopback, listen
from naut_hedgegrid.ops.tls import TlsFolder
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""Interval of the metrics' snapshots."""
STOP_SECONDS = 5.0
"""`stop` from another thread waits at most this long."""


class OperationsError(RuntimeError):
    """Operations can't be started; the message says why and what to do."""


class OperationsManager:
    """Serves the control API and the metrics of a strategy.

    Its methods may be called from any thread. Started on a running loop, the servers run there; else on a loop in a
    thread of their own. What touches the strategy hops to the strategy's loop either way.
    """

    def __init__(
        self,
        strategy: HedgeGridV1,
        instrument_id: str,
        prometheus_port: int = 9090,
        api_port: int = 8080,
        *,
        host: str = "127.0.0.1",
        keys: ApiKeys | None = None,
        labels: Mapping[str, str] | None = None,
        uid: str | None = None,
        tls: TlsFolder | None = None,
    ) -> None:
        """Port 0 takes a free one. Without `keys` everybody may do everything, so `host` has to be loopback then.
        `labels` stand beside `instrument` on every metric; documents of another object than `uid` are refused.
        With `tls` the control API speaks TLS; the metrics never do."""
        self.host = host
        self._api_port = api_port
        self._prometheus_port = prometheus_port
        self._strategy = strategy
        self._keys = keys
        self._uid = uid
        self._tls = tls
        self._exporter = Exporter(instrument_id, labels)
        self._servers: _Servers | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Started, and neither stopped nor failed since."""
        return self._servers is not None and not self._servers.done.done()

    @property
    def scheme(self) -> str:
        """Of the control API's URL."""
        return "http" if self._tls is None else "https"

    @property
    def api_port(self) -> int:
        """The port in use while running, else the one asked for."""
        return self._servers.api.port if self._servers is not None and self.running else self._api_port

    @property
    def prometheus_port(self) -> int:
        """The port in use while running, else the one asked for."""
        return self._servers.metrics.port if self._servers is not None and self.running else self._prometheus_port

    def start(self) -> None:
        """Listen on both ports; when it returns, connections are taken.

        Raises:
            OperationsError: it runs already, an address can't be used, or an address that others can reach has no key.
                Nothing is left behind then.
        """
        with self._lock:
            if self.running:
                raise OperationsError("operations run already: stop them first")
            if self._keys is None and not is_loopback(self.host):
                raise OperationsError(
                    f"the control API doesn't listen on {self.host} without an API key, for anybody could trade: set "
                    "keys with --api-keys-dir or HEDGEGRID_API_KEY, or listen on 127.0.0.1"
                )
            servers = self._listening()
            self._strategy.port.post(self._strategy.start_counting)
            servers.launch()
            self._servers = servers

    def update_metrics(self) -> None:
        """Take a new snapshot of the strategy for the exporter; happens by itself every second while running."""
        self._exporter.show(self._strategy.port.call(lambda: snapshot_of(self._strategy)))

    def stop(self) -> None:
        """Close both ports and free everything; without effect where nothing runs.

        Returns when that is done. On the loop that the servers run on it can't wait: follow it by `await closed()`.
        """
        if self._servers is not None:
            self._servers.stop()

    async def closed(self) -> None:
        """Wait until nothing runs any more.

        Raises:
            Exception: what made a server fail.
        """
        if self._servers is not None:
            await asyncio.shield(asyncio.wrap_future(self._servers.done))

    def _listening(self) -> "_Servers":
        try:
            api = listen(self.host, self._api_port, "control API")
            try:
                metrics = listen(self.host, self._prometheus_port, "metrics exporter")
            except ListenError:
                api.close()
                raise
        except ListenError as error:
            raise OperationsError(f"{error}; choose other ports with --api-port and --prometheus-port") from error
        app = control_api(self._strategy, self._keys, self._uid)
        served = WebServer(app, api, self._tls.context if self._tls else None)
        return _Servers(self._strategy, self._exporter, served, WebServer(self._exporter.app, metrics))


class _Servers:
    """Both servers, from a start to its stop."""

    def __init__(self, strategy: HedgeGridV1, exporter: Exporter, api: WebServer, metrics: WebServer) -> None:
        self.api = api
        self.metrics = metrics
        self.done: Future[None] = Future()
        """Ends with the servers; carries what made them fail."""
        self._strategy = strategy
        self._exporter = exporter
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None

    def launch(self) -> None:
        """Serve on the running loop, or on one in an own thread."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="operations", daemon=True)
            self._thread.start()
            self._loop.result()
        else:
            self._task = loop.create_task(self._serve())
            self._loop.set_result(loop)

    def stop(self) -> None:
        """End the servers, and wait for it where that is possible."""
        loop = self._loop.result()
        if self.done.done() or loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is loop:
            self._end()
            return
        loop.call_soon_threadsafe(self._end)
        if not futures.wait([self.done], STOP_SECONDS).done:
            log.error("operations have not ended within %s s", STOP_SECONDS)
        elif self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _end(self) -> None:
        self.api.end()
        self.metrics.end()

    async def _serve(self) -> None:
        port = self._strategy.port
        own_loop = not port.bound
        if own_loop:
            port.bind()
        if self._thread is not None:
            self._loop.set_result(asyncio.get_running_loop())
        tasks = [asyncio.create_task(self._refresh())]
        if (archive := self._strategy.archive) is not None:
            tasks.append(asyncio.create_task(Sampler(self._strategy, archive).run()))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.api.run_until_ended())
                group.create_task(self.metrics.run_until_ended())
        except Exception as error:
            log.exception("operations failed")
            self.done.set_exception(error)
        finally:
            for task in tasks:
                task.cancel()
            if own_loop and port.here:
                port.release()
            if not self.done.done():
                self.done.set_result(None)

    async def _refresh(self) -> None:
        while True:
            try:
                self._exporter.show(await self._strategy.port.fetch(lambda: snapshot_of(self._strategy)))
            except Exception:
                # Shown as unknown; the API has to stay up.
                log.exception("no metrics")
                self._exporter.show(None)
            await asyncio.sleep(REFRESH_SECONDS)
