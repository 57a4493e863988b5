"""Rule R8, the funding factor, and what a settlement costs (F14: sign and interval)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.funding import (
    FundingSettings,
    FundingTerms,
    funding_factor,
    guard_bps,
    paying_leg,
    projected_1h,
    settlement_cash,
    settlements_within,
)

D = Decimal
LONG, SHORT = Leg
MINUTE = 60_000_000_000
NOW = 1_700_000_000_000_000_000
SETTINGS = FundingSettings(D(12), 480)


def terms(rate: str | None, minutes: int | None = 100, hours: int | None = 8) -> FundingTerms:
    return FundingTerms(
        D(rate) if rate is not None else None, NOW + minutes * MINUTE if minutes is not None else None, hours
    )


def factor(leg: Leg, of: FundingTerms, settings: FundingSettings = SETTINGS) -> Decimal | None:
    return funding_factor(leg, of, settings, NOW)


@pytest.mark.parametrize(("hours", "n", "f"), [(8, 1, "0.8"), (4, 2, "0.4"), (1, 7, "0.1")])
def test_r8_vector_of_the_funding_factor(hours: int, n: int, f: str) -> None:
    """r = .0015, next in 100 min, window 480: 15 bps a settlement."""
    at = terms("0.0015", 100, hours)
    assert settlements_within(at, 480, NOW) == n
    assert factor(LONG, at) == D(f)
    assert factor(SHORT, at) == 1


def test_r8_below_zero_short_pays() -> None:
    assert factor(SHORT, terms("-0.0015")) == D("0.8")
    assert factor(LONG, terms("-0.0015")) == 1
    assert [paying_leg(D(r)) for r in ("0.1", "-0.1", "0")] == [LONG, SHORT, None]


def test_r8_a_cost_within_the_limit_scales_nothing() -> None:
    assert factor(LONG, terms("0.0012")) == 1
    assert factor(LONG, terms("0.0001")) == 1
    assert factor(LONG, terms("0")) == factor(SHORT, terms("0")) == 1


def test_r8_the_factor_is_floored_to_a_tenth() -> None:
    assert factor(LONG, terms("0.00120001")) == D("0.9")
    assert factor(LONG, terms("0.012")) == D("0.1")
    assert factor(LONG, terms("0.0121")) == 0
    assert factor(LONG, terms("0.0001"), FundingSettings(D(0), 480)) == 0


@pytest.mark.parametrize(
    ("minutes", "hours", "window", "n"),
    [(0, 8, 480, 2), (1, 8, 480, 1), (480, 8, 480, 1), (481, 8, 480, 0), (100, 8, 99, 0), (20, 1, 80, 2)],
)
def test_r8_settlements_within_the_window(minutes: int, hours: int, window: int, n: int) -> None:
    assert settlements_within(terms("0.0015", minutes, hours), window, NOW) == n


def test_r8_no_settlement_within_the_window_costs_nothing() -> None:
    assert factor(LONG, terms("0.0015", 481)) == 1


@pytest.mark.parametrize(
    "unknown", [terms("0.0015", None, 8), terms("0.0015", 100, None), terms("0.0015", -1, 8)], ids=str
)
def test_f42_the_paying_leg_waits_while_the_settlements_are_unknown(unknown: FundingTerms) -> None:
    assert factor(LONG, unknown) is None
    assert factor(SHORT, unknown) == 1, "what receives has nothing to fear from a settlement"


def test_f42_both_legs_wait_while_the_rate_is_unknown() -> None:
    assert factor(LONG, terms(None)) is None
    assert factor(SHORT, terms(None)) is None


@given(st.decimals("-0.01", "0.01", places=6), st.integers(0, 600), st.sampled_from([1, 4, 8]), st.integers(1, 1440))
def test_r8_only_the_payer_is_scaled_and_never_below_what_its_cost_allows(
    rate: Decimal, minutes: int, hours: int, window: int
) -> None:
    at, settings = terms(str(rate), minutes, hours), FundingSettings(D(12), window)
    for leg in Leg:
        f = factor(leg, at, settings)
        assert f is not None
        assert 0 <= f <= 1
        assert f * 10 == int(f * 10)
        if paying_leg(rate) is not leg:
            assert f == 1
        else:
            n = settlements_within(at, window, NOW)
            assert n is not None
            cost = abs(rate) * 10_000 * n
            assert f * cost <= 12
            assert f == 1 or (f + D("0.1")) * cost > 12


def test_vector_of_the_projection_and_the_guard() -> None:
    """L = .05, S = .03 at P = 42000, r = 1e-4, T = 8: 0.21, −0.126, net 0.084, 1 h 0.0105, 0.25 bps."""
    at = terms("0.0001")
    assert settlement_cash(LONG, D("0.0001"), D("0.05"), D(42000)) == D("-0.21")
    assert settlement_cash(SHORT, D("0.0001"), D("0.03"), D(42000)) == D("0.126")
    assert projected_1h(at, D(2100), D(1260)) == D("0.0105")
    assert guard_bps(at, D(2100), D(1260)) == D("0.25")


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_f14_the_guard_s_cost_is_one_of_8_hours_whatever_the_interval(hours: int) -> None:
    cost = guard_bps(terms("0.0001", 100, hours), D(1000), D(0))
    assert cost == 8 // hours


def test_f14_receiving_costs_nothing_and_projects_below_zero() -> None:
    at = terms("-0.0001")
    assert guard_bps(at, D(1000), D(0)) == 0
    assert projected_1h(at, D(1000), D(0)) == D("-0.0125")
    assert guard_bps(at, D(0), D(1000)) == 1


def test_f14_legs_that_pay_each_other_cost_nothing() -> None:
    assert guard_bps(terms("0.01"), D(1000), D(1000)) == 0


@pytest.mark.parametrize("unknown", [terms(None), terms("0.0001", 100, None)], ids=str)
def test_f14_unknown_is_none_even_without_a_position(unknown: FundingTerms) -> None:
    assert guard_bps(unknown, D(0), D(0)) is None
    assert projected_1h(unknown, D(1000), D(0)) is None


def test_f14_without_a_position_a_known_rate_costs_nothing() -> None:
    assert guard_bps(terms("0.01"), D(0), D(0)) == 0


def test_a_settlement_is_booked_in_quanta_of_1e_8() -> None:
    assert settlement_cash(LONG, D("0.00012345"), D("0.001"), D("42000.1")) == D("-0.00518491")
