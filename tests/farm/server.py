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
    DRIP = "drip"
    """It answers a byte now and then, for ever."""
    FLOOD = "flood"
    """Its answer has no end."""
    ECHO = "echo"
    """An error page that shows the request, headers and all."""
    REDIRECT = "redirect"
    """It sends the client to another address."""
    NONSENSE = "nonsense"
    """Answers that are JSON and no report: deep, of the wrong shape, with numbers of no size."""
    ANOTHER = "another"
    """It reports about another object."""


_NONSENSE = (
    b"[" * 50_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"bootID":"b","synced":true,"throttle":{"desired":1e999,"effective":1,"source":"spec"},"killSwitch":[]}',
    b'{"bootID":5,"synced":"no","latches":{},"telemetry":{"long":{"quantity":"1e999999999"}}}',
    b'"\\u001b[2J\\u202e"',
    b"\xff\xfe{}",
    b"",
)


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
        self.elsewhere = 0
        """Requests for another path than /control: a redirect that was followed."""
        self.nonsense = 0
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
            else:
                self._server.elsewhere += b" /control " not in head.partition(b"\r\n")[0]
                self._misbehave(head)

    def _misbehave(self, head: bytes) -> None:
        match self._server.fault:
            case Fault.DRIP:
                self._write(b"HTTP/1.1 200 -\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n")
                self._drip()
            case Fault.FLOOD:
                self._write(b"HTTP/1.1 200 -\r\ncontent-type: application/json\r\n\r\n")
                self._flood()
            case Fault.ECHO:
                self._write(_answer_of(500, b"<pre>" + head + b"</pre>", b"text/html"))
            case Fault.REDIRECT:
                elsewhere = b"location: https://%b:%d/elsewhere\r\n" % (self._server.address.encode(), PORT)
                self._write(b"HTTP/1.1 307 -\r\n" + elsewhere + b"content-length: 0\r\n\r\n")
            case Fault.NONSENSE:
                self._server.nonsense += 1
                self._write(_answer_of(200, _NONSENSE[self._server.nonsense % len(_NONSENSE)]))
            case Fault.ANOTHER:
                report = json.loads(self._server.stub.report())
                self._write(_answer_of(200, json.dumps(report | {"uid": "another-uid"}).encode()))
            case _:
                return

    def _drip(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b" ")
            asyncio.get_running_loop().call_later(0.05, self._drip)

    def _flood(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if self._transport.get_write_buffer_size() < 1_000_000:
                self._transport.write(b" " * 65_536)
            asyncio.get_running_loop().call_later(0.005, self._flood)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

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
        self._write(_answer_of(status, answer))


def _answer_of(status: int, content: bytes, kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %d -\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(content))
    return head + content


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
