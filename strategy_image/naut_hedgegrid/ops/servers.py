"""Web servers on sockets that are bound beforehand, so that an address in use is an error at once."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator
from ipaddress import ip_address
from typing import override

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS = 75
"""An idle connection is kept this long: longer than the operator's interval between two reads."""
GRACE_SECONDS = 1
"""Requests under way have this long when the server stops."""


class ListenError(RuntimeError):
    """An address can't be listened on; the message says why and which setting to change."""


def listen(host: str, port: int, what: str) -> socket.socket:
    """A socket that listens; port 0 takes a free one. `what` names it in the error."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ListenError(f"the {what} can't listen on {host} port {port}: {error.strerror or error}") from error
    # Connections inherit it. asyncio doesn't set it on those of a socket made like this, and an answer in two writes
    # would wait 40 ms for the delayed acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(host: str) -> bool:
    """Nobody but this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class WebServer(uvicorn.Server):
    """A uvicorn server that leaves signals alone and ends when it is told to, not at its next tick."""

    def __init__(self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
            )
        )
        self.port: int = listener.getsockname()[1]
        """In use."""
        self._listener = listener
        self._ending = asyncio.Event()

    async def run_until_ended(self) -> None:
        """Serve until `end` is called; the socket is closed then."""
        try:
            await self.serve([self._listener])
        finally:
            self._close()

    def end(self) -> None:
        """Take no more connections and finish the requests under way. Called on the server's loop."""
        self.should_exit = True
        self._ending.set()
        if self.started:
            self._close()

    def _close(self) -> None:
        for server in self.servers if self.started else []:
            server.close()
        self._listener.close()

    @override
    async def main_loop(self) -> None:
        await self._ending.wait()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
