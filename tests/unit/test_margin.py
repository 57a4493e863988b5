"""Maintenance margin and liquidation price: the vectors of the design, and what has to hold at that price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.margin import cross_liquidation, isolated_liquidation, maintenance, maintenance_margin
from hedgegrid_api.tiers import BTCUSDT_TIERS, Tier

D = Decimal


def flat_rate(mmr: str, cum: str = "0") -> tuple[Tier]:
    """One bracket for everything."""
    return (Tier(notional_cap=D(10) ** 12, mmr=D(mmr), cum=D(cum), max_leverage=125),)


@pytest.mark.parametrize(
    ("notional", "margin"),
    [
        ("0", "0"),
        ("3360", "13.44"),
        ("300000", "1200"),
        ("300001", "1200.005"),
        ("800000", "3700"),
        ("3000000", "18000"),
        ("12000000", "108000"),
        ("20000000", "188000"),
    ],
)
def test_maintenance_margin_is_that_of_the_legs_bracket(notional: str, margin: str) -> None:
    assert maintenance_margin(D(notional), BTCUSDT_TIERS) == D(margin)


def test_a_bracket_ends_with_its_cap() -> None:
    assert maintenance(D(300_000), BTCUSDT_TIERS) == (D("0.004"), D(0))
    assert maintenance(D("300000.01"), BTCUSDT_TIERS) == (D("0.005"), D(300))


@pytest.mark.parametrize(
    ("wallet", "long", "short", "tiers", "mark", "price"),
    [
        ("10", ("1", "100"), ("0", "0"), flat_rate("0.005"), "100", "90.45226"),
        ("10", ("0", "0"), ("1", "100"), flat_rate("0.005"), "100", "109.45274"),
        ("1000", (".5", "60000"), (".3", "61000"), flat_rate("0.004"), "60000", "54369.92"),
        ("1000", (".5", "60000"), (".5", "61000"), flat_rate("0.004"), "60000", "375000"),
        ("10000", ("2", "60000"), ("0", "0"), flat_rate("0.005", "50"), "60000", "55251.25628"),
    ],
)
def test_liquidation_in_cross_margin(wallet, long, short, tiers, mark, price) -> None:
    found = cross_liquidation(D(wallet), D(long[0]), D(long[1]), D(short[0]), D(short[1]), tiers, D(mark))
    assert found is not None
    assert found.quantize(D(price)) == D(price)


def test_no_liquidation_price_where_the_wallet_covers_everything() -> None:
    tiers = flat_rate("0.004")
    assert cross_liquidation(D(40_000), D("0.5"), D(60_000), D("0.3"), D(61_000), tiers, D(60_000)) is None
    assert cross_liquidation(D(1_000), D(0), D(0), D(0), D(0), tiers, D(60_000)) is None
    assert isolated_liquidation(1, D(1), D(100), D(100), tiers) is None
    assert isolated_liquidation(1, D(0), D(100), D(20), tiers) is None


@pytest.mark.parametrize(
    ("sign", "cum", "price"),
    [(1, "0", "80.40201"), (-1, "0", "119.40299"), (1, "2", "78.39196"), (-1, "2", "121.39303")],
)
def test_liquidation_in_isolated_margin(sign: int, cum: str, price: str) -> None:
    """1 at 100 with 20 of margin: (100 ∓ 20 ∓ cum)/(1 ∓ 0.005)."""
    found = isolated_liquidation(sign, D(1), D(100), D(20), flat_rate("0.005", cum))
    assert found is not None
    assert found.quantize(D(price)) == D(price)


def test_brackets_are_those_of_the_price_itself() -> None:
    """SHORT 6 at 50,000: 300,000 of notional is the first bracket, what it grows to at 66,000 is the second."""
    found = cross_liquidation(D(98_000), D(0), D(0), D(6), D(50_000), BTCUSDT_TIERS, D(50_000))
    assert found is not None
    assert found.quantize(D("0.01")) == D("66053.07")
    assert found == (D(98_000) + D(300) + 6 * D(50_000)) / (6 * D("1.005"))


_QUANTITIES = st.decimals(min_value=0, max_value=100, places=3)
_ENTRIES = st.decimals(min_value=30_000, max_value=70_000, places=1)


@given(st.decimals(min_value=100, max_value=5_000_000, places=2), _QUANTITIES, _ENTRIES, _QUANTITIES, _ENTRIES)
def test_there_the_margin_balance_is_the_maintenance_margin(
    wallet: Decimal, long: Decimal, long_entry: Decimal, short: Decimal, short_entry: Decimal
) -> None:
    price = cross_liquidation(wallet, long, long_entry, short, short_entry, BTCUSDT_TIERS, D(50_000))
    if price is not None:
        balance = wallet + long * (price - long_entry) + short * (short_entry - price)
        needed = sum(maintenance_margin(leg * price, BTCUSDT_TIERS) for leg in (long, short))
        assert abs(balance - needed) < D("1e-15") * max(1, needed)
