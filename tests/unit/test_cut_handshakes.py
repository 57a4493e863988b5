"""A pod that starts, ends or is hostile cuts handshakes at any point: no later connection is spoilt by that.

On uvloop connections come to share a descriptor here, or the process aborts; import-linter keeps that out.
"""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import pytest

from hedgegrid_operator.control import client
from hedgegrid_operator.control.client import PodClient, PodUnreachableError
from tests.unit import tls_parts
from tests.unit.operator_parts import UID

_ALERT = bytes.fromhex("15030300020228")
"""Fatal: handshake failure."""
_ROUNDS, _AT_ONCE = 40, 16


def _cut(connection: socket.socket, number: int) -> None:
    """End a connection by RST, in one of several ways."""
    with connection, suppress(OSError):
        match number % 5:
            case 1:
                connection.recv(10)
            case 2:
                time.sleep(0.02)
            case 3:
                connection.recv(10)
                time.sleep(0.3)
            case 4:
                connection.recv(2000)
                connection.send(_ALERT)
                time.sleep(0.01)
            case _:
                pass
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def _cutting() -> Iterator[int]:
    """A server in threads of its own that cuts every handshake; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:

        def serve() -> None:
            for number in count():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_cut, args=(connection, number), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


async def _page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers anything with a page that is no report."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwait")
    await writer.drain()
    writer.close()


async def test_handshakes_that_are_cut_spoil_no_later_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(address: str) -> str:
        with pytest.raises(PodUnreachableError) as told:
            await pods.get(address, UID)
        return str(told.value)

    with _cutting() as port:
        monkeypatch.setattr(client, "API_PORT", port)
        context = tls_parts.serving(tls_parts.secret_of())
        async with (
            await asyncio.start_server(_page, "127.0.0.2", port, ssl=context),
            PodClient(b"master", tls_parts.trust(), timeout=0.2) as pods,
            asyncio.timeout(120),
        ):
            for _ in range(_ROUNDS):
                await asyncio.gather(*(call("127.0.0.1") for _ in range(_AT_ONCE)))
            while "503" not in (seen := await call("127.0.0.2")):
                assert "no answer within" in seen  # a busy machine
