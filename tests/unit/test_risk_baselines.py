"""What losses are measured from: transfers, days, restarts, releases."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naut_hedgegrid.risk.baselines import DAY, Baselines
from naut_hedgegrid.risk.formulas import drawdown

D = Decimal
MIDNIGHT = 19_000 * DAY
NOON = MIDNIGHT + DAY // 2
amounts = st.decimals("1", "1000000", places=2)


def at_peak(peak: str, transfers: str = "0") -> Baselines:
    return Baselines().seen(D(peak), D(transfers), D(0), NOON)


def test_f37_vector_of_a_withdrawal() -> None:
    """Peak 1000, equity 900, 500 withdrawn → peak 444.44, drawdown 10 %."""
    after = at_peak("1000").seen(D(400), D(-500), D(0), NOON)
    assert after.peak is not None
    assert round(after.peak, 2) == D("444.44")
    fall = drawdown(after.peak, D(400))
    assert fall is not None
    assert round(fall, 20) == D("0.1")


def test_a_transfer_is_taken_out_once() -> None:
    after = at_peak("1000").seen(D(400), D(-500), D(0), NOON)
    assert after.seen(D(400), D(-500), D(0), NOON) is after


def test_f37_a_transfer_while_the_pod_was_down_is_taken_out_too() -> None:
    stored = Baselines.from_plain(json.loads(json.dumps(at_peak("1000", "250").plain())))
    assert stored.seen(D(1900), D(1150), D(0), NOON).peak == D(1900)


def test_a_transfer_waits_until_the_equity_is_known() -> None:
    waiting = at_peak("1000").seen(None, D(-500), D(0), NOON)
    assert (waiting.peak, waiting.transfers) == (1000, 0)
    assert waiting.seen(D(500), D(-500), D(0), NOON).peak == 500


@pytest.mark.parametrize(("equity", "transfers"), [("600", "1000"), ("600", "600"), ("-5", "-900"), ("0", "-500")])
def test_no_equity_before_or_after_a_transfer_begins_anew(equity: str, transfers: str) -> None:
    assert at_peak("1000").seen(D(equity), D(transfers), D(0), NOON).peak == D(equity)


@given(amounts, amounts, st.decimals("-1000000", "1000000", places=2))
def test_f37_a_transfer_never_changes_the_drawdown(peak: Decimal, equity: Decimal, transfer: Decimal) -> None:
    before, after = drawdown(peak, equity), at_peak(str(peak)).seen(equity + transfer, transfer, D(0), NOON)
    if equity + transfer > 0:
        now = drawdown(after.peak, equity + transfer)
        assert before is not None
        assert now is not None
        assert abs(before - now) < D("1e-15")


def test_the_loss_counts_from_0_at_the_first_start() -> None:
    assert Baselines().seen(D(1), D(0), D(-3), NOON).loss_base == 0


def test_the_day_begins_with_the_first_known_value_on_or_after_midnight() -> None:
    day = Baselines().seen(D(1), D(0), D(5), NOON)
    assert (day.day, day.day_base) == (19_000, 5)
    assert day.seen(D(1), D(0), D(9), MIDNIGHT + DAY - 1) is day
    unknown = day.seen(D(1), D(0), None, MIDNIGHT + DAY)
    assert unknown is day, "the old base stands until there is a new one"
    later = day.seen(D(1), D(0), D(-7), MIDNIGHT + DAY + 60)
    assert (later.day, later.day_base) == (19_001, -7)
    assert day.seen(D(1), D(0), D(8), MIDNIGHT + DAY).day_base == 8, "midnight is the new day's"


def test_f50_a_clock_that_is_set_back_does_not_begin_a_day_again() -> None:
    day = Baselines().seen(D(1), D(0), D(5), NOON)
    assert day.seen(D(1), D(0), D(-9), NOON - DAY) is day


def test_the_day_and_its_base_survive_a_restart() -> None:
    day = Baselines().seen(D(1), D(0), D(5), NOON)
    again = Baselines.from_plain(json.loads(json.dumps(day.plain())))
    assert again == day
    assert again.seen(D(1), D(0), D(-100), NOON + 60).day_base == 5


def test_what_was_never_known_survives_a_restart_as_unknown() -> None:
    assert Baselines.from_plain(json.loads(json.dumps(Baselines().plain()))) == Baselines()


def test_an_accepted_release_sets_every_base_to_the_present() -> None:
    after = at_peak("1000").restarted(D(700), D(-20), D(-300), NOON)
    assert after == Baselines(D(700), D(-20), D(-300), 19_000, D(-300))


def test_an_accepted_release_waits_for_what_is_unknown() -> None:
    waiting = at_peak("1000").restarted(None, None, None, NOON)
    assert not waiting.complete
    assert Baselines.from_plain(waiting.plain()).seen(D(700), D(0), D(-300), NOON) == Baselines(
        D(700), D(0), D(-300), 19_000, D(-300)
    )
