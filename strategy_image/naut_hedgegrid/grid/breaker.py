"""Rule R18: what the venue refuses again and again is stopped, first for a while, then until somebody looks at it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from naut_hedgegrid.grid.elapsed import Elapsed

_MINUTE: Final = 60_000_000_000
_HOUR: Final = 60 * _MINUTE
_PAUSE: Final = 5 * _MINUTE
_MOST_REFUSALS: Final = 10
"""Within a minute; one more closes the gate."""
_LATCHING: Final = 3
"""The so-many-th closure within an hour stays."""

_MARGIN: Final = frozenset({-2018, -2019, -2027, -2028})
_PERMISSION: Final = frozenset({-4140, -4141, -4192, -4400, -4401})
_ENGINE_MARGIN: Final = "EXCEEDS_FREE_BALANCE"
"""How the engine says it when it denies an order before the venue can refuse it."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Why the gate of both legs is closed."""

    message: str
    until: int | None
    """Market time, ns; None: until it is released."""


class Breaker:
    """Counts what was refused. All times are market time, ns."""

    def __init__(self) -> None:
        self._elapsed = Elapsed()
        self._refusals: deque[int] = deque(maxlen=_MOST_REFUSALS + 1)
        self._trips: deque[int] = deque(maxlen=_LATCHING)
        self._closure: Closure | None = None

    @property
    def latched(self) -> bool:
        """Closed until `release`."""
        return self._closure is not None and self._closure.until is None

    def closure(self, now: int) -> Closure | None:
        """Why the gate is closed; None where it isn't."""
        return self._closure if self._closed(self._elapsed.at(now)) else None

    def refused(self, reason: str, now: int, *, post_only: bool) -> None:
        """An order was refused by the venue or denied by the engine. `reason` begins with the venue's code.

        Post-only refusals are what rule R12 is for. Those for margin or permission close the gate at once, are tried
        again every 5 minutes and count for nothing else: they last until somebody changes the account.
        """
        if post_only:
            return
        at, said, remedy = self._elapsed.at(now), reason.rstrip("."), _remedy(reason)
        if remedy is not None:
            if not self.latched:
                message = f"an order was refused: {said}; no entries for 5 min, then tried again. {remedy}"
                self._closure = Closure(message, at + _PAUSE)
            return
        self._refusals.append(at)
        if len(self._refusals) > _MOST_REFUSALS and at - self._refusals[0] < _MINUTE:
            self._trip(f"more than {_MOST_REFUSALS} orders were refused within 60 s, the newest: {said}", at)

    def budget_hit(self, for_ns: int, now: int) -> None:
        """Commands have had to wait for so long (`Budget.hit_for`)."""
        if for_ns >= _MINUTE:
            self._trip("order commands had to wait for the venue's rate limit for 60 s", self._elapsed.at(now))

    def release(self) -> None:
        """Somebody has looked at it: open, and nothing counts any more."""
        self._closure = None
        self._refusals.clear()
        self._trips.clear()

    def plain(self) -> dict[str, Any]:
        """For the store: what has to outlive the process, JSON-ready."""
        closure = self._closure
        return {
            "trips": list(self._trips),
            "message": closure.message if closure is not None else None,
            "until": closure.until if closure is not None else None,
        }

    @classmethod
    def from_plain(cls, row: Mapping[str, Any], now: int) -> "Breaker":
        """From the store. Times that lie ahead, because the clock was set back in between, count from now."""
        breaker = cls()
        breaker._trips.extend(min(trip, now) for trip in row["trips"])
        if row["message"] is not None:
            until = row["until"]
            breaker._closure = Closure(row["message"], min(until, now + _PAUSE) if until is not None else None)
        return breaker

    def _closed(self, at: int) -> bool:
        closure = self._closure
        return closure is not None and (closure.until is None or at < closure.until)

    def _trip(self, why: str, at: int) -> None:
        """Close, unless it is closed: what was under way when it closed is refused too and is no second trip."""
        if self._closed(at):
            return
        self._trips.append(at)
        self._refusals.clear()
        if len(self._trips) == _LATCHING and at - self._trips[0] < _HOUR:
            message = f"{why}; the third time within an hour: no entries until it is released by a higher rearm"
            self._closure = Closure(f"{message} or POST /resume", None)
        else:
            self._closure = Closure(f"{why}; no entries for 5 min", at + _PAUSE)


def _remedy(reason: str) -> str | None:
    """What to do about a refusal that lasts until the account is changed; None for any other."""
    code = reason.split(maxsplit=1)[0] if reason else ""
    number = int(code) if code.removeprefix("-").isdecimal() else 0
    if number in _MARGIN or _ENGINE_MARGIN in reason:
        return "Add margin, or lower baseQty, the number of rungs or maxInventoryQuote."
    if number in _PERMISSION:
        return "See whether the account may trade and the symbol is open for trading."
    return None
