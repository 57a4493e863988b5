"""The synthetic market: a geometric random walk that anybody with the seed can repeat.

The k-th increment of the log price is a function of seed and k alone, so ticks are the same however often the process
stops in between.
"""

import math
import random
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal

from hedgegrid_api.files import SimMarket
from naut_hedgegrid.domain.values import Instrument
from naut_hedgegrid.venues.sim.market import Tick, on_tick, position_in
from naut_hedgegrid.venues.sim.places import Place

_SECONDS_A_YEAR = 365 * 86_400


class SyntheticMarket:
    """Best bid at the walk's price, best ask one tick above; market time is the wall clock."""

    wall_clock = True

    def __init__(self, market: SimMarket, instrument: Instrument) -> None:
        """A walk of the venue file's parameters."""
        self._market = market
        self._instrument = instrument
        self._name = f"synthetic seed {market.seed} start {market.start_price}"
        years = 1 / (market.ticks_per_second * _SECONDS_A_YEAR)
        self._drift = market.annual_drift * years
        self._deviation = market.annual_volatility * math.sqrt(years)

    def ticks(self, after: Place | None) -> Iterator[Tick]:
        """Ticks after a place, without end. Raises MarketError where the place is another market's."""
        number, log_return = _parsed(position_in(self._name, after))
        return self._walk(number, log_return)

    def _walk(self, number: int, log_return: float) -> Iterator[Tick]:
        wait = 1 / self._market.ticks_per_second
        while True:
            number += 1
            log_return += self._drift + self._deviation * _standard_normal(self._market.seed, number)
            bid = self._price(log_return)
            place = Place(self._name, f"{number} {log_return!r}")
            yield Tick(bid, bid + self._instrument.tick_size, None, wait, place)

    def _price(self, log_return: float) -> Decimal:
        price = self._market.start_price * Decimal(math.exp(log_return))
        return max(on_tick(price, self._instrument, ROUND_FLOOR), self._instrument.tick_size)


def _standard_normal(seed: int, number: int) -> float:
    return random.Random(f"{seed}/{number}").gauss(0, 1)


def _parsed(position: str | None) -> tuple[int, float]:
    if position is None:
        return 0, 0.0
    number, log_return = position.split()
    return int(number), float(log_return)
