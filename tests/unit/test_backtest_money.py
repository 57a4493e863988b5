"""A backtest's money: exact books, figures that add up, decimals as they are written."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.backtest.account_view import AccountView
from naut_hedgegrid.backtest.accountant import Accountant
from naut_hedgegrid.backtest.equity import max_drawdown
from naut_hedgegrid.backtest.text import Times, fixed, plain
from naut_hedgegrid.domain.values import Leg

D = Decimal
TIERS = VenueFile(instrument="BTCUSDT-PERP.BINANCE").tiers

FILLS = st.lists(
    st.tuples(st.sampled_from(Leg), st.booleans(), st.integers(1, 5_000), st.integers(100_000, 900_000)), max_size=60
)


@given(FILLS, st.integers(100_000, 900_000))
def test_profits_are_those_of_exact_fractions_by_average_entry(
    fills: list[tuple[Leg, bool, int, int]], last: int
) -> None:
    """To 50 digits, however often the average was divided; realized and unrealized together are exact."""
    accountant = Accountant(D(1000))
    held = {leg: (Fraction(0), Fraction(0)) for leg in Leg}
    realized, paid = Fraction(0), Fraction(0)
    for leg, opening, steps, ticks in fills:
        quantity, price = D(steps) / 1000, D(ticks) / 10
        size, cost = held[leg]
        if not opening:
            quantity = min(quantity, accountant.legs[leg].quantity)
            if not quantity:
                continue
        exact, at = Fraction(quantity), Fraction(price)
        profit = accountant.booked(leg, quantity, price, D("0.01"), opening=opening)
        paid += leg.sign * (exact * at if not opening else -exact * at)
        if opening:
            held[leg] = size + exact, cost + exact * at
            assert profit == 0
        else:
            expected = leg.sign * exact * (at - cost / size)
            held[leg] = size - exact, cost - cost * exact / size
            realized += expected
            assert abs(Fraction(profit) - expected) < Fraction(1, 10**45)
    assert abs(Fraction(accountant.realized) - realized) < Fraction(1, 10**45)
    view, mark = AccountView(accountant, TIERS), D(last) / 10
    view.look()
    worth = sum(leg.sign * size * Fraction(mark) for leg, (size, _) in held.items())
    total = Fraction(accountant.realized) + Fraction(view.unrealized(mark))
    assert abs(total - (paid + worth)) < Fraction(1, 10**20)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 10**6))
def test_the_quick_maintenance_margin_is_the_one_by_brackets(long: int, short: int, ticks: int) -> None:
    accountant, mark = Accountant(D(1000)), D(ticks) / 10
    for leg, steps in ((Leg.LONG, long), (Leg.SHORT, short)):
        if steps:
            accountant.booked(leg, D(steps) / 1000, D(100), D(0), opening=True)
    view = AccountView(accountant, TIERS)
    assert view.maintenance_margin(mark) == accountant.maintenance_margin(TIERS, mark)


def test_closing_more_than_is_held_is_refused() -> None:
    accountant = Accountant(D(1000))
    accountant.booked(Leg.SHORT, D(1), D(100), D(0), opening=True)
    with pytest.raises(ValueError, match=r"2 of SHORT were closed, which holds only 1"):
        accountant.booked(Leg.SHORT, D(2), D(100), D(0), opening=False)


def test_funding_is_paid_by_long_where_the_rate_is_above_0() -> None:
    """The vector of strategy.md: L = .05, S = .03, mark 42000, rate 1e-4 → 0.21 paid, 0.126 received."""
    accountant = Accountant(D(1000))
    accountant.booked(Leg.LONG, D("0.05"), D(41800), D(0), opening=True)
    accountant.booked(Leg.SHORT, D("0.03"), D(42300), D(0), opening=True)
    settled = accountant.settled(7, D("0.0001"), D(42000))
    assert settled.cash == {Leg.LONG: D("-0.21"), Leg.SHORT: D("0.126")}
    assert accountant.wallet == D(1000) - D("0.084")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (D("1E+3"), 8, "1000"),
        (D("0.10"), 8, "0.1"),
        (D("-0.000000001"), 8, "0"),
        (D("0E-8"), 8, "0"),
        (D("0.000000015"), 8, "0.00000002"),
        (D("0.000000025"), 8, "0.00000002"),
        (D("1e-10"), 16, "0.0000000001"),
        (D("123456789012345678901234567890.12"), 8, "123456789012345678901234567890.12"),
        (None, 8, None),
    ],
)
def test_decimals_are_written_without_exponent(value: Decimal | None, digits: int, text: str | None) -> None:
    assert plain(value, digits) == text


@given(st.integers(-(10**18), 10**18))
def test_whole_numbers_of_1e8_are_the_decimals_that_they_mean(units: int) -> None:
    [text] = fixed([units])
    assert D(text) == D(units) / 10**8
    assert text == f"{D(units).scaleb(-8):f}"


def test_times_are_utc_with_a_fraction_where_there_is_one() -> None:
    time = Times()
    assert time(1_640_995_260_000_000_000) == "2022-01-01T00:01:00Z"
    assert time(1_640_995_259_999_000_000) == "2022-01-01T00:00:59.999Z"
    assert time(1_643_673_600_000_000_000) == "2022-02-01T00:00:00Z"


def test_the_drawdown_is_the_largest_loss_from_a_peak_so_far() -> None:
    assert max_drawdown([100, 120, 90, 200, 160, 210]) == 0.25
    assert max_drawdown([100, 101]) == 0
    assert max_drawdown([100, -50]) == 1.5
