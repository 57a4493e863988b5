"""Rules that change while the venue runs (F42)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedgegrid_api.files import Tier
from naut_hedgegrid.domain.values import FundingSettled, Leg
from naut_hedgegrid.venues.sim.audit import Audit
from tests.unit.book_parts import HOUR, NOON, D, Desk, desk, reason

LONG, SHORT = Leg.LONG, Leg.SHORT


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "book") as found:
        found.price("50000", ask="50000")
        found.market("long", LONG, "0.010")
        yield found


def test_f42_new_filters_hold_from_now_on_and_are_told(at: Desk) -> None:
    at.limit("resting", LONG, "0.003", "49000.1")
    instrument = replace(at.book.rules.instrument, tick_size=D("0.5"), step_size=D("0.002"), max_conditional_orders=0)
    assert at.book.change_rules(replace(at.book.rules, instrument=instrument)) == [instrument]
    assert reason(at.limit("a", LONG, "0.004", "49000.1")).startswith("-4014 ")
    assert reason(at.limit("b", LONG, "0.003", "49000")).startswith("-4023 ")
    assert reason(at.stop("c", LONG, "0.004", "49000")).startswith("-4045 ")
    assert at.open() == ["resting"]
    assert at.cancel("resting")


def test_f42_what_is_no_limit_on_orders_is_seen_in_the_account(at: Desk) -> None:
    tiers = (Tier(notional_cap=D(10**9), mmr=D("0.02"), cum=D(0), max_leverage=50),)
    assert at.book.change_rules(replace(at.book.rules, tiers=tiers, funding_interval_hours=4)) == []
    account = at.book.account()
    assert (account.maintenance_margin, account.funding_interval_hours) == (10, 4)
    assert account.next_funding_ts == NOON + 4 * HOUR


def test_f42_a_shorter_interval_settles_more_often_from_the_change_on(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at, Audit(tmp_path / "book") as audit:
        at.price("50000", ask="50000")
        at.market("long", LONG, "0.010")
        at.price("50000", ask="50000", seconds=5 * 3600)
        at.book.change_rules(replace(at.book.rules, funding_interval_hours=1, funding_rate=D("-0.001")))
        events = at.price("50000", ask="50000", seconds=2 * 3600)
        assert [(payment.ts, payment.amount) for payment in audit.funding()] == [
            (NOON + 4 * HOUR, D("-0.05")),
            (NOON + 6 * HOUR, D("0.5")),
            (NOON + 7 * HOUR, D("0.5")),
        ]
        assert [event.ts for event in events if isinstance(event, FundingSettled)] == [NOON + 6 * HOUR, NOON + 7 * HOUR]


def test_changed_rules_are_not_kept(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        at.book.change_rules(replace(at.book.rules, funding_interval_hours=1))
    with desk(tmp_path / "book") as at:
        assert at.book.account().funding_interval_hours == 8


def test_rules_of_another_instrument_are_refused(at: Desk) -> None:
    other = replace(at.book.rules.instrument, symbol="ETHUSDT-PERP.BINANCE")
    with pytest.raises(ValueError, match=r"rules of ETHUSDT.* in a book of BTCUSDT"):
        at.book.change_rules(replace(at.book.rules, instrument=other))
    assert at.book.rules.instrument.symbol == "BTCUSDT-PERP.BINANCE"
