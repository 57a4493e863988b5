"""Rule R8: whether the market trends, from the spread of two averages and Wilder's ADX on closed bars.

Indicators are floats: none of them ever becomes a price or a quantity. Wilder divides both directional movements by the
same true range, so that it cancels out of DX = 100·|+DM − −DM|/(+DM + −DM) and need not be summed; what is kept of the
two is their difference and their sum.
"""

from collections.abc import Mapping
from typing import Any, Final

from naut_hedgegrid.domain.values import Regime

_SIDEWAYS: Final = Regime.SIDEWAYS

_BARS_ALIKE: Final = 3
"""So many bars in a row must say the same before it counts."""
_NUMBERS: Final = ("bars", "fast", "slow", "high", "low", "apart", "total", "adx", "alike")
"""What changes from bar to bar, besides the two regimes."""


class RegimeTracker:
    """Takes in closed bars, one at a time, and says which way the market trends."""

    __slots__ = (
        "_adx",
        "_adx_length",
        "_adx_threshold",
        "_alike",
        "_apart",
        "_bars",
        "_cold_bars",
        "_effective",
        "_fast",
        "_fast_length",
        "_high",
        "_hysteresis",
        "_low",
        "_raw",
        "_slow",
        "_slow_length",
        "_total",
        "_weights",
    )

    def __init__(
        self,
        fast: int,
        slow: int,
        adx_length: int,
        adx_threshold: float,
        hysteresis_bps: float,
        effective: Regime = Regime.SIDEWAYS,
    ) -> None:
        """`fast`, `slow` and `adx_length` in bars; `effective` stands until 3 bars have said otherwise."""
        self._fast_length, self._slow_length, self._adx_length = fast, slow, adx_length
        self._adx_threshold, self._hysteresis = adx_threshold, hysteresis_bps / 1e4
        self._cold_bars = max(slow, 2 * adx_length)
        self._effective = effective
        self._raw = _SIDEWAYS
        self._alike = 0
        self._bars = 0
        self._fast = self._slow = self._high = self._low = self._apart = self._total = self._adx = 0.0
        self._weights = self._weighed()

    @property
    def effective(self) -> Regime:
        """What the grid goes by: it changes once the raw regime was the same for 3 bars."""
        return self._effective

    @property
    def raw(self) -> Regime:
        """What the newest bar says by itself; SIDEWAYS while cold."""
        return self._raw

    @property
    def warm(self) -> bool:
        """At least max(slow, 2·adx_length) bars have come."""
        return self._bars >= self._cold_bars

    @property
    def spread_bps(self) -> float | None:
        """(fast − slow)/slow·1e4 of the averages; None before bar `slow`."""
        return (self._fast - self._slow) / self._slow * 1e4 if self._bars >= self._slow_length else None

    @property
    def adx(self) -> float | None:
        """0 to 100; None before bar 2·adx_length."""
        return self._adx if self._bars >= 2 * self._adx_length else None

    def update(self, high: float, low: float, close: float) -> None:
        """A bar has closed. Prices are above 0.

        Raises ValueError for a bar that isn't low ≤ close ≤ high, NaN included: it would stay in the averages for ever.
        """
        if not low <= close <= high:
            raise ValueError(f"bar with high {high}, low {low} and close {close}: low <= close <= high must hold")
        self._bars = bars = self._bars + 1
        if bars <= self._cold_bars + 1:
            self._begin(bars, high, low)
        fast_share, slow_share, keep, adx_keep, adx_gain = self._weights

        self._fast = fast = self._fast + (close - self._fast) * fast_share
        self._slow = slow = self._slow + (close - self._slow) * slow_share

        apart = self._apart * keep
        total = self._total * keep
        up = high - self._high
        down = self._low - low
        self._high = high
        self._low = low
        if up > down:
            if up > 0.0:
                apart += up
                total += up
        elif down > up and down > 0.0:
            apart -= down
            total += down
        self._apart = apart
        self._total = total
        adx = self._adx * adx_keep
        if apart:
            dx = apart / total * adx_gain
            adx = adx + dx if dx > 0.0 else adx - dx
        self._adx = adx

        raw = _SIDEWAYS if adx < self._adx_threshold else self._signed(fast, slow)
        if raw is not self._raw or raw is not self._effective:
            self._say(raw)

    def state(self) -> dict[str, str | int | float]:
        """All that it knows, JSON-ready; a JSON round trip keeps floats exact."""
        return {
            "lengths": self._lengths(),
            "effective": self._effective.value,
            "raw": self._raw.value,
            **{name: getattr(self, f"_{name}") for name in _NUMBERS},
        }

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Go on from a stored state. False where it was stored with other lengths: then only the effective regime is
        taken over and the averages start cold. Raises KeyError or ValueError for what `state` never returned."""
        self._effective = Regime(state["effective"])
        if state["lengths"] != self._lengths():
            return False
        self._raw = Regime(state["raw"])
        for name in _NUMBERS:
            setattr(self, f"_{name}", state[name])
        self._weights = self._weighed()
        return True

    def _begin(self, bars: int, high: float, low: float) -> None:
        """The first bars weigh differently from those after them, and the very first one moves nowhere."""
        if bars == 1:
            self._high, self._low = high, low
        self._weights = self._weighed()

    def _weighed(self) -> tuple[float, float, float, float, float]:
        """Weights of the present bar: share of the close in either average, what is kept of the movements, what is
        kept of the ADX, and the new DX's share in it, in percent.

        What the averages start from is the mean of their first values (a running mean weighs its k-th value by 1/k),
        for the movements the sum.
        """
        bars, length = self._bars, self._adx_length
        fast = 1 / bars if 0 < bars <= self._fast_length else 2 / (self._fast_length + 1)
        slow = 1 / bars if 0 < bars <= self._slow_length else 2 / (self._slow_length + 1)
        keep = 1.0 if bars <= length + 1 else 1 - 1 / length
        adx = 0.0 if bars <= length else 1 / min(bars - length, length)
        return fast, slow, keep, 1 - adx, 100 * adx

    def _signed(self, fast: float, slow: float) -> Regime:
        """Of a market that moves enough: UP or DOWN, as before where the averages are too close to tell."""
        if self._bars < self._cold_bars:
            return _SIDEWAYS
        apart = fast - slow
        if apart == 0.0 or abs(apart) < slow * self._hysteresis:
            return self._raw
        return Regime.UP if apart > 0.0 else Regime.DOWN

    def _say(self, raw: Regime) -> None:
        self._alike = self._alike + 1 if raw is self._raw else 1
        self._raw = raw
        if self._alike >= _BARS_ALIKE:
            self._effective = raw

    def _lengths(self) -> str:
        return f"{self._fast_length}/{self._slow_length}/{self._adx_length}"
