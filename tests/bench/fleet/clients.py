"""Many requests at once, as many as an operator would have under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

AT_ONCE = 32


async def at_once(calls: Sequence[Callable[[], Awaitable[object]]], limit: int = AT_ONCE) -> None:
    """Do all of them, so many at a time; raises what the first one that fails raises."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(work())
