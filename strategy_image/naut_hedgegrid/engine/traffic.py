"""What is on its way between strategy and venue."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

_QUICK_TURNS = 50
_PAUSE_SECONDS = 0.001


@dataclass(slots=True)
class Traffic:
    """Counts by which one side knows what the other has got. All grow, but `answers_due`."""

    quotes_sent: int = 0
    """By the market, into the engine."""
    quotes_seen: int = 0
    """By the strategy."""
    commands_sent: int = 0
    """By the strategy, into the engine."""
    commands_entered: int = 0
    """At the venue's door: on the wire with its latency, or denied by the engine."""
    commands_arrived: int = 0
    """Carried out or refused by the venue, or denied by the engine."""
    events_sent: int = 0
    """By the venue, into the engine."""
    events_seen: int = 0
    """By the strategy."""
    answers_due: int = 0
    """Questions of the strategy and answers that bypass the engine, not yet delivered."""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is on its way."""
        return (
            self.quotes_seen >= self.quotes_sent
            and self.commands_arrived >= self.commands_sent
            and self.events_seen >= self.events_sent
            and not self.answers_due
        )

    def forget(self) -> None:
        """Take what is on its way as lost."""
        self.quotes_seen = self.quotes_sent
        self.commands_entered = self.commands_arrived = self.commands_sent
        self.events_seen = self.events_sent


async def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Let the loop turn until the condition holds; False if it doesn't within the time.

    What is waited for mostly takes a few turns of the loop, so the first are taken without a pause.
    """
    if condition():
        return True
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    turns = 0
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(0 if turns < _QUICK_TURNS else _PAUSE_SECONDS)
        turns += 1
    return True
