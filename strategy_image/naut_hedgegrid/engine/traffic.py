"""What is on its way between strategy and venue."""

import asyncio
from collections.abc import Callable


class Traffic:
    """Counts by which one side knows what the other has got. Belongs to the loop's thread."""

    def __init__(self) -> None:
        """Nothing is on its way."""
        self._quotes_sent = self._quotes_seen = 0
        self._commands_sent = self._commands_entered = self._commands_arrived = 0
        self._events_sent = self._events_seen = 0
        self._answers_due = 0
        self._waiting: list[asyncio.Future[None]] = []

    def __str__(self) -> str:
        """What is on its way, for people."""
        return (
            f"{self._quotes_sent - self._quotes_seen} quotes, {self._commands_sent - self._commands_arrived} commands, "
            f"{self._events_sent - self._events_seen} events, {self._answers_due} answers under way"
        )

    @property
    def quotes_seen(self) -> bool:
        """Whether the strategy has had every quote."""
        return self._quotes_seen >= self._quotes_sent

    @property
    def at_rest(self) -> bool:
        """Whether nothing is on its way."""
        return (
            self._quotes_seen >= self._quotes_sent
            and self._commands_arrived >= self._commands_sent
            and self._events_seen >= self._events_sent
            and not self._answers_due
        )

    def events_so_far_seen(self) -> Callable[[], bool]:
        """A condition: the strategy has had every event that has been sent until now."""
        sent = self._events_sent
        return lambda: self._events_seen >= sent

    def commands_so_far_entered(self) -> Callable[[], bool]:
        """A condition: every command that has been sent until now is on the wire to the venue, or was denied."""
        sent = self._commands_sent
        return lambda: self._commands_entered >= sent

    def quote_sent(self) -> None:
        """The market has handed a quote to the engine."""
        self._quotes_sent += 1

    def quote_seen(self) -> None:
        """The strategy is given a quote."""
        self._quotes_seen += 1
        self._changed()

    def command_sent(self) -> None:
        """The strategy has handed a command to the engine."""
        self._commands_sent += 1

    def command_entered(self) -> None:
        """A command is on the wire to the venue."""
        self._commands_entered += 1
        self._changed()

    def command_arrived(self) -> None:
        """The venue has carried a command out, or refused it."""
        self._commands_arrived += 1
        self._changed()

    def event_sent(self) -> None:
        """The venue has handed an event to the engine."""
        self._events_sent += 1

    def event_seen(self) -> None:
        """The strategy is given an event."""
        self._events_seen += 1
        self._changed()

    def answer_due(self) -> None:
        """An answer is on its way that bypasses the engine."""
        self._answers_due += 1

    def answered(self) -> None:
        """That answer is given."""
        self._answers_due -= 1
        self._changed()

    def forget(self) -> None:
        """Take what is on its way as lost."""
        self._quotes_seen = self._quotes_sent
        self._commands_entered = self._commands_arrived = self._commands_sent
        self._events_seen = self._events_sent
        self._changed()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition on these counts holds; False if it doesn't within the time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            if loop.time() >= deadline:
                return False
            waiting = loop.create_future()
            self._waiting.append(waiting)
            timer = loop.call_at(deadline, _wake, waiting)
            try:
                await waiting
            finally:
                timer.cancel()
        return True

    def _changed(self) -> None:
        if self._waiting:
            woken, self._waiting = self._waiting, []
            for waiting in woken:
                _wake(waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
