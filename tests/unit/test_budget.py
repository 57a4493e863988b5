"""Rule R10: 250 order commands in 10 s and 1,000 in a minute, and who waits for whom."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naut_hedgegrid.grid.budget import Budget, Priority

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def taken(budget: Budget, count: int, priority: Priority, at: float = 0) -> int:
    """How many of so many commands went out."""
    return sum(budget.take(priority, NOW + int(at * SECOND)) for _ in range(count))


def test_r10_entries_stop_at_250_in_ten_seconds_and_go_on_afterwards() -> None:
    budget = Budget()
    assert taken(budget, 300, Priority.ENTRY) == 250
    assert taken(budget, 1, Priority.ENTRY, 9.999) == 0
    assert taken(budget, 300, Priority.ENTRY, 10) == 250


def test_r10_entries_stop_at_1000_in_a_minute() -> None:
    budget = Budget()
    assert [taken(budget, 250, Priority.ENTRY, at) for at in (0, 10, 20, 30)] == [250] * 4
    assert taken(budget, 1, Priority.ENTRY, 59.9) == 0
    assert taken(budget, 300, Priority.ENTRY, 60) == 250


@pytest.mark.parametrize("priority", [Priority.KILL, Priority.EXIT])
def test_r10_kills_and_exits_are_never_held_back_and_count(priority: Priority) -> None:
    budget = Budget()
    assert taken(budget, 2500, priority) == 2500
    assert taken(budget, 1, Priority.ENTRY) == 0
    assert taken(budget, 1, Priority.CANCEL) == 0
    assert taken(budget, 1, Priority.ENTRY, 59.9) == 0
    assert taken(budget, 1, Priority.ENTRY, 60) == 1


def test_r10_cancels_go_on_where_entries_wait_and_leave_room_for_exits() -> None:
    budget = Budget()
    assert taken(budget, 300, Priority.ENTRY) == 250
    assert taken(budget, 300, Priority.CANCEL) == 25
    assert taken(budget, 25, Priority.EXIT) == 25, "still within the venue's own 300"


def test_r10_cancels_stop_at_1100_in_a_minute() -> None:
    budget = Budget()
    assert [taken(budget, 250, Priority.CANCEL, at) for at in (0, 10, 20, 30)] == [250] * 4
    assert taken(budget, 300, Priority.CANCEL, 40) == 100


def test_r10_the_limit_is_hit_while_commands_have_to_wait() -> None:
    budget = Budget()
    assert taken(budget, 250, Priority.ENTRY) == 250
    assert budget.hit_for(NOW + SECOND) == 0, "full, but nothing had to wait"
    for at in range(1, 62):
        taken(budget, 300, Priority.ENTRY, at)
    assert budget.hit_for(NOW + 61 * SECOND) == 60 * SECOND


def test_r10_a_pause_ends_it() -> None:
    budget = Budget()
    taken(budget, 300, Priority.ENTRY)
    taken(budget, 1, Priority.ENTRY, 5)
    assert budget.hit_for(NOW + 14 * SECOND) == 5 * SECOND
    assert budget.hit_for(NOW + 15 * SECOND) == 0
    taken(budget, 300, Priority.ENTRY, 20)
    assert budget.hit_for(NOW + 20 * SECOND) == 0, "counted from its first"


def test_f50_a_clock_that_is_set_back_neither_blocks_nor_frees_anything() -> None:
    budget = Budget()
    taken(budget, 250, Priority.ENTRY)
    assert taken(budget, 1, Priority.ENTRY, -3600) == 0
    assert taken(budget, 1, Priority.ENTRY, -3591) == 0
    assert taken(budget, 300, Priority.ENTRY, -3590) == 250


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Priority), st.integers(0, 15), st.integers(1, 300)), max_size=40))
def test_r10_is_what_counting_says(steps: list[tuple[Priority, int, int]]) -> None:
    budget, now, sent = Budget(), NOW, list[tuple[int, int]]()
    limits = {Priority.ENTRY: (250, 1_000), Priority.CANCEL: (275, 1_100)}
    for priority, wait, count in steps:
        now += wait * SECOND
        short = sum(number for at, number in sent if at > now - 10 * SECOND)
        long = sum(number for at, number in sent if at > now - 60 * SECOND)
        room = min(limits[priority][0] - short, limits[priority][1] - long) if priority in limits else count
        expected = min(count, max(0, room))
        assert sum(budget.take(priority, now) for _ in range(count)) == expected
        sent.append((now, expected))
