"""Tasks that nobody awaits, whose errors nobody may miss; and API calls that have to get through."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from tests.kube.apiclient import UNREACHABLE, Json
from tests.kube.errors import ApiError

RETRY_SECONDS = 0.2
_PASSING = frozenset({429, 500, 502, 503, 504})
"""A server that has just started, or whose store is away."""

logger = logging.getLogger(__name__)


class Background:
    """Starts tasks and keeps what went wrong in them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.problems: list[str] = []

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; an exception becomes a line of `problems`."""
        task = asyncio.create_task(work, name=work.__qualname__)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s failed", task.get_name(), exc_info=error)
            self.problems.append(f"{task.get_name()}: {error!r}")


async def persistently[T](call: Callable[[], Awaitable[T]]) -> T:
    """Repeat an API call for as long as the API server can't be reached or is in trouble, or others write the same
    object; every other ApiError passes through.
    """
    while True:
        try:
            return await call()
        except UNREACHABLE:
            await asyncio.sleep(RETRY_SECONDS)
        except ApiError as error:
            if error.status not in _PASSING and "the object has been modified" not in str(error):
                raise
            await asyncio.sleep(RETRY_SECONDS)


async def unless_gone(call: Awaitable[Json]) -> None:
    """Await an API call that has nothing to do any more when its object is gone, replaced, or already as wanted."""
    try:
        await call
    except ApiError as error:
        # A pod of the same name has another uid, which a patch of its status can't change.
        replaced = error.status == 422 and "metadata.uid" in str(error)
        if error.status not in {404, 409} and not replaced:
            raise
