"""Rules R18 and R17: refusals that go on close the gate, exits that are taken away close their leg's."""

import json

import pytest

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.breaker import Breaker
from naut_hedgegrid.grid.repair import Repairs

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOW = 1_700_000_000 * SECOND
PRECISION = "-1111 Precision is over the maximum defined for this asset."
LONG, SHORT = Leg


def refuse(breaker: Breaker, count: int, at: float = 0, reason: str = PRECISION, *, post_only: bool = False) -> None:
    for _ in range(count):
        breaker.refused(reason, NOW + int(at * SECOND), post_only=post_only)


def closed(breaker: Breaker, at: float) -> bool:
    return breaker.closure(NOW + int(at * SECOND)) is not None


def latched_one() -> Breaker:
    breaker = Breaker()
    for at in (0, 301, 602):
        refuse(breaker, 11, at)
    assert breaker.latched
    return breaker


def test_r18_more_than_ten_refusals_in_a_minute_close_the_gate_for_five() -> None:
    breaker = Breaker()
    refuse(breaker, 10)
    assert not closed(breaker, 0)
    refuse(breaker, 1, 59.9)
    closure = breaker.closure(NOW + 60 * SECOND)
    assert closure is not None
    assert closure.message == (
        "more than 10 orders were refused within 60 s, the newest: -1111 Precision is over the maximum defined for "
        "this asset; no entries for 5 min"
    )
    assert closed(breaker, 359)
    assert not closed(breaker, 360)


def test_r18_refusals_over_more_than_a_minute_are_borne() -> None:
    breaker = Breaker()
    for at in range(0, 600, 6):
        refuse(breaker, 1, at)
        assert not closed(breaker, at)


def test_r18_f8_post_only_refusals_are_not_counted() -> None:
    breaker = Breaker()
    refuse(breaker, 1000, post_only=True, reason="-5022 would take")
    assert not closed(breaker, 0)


def test_r18_what_was_under_way_is_no_second_trip() -> None:
    breaker = Breaker()
    refuse(breaker, 60)
    refuse(breaker, 60, 1)
    assert not breaker.latched
    assert not closed(breaker, 300)


def test_r18_the_third_time_in_an_hour_latches() -> None:
    breaker = latched_one()
    closure = breaker.closure(NOW + 10**6 * SECOND)
    assert closure is not None
    assert closure.until is None
    assert "until it is released by a higher rearm or POST /resume" in closure.message


def test_r18_three_times_in_more_than_an_hour_do_not_latch() -> None:
    breaker = Breaker()
    for at in (0, 1800, 3600):
        refuse(breaker, 11, at)
    assert closed(breaker, 3600)
    assert not breaker.latched
    refuse(breaker, 11, 5000)
    assert breaker.latched, "the last three are within an hour"


def test_r18_the_budget_hit_for_a_minute_is_a_trip_too() -> None:
    breaker = Breaker()
    breaker.budget_hit(60 * SECOND - 1, NOW)
    assert not closed(breaker, 0)
    breaker.budget_hit(60 * SECOND, NOW)
    assert closed(breaker, 299)
    breaker.budget_hit(61 * SECOND, NOW + SECOND)
    refuse(breaker, 11, 301)
    breaker.budget_hit(60 * SECOND, NOW + 700 * SECOND)
    assert breaker.latched


def test_r18_a_release_opens_and_forgets() -> None:
    breaker = latched_one()
    breaker.release()
    assert not closed(breaker, 602)
    refuse(breaker, 11, 603)
    assert closed(breaker, 603)
    assert not breaker.latched


def test_r18_a_latch_survives_a_restart() -> None:
    stored = json.loads(json.dumps(latched_one().plain()))
    breaker = Breaker.from_plain(stored, NOW + 10**6 * SECOND)
    assert breaker.latched
    assert closed(breaker, 10**6)
    breaker.release()
    assert Breaker.from_plain(breaker.plain(), NOW).closure(NOW) is None


def test_r18_so_do_a_pause_and_the_count_of_trips() -> None:
    first = Breaker()
    refuse(first, 11)
    refuse(first, 11, 301)
    second = Breaker.from_plain(json.loads(json.dumps(first.plain())), NOW + 302 * SECOND)
    assert closed(second, 600)
    assert not closed(second, 601)
    refuse(second, 11, 602)
    assert second.latched


@pytest.mark.parametrize(
    "reason",
    [
        *(f"{code} whatever it says" for code in (-2018, -2019, -2027, -2028)),
        *(f"{code} whatever it says" for code in (-4400, -4401, -4192, -4140, -4141)),
        "INITIAL_MARGIN_EXCEEDS_FREE_BALANCE: free=0 USDT",
    ],
)
def test_r18_margin_and_permission_are_tried_again_every_five_minutes_and_never_latch(reason: str) -> None:
    breaker = Breaker()
    for at in range(0, 7200, 301):
        refuse(breaker, 1, at, reason)
        closure = breaker.closure(NOW + at * SECOND)
        assert closure is not None
        assert reason.rstrip(".") in closure.message
        refuse(breaker, 20, at, reason)
        assert closed(breaker, at + 299)
        assert not closed(breaker, at + 300)
    assert not breaker.latched


def test_r18_a_margin_refusal_does_not_shorten_a_latch() -> None:
    breaker = latched_one()
    refuse(breaker, 1, 603, "-2019 Margin is insufficient.")
    assert breaker.latched


@pytest.mark.parametrize("reason", ["", "unknown", "-", "²"])
def test_r18_a_reason_without_a_code_counts_like_any(reason: str) -> None:
    breaker = Breaker()
    refuse(breaker, 11, reason=reason)
    assert closed(breaker, 0)


def test_f50_a_clock_that_is_set_back_neither_shortens_nor_prolongs_a_pause() -> None:
    breaker = Breaker()
    refuse(breaker, 11)
    assert closed(breaker, -3600)
    assert closed(breaker, -3600 + 299)
    assert not closed(breaker, -3600 + 300)


def test_f50_a_pause_stored_before_the_clock_was_set_back_lasts_five_minutes_at_most() -> None:
    first = Breaker()
    refuse(first, 11)
    second = Breaker.from_plain(first.plain(), NOW - 60 * MINUTE)
    assert closed(second, -3600 + 299)
    assert not closed(second, -3600 + 300)


def test_r17_f36_the_third_repair_in_a_minute_closes_the_leg() -> None:
    repairs = Repairs()
    repairs.created_again(LONG, NOW)
    repairs.created_again(LONG, NOW + 30 * SECOND)
    assert repairs.closed(LONG, NOW + 30 * SECOND) is None
    repairs.created_again(LONG, NOW + 59 * SECOND)
    message = repairs.closed(LONG, NOW + 59 * SECOND)
    assert message is not None
    assert message.startswith("3 exits of LONG ended within 60 s")
    assert repairs.closed(SHORT, NOW + 59 * SECOND) is None
    assert repairs.closed(LONG, NOW + 358 * SECOND) is not None
    assert repairs.closed(LONG, NOW + 359 * SECOND) is None


def test_r17_repairs_of_both_legs_or_over_a_longer_time_close_nothing() -> None:
    repairs = Repairs()
    for k in range(20):
        repairs.created_again(LONG if k % 2 else SHORT, NOW + k * 20 * SECOND)
        assert repairs.closed(LONG, NOW + k * 20 * SECOND) is None
        assert repairs.closed(SHORT, NOW + k * 20 * SECOND) is None
