"""Self-trade prevention, EXPIRE_MAKER: a taking order expires the own orders that it would have met (F36, R17)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naut_hedgegrid.domain.values import Ending, Leg, OrderEnded
from naut_hedgegrid.venues.sim.audit import Audit
from tests.unit.book_parts import D, Desk, desk, fills, told

LONG, SHORT = Leg.LONG, Leg.SHORT


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "book", starting_balance=D(100_000)) as found:
        found.price("50000", ask="50001")
        found.market("long", LONG, "0.010")
        found.market("short", SHORT, "0.010")
        yield found


def test_f36_a_market_close_of_long_expires_short_s_take_profits_at_the_market_or_better(at: Desk) -> None:
    at.limit("at the bid", SHORT, "0.002", "50000", close=True)
    at.limit("better", SHORT, "0.002", "50000.5", close=True)
    at.limit("worse", SHORT, "0.002", "49999.9", close=True)
    events = at.market("close", LONG, "0.010", close=True)
    assert told(events) == [
        ("close", "OrderAccepted"),
        ("better", "EXPIRED_IN_MATCH"),
        ("at the bid", "EXPIRED_IN_MATCH"),
        ("close", "OrderFilled"),
    ]
    assert events[1] == OrderEnded("better", Ending.EXPIRED_IN_MATCH, at.ts)
    assert fills(events)[0].price == 50_000
    assert at.open() == ["worse"]
    assert at.quantity(SHORT) == D("0.010")


def test_f36_a_close_of_short_expires_sells_down_to_the_ask(at: Desk) -> None:
    at.limit("tp", LONG, "0.002", "50001", close=True)
    at.limit("entry", SHORT, "0.002", "50000.5")
    at.limit("higher", SHORT, "0.002", "50001.1")
    assert told(at.market("close", SHORT, "0.010", close=True))[1:3] == [
        ("entry", "EXPIRED_IN_MATCH"),
        ("tp", "EXPIRED_IN_MATCH"),
    ]
    assert at.open() == ["higher"]


def test_a_limit_that_takes_expires_them_too_and_one_that_rests_does_not(at: Desk) -> None:
    at.limit("tp", SHORT, "0.002", "50000", close=True)
    at.limit("resting", LONG, "0.002", "50000.5", close=True)
    assert at.open() == ["tp", "resting"]
    assert told(at.limit("taking", LONG, "0.002", "49990", close=True)) == [
        ("taking", "OrderAccepted"),
        ("tp", "EXPIRED_IN_MATCH"),
        ("taking", "OrderFilled"),
    ]


def test_a_refused_order_expires_nothing(at: Desk) -> None:
    at.limit("tp", SHORT, "0.002", "50000", close=True)
    at.limit("post only", LONG, "0.002", "50000", close=True, post_only=True)
    at.market("too much", LONG, "0.011", close=True)
    assert at.open() == ["tp"]


def test_stops_are_never_met_and_their_market_orders_expire_what_they_meet(at: Desk) -> None:
    at.stop("short stop", SHORT, "0.002", "50500")
    at.stop("long stop", LONG, "0.002", "49900")
    at.limit("tp", SHORT, "0.002", "49890", close=True)
    events = at.price("49890", ask="49890.1")
    assert told(events) == [("tp", "EXPIRED_IN_MATCH"), ("long stop", "OrderFilled")]
    assert at.open() == ["short stop"]


def test_the_ending_is_in_the_file(at: Desk, tmp_path: Path) -> None:
    at.limit("tp", SHORT, "0.002", "50000", close=True)
    at.market("close", LONG, "0.010", close=True)
    order = at.book.order("tp")
    assert order is not None
    assert order.status == "EXPIRED_IN_MATCH"
    with Audit(tmp_path / "book") as audit:
        assert audit.snapshot().open_orders == ()


def test_a_venue_without_it_fills_and_keeps_both(tmp_path: Path) -> None:
    with desk(tmp_path / "book", self_trade_prevention=False) as at:
        at.price("50000")
        at.market("short", SHORT, "0.010")
        at.market("long", LONG, "0.010")
        at.limit("tp", SHORT, "0.002", "50000", close=True)
        at.market("close", LONG, "0.010", close=True)
        assert at.open() == ["tp"]
