"""How a process is ended: SIGTERM, a grace period that may be cut short, SIGKILL."""

import asyncio
import contextlib
import signal

from tests.kube.children import Child


class Grace:
    """A deadline on the loop's clock that only ever comes nearer."""

    def __init__(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._nearer = asyncio.Event()

    def at_most(self, seconds: float) -> None:
        """End the period no later than `seconds` from now."""
        deadline = asyncio.get_running_loop().time() + seconds
        if deadline < self._deadline:
            self._deadline = deadline
            self._nearer.set()

    async def over(self) -> None:
        """Return when the period is over."""
        loop = asyncio.get_running_loop()
        while (left := self._deadline - loop.time()) > 0:
            self._nearer.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._nearer.wait()


async def end(child: Child, grace: Grace) -> None:
    """Ask the process to end, and kill it with all of its group when the grace period is over."""
    child.send_signal(signal.SIGTERM)
    ended = asyncio.create_task(child.wait())
    over = asyncio.create_task(grace.over())
    try:
        await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            child.signal_group(signal.SIGKILL)
            await ended
    finally:
        ended.cancel()
        over.cancel()
