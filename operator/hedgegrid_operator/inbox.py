"""Events on their way from the watching thread into the operator's loop: the urgent first, the rest a few at a time."""

import asyncio
from collections import deque
from collections.abc import Sequence

from hedgegrid_api.types import KillSwitch
from hedgegrid_operator.cache import Sink
from hedgegrid_operator.objects import HEDGE_GRID, POD, metadata, section
from hedgegrid_operator.stream import Event

_FEW = 8
"""Events taken in before the loop does something else: some milliseconds."""


class Inbox:
    """Hands each event to a sink in the loop that made the inbox: kills and deletions, then pods, then the rest.

    What overtakes an older state of its object makes that count for nothing.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._pods: deque[Event] = deque()
        """A kill may wait for one of them."""
        self._rest: deque[Event] = deque()

    def put(self, events: Sequence[Event]) -> None:
        """Take over events, from any thread."""
        self._loop.call_soon_threadsafe(self._arrived, events)

    def _arrived(self, events: Sequence[Event]) -> None:
        idle = not self._pods and not self._rest
        for event in events:
            if _urgent(event):
                self._loop.call_soon(self._sink, *event)
            else:
                (self._pods if event.kind is POD else self._rest).append(event)
        if idle:
            self._take_in()

    def _take_in(self) -> None:
        for _ in range(min(_FEW, len(self._pods) + len(self._rest))):
            self._loop.call_soon(self._sink, *(self._pods or self._rest).popleft())
        if self._pods or self._rest:
            self._loop.call_soon(self._take_in)


def _urgent(event: Event) -> bool:
    """Whether a grid is to be closed: by its kill switch, or because it goes."""
    if event.kind is not HEDGE_GRID:
        return False
    switch = section(event.obj, "spec").get("killSwitch", KillSwitch.NONE)
    return event.deleted or switch != KillSwitch.NONE or "deletionTimestamp" in metadata(event.obj)
