"""Waiting for what tells nobody when it changes."""

import asyncio
from collections.abc import Callable

_QUICK_TURNS = 200
_PAUSE_SECONDS = 0.001


async def poll(condition: Callable[[], bool], seconds: float) -> bool:
    """Let the loop turn until the condition holds; False if it doesn't within the time.

    It mostly takes a few turns of the loop, so the first are taken without a pause.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    turns = 0
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(0 if turns < _QUICK_TURNS else _PAUSE_SECONDS)
        turns += 1
    return True
