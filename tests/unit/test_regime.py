"""Rule R8, the regime: averages, ADX, hysteresis, three bars alike, and a state that outlives the process."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naut_hedgegrid.domain.values import Leg, Regime
from naut_hedgegrid.grid.regime import RegimeTracker
from tests.unit.month import month, needs_month

type HLC = tuple[float, float, float]


def tracker(fast: int = 2, slow: int = 4, adx: int = 2, threshold: float = 20, hysteresis: float = 10) -> RegimeTracker:
    return RegimeTracker(fast, slow, adx, threshold, hysteresis)


def fed(regime: RegimeTracker, bars: Iterable[HLC]) -> RegimeTracker:
    for high, low, close in bars:
        regime.update(high, low, close)
    return regime


def rising(count: int, start: float = 100, step: float = 1) -> list[HLC]:
    return [(start + i * step + 0.5, start + i * step - 0.5, start + i * step) for i in range(count)]


def textbook_ema(closes: Sequence[float], length: int) -> float:
    ema = sum(closes[:length]) / length
    for close in closes[length:]:
        ema += 2 / (length + 1) * (close - ema)
    return ema


def textbook_adx(bars: Sequence[HLC], length: int) -> float:
    """As Wilder writes it, with the true range."""
    moves = []
    for (h0, l0, c0), (h1, l1, _) in pairwise(bars):
        up, down = h1 - h0, l0 - l1
        plus, minus = (up if up > down and up > 0 else 0), (down if down > up and down > 0 else 0)
        moves.append((plus, minus, max(h1 - l1, abs(h1 - c0), abs(l1 - c0))))
    sums = [sum(move[k] for move in moves[:length]) for k in range(3)]
    dxs = [textbook_dx(*sums)]
    for move in moves[length:]:
        sums = [s - s / length + x for s, x in zip(sums, move, strict=True)]
        dxs.append(textbook_dx(*sums))
    adx = sum(dxs[:length]) / length
    for dx in dxs[length:]:
        adx = (adx * (length - 1) + dx) / length
    return adx


def textbook_dx(plus: float, minus: float, true_range: float) -> float:
    if plus + minus == 0:
        return 0
    up, down = plus / true_range, minus / true_range
    return 100 * abs(up - down) / (up + down)


@needs_month
def test_r8_vector_of_the_real_month() -> None:
    rows = month()
    assert rows[99]["timestamp"].startswith("2022-01-01 00:40")
    bars = [(float(row["high"]), float(row["low"]), float(row["close"])) for row in rows]
    regime = fed(RegimeTracker(10, 30, 14, 20, 10), bars[:100])
    assert regime.spread_bps == pytest.approx(12.912185, abs=5e-7)
    assert regime.adx == pytest.approx(20.654139, abs=5e-7)
    assert regime._fast == pytest.approx(46479.242204, abs=5e-7)
    assert regime._slow == pytest.approx(46419.304740, abs=5e-7)
    fed(regime, bars[100:1000])
    assert regime.spread_bps == pytest.approx(32.108535, abs=5e-7)
    assert regime.adx == pytest.approx(43.274737, abs=5e-7)
    assert regime.effective is Regime.UP
    seen = set()
    for bar in bars[1000:]:
        regime.update(*bar)
        seen.add(regime.effective)
    assert seen == set(Regime)
    assert regime.adx == pytest.approx(textbook_adx(bars, 14), rel=1e-9)


def test_r8_a_hand_made_example() -> None:
    """Closes 10 11 12 13 11; averages of 2 and 4 bars, ADX of 2: computed by hand."""
    regime = fed(tracker(), [(11, 9, 10), (12, 10, 11), (13, 11, 12)])
    assert (regime.spread_bps, regime.adx, regime.warm) == (None, None, False)
    fed(regime, [(14, 12, 13)])
    # EMA2 10.5, 11.5, 12.5; EMA4 the mean 11.5.
    assert regime.spread_bps == pytest.approx((12.5 - 11.5) / 11.5 * 1e4)
    # +DM 1 + 1 in bars 2 and 3, then 2 − 2/2 + 1 = 2; no −DM: DX 100 twice.
    assert regime.adx == 100
    fed(regime, [(13, 10, 11)])
    # +DM 2 − 2/2 = 1, −DM 2: DX 100·1/3. EMA2 12.5 − 1.5·2/3 = 11.5, EMA4 11.5 − 0.5·2/5 = 11.3.
    assert regime.adx == pytest.approx((100 + 100 / 3) / 2)
    assert regime.spread_bps == pytest.approx((11.5 - 11.3) / 11.3 * 1e4)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(900, 1100), st.integers(0, 30), st.integers(0, 30)), min_size=60, max_size=90),
    st.sampled_from([(2, 5, 2), (10, 30, 14), (3, 40, 5), (5, 9, 20)]),
)
def test_r8_equals_the_textbook(rows: list[tuple[int, int, int]], lengths: tuple[int, int, int]) -> None:
    bars: list[HLC] = [(float(close + up), float(close - down), float(close)) for close, up, down in rows]
    fast, slow, length = lengths
    regime = fed(RegimeTracker(fast, slow, length, 20, 10), bars)
    closes = [bar[2] for bar in bars]
    quick, lazy = textbook_ema(closes, fast), textbook_ema(closes, slow)
    assert regime.spread_bps == pytest.approx((quick - lazy) / lazy * 1e4, rel=1e-9, abs=1e-7)
    assert regime.adx == pytest.approx(textbook_adx(bars, length), rel=1e-9, abs=1e-9)


def test_r8_sideways_while_cold_and_three_bars_more() -> None:
    regime = RegimeTracker(3, 10, 4, 20, 10)
    seen = []
    for bar in rising(14):
        fed(regime, [bar])
        seen.append((regime.warm, regime.raw, regime.effective))
    assert seen[:9] == [(False, Regime.SIDEWAYS, Regime.SIDEWAYS)] * 9
    assert seen[9:11] == [(True, Regime.UP, Regime.SIDEWAYS)] * 2, "warm at bar 10 = emaSlow"
    assert seen[11:] == [(True, Regime.UP, Regime.UP)] * 3


def test_r8_the_adx_decides_how_long_it_stays_cold_where_it_is_longer() -> None:
    regime = fed(tracker(adx=6), rising(11))
    assert not regime.warm
    assert regime.adx is None
    assert fed(regime, rising(1, 111)).warm
    assert regime.adx == 100


def test_r8_down_mirrors_up() -> None:
    assert fed(tracker(), rising(10)).effective is Regime.UP
    assert fed(tracker(), rising(10, step=-1)).effective is Regime.DOWN


def test_r8_a_weak_trend_is_sideways_whatever_the_spread() -> None:
    strong = fed(tracker(threshold=100), rising(12))
    assert strong.effective is Regime.UP, "100 is not below 100"
    choppy = fed(tracker(threshold=60), [bar for i in range(12) for bar in rising(1, 100 + (i % 2) * 3)])
    assert choppy.spread_bps is not None
    assert abs(choppy.spread_bps) >= 10
    assert choppy.effective is Regime.SIDEWAYS


def test_r8_a_spread_within_the_hysteresis_changes_nothing() -> None:
    regime = fed(tracker(hysteresis=50, threshold=0), rising(10))
    assert regime.effective is Regime.UP
    fed(regime, [(109.1, 108.9, 109.0)] * 30)
    assert regime.spread_bps is not None
    assert abs(regime.spread_bps) < 50
    assert regime.effective is Regime.UP


def test_r8_averages_that_are_equal_point_nowhere_even_without_a_hysteresis() -> None:
    regime = fed(tracker(hysteresis=0, threshold=0), [(101, 99, 100)] * 20)
    assert regime.spread_bps == 0
    assert regime.effective is Regime.SIDEWAYS


def test_r8_two_bars_the_other_way_change_nothing() -> None:
    regime = fed(RegimeTracker(1, 2, 2, 0, 0), rising(8))
    assert regime.effective is Regime.UP
    fed(regime, rising(2, 90, -5))
    assert (regime.raw, regime.effective) == (Regime.DOWN, Regime.UP)
    fed(regime, rising(1, 95))
    assert regime.raw is Regime.UP
    fed(regime, rising(2, 80, -5))
    assert regime.effective is Regime.UP, "the count began anew"
    fed(regime, rising(1, 70))
    assert regime.effective is Regime.DOWN


def test_r8_a_market_that_stands_still_has_no_trend_and_no_error() -> None:
    regime = fed(RegimeTracker(10, 30, 14, 20, 10), [*rising(40), *[(140.0, 140.0, 140.0)] * 20_000])
    assert regime.adx is not None
    assert 0 <= regime.adx <= 100
    assert regime.raw is Regime.UP, "the averages are too close to tell: as before"
    flat = fed(RegimeTracker(10, 30, 14, 20, 10), [(140.0, 140.0, 140.0)] * 100)
    assert flat.adx == 0
    assert flat.effective is Regime.SIDEWAYS


@pytest.mark.parametrize("bar", [(float("nan"), 1, 1), (2, float("nan"), 1), (2, 1, float("nan")), (1, 2, 1.5)])
def test_r8_a_broken_bar_is_refused_and_leaves_no_trace(bar: HLC) -> None:
    regime = fed(tracker(), rising(6))
    before = regime.state()
    with pytest.raises(ValueError, match="low <= close <= high"):
        regime.update(*bar)
    assert regime.state() == before


@pytest.mark.parametrize("at", [0, 1, 2, 13, 14, 15, 27, 28, 29, 30, 31, 32, 60])
def test_r8_a_restart_changes_nothing(at: int) -> None:
    bars = [*rising(40), *rising(35, 139, -1)]
    whole = RegimeTracker(10, 30, 14, 20, 10)
    first = fed(RegimeTracker(10, 30, 14, 20, 10), bars[:at])
    fed(whole, bars[:at])
    second = RegimeTracker(10, 30, 14, 20, 10)
    assert second.restore(json.loads(json.dumps(first.state())))
    for bar in bars[at:]:
        whole.update(*bar)
        second.update(*bar)
        assert second.state() == whole.state()
    assert whole.effective is Regime.DOWN


def test_r8_other_lengths_keep_the_stored_regime_and_start_cold() -> None:
    stored = fed(RegimeTracker(10, 30, 14, 20, 10), rising(60)).state()
    regime = RegimeTracker(12, 30, 14, 20, 10)
    assert not regime.restore(stored)
    assert (regime.effective, regime.warm, regime.adx) == (Regime.UP, False, None)
    fed(regime, rising(2))
    assert regime.effective is Regime.UP
    fed(regime, rising(1, 102))
    assert regime.effective is Regime.SIDEWAYS, "cold is sideways, after 3 bars as always"


def test_in_up_long_is_the_trend_leg() -> None:
    assert [regime.trend_leg for regime in (Regime.UP, Regime.DOWN, Regime.SIDEWAYS)] == [Leg.LONG, Leg.SHORT, None]
