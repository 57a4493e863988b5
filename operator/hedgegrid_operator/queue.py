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
    queued_at: float = 0.0
    again: bool = False
    failures: int = 0
    holds_place: bool = False
    """It runs and counts against the limit."""


class Lane:
    """One kind of work for all keys.

    `patience`: work that runs for longer gives up its place (it runs on) while others wait for one, so that pods which
    don't answer hold up none that do. At most `limit` · (how long work may take) / `patience` run at once then.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        *,
        limit: int | None = None,
        settle: float = 0.0,
        patience: float | None = None,
        retry_max: float = 60.0,
    ) -> None:
        self.name = name
        self._retry_max = retry_max
        self._patience = patience
        self._placed: dict[int, tuple[float, _Slot]] = {}
        """Those that hold a place, the oldest first, with the time since when."""
        self._relief: asyncio.TimerHandle | None = None
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

    @property
    def oldest(self) -> float:
        """Seconds that the key has waited which has waited longest; 0 where none waits."""
        now, waiting = asyncio.get_running_loop().time(), map(self._slots.get, self._queue)
        return max((now - slot.queued_at for slot in waiting if slot is not None and slot.queued), default=0.0)

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
                self._enqueue(key, slot)
                self._relieve_later()
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
        if self._relief is not None:
            self._relief.cancel()
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
        slot.running = slot.holds_place = True
        if self._patience is not None:
            self._placed[id(slot)] = asyncio.get_running_loop().time(), slot
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
            pause = min(self._retry_max, 2.0**slot.failures)
            log.exception("%s of %s failed; again in %g s", self.name, key, pause)
        finally:
            self._give_up_place(slot)
            slot.running = False
            slot.task = None
            self._next(key, slot, pause)

    def _give_up_place(self, slot: _Slot) -> None:
        if slot.holds_place:
            slot.holds_place = False
            self._running -= 1
            self._placed.pop(id(slot), None)

    def _relieve_later(self) -> None:
        """Somebody waits for a place: look when the oldest of those who hold one has had it for long enough."""
        if self._patience is None or self._relief is not None or self._closed:
            return
        oldest = next(iter(self._placed.values()), None)
        if oldest is not None:
            self._relief = asyncio.get_running_loop().call_at(oldest[0] + self._patience, self._relieve)

    def _relieve(self) -> None:
        self._relief = None
        overdue = asyncio.get_running_loop().time() - (self._patience or 0.0)
        for slot in [slot for since, slot in self._placed.values() if since <= overdue]:
            self._give_up_place(slot)
        self._fill()

    def _next(self, key: str, slot: _Slot, pause: float | None) -> None:
        if self._closed:
            return
        if self._slots.get(key) is slot:
            if slot.again:
                slot.again = False
                self._enqueue(key, slot)
            elif pause is not None:
                self._pause(key, slot, pause)
        self._fill()

    def _enqueue(self, key: str, slot: _Slot) -> None:
        slot.queued, slot.queued_at = True, asyncio.get_running_loop().time()
        self._queue.append(key)

    def _fill(self) -> None:
        """Start what waits, as far as there are places."""
        while self._queue and (self._limit is None or self._running < self._limit):
            waiting = self._queue.popleft()
            found = self._slots.get(waiting)
            if found is not None and found.queued:
                found.queued = False
                self._start(waiting, found, eager=False)
        if self._queue:
            self._relieve_later()
