"""The one way into the strategy.

The engine raises some events inside the very call that sends an order, while it has its cache locked. So nothing
reaches the strategy from within an engine callback: everything is queued and delivered by the loop, one at a time.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from naut_hedgegrid.engine.errors import ErrorReports


class Inbox:
    """Calls to the strategy, in order."""

    def __init__(self, errors: ErrorReports) -> None:
        """Closed until `open`."""
        self._errors = errors
        self._calls: deque[tuple[str, Callable[[], None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False

    def open(self) -> None:
        """Deliver from now on, on the running loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Deliver nothing any more."""
        self._loop = None
        self._calls.clear()

    def post(self, name: str, call: Callable[[], None]) -> None:
        """Queue a call; `name` is the callback's for error reports. Dropped while closed."""
        if self._loop is None:
            return
        self._calls.append((name, call))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """Deliver what is there; what that adds waits for the loop's next turn."""
        self._scheduled = False
        for _ in range(len(self._calls)):
            if not self._calls:
                return  # closed by a callback
            name, call = self._calls.popleft()
            self._errors.guarded(name, call)
        if self._calls and self._loop is not None and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._deliver)
