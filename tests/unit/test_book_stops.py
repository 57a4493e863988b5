"""Stops at the simulated venue: conditional, closing, by quantity, triggered by the mark price (R16, F35)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Ending, Leg, OrderAccepted, OrderEnded, OrderKind, Side
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.faults import Faults
from tests.unit.book_parts import D, Desk, desk, fills, reason, rules, told

LONG, SHORT = Leg.LONG, Leg.SHORT


def hedged(at: Desk) -> Desk:
    """Ten of each leg at 50,000."""
    at.price("50000", ask="50000")
    at.market("long", LONG, "0.010")
    at.market("short", SHORT, "0.010")
    return at


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "book", starting_balance=D(100_000)) as found:
        yield hedged(found)


@pytest.mark.parametrize(
    ("leg", "trigger", "short_of_it", "reached", "side"),
    [(LONG, "49000", "49000.1", "49000", Side.SELL), (SHORT, "51000", "50999.9", "51000", Side.BUY)],
)
def test_a_stop_rests_until_the_mark_reaches_its_trigger_then_closes_as_taker(
    at: Desk, leg: Leg, trigger: str, short_of_it: str, reached: str, side: Side
) -> None:
    assert at.stop("stop", leg, "0.004", trigger) == [OrderAccepted("stop", at.ts)]
    (resting,) = at.book.state(0).open_orders
    assert (resting.kind, resting.trigger_price, resting.price) == (OrderKind.STOP_MARKET, D(trigger), None)
    assert at.price(short_of_it, ask=short_of_it) == []
    (fill,) = fills(at.price(reached, ask=reached))
    assert (fill.client_order_id, fill.quantity, fill.side, fill.maker) == ("stop", D("0.004"), side, False)
    assert fill.price == D(reached)
    assert fill.commission == D("0.004") * D(reached) * D("0.0005")
    assert at.quantity(leg) == D("0.006")
    assert at.open() == []


def test_the_mark_triggers_and_the_opposite_best_is_the_price(at: Desk) -> None:
    at.stop("stop", LONG, "0.004", "49500")
    assert at.price("49400", ask="49700") == []  # the mark is between them
    (fill,) = fills(at.price("49300", ask="49700"))
    assert fill.price == 49_300


@pytest.mark.parametrize(
    ("trigger", "quantity", "code"),
    [
        ("49000.05", "0.004", "-1111"),
        ("0", "0.004", "-4006"),
        ("-1", "0.004", "-4006"),
        ("49000", "0.0005", "-1111"),
        ("49000", "0", "-4003"),
        ("49000", "120.001", "-4005"),
        ("49000", "0.011", "-2022"),
        ("50000", "0.004", "-2021"),
        ("50000.1", "0.004", "-2021"),
    ],
)
def test_f35_stops_are_refused_by_filter_position_and_mark(at: Desk, trigger: str, quantity: str, code: str) -> None:
    assert reason(at.stop("stop", LONG, quantity, trigger)).startswith(code + " ")
    assert at.open() == []


def test_f35_a_short_s_stop_below_the_mark_would_trigger_at_once(at: Desk) -> None:
    assert reason(at.stop("stop", SHORT, "0.004", "50000")).startswith("-2021 ")
    assert at.stop("stop", SHORT, "0.004", "50000.1")


@pytest.mark.parametrize(
    ("changes", "trigger", "quantity", "code"),
    [
        ({"tick_size": D("0.5")}, "49000.3", "0.004", "-4014"),
        ({"step_size": D("0.002"), "min_qty": D("0.002")}, "49000", "0.003", "-4023"),
    ],
)
def test_trigger_and_quantity_stand_on_tick_and_step(
    tmp_path: Path, changes: dict[str, Any], trigger: str, quantity: str, code: str
) -> None:
    with desk(tmp_path / "book", instrument=replace(rules().instrument, **changes)) as at:
        hedged(at)
        assert reason(at.stop("stop", LONG, quantity, trigger)).startswith(code + " ")


def test_stops_only_close(at: Desk) -> None:
    assert reason(at.stop("stop", LONG, "0.004", "51000", close=False)).startswith("-1116 ")


def test_f35_conditional_orders_have_a_limit_of_their_own(tmp_path: Path) -> None:
    instrument = replace(rules().instrument, max_orders=1, max_conditional_orders=2)
    with desk(tmp_path / "book", instrument=instrument) as at:
        hedged(at)
        at.limit("tp", LONG, "0.004", "51000", close=True)
        at.stop("a", LONG, "0.004", "49000")
        at.stop("b", LONG, "0.004", "48000")
        assert reason(at.stop("c", LONG, "0.004", "47000")).startswith("-4045 ")
        assert reason(at.limit("tp too", LONG, "0.004", "51000", close=True)).startswith("-2025 ")
        at.cancel("a")
        assert at.stop("c", LONG, "0.004", "47000") == [OrderAccepted("c", at.ts)]
    with desk(tmp_path / "book", instrument=instrument) as at:
        assert reason(at.stop("d", LONG, "0.004", "47000")).startswith("-4045 ")


def test_a_stop_is_cancelled_like_any_order(at: Desk) -> None:
    at.stop("stop", LONG, "0.004", "49000")
    assert at.cancel("stop") == [OrderEnded("stop", Ending.CANCELED, at.ts)]
    assert at.price("48000", ask="48000") == []


def test_a_stop_needs_no_margin_and_reserves_nothing(tmp_path: Path) -> None:
    with desk(tmp_path / "book", resting_closes_reserve=True) as at:
        hedged(at)
        before = at.book.account().available
        at.stop("stop", LONG, "0.010", "49000")
        assert at.book.account().available == before
        assert at.limit("tp", LONG, "0.010", "51000", close=True) == [OrderAccepted("tp", at.ts)]


def test_stops_trigger_in_the_order_in_which_the_price_reaches_them(at: Desk) -> None:
    for identity, trigger in (("low", "48000"), ("high", "49000"), ("high too", "49000"), ("middle", "48500")):
        at.stop(identity, LONG, "0.002", trigger)
    done = fills(at.price("47000", ask="47000"))
    assert [fill.client_order_id for fill in done] == ["high", "high too", "middle", "low"]
    for identity, trigger in (("up", "52000"), ("first", "51000")):
        at.stop(identity, SHORT, "0.002", trigger)
    assert [fill.client_order_id for fill in fills(at.price("53000", ask="53000"))] == ["first", "up"]


def test_limits_fill_before_stops_of_the_same_tick(at: Desk) -> None:
    at.stop("stop", LONG, "0.010", "49000")
    at.limit("short tp", SHORT, "0.010", "49000", close=True)
    done = fills(at.price("48900", ask="48900"))
    assert [(fill.client_order_id, fill.price, fill.maker) for fill in done] == [
        ("short tp", D(49000), True),
        ("stop", D(48900), False),
    ]


def test_stops_never_turn_a_leg_round(at: Desk) -> None:
    for identity in ("a", "b", "c"):
        at.stop(identity, LONG, "0.006", "49000")
    assert told(at.price("48900", ask="48900")) == [
        ("a", "OrderFilled"),
        ("b", "OrderFilled"),
        ("b", "EXPIRED"),
        ("c", "TRIGGER_REJECTED"),
    ]
    assert [fill.quantity for fill in fills(at.events)[2:]] == [D("0.006"), D("0.004")]
    assert at.quantity(LONG) == 0


def test_a_stop_whose_position_is_gone_is_rejected_with_a_reason_when_it_triggers(at: Desk) -> None:
    at.stop("stop", LONG, "0.010", "49000")
    at.market("out", LONG, "0.010", close=True)
    (ended,) = at.price("48900", ask="48900")
    assert ended == OrderEnded("stop", Ending.TRIGGER_REJECTED, at.ts, "-2022 ReduceOnly Order is rejected.")
    order = at.book.order("stop")
    assert order is not None
    assert (order.status, order.reason) == ("TRIGGER_REJECTED", "-2022 ReduceOnly Order is rejected.")


def test_a_stop_larger_than_its_position_is_rejected_whole_where_switched_on(tmp_path: Path) -> None:
    with desk(tmp_path / "book", oversized_stops_rejected=True) as at:
        hedged(at)
        at.stop("stop", LONG, "0.010", "49000")
        at.market("some", LONG, "0.004", close=True)
        assert told(at.price("48900", ask="48900")) == [("stop", "TRIGGER_REJECTED")]
        assert at.quantity(LONG) == D("0.006")


def test_what_a_triggered_stop_does_not_get_filled_expires(tmp_path: Path) -> None:
    with desk(tmp_path / "book", Faults(largest_market_fill=D("0.003"))) as at:
        at.book.faults.largest_market_fill = None
        hedged(at)
        at.book.faults.largest_market_fill = D("0.003")
        at.stop("stop", LONG, "0.010", "49000")
        events = at.price("48900", ask="48900")
        assert told(events) == [("stop", "OrderFilled"), ("stop", "EXPIRED")]
        assert fills(events)[0].quantity == D("0.003")


def test_resting_stops_survive_a_restart_with_trigger_and_order(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        hedged(at)
        for identity, trigger in (("low", "48000"), ("high", "49000")):
            at.stop(identity, LONG, "0.004", trigger)
        before = at.book.state(0).open_orders
    with desk(tmp_path / "book") as at, Audit(tmp_path / "book") as audit:
        assert at.book.state(0).open_orders == before == audit.snapshot().open_orders
        assert [order.trigger_price for order in before] == [D(48000), D(49000)]
        assert [fill.client_order_id for fill in fills(at.price("47000", ask="47000"))] == ["high", "low"]
        assert [command.trigger_price for command in audit.order_log()] == [None, None, D(48000), D(49000)]
