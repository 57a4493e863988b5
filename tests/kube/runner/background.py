"""Tasks that nobody awaits, whose errors nobody may miss."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from tests.kube.apiclient import UNREACHABLE
from tests.kube.runner.informer import RETRY_SECONDS

logger = logging.getLogger(__name__)


class Background:
    """Starts tasks and keeps what went wrong in them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.problems: list[str] = []

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; an exception becomes a line of `problems`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a task of the pod runner failed", exc_info=error)
            self.problems.append(f"{task.get_coro().__qualname__}: {error!r}")


async def persistently[T](call: Callable[[], Awaitable[T]]) -> T:
    """Repeat an API call for as long as the API server can't be reached; ApiError passes through."""
    while True:
        try:
            return await call()
        except UNREACHABLE:
            await asyncio.sleep(RETRY_SECONDS)
