"""History, fills and audit log, page by page."""

from datetime import timedelta
from pathlib import Path

import pytest

from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.protocol import LARGEST_PAGE
from naut_hedgegrid.store.samples import SECOND, Extremes, Resolution, Sample
from tests.unit.store_parts import DAY, T0, D, entry, fill, sample, store_at

TEN, MINUTE, HOUR, DAYS = Resolution


def test_fills_come_newest_first_and_pages_neither_miss_nor_repeat_one(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.commit(Changes(fills=[fill(i) for i in range(1, 8)])).result(10)
    first = store.fills(None, 3).result(10)
    assert [f.trade_id for f in first.items] == [7, 6, 5]
    store.commit(Changes(fills=[fill(8)])).result(10)
    second = store.fills(first.next, 3).result(10)
    assert [f.trade_id for f in second.items] == [4, 3, 2]
    third = store.fills(second.next, 3).result(10)
    assert ([f.trade_id for f in third.items], third.next) == ([1], None)
    assert store.fills(8, 7).result(10).next is None
    store.close()


def test_the_audit_log_comes_newest_first_and_survives_a_restart(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    entries = [entry(i, what=str(i), asked=entry().time - timedelta(microseconds=i), why=None) for i in range(5)]
    for one in entries:
        store.record_audit(one).result(10)
    store.close()
    store = store_at(tmp_path)
    first = store.audit(None, 4).result(10)
    second = store.audit(first.next, 4).result(10)
    assert [r.entry for r in (*first.items, *second.items)] == entries[::-1]
    assert [r.number for r in (*first.items, *second.items)] == [5, 4, 3, 2, 1]
    assert second.next is None
    store.close()


def test_a_period_keeps_last_least_and_greatest_of_what_was_known(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for k, equity in enumerate((D(100), None, D(90), D("95.123456789"))):
        store.record_sample(sample(T0 + k * 10 * SECOND, equity=equity, fills=k, throttle=D("0.5"), drawdown=None))
    store.record_sample(sample(T0 + 40 * SECOND, equity=None, fills=None)).result(10)
    (minute,) = store.history(MINUTE, T0, T0 + DAY, 10).result(10).items
    assert (minute.start, minute.samples) == (T0, 5)
    assert minute.last == Sample(
        T0 + 40 * SECOND,
        equity=D("95.12345679"),
        mark=D(42_000),
        open_orders=10,
        throttle=D("0.5"),
        fills=3,
    )
    assert (minute.low.equity, minute.high.equity) == (D(90), D(100))
    assert (minute.low.drawdown, minute.high.drawdown) == (None, None)
    store.close()


def test_what_nobody_knew_is_none_and_never_0(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.record_sample(Sample(T0)).result(10)
    for resolution in Resolution:
        (point,) = store.history(resolution, 0, 2 * T0, 10).result(10).items
        assert point.last == Sample(T0)
        assert point.low == point.high == Extremes()
    store.close()


def test_history_is_paged_from_the_oldest_by_time(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for k in range(30):
        store.record_sample(sample(T0 + k * 10 * SECOND))
    store.record_sample(sample(T0 + DAY)).result(10)
    first = store.history(TEN, T0 + 10 * SECOND, T0 + 90 * SECOND, 5).result(10)
    assert [(p.start - T0) // SECOND for p in first.items] == [10, 20, 30, 40, 50]
    assert first.next is not None
    second = store.history(TEN, first.next, T0 + 90 * SECOND, 5).result(10)
    assert ([(p.start - T0) // SECOND for p in second.items], second.next) == ([60, 70, 80], None)
    assert [p.samples for p in store.history(MINUTE, T0, T0 + DAY, 10).result(10).items] == [6] * 5
    assert [p.start for p in store.history(DAYS, T0, T0 + 2 * DAY, 10).result(10).items] == [T0, T0 + DAY]
    store.close()


def test_a_sample_that_comes_late_counts_but_is_not_the_last(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.record_sample(sample(T0 + 50 * SECOND, equity=D(5), wallet=None))
    store.record_sample(sample(T0 + 20 * SECOND, equity=D(1), wallet=D(7))).result(10)
    (minute,) = store.history(MINUTE, T0, T0 + DAY, 10).result(10).items
    assert (minute.last.ts, minute.last.equity, minute.last.wallet) == (T0 + 50 * SECOND, D(5), D(7))
    assert minute.low.equity == D(1)
    store.close()


def test_a_rollup_goes_on_after_a_restart(tmp_path: Path) -> None:
    for k in range(3):
        store = store_at(tmp_path)
        store.record_sample(sample(T0 + k * 10 * SECOND, equity=D(k))).result(10)
        store.close()
    store = store_at(tmp_path)
    (hour,) = store.history(HOUR, T0, T0 + DAY, 10).result(10).items
    assert (hour.samples, hour.low.equity, hour.high.equity, hour.last.equity) == (3, D(0), D(2), D(2))
    store.close()


@pytest.mark.parametrize("limit", [0, -1, LARGEST_PAGE + 1])
def test_a_page_has_a_largest_size(tmp_path: Path, limit: int) -> None:
    store = store_at(tmp_path)
    for ask in (
        lambda: store.fills(None, limit),
        lambda: store.audit(None, limit),
        lambda: store.history(TEN, 0, 1, limit),
    ):
        with pytest.raises(ValueError, match=rf"limit {limit} is outside 1\.\.{LARGEST_PAGE}"):
            ask()
    store.close()


def test_a_read_that_nobody_waits_for_any_more_stops_no_other(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.commit(Changes(fills=[fill(1)])).result(10)
    for _ in range(50):
        store.fills(None, 10).cancel()
    assert store.fills(None, 10).result(10).items == (fill(1),)
    store.close()
