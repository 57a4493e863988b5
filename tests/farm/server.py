"""The control API of one stub pod: as much of HTTP/1.1 as a pooled client needs, and nothing in front of it."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any, override

from tests.farm.stub import Stub

PORT = 8080

type Note = Callable[[int, dict[str, Any]], None]
"""Takes the wall clock (ns) at which a document's last byte came, and the document."""


class Fault(StrEnum):
    """What is wrong with a pod."""

    NONE = "none"
    REFUSED = "refused"
    """Nobody listens; connections that stand are cut."""
    SILENT = "silent"
    """It accepts connections and requests, and answers nothing."""


class ControlServer:
    """Listens for one pod."""

    def __init__(self, stub: Stub, address: str, tls: ssl.SSLContext | None, note: Note) -> None:
        self.stub = stub
        self.address = address
        self.tls = tls
        self.note = note
        self.fault = Fault.NONE
        self.reads = 0
        """GET /control so far."""
        self.handshakes = 0
        """Connections so far."""
        self.connections: set[asyncio.BaseTransport] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.address, PORT, ssl=self.tls, backlog=16)

    async def afflict(self, fault: Fault) -> None:
        """Change what is wrong."""
        self.fault = fault
        if fault is Fault.REFUSED:
            self.close()
        elif self._server is None:
            await self.open()

    def close(self) -> None:
        """Listen no more, and cut what stands."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in tuple(self.connections):
            transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment] # uvloop's has no common base
        self._server.connections.add(transport)
        self._server.handshakes += 1

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end]
            length = _content_length(head)
            if len(self._pending) < end + 4 + length:
                return
            body = self._pending[end + 4 : end + 4 + length]
            self._pending = self._pending[end + 4 + length :]
            if self._server.fault is Fault.NONE:
                self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        arrived = time.time_ns()
        if head.startswith(b"PUT /control "):
            document = json.loads(body)
            status, answer = self._server.stub.put(document)
            self._server.note(arrived, document)
        elif head.startswith(b"GET /control "):
            self._server.reads += 1
            status, answer = 200, self._server.stub.report()
        else:
            status, answer = 404, b'{"detail":"only /control is played here"}'
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(answer), answer)
        )


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
