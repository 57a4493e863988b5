"""What a test can make the venue do wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from naut_hedgegrid.domain.values import Ending, Leg, OrderAccepted, OrderEnded, OrderFilled, OrderKind, OrderRejected
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from tests.unit.book_parts import HOUR, NOON, SECOND, D, Desk, desk, fills, reason, told

LONG, SHORT = Leg.LONG, Leg.SHORT


@dataclass
class Rig:
    at: Desk
    faults: Faults


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    faults = Faults()
    with desk(tmp_path / "book", faults) as at:
        at.price("50000", ask="50000")
        yield Rig(at, faults)


def test_f10_f18_a_lost_answer_is_of_a_command_that_was_carried_out(rig: Rig) -> None:
    at = rig.at
    rig.faults.lost_answers = 3
    assert at.market("a", LONG, "0.010") == []
    assert at.limit("b", LONG, "0.0105", "49000") == []
    assert at.limit("c", LONG, "0.010", "49000") == []
    assert at.quantity(LONG) == D("0.010")
    assert at.open() == ["c"]
    assert [fill.client_order_id for fill in at.book.state(0).fills] == ["a"]
    rig.faults.lost_answers = 1
    assert at.cancel("c") == []
    assert at.open() == []
    assert told(at.market("d", LONG, "0.010")) == [("d", "OrderAccepted"), ("d", "OrderFilled")]


def test_a_settlement_is_not_lost_with_the_answer_it_falls_together_with(rig: Rig) -> None:
    at = rig.at
    at.market("a", LONG, "0.010")
    rig.faults.lost_answers = 1
    at.ts = NOON + 4 * HOUR + SECOND
    (settled,) = at.market("b", LONG, "0.010")
    assert type(settled).__name__ == "FundingSettled"


def test_f7_events_come_twice(rig: Rig) -> None:
    rig.faults.duplicates = 2
    first, second, third, fourth = rig.at.market("a", LONG, "0.010")
    assert (first, third) == (second, fourth)
    assert (type(first), type(third)) == (OrderAccepted, OrderFilled)
    assert rig.at.quantity(LONG) == D("0.010")
    assert len(rig.at.market("b", LONG, "0.010")) == 2


def test_f7_events_come_after_later_ones(rig: Rig) -> None:
    rig.faults.delays = 2
    assert rig.at.market("a", LONG, "0.010") == []
    assert told(rig.at.market("b", LONG, "0.010")) == [
        ("b", "OrderAccepted"),
        ("b", "OrderFilled"),
        ("a", "OrderAccepted"),
        ("a", "OrderFilled"),
    ]
    rig.faults.delays = 1
    rig.at.limit("c", LONG, "0.010", "49000")
    assert told(rig.at.price("49500")) == [("c", "OrderAccepted")]


@pytest.mark.parametrize("ending", list(Ending))
def test_r17_a_resting_order_ends_though_nobody_has_cancelled_it(rig: Rig, ending: Ending) -> None:
    rig.at.limit("a", LONG, "0.010", "49000")
    ended = rig.at.book.expire_resting("a", ending, "for a reason")
    assert ended == [OrderEnded("a", ending, rig.at.ts, "for a reason")]
    assert rig.at.open() == []
    with pytest.raises(ValueError, match="no open order 'a'; open: none"):
        rig.at.book.expire_resting("a", ending)


@pytest.mark.parametrize(
    "refusal",
    [
        refusals.WOULD_TRIGGER,
        refusals.TRIGGERS_AT_ONCE,
        refusals.TOO_MANY_STOPS,
        refusals.MARGIN_INSUFFICIENT,
    ],
)
def test_r16_the_next_order_of_a_kind_is_refused_and_others_pass(rig: Rig, refusal: refusals.Refusal) -> None:
    at = rig.at
    at.market("long", LONG, "0.010")
    rig.faults.refuse_next.append(RefuseNext(refusal, when=lambda order: order.kind is OrderKind.STOP_MARKET, count=2))
    assert fills(at.market("more", LONG, "0.010"))
    for identity in ("a", "b"):
        assert reason(at.stop(identity, LONG, "0.010", "49000")) == str(refusal)
    assert at.stop("c", LONG, "0.010", "49000") == [OrderAccepted("c", at.ts)]


def test_r12_a_post_only_refusal_is_marked_as_such(rig: Rig) -> None:
    rig.faults.refuse_next.append(RefuseNext(refusals.WOULD_TAKE, when=lambda order: order.post_only))
    (refused,) = rig.at.limit("a", LONG, "0.010", "49000", post_only=True)
    assert isinstance(refused, OrderRejected)
    assert refused.post_only


def test_r12_a_post_only_order_is_accepted_and_then_expires(rig: Rig) -> None:
    rig.faults.post_only_expiries = 2
    assert told(rig.at.limit("plain", LONG, "0.010", "49000")) == [("plain", "OrderAccepted")]
    for identity, price in (("rests", "49000"), ("would take", "50000")):
        assert told(rig.at.limit(identity, LONG, "0.010", price, post_only=True)) == [
            (identity, "OrderAccepted"),
            (identity, "EXPIRED"),
        ]
    assert rig.at.quantity(LONG) == 0
    assert rig.at.open() == ["plain"]
    assert reason(rig.at.limit("again", LONG, "0.010", "50000", post_only=True)).startswith("-5022 ")
