"""Figures of the account: unrealized profit, maintenance margin, funding. Vectors worked out by hand."""

from pathlib import Path

import pytest

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.venues.sim.account import Account, Position
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.settlement import Unsettled
from tests.unit.book_parts import HOUR, NOON, SECOND, D, Desk, desk, fills, rules

LONG, SHORT = Leg.LONG, Leg.SHORT
HEDGED = Account(
    starting_balance=D(1000),
    positions={LONG: Position(D("0.05"), D("0.05") * 41800), SHORT: Position(D("0.03"), D("0.03") * 42300)},
)


def test_unrealized_profit_of_both_legs_at_mark() -> None:
    assert HEDGED.positions[LONG].unrealized(LONG, D(42000)) == 10
    assert HEDGED.positions[SHORT].unrealized(SHORT, D(42000)) == 9
    assert HEDGED.unrealized(D(42000)) == 19


def test_maintenance_margin_is_not_netted() -> None:
    assert HEDGED.maintenance_margin(rules().tiers, D(42000)) == D("0.004") * 3360


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("1", "400"), ("3", "1200"), ("3.00001", "1200.005"), ("8", "3700"), ("20", "11500"), ("200", "188000")],
)
def test_maintenance_margin_follows_the_brackets(quantity: str, expected: str) -> None:
    account = Account(D(1000), positions={LONG: Position(D(quantity), D(0)), SHORT: Position()})
    assert account.maintenance_margin(rules().tiers, D(100_000)) == D(expected)


def test_a_flat_leg_has_cost_nothing_however_fine_the_ticks() -> None:
    bought = Position().opened(D("0.01"), D("0.0123457")).opened(D("0.02"), D("0.0123451"))
    rest, first = bought.closed(LONG, D("0.01"), D("0.0123460"))
    flat, second = rest.closed(LONG, D("0.02"), D("0.0123460"))
    assert flat == Position()
    assert first + second == D("0.03") * D("0.0123460") - D("0.01") * D("0.0123457") - D("0.02") * D("0.0123451")


def test_funding_is_paid_by_long_and_received_by_short_where_the_rate_is_above_0() -> None:
    due = Unsettled(NOON, D(42000), {leg: position.quantity for leg, position in HEDGED.positions.items()})
    assert due.at(D("0.0001")).cash == {LONG: D("-0.21"), SHORT: D("0.126")}
    assert due.at(D("-0.0001")).cash == {LONG: D("0.21"), SHORT: D("-0.126")}


def _hedge(at: Desk) -> None:
    at.price("42000", ask="42000")
    at.market("long", LONG, "0.050")
    at.market("short", SHORT, "0.030")


def test_a_settlement_is_booked_at_each_boundary_with_the_mark_known_before(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_interval_hours=4) as at, Audit(tmp_path / "book") as audit:
        _hedge(at)
        before = at.book.account().wallet
        at.price("43000", ask="43000", seconds=3 * 3600)
        assert audit.funding() == []
        at.price("44000", ask="44000", seconds=2 * 3600)
        paid = audit.funding()
        assert [(payment.ts, payment.leg, payment.mark) for payment in paid] == [
            (NOON + 4 * HOUR, LONG, D(43000)),
            (NOON + 4 * HOUR, SHORT, D(43000)),
        ]
        assert [payment.amount for payment in paid] == [D("-0.215"), D("0.129")]
        assert at.book.account().funding_paid == D("-0.086")
        assert at.book.account().wallet == before - D("0.086")


def test_several_boundaries_in_one_step_are_all_booked(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_interval_hours=1) as at, Audit(tmp_path / "book") as audit:
        _hedge(at)
        at.price("42000", ask="42000", seconds=3 * 3600)
        assert [payment.ts for payment in audit.funding() if payment.leg is LONG] == [
            NOON + hours * HOUR for hours in (1, 2, 3)
        ]


def test_a_fill_at_the_very_time_counts_and_a_later_one_does_not(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_interval_hours=4) as at, Audit(tmp_path / "book") as audit:
        at.price("50000", seconds=1)
        at.price("50000", seconds=4 * 3600 - 1)
        assert at.ts == NOON + 4 * HOUR
        at.market("at the time", LONG, "0.010")
        at.ts += 1
        at.market("later", LONG, "0.020")
        assert [payment.quantity for payment in audit.funding()] == [D("0.010")]


@pytest.mark.parametrize("moment", ["before", "at", "after"])
def test_a_settlement_is_booked_once_across_restarts(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "book"
    with desk(path, funding_interval_hours=4) as at:
        _hedge(at)
        last = {"before": -SECOND, "at": 0, "after": SECOND}[moment]
        at.price("42000", ask="42000", seconds=(4 * HOUR + last - (at.ts - NOON)) / SECOND)
    for _ in range(2):
        with desk(path, funding_interval_hours=4) as at:
            at.price("42000", ask="42000", seconds=60)
    with Audit(path) as audit:
        assert [(payment.ts, payment.leg) for payment in audit.funding()] == [
            (NOON + 4 * HOUR, LONG),
            (NOON + 4 * HOUR, SHORT),
        ]


def test_the_coming_settlement_is_told(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        assert at.book.account().next_funding_ts is None
        at.price("50000")
        account = at.book.account()
        assert account.next_funding_ts == NOON + 4 * HOUR
        assert (account.funding_rate, account.funding_interval_hours) == (D("0.0001"), 8)


def test_the_wallet_is_what_was_booked(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_interval_hours=1) as at, Audit(tmp_path / "book") as audit:
        for number in range(30):
            at.price(D(50000) + D("13.7") * (number % 7), seconds=900)
            at.market(f"in{number}", (LONG, SHORT)[number % 2], "0.003")
            if number % 3 == 2:
                at.market(f"out{number}", LONG, "0.002", close=True)
        done = fills(at.events)
        expected = (
            D(10_000)
            + sum(fill.realized_pnl - fill.commission for fill in done)
            + sum(payment.amount for payment in audit.funding())
        )
        assert audit.funding()
        assert audit.snapshot().wallet == at.book.account().wallet == expected
