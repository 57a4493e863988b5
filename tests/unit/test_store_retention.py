"""What is kept how long, and that the file doesn't grow beyond it: simulated days, months and years."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from naut_hedgegrid.domain.values import FundingSettled, Leg
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.protocol import LARGEST_PAGE
from naut_hedgegrid.store.samples import SECOND, Resolution
from naut_hedgegrid.store.sqlite import SqliteStore
from tests.unit.store_parts import DAY, T0, D, entry, fill, lot, sample, store_at

TEN, MINUTE, HOUR, DAYS = Resolution


def counted(path: Path) -> tuple[dict[str, int], int]:
    """Rows of each resolution, and pages of the file, free ones too."""
    with closing(sqlite3.connect(path)) as db:
        rows = dict(db.execute("select resolution, count(*) from history group by 1").fetchall())
        return rows, db.execute("pragma page_count").fetchone()[0]


def sampled(store: SqliteStore, start: int, days: int, every: int) -> None:
    """Samples of some days, so many seconds apart."""
    for ts in range(start, start + days * DAY, every * SECOND):
        last = store.record_sample(sample(ts, equity=D(ts // SECOND)))
    last.result(30)


def test_a_day_more_leaves_the_file_as_large_as_its_retention_asks_for(tmp_path: Path) -> None:
    store, every = store_at(tmp_path), 600
    path = tmp_path / "grid.sqlite"
    sampled(store, T0, 16, every)
    before, pages_before = counted(path)
    sampled(store, T0 + 16 * DAY, 4, every)
    after, pages_after = counted(path)
    a_day = 86_400 // every
    assert before == {TEN: a_day + 1, MINUTE: 14 * a_day + 1, HOUR: 16 * 24, DAYS: 16}
    assert after == before | {HOUR: 20 * 24, DAYS: 20}
    hours = 4 * 24 * 600 // 4096 + 4
    assert pages_after - pages_before <= hours, "pages of what went are used again; hours are kept for a year"
    assert path.with_name("grid.sqlite-wal").stat().st_size < 8 * 1024 * 1024
    oldest = store.history(MINUTE, 0, T0 + 30 * DAY, 1).result(10).items[0]
    assert oldest.start == T0 + 20 * DAY - every * SECOND - 14 * DAY
    store.close()


def test_hours_are_kept_for_a_year_and_days_for_ever(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    sampled(store, T0, 800, 86_400)
    rows, pages = counted(tmp_path / "grid.sqlite")
    assert rows == {TEN: 2, MINUTE: 15, HOUR: 366, DAYS: 800}
    assert pages < 300
    assert store.history(DAYS, 0, T0 + 1000 * DAY, LARGEST_PAGE).result(10).items[0].start == T0
    store.close()


def test_one_sample_with_a_wrong_time_empties_no_history(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for k in range(200):
        store.record_sample(sample(T0 + k * 10 * SECOND))
    store.record_sample(sample(T0 + 20_000 * DAY)).result(10)
    assert len(store.history(TEN, T0, T0 + DAY, LARGEST_PAGE).result(10).items) >= 150
    store.close()


def test_fills_are_kept_for_a_year_and_those_of_open_lots_for_as_long_as_they_are_open(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    held = lot(7)
    store.commit(Changes(fills=[fill(1, n=6), fill(2, n=7), fill(3, n=8)], lots={held.key: held}))
    for i in range(4, 500):
        last = store.commit(Changes(fills=[fill(i, n=i + 10, ts=T0 + i * DAY)]))
    last.result(30)
    kept = [f.trade_id for f in store.fills(None, LARGEST_PAGE).result(10).items]
    assert kept == [*range(499, 499 - 366, -1), 2]
    store.commit(Changes(lots={held.key: None}, fills=[fill(500, n=600, ts=T0 + 500 * DAY)])).result(10)
    assert 2 not in [f.trade_id for f in store.fills(None, LARGEST_PAGE).result(10).items]
    assert store.load()[0].last_trade_id == 500
    store.close()


def test_many_old_fills_go_a_few_at_a_time(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.commit(Changes(fills=[fill(i, n=i) for i in range(1, 201)]))
    left = []
    for i in range(201, 206):
        store.commit(Changes(fills=[fill(i, n=i, ts=T0 + 400 * DAY)])).result(10)
        left.append(len(store.fills(None, LARGEST_PAGE).result(10).items))
    assert left == [151, 102, 53, 4, 5]
    store.close()


def test_settlements_are_kept_for_a_year_and_the_newest_is_always_known(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for i in range(500):
        cash = {Leg.LONG: D("-0.1"), Leg.SHORT: D("0.05")}
        last = store.commit(Changes(funding=[FundingSettled(T0 + i * DAY, D("0.0001"), D(42000), cash)]))
    last.result(30)
    assert store.load()[0].last_funding_ts == T0 + 499 * DAY
    store.close()
    with closing(sqlite3.connect(tmp_path / "grid.sqlite")) as db:
        assert db.execute("select count(*), min(ts) from funding").fetchone() == (366, T0 + 134 * DAY)


def test_the_audit_log_is_kept_for_a_year_and_no_number_comes_twice(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for day in (0, 1, 400, 401):
        store.record_audit(entry(day * 86_400)).result(10)
    store.close()
    store = store_at(tmp_path)
    store.record_audit(entry(402 * 86_400)).result(10)
    page = store.audit(None, 10).result(10)
    assert [r.number for r in page.items] == [5, 4, 3]
    assert page.items[-1].entry.time == datetime.fromtimestamp((T0 + 400 * DAY) / SECOND, UTC)
    store.close()
