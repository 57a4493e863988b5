"""The book's file: what it keeps, who may have it, and what happens when it can't be written."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from naut_hedgegrid.domain.values import Leg, OrderAccepted
from naut_hedgegrid.venues.sim import schema
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.ledger import BookFileError
from naut_hedgegrid.venues.sim.places import Place
from tests.unit.book_parts import D, Desk, desk, fills, rules

LONG, SHORT = Leg.LONG, Leg.SHORT


def _trade(at: Desk) -> None:
    at.price("50000")
    at.market("long", LONG, "0.007")
    at.price("50013.7")
    at.market("more", LONG, "0.006")
    at.market("short", SHORT, "0.003")
    at.limit("tp", LONG, "0.013", "51000", close=True, post_only=True)
    at.limit("entry", SHORT, "0.004", "50500")
    at.market("some", LONG, "0.002", close=True)
    at.book.faults = Faults(largest_tick_fill=D("0.001"))
    at.price("50600")


def test_all_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        _trade(at)
        state, account, quote = at.book.state(0), at.book.account(), at.book.standing.quote
        assert any(order.filled for order in state.open_orders)
    with desk(tmp_path / "book") as at:
        assert at.book.state(0) == state
        assert at.book.account() == account
        assert at.book.standing.quote == quote
        assert at.book.standing.place == Place("test", str(at.ts))
        more = fills(at.market("again", LONG, "0.002"))
        assert more[0].trade_id == state.fills[-1].trade_id + 1


def test_a_start_that_is_cut_off_leaves_no_half_of_a_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads beside finds a whole book, or none."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "INSERT_STATE", "insert into nothing values(?, ?)")
        with pytest.raises(sqlite3.OperationalError, match="nothing"), desk(tmp_path / "book"):
            pass
    with Audit(tmp_path / "book") as audit, pytest.raises(sqlite3.OperationalError, match="no such table"):
        audit.snapshot()
    with desk(tmp_path / "book", starting_balance=D(500)) as at:
        assert at.book.account().wallet == 500


def test_the_balance_is_that_of_the_first_start(tmp_path: Path) -> None:
    with desk(tmp_path / "book", starting_balance=D(500)):
        pass
    with desk(tmp_path / "book", starting_balance=D(900)) as at:
        assert at.book.account().wallet == 500


def test_price_then_time_priority_survives_a_restart(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        at.price("50000")
        for identity, price in (("c", "49900"), ("a", "49900"), ("b", "49950")):
            at.limit(identity, LONG, "0.002", price)
    with desk(tmp_path / "book") as at:
        assert [fill.client_order_id for fill in fills(at.price("49000"))] == ["b", "c", "a"]


def test_the_market_place_is_kept_without_any_trade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr("naut_hedgegrid.venues.sim.book.time.monotonic", lambda: seconds[0])
    with desk(tmp_path / "book") as at, Audit(tmp_path / "book") as audit:
        at.price("50000")
        assert audit.snapshot().place is None
        seconds[0] += 1.0
        at.price("50001")
        assert audit.snapshot().place == Place("test", str(at.ts))
        quote = audit.snapshot().quote
        assert quote is not None
        assert quote.bid == 50001


def test_a_book_has_one_venue_at_a_time(tmp_path: Path) -> None:
    with desk(tmp_path / "book"), pytest.raises(BookFileError, match="in use"):
        Book(tmp_path / "book", rules())
    with desk(tmp_path / "book") as at:
        assert at.book.account().wallet == 10_000


def test_a_book_stays_with_its_instrument(tmp_path: Path) -> None:
    with desk(tmp_path / "book"):
        pass
    other = replace(rules().instrument, symbol="ETHUSDT-PERP.BINANCE")
    with pytest.raises(BookFileError, match=r"book of BTCUSDT.*, not of ETHUSDT"):
        Book(tmp_path / "book", rules(instrument=other))


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "book") as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(BookFileError, match="layout 99"):
        Book(tmp_path / "book", rules())


def test_what_can_not_be_written_has_not_happened(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        at.price("50000")
        at.limit("resting", LONG, "0.002", "49900")
        at.price("49950")
        before, quote = at.book.state(0), at.book.standing.quote
        rogue = sqlite3.connect(tmp_path / "book", isolation_level=None)
        rogue.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError):
            at.market("a", LONG, "0.002")
        with pytest.raises(sqlite3.OperationalError):
            at.price("49000")
        assert (at.book.state(0), at.book.standing.quote) == (before, quote)
        rogue.execute("rollback")
        rogue.close()
        assert isinstance(at.market("a", LONG, "0.002")[0], OrderAccepted)
        assert [fill.client_order_id for fill in fills(at.price("49000"))] == ["resting"]


@contextmanager
def as_a_stranger(book: Path) -> Generator[None]:
    """Be somebody who may not write the book, but may make files beside it, as in the volume of a pod."""
    book.chmod(0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        book.chmod(0o644)


def test_a_reader_who_is_somebody_else_leaves_nothing_that_locks_the_venue_out() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = Path(folder) / "book"
        with desk(path) as at:
            at.price("50000")
            at.market("a", LONG, "0.002")
        left = set(Path(folder).iterdir())
        with as_a_stranger(path), Audit(path) as audit:
            assert audit.snapshot().positions[LONG].quantity == D("0.002")
            assert set(Path(folder).iterdir()) == left
        with desk(path) as at:
            at.market("b", LONG, "0.002")
            with as_a_stranger(path), Audit(path) as audit:
                assert audit.snapshot().positions[LONG].quantity == D("0.004")


def test_a_reader_does_not_disturb_the_venue_and_reads_after_its_end(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at, Audit(tmp_path / "book") as audit:
        at.price("50000")
        at.market("a", LONG, "0.002")
        first = audit.snapshot()
        at.market("b", LONG, "0.002")
        assert (first.positions[LONG].quantity, audit.snapshot().positions[LONG].quantity) == (D("0.002"), D("0.004"))
    with Audit(tmp_path / "book") as audit:
        assert audit.snapshot().positions[LONG].quantity == D("0.004")
        assert [fill.client_order_id for fill in audit.fills(after_trade_id=1)] == ["b"]
        assert not audit.snapshot().flat
    with pytest.raises(sqlite3.OperationalError):
        Audit(tmp_path / "no such book")


def test_what_a_start_reads_does_not_grow_with_what_has_ended(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        at.price("50000")
    with sqlite3.connect(tmp_path / "book") as db:
        for query in (
            schema.SELECT_OPEN_ORDERS,
            "select min(trade_id) from fills where order_id = ?",
            "select * from fills where leg = ? and trade_id >= 5 order by trade_id",
            "select * from orders where client_order_id = ? order by order_id desc limit 1",
        ):
            plan = str(db.execute("explain query plan " + query, ("x",) * query.count("?")).fetchall())
            assert "INDEX" in plan, plan
            assert "SCAN orders'" not in plan, plan


LAYOUT_1 = Path(__file__).with_name("book_layout_1.sql").read_text()


def _of_layout_1(path: Path) -> Path:
    with sqlite3.connect(path) as db:
        db.executescript(LAYOUT_1)
    return path


def test_a_book_of_the_last_release_keeps_everything(tmp_path: Path) -> None:
    path = _of_layout_1(tmp_path / "book")
    with desk(path, funding_interval_hours=1) as at:
        state, account = at.book.state(0), at.book.account()
        assert (state.positions[LONG].quantity, state.positions[SHORT].quantity) == (D("0.007"), D("0.004"))
        assert state.positions[SHORT].entry_price == D(50_125)
        assert [(order.client_order_id, order.leaves) for order in state.open_orders] == [
            ("tp", D("0.007")),
            ("entry", D("0.003")),
        ]
        assert [fill.client_order_id for fill in state.fills] == ["long", "short", "entry"]
        assert [settled.cash[LONG] for settled in state.funding] == [D("-0.03500004")]
        assert (account.wallet, account.funding_paid, account.transfers) == (D("9999.71989963"), D("-0.02000002"), 0)
        assert at.book.standing.place == Place("test", "1700053302000000000")
        at.stop("stop", LONG, "0.007", "49000")
        at.book.transfer(D(100))
        assert fills(at.price("50500.1"))[0].quantity == D("0.003")
    with desk(path, funding_interval_hours=1) as at, Audit(path) as audit:
        assert [order.trigger_price for order in at.book.state(0).open_orders] == [None, D(49_000)]
        assert at.book.account().transfers == 100
        assert [(command.client_order_id, command.trigger_price) for command in audit.order_log()[-3:]] == [
            ("gone", None),
            ("gone", None),
            ("stop", D(49_000)),
        ]


def test_both_layouts_end_up_with_the_same_columns(tmp_path: Path) -> None:
    def columns(path: Path) -> dict[str, set[str]]:
        with sqlite3.connect(path) as db:
            tables = [name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")]
            return {name: {row[1] for row in db.execute(f"pragma table_info({name})")} for name in tables}

    old = _of_layout_1(tmp_path / "old")
    for path in (old, tmp_path / "new"):
        with desk(path):
            pass
    assert columns(old) == columns(tmp_path / "new")


def test_a_layout_that_can_not_be_brought_up_to_date_stays_as_it_was(tmp_path: Path) -> None:
    path = _of_layout_1(tmp_path / "book")
    with sqlite3.connect(path) as db:
        db.execute("create table transfers(another text)")
        before = list(db.iterdump())
    with pytest.raises(sqlite3.OperationalError, match="transfers"):
        Book(path, rules())
    with sqlite3.connect(path) as db:
        assert list(db.iterdump()) == before
        assert db.execute("pragma user_version").fetchone() == (1,)


def test_a_reader_of_an_older_layout_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BookFileError, match=r"layout 1.*start the venue on it once"):
        Audit(_of_layout_1(tmp_path / "book"))
