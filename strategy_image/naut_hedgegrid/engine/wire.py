"""The wire to the simulated venue: what is sent arrives after the latency, in order."""

import asyncio
from collections import deque
from collections.abc import Callable


class Wire:
    """A delay line."""

    def __init__(self, latency_seconds: float) -> None:
        """0 delivers at once, within `send`."""
        self._latency = latency_seconds
        self._under_way: deque[tuple[float, Callable[[], None]]] = deque()

    def send(self, arrive: Callable[[], None]) -> None:
        """Have `arrive` called after the latency and after all that was sent before. It must not raise."""
        if not self._latency:
            arrive()
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + self._latency
        self._under_way.append((due, arrive))
        loop.call_at(due, self._deliver, due)

    async def passed(self) -> None:
        """Return when something sent now has arrived."""
        arrived = asyncio.Event()
        self.send(arrived.set)
        await arrived.wait()

    def _deliver(self, now: float) -> None:
        while self._under_way and self._under_way[0][0] <= now:
            _, arrive = self._under_way.popleft()
            arrive()
