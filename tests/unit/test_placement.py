"""Rule R7: number of rungs, factor and take-profit of each leg by policy and regime."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.trading import PlacementPolicy
from naut_hedgegrid.domain.values import Leg, Regime
from naut_hedgegrid.grid.placement import Placement, PlacementSettings, placed

D = Decimal
SYMMETRIC, THROTTLED, CORE = PlacementPolicy
UP, DOWN, SIDEWAYS = Regime
LONG, SHORT = Leg
WHOLE = Placement(8, D(1), 3)


def place(policy: PlacementPolicy, regime: Regime, leg: Leg, levels: int = 8, steps: int = 3) -> Placement:
    return placed(PlacementSettings(policy, 4, D("0.5")), regime, leg, levels, steps)


@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("leg", Leg)
def test_r7_symmetric_has_all_rungs_in_every_regime(regime: Regime, leg: Leg) -> None:
    assert place(SYMMETRIC, regime, leg) == WHOLE


@pytest.mark.parametrize(("regime", "with_it", "against"), [(UP, LONG, SHORT), (DOWN, SHORT, LONG)])
def test_r7_throttled_counter_shortens_and_shrinks_the_leg_against_the_trend(
    regime: Regime, with_it: Leg, against: Leg
) -> None:
    assert place(THROTTLED, regime, with_it) == WHOLE
    assert place(THROTTLED, regime, against) == Placement(4, D("0.5"), 3)


@pytest.mark.parametrize("leg", Leg)
def test_r7_throttled_counter_is_whole_in_sideways(leg: Leg) -> None:
    assert place(THROTTLED, SIDEWAYS, leg) == WHOLE


@pytest.mark.parametrize(("regime", "core", "scalp"), [(UP, LONG, SHORT), (DOWN, SHORT, LONG)])
def test_r7_core_and_scalp_takes_the_scalp_s_profit_after_one_step(regime: Regime, core: Leg, scalp: Leg) -> None:
    assert place(CORE, regime, core) == WHOLE
    assert place(CORE, regime, scalp) == Placement(4, D("0.5"), 1)


@pytest.mark.parametrize("leg", Leg)
def test_r7_core_and_scalp_in_sideways_is_short_on_both_legs_at_full_quantity(leg: Leg) -> None:
    assert place(CORE, SIDEWAYS, leg) == Placement(4, D(1), 1)


@pytest.mark.parametrize("policy", PlacementPolicy)
@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("leg", Leg)
def test_r7_no_take_profit_stays_none_and_one_step_stays_one(policy: PlacementPolicy, regime: Regime, leg: Leg) -> None:
    assert place(policy, regime, leg, steps=0).take_profit_steps == 0
    assert place(policy, regime, leg, steps=1).take_profit_steps == 1


def test_r7_a_leg_with_fewer_rungs_than_the_counter_may_have_keeps_them() -> None:
    assert place(THROTTLED, UP, SHORT, levels=3).levels == 3
    assert place(CORE, SIDEWAYS, LONG, levels=3).levels == 3
    assert place(THROTTLED, UP, SHORT, levels=0).levels == 0


@pytest.mark.parametrize("policy", [THROTTLED, CORE])
def test_r7_a_factor_of_0_leaves_the_counter_leg_no_rung(policy: PlacementPolicy) -> None:
    nothing = PlacementSettings(policy, 4, D(0))
    assert placed(nothing, DOWN, LONG, 8, 3).levels == 0
    assert placed(nothing, DOWN, SHORT, 8, 3) == WHOLE


def test_r7_the_factor_is_for_the_counter_leg_only() -> None:
    assert placed(PlacementSettings(CORE, 4, D(0)), SIDEWAYS, LONG, 8, 3) == Placement(4, D(1), 1)


@given(
    st.sampled_from(PlacementPolicy),
    st.sampled_from(Regime),
    st.sampled_from(Leg),
    st.integers(0, 100),
    st.integers(0, 100),
    st.decimals(0, 1, places=2),
    st.integers(0, 100),
)
def test_r7_a_regime_never_adds_anything(
    policy: PlacementPolicy, regime: Regime, leg: Leg, levels: int, counter: int, scale: Decimal, steps: int
) -> None:
    place = placed(PlacementSettings(policy, counter, scale), regime, leg, levels, steps)
    assert 0 <= place.levels <= levels
    assert 0 <= place.factor <= 1
    assert 0 <= place.take_profit_steps <= steps
    assert (place.take_profit_steps == 0) == (steps == 0)
    assert place.factor > 0 or place.levels == 0
