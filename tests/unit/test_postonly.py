"""Rule R12 (F8): a post-only entry that was refused is tried again a little further back, then waits."""

from collections.abc import Container
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.postonly import repriced

D = Decimal
TICK = D("0.1")
LONG, SHORT = Leg


def attempt(
    leg: Leg, k: int, best: str, price: str = "41895", retries: int = 3, taken: Container[Decimal | None] = ()
) -> Decimal | None:
    return repriced(leg, D(price), k, retries=retries, step=D(105), best=D(best), tick=TICK, taken=taken)


def test_r12_a_buy_goes_to_the_best_bid_and_back_by_a_tick_each_time() -> None:
    assert [attempt(LONG, k, "41890") for k in (1, 2, 3, 4)] == [D(41890), D("41889.9"), D("41889.8"), None]


def test_r12_a_sell_mirrors_it() -> None:
    assert [attempt(SHORT, k, "41900") for k in (1, 2, 3, 4)] == [D(41900), D("41900.1"), D("41900.2"), None]


def test_r12_the_rung_s_own_price_where_the_market_has_gone_back() -> None:
    assert attempt(LONG, 2, "41950") == D(41895)
    assert attempt(SHORT, 2, "41800") == D(41895)


def test_r12_without_retries_the_rung_waits_at_once() -> None:
    assert attempt(LONG, 1, "41890", retries=0) is None


@pytest.mark.parametrize(("leg", "near", "far"), [(LONG, "41842.6", "41842.5"), (SHORT, "41947.4", "41947.5")])
def test_r12_only_nearer_than_half_a_step(leg: Leg, near: str, far: str) -> None:
    assert attempt(leg, 1, near) == D(near)
    assert attempt(leg, 1, far) is None


def test_r12_never_at_the_price_of_another_own_entry() -> None:
    assert attempt(LONG, 1, "41890", taken={D("41890.0"), D(41790)}) is None
    assert attempt(LONG, 2, "41890", taken={D("41890.0"), D(41790)}) == D("41889.9")


@given(st.sampled_from(Leg), st.integers(1, 12), st.integers(0, 10), st.integers(41_000, 43_000), st.integers(1, 1000))
def test_r12_an_attempt_is_passive_and_near_its_rung(leg: Leg, k: int, retries: int, best: int, step: int) -> None:
    price = D(42_000)
    found = repriced(leg, price, k, retries=retries, step=D(step), best=D(best), tick=TICK, taken=())
    if found is not None:
        assert k <= retries
        assert abs(found - price) * 2 < step
        assert leg.sign * (price - found) >= 0, "never nearer to the market than the rung"
        assert leg.sign * (best - found) >= 0, "never beyond the best price"
