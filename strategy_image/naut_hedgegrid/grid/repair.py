"""Rule R17: an exit that ended, but not by us, is created again; a leg where that goes on opens nothing more."""

from collections import deque
from typing import Final

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.elapsed import Elapsed

_MOST: Final = 3
_WINDOW: Final = 60_000_000_000
_PAUSE: Final = 300_000_000_000
"""Rule R18's pause: whatever takes the exits away needs time or a person to stop."""


class Repairs:
    """Counts the exits of each leg that had to be created again. Times are market time, ns."""

    def __init__(self) -> None:
        self._elapsed = Elapsed()
        self._times: dict[Leg, deque[int]] = {leg: deque(maxlen=_MOST) for leg in Leg}
        self._until: dict[Leg, int] = {}

    def created_again(self, leg: Leg, now: int) -> None:
        """An exit of the leg was created again. The third within 60 s closes the leg's gate for 5 min."""
        at, times = self._elapsed.at(now), self._times[leg]
        times.append(at)
        if len(times) == _MOST and at - times[0] < _WINDOW:
            self._until[leg] = at + _PAUSE

    def closed(self, leg: Leg, now: int) -> str | None:
        """Why the leg's gate is closed, for a condition; None where it isn't."""
        until = self._until.get(leg)
        if until is None or self._elapsed.at(now) >= until:
            return None
        return (
            f"{_MOST} exits of {leg} ended within 60 s without being filled or cancelled by us and were created again; "
            "no entries of the leg for 5 min. See the account for another program or self-trade prevention."
        )
