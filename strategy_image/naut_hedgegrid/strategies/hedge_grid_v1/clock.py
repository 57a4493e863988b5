"""The times that the strategy lives by."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Market time drives the grid; deadlines run on monotonic time; people read wall time."""

    def market(self) -> int:
        """Market time, ns since the epoch: the wall clock, in a replay the newest quote's."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, for deadlines."""
        ...

    def wall(self) -> datetime:
        """Wall time, UTC."""
        ...

    def saw(self, ts: int) -> None:
        """A quote of this market time has come."""
        ...


class WallClock:
    """Market time is the wall clock."""

    def market(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def saw(self, ts: int) -> None:
        pass


class ReplayClock(WallClock):
    """Market time is the newest quote's: a replay neither ages nor goes stale by itself."""

    def __init__(self) -> None:
        self._ts = 0

    def market(self) -> int:
        return self._ts

    def saw(self, ts: int) -> None:
        self._ts = max(self._ts, ts)
