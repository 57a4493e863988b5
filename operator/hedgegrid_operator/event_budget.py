"""How many Events one grid may write: one that is patched 50 times a second takes nobody else's place. Pure."""

from dataclasses import dataclass

_BURST = 40.0
_REFILL_SECONDS = 10.0
"""One more after so long."""
_KNOWN_MAX = 2_000


@dataclass(slots=True)
class _Purse:
    left: float
    at: float


class EventBudget:
    """Counts by grid and, apart from each other, by whether an Event warns: noise doesn't use up warnings."""

    def __init__(self) -> None:
        self._purses: dict[tuple[str, bool], _Purse] = {}

    def take(self, uid: str, now: float, *, warning: bool) -> bool:
        """Whether one more may be written now (`now`: seconds of any steady clock)."""
        purse = self._purses.get((uid, warning))
        if purse is None:
            self._forget_full(now)
            purse = self._purses[uid, warning] = _Purse(_BURST, now)
        purse.left = min(_BURST, purse.left + (now - purse.at) / _REFILL_SECONDS)
        purse.at = now
        if purse.left < 1:
            return False
        purse.left -= 1
        return True

    def _forget_full(self, now: float) -> None:
        """A full purse is the same as none."""
        if len(self._purses) >= _KNOWN_MAX and len(self._purses) % 256 == 0:
            full = [
                key for key, held in self._purses.items() if held.left + (now - held.at) / _REFILL_SECONDS >= _BURST
            ]
            for key in full:
                del self._purses[key]
