"""The synthetic market: same seed, same ticks, wherever it is taken up again."""

import math
import statistics
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.venues.instrument import instrument_of
from naut_hedgegrid.venues.sim.market import MarketError, Tick
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.synthetic import SyntheticMarket

D = Decimal


def market(filters: dict[str, Any] | None = None, **sim: Any) -> SyntheticMarket:
    file = VenueFile.model_validate({"instrument": "BTCUSDT-PERP.BINANCE", "filters": filters or {}, "sim": sim})
    return SyntheticMarket(file.sim, instrument_of(file))


def ticks(count: int, after: Place | None = None, **sim: Any) -> list[Tick]:
    return list(islice(market(**sim).ticks(after), count))


def test_the_same_seed_gives_the_same_ticks_and_another_seed_others() -> None:
    assert ticks(200, seed=7) == ticks(200, seed=7)
    assert [tick.bid for tick in ticks(200, seed=7)] != [tick.bid for tick in ticks(200, seed=8)]


@given(stop=st.integers(1, 60), seed=st.integers(0, 2**53))
def test_it_goes_on_from_any_place_as_if_it_had_never_stopped(stop: int, seed: int) -> None:
    whole = ticks(100, seed=seed)
    assert ticks(100 - stop, after=whole[stop - 1].place, seed=seed) == whole[stop:]


def test_another_seed_or_start_does_not_go_on_from_this_place() -> None:
    place = ticks(1, seed=1)[0].place
    for other in ({"seed": 2}, {"seed": 1, "startPrice": "60000"}):
        with pytest.raises(MarketError, match="synthetic seed 1 start 50000"):
            market(**other).ticks(place)


def test_spread_is_one_tick_and_mark_is_mid() -> None:
    for tick in ticks(100):
        assert tick.ask - tick.bid == D("0.1")
        assert tick.bid % D("0.1") == 0
        assert tick.quote(123).mark == tick.bid + D("0.05")
        assert tick.quote(123).ts == 123


def test_ticks_come_as_often_as_asked_for() -> None:
    assert {tick.wait_seconds for tick in ticks(10, ticksPerSecond=40)} == {0.025}


@pytest.mark.parametrize(("volatility", "drift"), [(0.6, 0.0), (2.0, -5.0), (0.0, 3.0)])
def test_returns_have_the_yearly_volatility_and_drift(volatility: float, drift: float) -> None:
    per_second, count = 0.1, 20_000
    prices = [
        float(tick.bid)
        for tick in ticks(count, annualVolatility=volatility, annualDrift=drift, ticksPerSecond=per_second)
    ]
    returns = [math.log(after / before) for before, after in pairwise(prices)]
    years = 1 / (per_second * 365 * 86_400)
    assert statistics.pstdev(returns) == pytest.approx(volatility * math.sqrt(years), rel=0.03, abs=3e-6)
    error_of_mean = volatility * math.sqrt(years / count)
    assert statistics.mean(returns) == pytest.approx(drift * years, abs=4 * error_of_mean + 1e-9)


def test_a_price_never_falls_below_one_tick() -> None:
    wild = market({"tickSize": "10"}, startPrice="20", annualVolatility=10, ticksPerSecond=0.1, annualDrift=-10)
    prices = [tick.bid for tick in islice(wild.ticks(None), 20_000)]
    assert min(prices) == 10
    assert all(price % 10 == 0 for price in prices)
