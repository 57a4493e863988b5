"""What the store keeps, and what it makes of files of earlier releases."""

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from naut_hedgegrid.domain.grid import Ladder, LotKey
from naut_hedgegrid.domain.values import FundingSettled, Leg, OrderKind, Role
from naut_hedgegrid.grid.records import Changes, Totals
from naut_hedgegrid.store import schema
from naut_hedgegrid.store.errors import StoreError, StoreProblem
from tests.unit.store_parts import (
    FILLED_1,
    INSTRUMENT,
    OWNER,
    T0,
    VERSION_1,
    D,
    fill,
    lot,
    order,
    script,
    store_at,
)


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("select name from sqlite_master where type = 'table' order by name")]
        return {name: db.execute(f"select * from pragma_table_info('{name}')").fetchall() for name in tables}


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    settled = FundingSettled(T0, D("0.0001"), D(42000), {Leg.LONG: D("-0.042"), Leg.SHORT: D(0)})
    values = {"ladder": {"centre": "42000.0", "step": "105"}, "controls": {"rearm": 4}, "next_n": 12}
    store.commit(
        Changes(
            lots={lot(n).key: lot(n) for n in (1, 2)},
            orders={order(n).client_order_id: order(n) for n in (1, 2)},
            fills=[fill(5), fill(6)],
            funding=[settled],
            values=values,
        )
    )
    gone = Changes(lots={lot(1).key: None}, orders={order(1).client_order_id: None})
    store.commit(gone, durable=True).result(10)
    store.close()

    store = store_at(tmp_path)
    snapshot, found = store.load()
    assert snapshot.lots == (lot(2),)
    assert snapshot.orders == (order(2),)
    assert snapshot.ladder == Ladder(D("42000.0"), D(105))
    assert (snapshot.last_trade_id, snapshot.recent_trade_ids) == (6, {5, 6})
    assert (snapshot.last_funding_ts, snapshot.next_n) == (T0, 12)
    assert found == values
    assert store.fills(None, 10).result(10).items == (fill(6), fill(5))
    store.close()


def test_a_fill_is_kept_once_by_its_trade_id(tmp_path: Path) -> None:
    """F7"""
    store = store_at(tmp_path)
    store.commit(Changes(fills=[fill(5)]))
    store.commit(Changes(fills=[fill(5), fill(6)])).result(10)
    assert [f.trade_id for f in store.fills(None, 10).result(10).items] == [6, 5]
    store.close()


def test_later_changes_are_taken_in_whole() -> None:
    """What a full disk has refused is written with what comes later: every part of it."""
    settled = FundingSettled(T0, D(0), D(1), {Leg.LONG: D(0), Leg.SHORT: D(0)})
    later = Changes(
        lots={lot(1).key: None},
        orders={"a": order(1)},
        fills=[fill(1)],
        funding=[settled],
        totals=Totals(fills=1),
        values={"a": 2},
    )
    assert all(getattr(later, part.name) for part in fields(Changes)), "a part is missing from this test"
    taken = Changes(lots={lot(1).key: lot(1)}, values={"a": 1})
    taken.add(later)
    assert taken == later
    taken.add(Changes())
    assert taken == later


def test_a_file_of_version_1_is_taken_over_whole(tmp_path: Path) -> None:
    script(tmp_path / "grid.sqlite", VERSION_1, FILLED_1)
    store = store_at(tmp_path)
    snapshot, values = store.load()
    assert [(held.key, held.bought, held.stop_loss_steps) for held in snapshot.lots] == [
        (LotKey(Leg.LONG, 1, 7), D("0.010"), 0)
    ]
    (exit_,) = snapshot.orders
    assert (exit_.role, exit_.kind, exit_.price, exit_.trigger_price) == (
        Role.TAKE_PROFIT,
        OrderKind.LIMIT,
        D("42105.0"),
        None,
    )
    assert snapshot.last_trade_id == 41
    assert snapshot.totals == Totals(
        fees=D("0.08379"), fills=1, maker_fills=1, notional=D("418.95"), maker_notional=D("418.95")
    )
    assert values["controls"] == {"rearm": 3}
    store.commit(Changes(orders={order().client_order_id: order()}, lots={lot().key: lot()})).result(10)
    store.close()

    fresh = store_at(tmp_path / "new")
    fresh.close()
    assert columns(tmp_path / "grid.sqlite") == columns(tmp_path / "new" / "grid.sqlite")
    store = store_at(tmp_path)
    assert store.load()[0].lots[-1] == lot()
    store.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = script(tmp_path / "grid.sqlite", VERSION_1, FILLED_1)
    before = columns(path)
    monkeypatch.setattr(schema, "_SINCE_2", (*schema._SINCE_2[:2], "create table lots (broken)"))
    with pytest.raises(StoreError, match="lots"):
        store_at(tmp_path)
    assert columns(path) == before
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
    monkeypatch.undo()
    store = store_at(tmp_path)
    assert store.load()[0].last_trade_id == 41
    store.close()


def test_another_grids_file_of_version_1_is_known_by_its_ids(tmp_path: Path) -> None:
    script(tmp_path / "grid.sqlite", VERSION_1, FILLED_1.replace("hg-0badcafe", "hg-deadbeef"))
    with pytest.raises(StoreError, match="hg-deadbeef-L1-T0-7, this grid's ids begin with hg-0badcafe-") as error:
        store_at(tmp_path)
    assert error.value.problem is StoreProblem.FOREIGN


def test_one_process_has_a_file(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with pytest.raises(StoreError, match="in use by another process") as error:
        store_at(tmp_path)
    assert error.value.problem is StoreProblem.IN_USE
    store.close()
    store_at(tmp_path).close()


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    store_at(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "grid.sqlite")) as db:
        assert db.execute("select owner, instrument from identity").fetchall() == [(OWNER, INSTRUMENT)]
