"""How the market moves after a fill: the mark-out, in bps of the fill's price, above 0 in the fill's favour.

A fill is compared with the newest quote at the moment at which its time is over (market time). Where none has come
since the fill, the mark-out is unknown and isn't counted.
"""

from collections import deque
from decimal import Decimal

from naut_hedgegrid.domain.values import Leg, OrderFilled, Quote, Side
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Distribution, Observed

HORIZONS = (1, 10, 60)
"""Seconds of market time after the fill."""
BOUNDS = (-100.0, -50.0, -20.0, -10.0, -5.0, -2.0, -1.0, 0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Buckets, bps."""

_SECOND = 1_000_000_000
_BPS = Decimal(10_000)
_WAITING = 1_000
"""So many fills wait for each horizon; of more at once the oldest are left out."""


class Markout:
    """Follows the fills; bounded, and one comparison for each horizon a quote."""

    __slots__ = ("_newest", "_seen", "_waiting")

    def __init__(self) -> None:
        self._newest: Quote | None = None
        self._waiting: tuple[tuple[int, int, deque[OrderFilled]], ...] = tuple(
            (seconds * _SECOND, seconds, deque(maxlen=_WAITING)) for seconds in HORIZONS
        )
        self._seen: dict[tuple[Leg, int], Distribution] = {
            (leg, seconds): Distribution(BOUNDS) for leg in Leg for seconds in HORIZONS
        }

    def on_fill(self, fill: OrderFilled) -> None:
        """A fill of either leg, opening or closing."""
        for _, _, waiting in self._waiting:
            waiting.append(fill)

    def on_quote(self, quote: Quote) -> None:
        """A quote: what was due before it is compared with the one before."""
        before, self._newest, now = self._newest, quote, quote.ts
        for span, seconds, waiting in self._waiting:
            while waiting and waiting[0].ts + span < now:
                fill = waiting.popleft()
                if before is not None and before.ts > fill.ts:
                    self._seen[fill.leg, seconds].observe(bps(fill, before.mid))

    def observed(self) -> dict[tuple[Leg, int], Observed]:
        """By leg and horizon."""
        return {key: seen.observed() for key, seen in self._seen.items()}


def bps(fill: OrderFilled, mid: Decimal) -> float:
    """Mark-out of a fill at a mid price: a purchase gains where the price rises, a sale where it falls."""
    move = (mid - fill.price) / fill.price * _BPS
    return float(move if fill.side is Side.BUY else -move)
