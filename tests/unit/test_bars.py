"""Bars of ladder.md: aligned to the epoch, made of a file's shorter ones, on the tick before the engine sees them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naut_hedgegrid.grid.bars import SECOND, Bar, BarAggregator, BarSpacingError, aggregated, on_grid
from tests.unit.month import month, needs_month

D = Decimal
AT = 1_700_000_100 * SECOND
"""A multiple of 5 min since the epoch."""
MINUTE = 60 * SECOND


def bar(minute: int, open_: str, high: str, low: str, close: str, volume: str | None = "1") -> Bar:
    return Bar(D(open_), D(high), D(low), D(close), AT + minute * MINUTE, D(volume) if volume is not None else None)


def flat(minute: int, price: int) -> Bar:
    return bar(minute, str(price), str(price), str(price), str(price))


def test_bars_of_a_file_are_joined_to_longer_ones() -> None:
    minutes = [
        bar(1, "10", "12", "9", "11", "1.5"),
        bar(2, "11", "15", "11", "14", "2"),
        bar(3, "14", "14", "8", "9", "0.25"),
        bar(4, "9", "10", "9", "10", "0"),
        bar(5, "10", "11", "10", "10.5", "1"),
        flat(6, 20),
    ]
    assert list(aggregated(minutes, MINUTE, 300)) == [bar(5, "10", "15", "8", "10.5", "4.75")]


def test_joined_bars_are_aligned_to_the_epoch_whatever_the_first() -> None:
    minutes = [flat(minute, 100 + minute) for minute in range(3, 16)]
    joined = list(aggregated(minutes, MINUTE, 300))
    assert [(b.ts, b.open, b.close) for b in joined] == [
        (AT + 5 * MINUTE, 103, 105),
        (AT + 10 * MINUTE, 106, 110),
        (AT + 15 * MINUTE, 111, 115),
    ]


def test_an_interval_with_a_gap_is_made_of_what_there_is() -> None:
    joined = list(aggregated([flat(1, 10), flat(3, 11), flat(12, 12), flat(15, 13)], MINUTE, 300))
    assert [(b.ts, b.open, b.close, b.volume) for b in joined] == [
        (AT + 5 * MINUTE, 10, 11, 2),
        (AT + 15 * MINUTE, 12, 13, 2),
    ]


def test_a_gap_that_ends_with_a_whole_interval_gives_both_bars() -> None:
    joined = list(aggregated([flat(1, 10), flat(10, 11)], MINUTE, 300))
    assert [b.ts for b in joined] == [AT + 5 * MINUTE, AT + 10 * MINUTE]


def test_bars_of_the_same_length_stay_as_they_are() -> None:
    minutes = [bar(1, "10", "12", "9", "11"), bar(2, "11", "15", "11", "14"), bar(7, "1", "1", "1", "1")]
    assert list(aggregated(minutes, MINUTE, 60)) == minutes


def test_an_unknown_volume_stays_unknown() -> None:
    minutes = [bar(1, "1", "1", "1", "1"), bar(5, "1", "1", "1", "1", None)]
    assert [b.volume for b in aggregated(minutes, MINUTE, 300)] == [None]


@pytest.mark.parametrize("seconds", [30, 90, 100])
def test_a_length_that_the_file_s_bars_do_not_fill_is_refused(seconds: int) -> None:
    with pytest.raises(BarSpacingError, match=f"barSeconds is {seconds}, but the file's bars are 60 s apart"):
        aggregated([], MINUTE, seconds)


def test_a_bar_that_lies_in_two_intervals_is_refused() -> None:
    off = Bar(D(1), D(1), D(1), D(1), AT + 30 * SECOND)
    with pytest.raises(BarSpacingError, match=r"2023-11-14T22:15:30\+00:00 lies in two intervals"):
        list(aggregated([off], MINUTE, 300))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), *[st.integers(1, 99)] * 4), max_size=80), st.sampled_from([1, 2, 5, 30]))
def test_no_price_and_no_volume_is_lost(rows: list[tuple[int, int, int, int, int]], length: int) -> None:
    minute, minutes = 0, list[Bar]()
    for wait, *prices in rows:
        minute += wait
        open_, close, a, b = prices
        minutes.append(
            Bar(D(open_), D(max(prices)), D(min(prices)), D(close), AT + minute * MINUTE, D(a + b)),
        )
    joined = list(aggregated(minutes, MINUTE, length * 60))
    assert all(b.ts % (length * MINUTE) == 0 for b in joined)
    assert sorted({b.ts for b in joined}) == [b.ts for b in joined]
    for whole in joined:
        inside = [b for b in minutes if whole.ts - length * MINUTE < b.ts <= whole.ts]
        assert (whole.open, whole.close) == (inside[0].open, inside[-1].close)
        assert (whole.high, whole.low) == (max(b.high for b in inside), min(b.low for b in inside))
        assert whole.volume == sum(b.volume or 0 for b in inside)
    covered = joined[-1].ts if joined else 0
    left = [b for b in minutes if b.ts > covered]
    assert len({-(-b.ts // (length * MINUTE)) for b in left}) <= 1, "only the last interval is left out"


def test_prices_off_the_tick_are_rounded_outward_and_volumes_down() -> None:
    off = bar(1, "100.04", "100.51", "99.96", "100.05", "2.7299")
    assert on_grid(off, D("0.1"), D("0.001")) == bar(1, "100.0", "100.6", "99.9", "100.1", "2.729")


def test_a_bar_on_the_tick_keeps_its_prices_and_loses_only_volume() -> None:
    fine = bar(1, "100.0", "100.5", "99.9", "100.1", "2.729")
    assert on_grid(fine, D("0.1"), D("0.001")) is fine
    assert on_grid(bar(1, "100.0", "100.5", "99.9", "100.1", "2.7299"), D("0.1"), D("0.001")) == fine
    unknown = bar(1, "100.0", "100.5", "99.9", "100.1", None)
    assert on_grid(unknown, D("0.1"), D("0.001")) is unknown


@settings(deadline=None)
@given(st.lists(st.decimals("1", "99999", places=4), min_size=4, max_size=4), st.sampled_from(["0.1", "0.5", "0.25"]))
def test_a_rounded_bar_is_still_a_bar_and_holds_the_old_one(prices: list[Decimal], tick: str) -> None:
    old = Bar(prices[0], max(prices), min(prices), prices[1], AT, D(1))
    new = on_grid(old, D(tick), D("0.001"))
    assert new.low <= min(new.open, new.close) <= max(new.open, new.close) <= new.high
    assert new.low <= old.low
    assert new.high >= old.high
    assert not any(price % D(tick) for price in (new.open, new.high, new.low, new.close))


@needs_month
def test_ten_bars_of_the_real_month_are_off_the_tick() -> None:
    moved = 0
    for row in month():
        old = Bar(*(D(row[name]) for name in ("open", "high", "low", "close")), AT, D(row["volume"]))
        new = on_grid(old, D("0.1"), D("0.001"))
        moved += (new.open, new.high, new.low, new.close) != (old.open, old.high, old.low, old.close)
        assert new.volume is not None
        assert old.volume is not None
        assert 0 <= old.volume - new.volume < D("0.001")
    assert moved == 10


def test_bars_of_mids_have_no_volume() -> None:
    bars = BarAggregator(60)
    bars.update(D(10), AT)
    closed = bars.update(D(11), AT + MINUTE)
    assert closed is not None
    assert closed.volume is None
