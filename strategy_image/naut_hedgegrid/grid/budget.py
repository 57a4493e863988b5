"""Rule R10: how many order commands may go out, in sliding windows of market time.

Binance lets an account send 300 orders in 10 s and 1,200 a minute (binance.md, Limits); what comes on top is refused,
a market close as well as an entry. So what can wait leaves room for what can't.
"""

from collections import deque
from enum import IntEnum
from typing import Final

from naut_hedgegrid.grid.elapsed import Elapsed

_SHORT: Final = 10_000_000_000
_LONG: Final = 60_000_000_000


class Priority(IntEnum):
    """What a command is for; the lower goes first."""

    KILL = 0
    """Of a flatten: its cancels and its closes."""
    EXIT = 1
    """Take-profits and stops, and what is cancelled to replace them."""
    CANCEL = 2
    """Of entries."""
    ENTRY = 3


_ENTRIES: Final = (250, 1_000)
"""Commands of any kind within the short and the long window before entries wait."""
_CANCELS: Final = (275, 1_100)
"""Likewise for cancels of entries: half-way to the venue's limit. An entry that should go but rests may be filled, so
its cancel goes out where entries wait; a storm of cancels must not take the last room from exits and closes."""
_UNCHECKED: Final = 50
"""Where entries have room for so many more, so many commands pass without another look at the windows."""


class Budget:
    """Counts commands and says which may go out now."""

    __slots__ = ("_elapsed", "_hit_since", "_last_hit", "_times", "_unchecked")

    def __init__(self) -> None:
        self._elapsed = Elapsed()
        self._times: deque[int] = deque(maxlen=_CANCELS[1])
        self._unchecked = 0
        self._hit_since = 0
        self._last_hit: int | None = None

    def take(self, priority: Priority, now: int) -> bool:
        """True where the command may go out; it is counted. False where it has to wait, which is remembered for
        `hit_for`. Kills and exits always may. `now` is market time, ns."""
        at = self._elapsed.at(now)
        if self._unchecked > 0:
            self._unchecked -= 1
        elif priority >= Priority.CANCEL and not self._room(priority, at):
            self._hit(at)
            return False
        self._times.append(at)
        return True

    def hit_for(self, now: int) -> int:
        """For how long commands have had to wait without a pause, ns; 0 where none has to.

        A pause is 10 s, the short window, in which nothing had to wait. Measured up to the last command that had to.
        """
        if self._last_hit is None or self._elapsed.at(now) - self._last_hit >= _SHORT:
            return 0
        return self._last_hit - self._hit_since

    def _room(self, priority: Priority, at: int) -> bool:
        if not self._full(_ENTRIES, _UNCHECKED, at):
            self._unchecked = _UNCHECKED - 1
            return True
        return not self._full(_ENTRIES if priority is Priority.ENTRY else _CANCELS, 0, at)

    def _full(self, limits: tuple[int, int], spare: int, at: int) -> bool:
        """A window holds n commands where the n-th newest lies in it."""
        times, short, long = self._times, limits[0] - spare, limits[1] - spare
        return (len(times) >= short and times[-short] > at - _SHORT) or (
            len(times) >= long and times[-long] > at - _LONG
        )

    def _hit(self, at: int) -> None:
        if self._last_hit is None or at - self._last_hit >= _SHORT:
            self._hit_since = at
        self._last_hit = at
