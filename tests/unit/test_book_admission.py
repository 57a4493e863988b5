"""Which orders the simulated venue refuses, and with which of Binance's codes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.domain.values import (
    CancelRejected,
    Ending,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderRejected,
)
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.faults import Faults
from tests.unit.book_parts import D, Desk, desk, fills, reason, rules

LONG, SHORT = Leg.LONG, Leg.SHORT


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "book") as found:
        found.price("50000")
        yield found


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("0.0015", "49000", "-1111"),
        ("0.002", "49000.05", "-1111"),
        ("0", "49000", "-4003"),
        ("-0.002", "49000", "-4003"),
        ("1000.001", "49000", "-4005"),
        ("0.002", "0", "-4001"),
        ("0.002", "-1", "-4001"),
        ("0.001", "49000", "-4164"),
        ("2", "49000", "-2019"),
    ],
)
def test_opening_limit_orders_are_refused_by_filter_and_margin(at: Desk, quantity: str, price: str, code: str) -> None:
    assert reason(at.limit("a", LONG, quantity, price)).startswith(code + " ")
    assert at.book.state(0).open_orders == ()


@pytest.mark.parametrize(
    ("changes", "quantity", "price", "code"),
    [
        ({"tick_size": D("0.5")}, "0.002", "49000.3", "-4014"),
        ({"step_size": D("0.002"), "min_qty": D("0.002")}, "0.003", "49000", "-4023"),
        ({"min_qty": D("0.010")}, "0.009", "49000", "-4004"),
        ({"max_qty": D("0.005")}, "0.006", "49000", "-4005"),
    ],
)
def test_filters_come_from_the_instrument(
    tmp_path: Path, changes: dict[str, Any], quantity: str, price: str, code: str
) -> None:
    with desk(tmp_path / "book", instrument=replace(rules().instrument, **changes)) as at:
        at.price("50000")
        assert reason(at.limit("a", LONG, quantity, price)).startswith(code + " ")


def test_trailing_zeros_are_no_precision(at: Desk) -> None:
    assert isinstance(at.limit("a", LONG, "0.00200", "49000.000")[0], OrderAccepted)


def test_a_market_order_has_its_own_largest_quantity(tmp_path: Path) -> None:
    with desk(tmp_path / "book", starting_balance=D(10_000_000)) as at:
        at.price("50000")
        assert isinstance(at.limit("a", LONG, "120.001", "49000")[0], OrderAccepted)
        assert reason(at.market("b", LONG, "120.001")).startswith("-4005 ")


def test_a_market_order_without_a_counterparty_is_refused(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        assert reason(at.market("a", LONG, "0.002")).startswith("-4131 ")


def test_an_id_is_unique_among_open_orders_only(at: Desk) -> None:
    at.limit("a", LONG, "0.002", "49000")
    assert reason(at.limit("a", SHORT, "0.002", "51000")).startswith("-4116 ")
    at.cancel("a")
    assert isinstance(at.limit("a", SHORT, "0.002", "51000")[0], OrderAccepted)
    assert [order.leg for order in at.book.state(0).open_orders] == [SHORT]


def test_open_orders_are_limited(tmp_path: Path) -> None:
    with desk(tmp_path / "book", instrument=replace(rules().instrument, max_orders=2)) as at:
        at.price("50000")
        at.limit("a", LONG, "0.002", "49000")
        at.limit("b", LONG, "0.002", "49000")
        assert reason(at.limit("c", LONG, "0.002", "49000")).startswith("-2025 ")
        assert len(fills(at.market("d", LONG, "0.002"))) == 1


@pytest.mark.parametrize(("leg", "crossing", "resting"), [(LONG, "50000.1", "50000.0"), (SHORT, "50000", "50000.1")])
def test_a_post_only_order_that_would_take_is_refused(at: Desk, leg: Leg, crossing: str, resting: str) -> None:
    (refused,) = at.limit("a", leg, "0.002", crossing, post_only=True)
    assert isinstance(refused, OrderRejected)
    assert refused.post_only
    assert refused.reason.startswith("-5022 ")
    assert isinstance(at.limit("b", leg, "0.002", resting, post_only=True)[0], OrderAccepted)


def test_other_refusals_are_not_post_only(at: Desk) -> None:
    (refused,) = at.limit("a", LONG, "0.0015", "49000", post_only=True)
    assert isinstance(refused, OrderRejected)
    assert not refused.post_only


@pytest.mark.parametrize("leg", list(Leg))
def test_more_than_the_position_is_not_closed(at: Desk, leg: Leg) -> None:
    assert reason(at.market("a", leg, "0.002", close=True)).startswith("-2022 ")
    at.market("open", leg, "0.005")
    assert reason(at.market("b", leg, "0.006", close=True)).startswith("-2022 ")
    assert fills(at.market("c", leg, "0.005", close=True))[0].quantity == D("0.005")


def test_the_other_leg_is_no_position_to_close(at: Desk) -> None:
    at.market("open", LONG, "0.005")
    assert reason(at.market("a", SHORT, "0.005", close=True)).startswith("-2022 ")


def test_resting_closes_reserve_nothing_by_default(at: Desk) -> None:
    at.market("open", LONG, "0.005")
    at.limit("tp", LONG, "0.005", "51000", close=True)
    assert fills(at.market("flat", LONG, "0.005", close=True))


def test_resting_closes_reserve_where_switched_on(tmp_path: Path) -> None:
    with desk(tmp_path / "book", resting_closes_reserve=True) as at:
        at.price("50000")
        at.market("open", LONG, "0.005")
        at.limit("tp", LONG, "0.003", "51000", close=True)
        assert reason(at.market("a", LONG, "0.003", close=True)).startswith("-2022 ")
        assert fills(at.market("b", LONG, "0.002", close=True))


def test_closes_escape_the_smallest_notional_unless_switched_on(tmp_path: Path) -> None:
    for name, switch in (("no", False), ("yes", True)):
        with desk(tmp_path / name, closes_need_min_notional=switch) as at:
            at.price("50000")
            at.market("open", LONG, "0.002")
            at.price("20000")
            events = at.market("a", LONG, "0.002", close=True)
            assert bool(fills(events)) is not switch
            assert not switch or reason(events).startswith("-4164 ")


def test_closing_needs_no_margin(tmp_path: Path) -> None:
    with desk(tmp_path / "book", starting_balance=D(1000), leverage=20) as at:
        at.price("50000")
        at.market("open", LONG, "0.300")
        at.price("47500")
        available = at.book.account().available
        assert available is not None
        assert available < 0
        assert reason(at.limit("more", LONG, "0.002", "45000")).startswith("-2019 ")
        assert fills(at.market("flat", LONG, "0.300", close=True))


def test_open_entries_tie_up_margin(tmp_path: Path) -> None:
    with desk(tmp_path / "book", starting_balance=D(1000), leverage=10) as at:
        at.price("50000")
        assert isinstance(at.limit("a", LONG, "0.150", "40000")[0], OrderAccepted)  # 600 of 1000
        assert reason(at.limit("b", SHORT, "0.150", "60000")).startswith("-2019 ")
        at.cancel("a")
        assert isinstance(at.limit("b", SHORT, "0.150", "60000")[0], OrderAccepted)


def test_a_cancel_finds_open_orders_only(at: Desk) -> None:
    at.limit("a", LONG, "0.002", "49000")
    assert at.cancel("a") == [OrderEnded("a", Ending.CANCELED, at.ts)]
    for identity in ("a", "never"):
        (refused,) = at.cancel(identity)
        assert isinstance(refused, CancelRejected)
        assert refused.reason.startswith("-2011 ")


def test_faults_refuse_as_many_orders_as_asked_for(tmp_path: Path) -> None:
    faults = Faults(refusals=2, refusal="-1008 overloaded")
    with desk(tmp_path / "book", faults) as at:
        at.price("50000")
        assert reason(at.market("a", LONG, "0.002")) == "-1008 overloaded"
        assert reason(at.market("b", LONG, "0.002")) == "-1008 overloaded"
        assert fills(at.market("c", LONG, "0.002"))


def test_every_command_is_logged_in_the_order_of_arrival(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at, Audit(tmp_path / "book") as audit:
        at.price("50000")
        at.limit("a", LONG, "0.002", "49000", post_only=True)
        at.limit("b", LONG, "0.0015", "49000")
        at.cancel("a")
        at.cancel("a")
        at.market("c", SHORT, "0.002")
        at.market("d", SHORT, "0.002", close=True)
        log = audit.order_log()
        assert [(c.action, c.client_order_id, c.opening, c.result.split(" ")[0]) for c in log] == [
            ("submit", "a", True, "accepted"),
            ("submit", "b", True, "-1111"),
            ("cancel", "a", True, "accepted"),
            ("cancel", "a", None, "-2011"),
            ("submit", "c", True, "accepted"),
            ("submit", "d", False, "accepted"),
        ]
        assert (log[0].leg, log[0].quantity, log[0].price, log[0].post_only) == (LONG, D("0.002"), D(49000), True)
        assert [c.sequence for c in log] == sorted({c.sequence for c in log})
        assert [c.wall_ns for c in log] == sorted(c.wall_ns for c in log)
        assert [c.client_order_id for c in audit.openings(log[0].wall_ns)] == ["c"]
        assert audit.order_log(log[3].sequence) == log[4:]
