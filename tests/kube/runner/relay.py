"""A TCP relay at the pod's address, in front of the process that listens at a hidden one: where network faults happen.

It knows bytes, not requests, and of TLS only where the handshake ends. Each declared container port is relayed. A
connection that finds nobody listening behind the relay is reset, where without a relay it would have been refused.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence

from tests.kube.runner.faults import Traffic
from tests.kube.runner.handshake import Handshake

BLOCK_BYTES = 1 << 16


class Relay:
    """Relays all ports of one pod under the faults in `traffic`."""

    def __init__(self, address: str, hidden: str, ports: Sequence[int], traffic: Traffic) -> None:
        self._address = address
        self._hidden = hidden
        self._ports = ports
        self._traffic = traffic
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Relay until cancelled, listening whenever connections aren't to be refused."""
        try:
            while True:
                changed = self._traffic.changed
                if self._traffic.refused:
                    self._shut()
                elif not self._servers:
                    await self._listen()
                await changed.wait()
        finally:
            self._shut()

    async def _listen(self) -> None:
        for port in self._ports:
            self._servers.append(await asyncio.start_server(self._accept, self._address, port, backlog=1024))

    def _shut(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for connection in self._connections:
            connection.cancel()

    async def _accept(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        port = client_out.get_extra_info("sockname")[1]
        writers = [client_out]
        try:
            pod_in, pod_out = await asyncio.open_connection(self._hidden, port)
            writers.append(pod_out)
            handshake = Handshake()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(client_in, pod_out, handshake, answers=False))
                both.create_task(self._pump(pod_in, client_out, handshake, answers=True))
        except* (ConnectionError, _DroppedError):
            for writer in writers:
                _reset_on_close(writer)
        except* asyncio.CancelledError:  # refused from now on, or the pod is gone
            for writer in writers:
                _reset_on_close(writer)
        finally:
            self._connections.discard(task)
            for writer in writers:
                writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, handshake: Handshake, *, answers: bool
    ) -> None:
        clock = asyncio.get_running_loop().time
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            block = b"-"
            while block:
                block = await source.read(BLOCK_BYTES)
                waiting.put_nowait((clock(), block))

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            while True:
                arrived, block = await waiting.get()
                await self._until_due(arrived, answers=answers)
                if not block:
                    with contextlib.suppress(OSError):
                        sink.write_eof()
                    return
                if not answers:
                    handshake.sent(block)
                elif self._traffic.drop_answers and not handshake.under_way:
                    raise _DroppedError
                sink.write(block)
                await sink.drain()

    async def _until_due(self, arrived: float, *, answers: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            changed = self._traffic.changed
            delay = self._traffic.answer_delay if answers else self._traffic.request_delay
            left = arrived + delay - loop.time()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()


class _DroppedError(Exception):
    """An answer was swallowed."""


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    # Closing with unread or lingering data of zero seconds sends RST: the peer sees a cut, not an orderly end.
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
