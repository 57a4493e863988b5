"""Is the market alive? Stale: nothing new for too long. Frozen: it speaks, but says the same."""

from decimal import Decimal

from naut_hedgegrid.grid.bars import SECOND

_FROZEN_TIMES = 5
_BARS_TO_RECOVER = 3
_QUOTES_TO_RECOVER = 60 * SECOND


class Freshness:
    """Watches the quotes; once stale or frozen it takes 3 bars or 60 s of fresh quotes to be trusted again."""

    def __init__(self, stale_seconds: int) -> None:
        self._limit = stale_seconds * SECOND
        self._frozen = _FROZEN_TIMES * self._limit
        self._began: int | None = None
        self._newest: int | None = None
        self._price: Decimal | None = None
        self._volume: Decimal | None = None
        self._others: dict[str, int] = {}
        self._moved = 0
        self._bad = False
        self._since = 0
        self._bars = 0
        self._ended = False

    @property
    def newest(self) -> int | None:
        """Market time of the newest quote; None before the first."""
        return self._newest

    def on_price(self, price: Decimal, ts: int) -> None:
        """A quote or a bar has come, with its mid or close."""
        if self._newest is None or abs(ts - self._newest) > self._limit:
            self._since, self._bars = ts, 0
        self._newest = ts
        # Of a clock that was set back (F50): what moved did so now at the latest.
        self._moved = min(self._moved, ts)
        if price != self._price:
            self._price = price
            self._move(ts)

    def on_volume(self, volume: Decimal | None, ts: int) -> None:
        """A bar says what was traded; None: nothing is known of it. A price that stands still while that changes isn't
        frozen."""
        if volume is not None and volume != self._volume:
            self._volume = volume
            self._move(ts)

    def on_other(self, name: str, ts: int) -> None:
        """Time of the newest mark price or trade, where the venue gives it apart from the quotes."""
        if abs(ts - self._others.get(name, ts)) > self._limit:
            self._since, self._bars = ts, 0
        self._others[name] = ts

    def on_bar(self) -> None:
        """A bar has closed."""
        self._bars += 1

    def on_end(self) -> None:
        """The market has no more data."""
        self._ended = True

    def check(self, now: int) -> str | None:
        """Why the data can't be traded on, None where they can. `now` is market time."""
        if not (self._bad or self._ended or self._others) and now == self._newest == self._moved:
            return None
        reason = self._present(now)
        if reason is not None:
            self._bad = True
            return reason
        if self._bad:
            recovered = self._bars >= _BARS_TO_RECOVER or now - self._since >= _QUOTES_TO_RECOVER
            if not recovered:
                return "data are back; waiting for 3 bars or 60 s of quotes"
            self._bad = False
        return None

    def _present(self, now: int) -> str | None:
        if self._ended:
            return "the market data have ended"
        if self._began is None:
            self._began = now
        age = now - (self._began if self._newest is None else self._newest)
        for name, newest in (("data", now - age), *self._others.items()):
            if now - newest > self._limit:
                return f"no {name} for {(now - newest) / SECOND:.0f} s"
            if newest - now > self._limit:
                # Nothing could be said to be old for as long as the clock was set back (F50).
                return f"the newest {name} is {(newest - now) / SECOND:.0f} s ahead of the clock; waiting for newer"
        if self._newest is None:
            return None
        still = now - self._moved
        return f"the price has not changed for {still / SECOND:.0f} s" if still > self._frozen else None

    def _move(self, ts: int) -> None:
        if ts - self._moved > self._frozen:
            self._since, self._bars = ts, 0
        self._moved = ts
