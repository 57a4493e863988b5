"""Lanes: keyed work that never runs twice at once for a key, and of which only the latest wake-up counts.

An idle key costs a timer and no task. A wake-up ends any pause; one that comes while the work runs makes it run once
more afterwards, so that the newest state is always looked at. A lane may bound how many keys run at the same time, and
may let wake-ups settle for some milliseconds, so that a burst of events is one piece of work.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

type Work = Callable[[str], Awaitable[float | None]]
"""Does what a key needs now; returns the seconds after which it wants to be called again, None for not by itself."""


@dataclass(slots=True)
class _Slot:
    running: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    due: float = 0.0
    queued: bool = False
    again: bool = False
    failures: int = 0


class Lane:
    """One kind of work for all keys."""

    def __init__(self, name: str, work: Work, *, limit: int | None = None, settle: float = 0.0) -> None:
        self.name = name
        self._work = work
        self._limit = limit
        self._settle = settle
        self._slots: dict[str, _Slot] = {}
        self._queue: deque[str] = deque()
        self._running = 0
        self._closed = False

    @property
    def depth(self) -> int:
        """Keys that wait for their turn."""
        return len(self._queue)

    def wake(self, key: str, *, urgent: bool = False) -> None:
        """Run the work of a key now, or once more when it is running. What is urgent doesn't wait for a place."""
        if self._settle and not urgent:
            self.wake_within(key, self._settle)
        else:
            self._run_now(key, urgent=urgent)

    def _run_now(self, key: str, *, urgent: bool) -> None:
        if self._closed:
            return
        slot = self._slots.setdefault(key, _Slot())
        if slot.timer is not None:
            slot.timer.cancel()
            slot.timer = None
        if slot.running:
            slot.again = True
        elif urgent or not slot.queued:
            if self._limit is not None and self._running >= self._limit and not urgent:
                slot.queued = True
                self._queue.append(key)
            else:
                slot.queued = False
                # Eager: the first bytes of a kill are on the wire before this call returns.
                self._start(key, slot, eager=True)

    def wake_within(self, key: str, seconds: float) -> None:
        """Run the work of a key after so many seconds at the latest."""
        if self._closed:
            return
        slot = self._slots.setdefault(key, _Slot())
        if slot.running:
            slot.again = slot.again or seconds <= self._settle
        elif not slot.queued:
            self._pause(key, slot, seconds)

    def forget(self, key: str) -> None:
        """Nothing is to be done for a key any more; what runs is left to end."""
        slot = self._slots.pop(key, None)
        if slot is not None and slot.timer is not None:
            slot.timer.cancel()

    async def close(self, grace: float) -> None:
        """Start nothing any more; what runs gets so many seconds to end, then it is cancelled."""
        self._closed = True
        for slot in self._slots.values():
            if slot.timer is not None:
                slot.timer.cancel()
        running = [slot.task for slot in self._slots.values() if slot.task is not None]
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _pause(self, key: str, slot: _Slot, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if slot.timer is not None:
            if slot.due <= due:
                return
            slot.timer.cancel()
        slot.due = due
        slot.timer = loop.call_at(due, self._ring, key)

    def _ring(self, key: str) -> None:
        slot = self._slots.get(key)
        if slot is not None:
            slot.timer = None
            self._run_now(key, urgent=False)

    def _start(self, key: str, slot: _Slot, *, eager: bool) -> None:
        self._running += 1
        slot.running = True
        task = asyncio.Task(self._run(key, slot), loop=asyncio.get_running_loop(), eager_start=eager)
        if not task.done():
            slot.task = task

    async def _run(self, key: str, slot: _Slot) -> None:
        pause: float | None = None
        try:
            pause = await self._work(key)
            slot.failures = 0
        except asyncio.CancelledError:
            raise
        except Exception:
            slot.failures += 1
            pause = min(60.0, 2.0**slot.failures)
            log.exception("%s of %s failed; again in %g s", self.name, key, pause)
        finally:
            self._running -= 1
            slot.running = False
            slot.task = None
            self._next(key, slot, pause)

    def _next(self, key: str, slot: _Slot, pause: float | None) -> None:
        if self._closed:
            return
        if self._slots.get(key) is slot:
            if slot.again:
                slot.again = False
                self._queue.append(key)
                slot.queued = True
            elif pause is not None:
                self._pause(key, slot, pause)
        while self._queue and (self._limit is None or self._running < self._limit):
            waiting = self._queue.popleft()
            found = self._slots.get(waiting)
            if found is not None and found.queued:
                found.queued = False
                self._start(waiting, found, eager=False)
