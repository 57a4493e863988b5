"""Settlements of funding: when, at whose rate, told once, and what happens while a rate isn't known (F14)."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from naut_hedgegrid.domain.values import FundingSettled, Leg
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.settlement import RateTable
from tests.unit.book_parts import HOUR, NOON, D, Desk, desk

LONG, SHORT = Leg.LONG, Leg.SHORT


class Rates(dict[int, Decimal]):
    """Rates by settlement time."""

    def rate_at(self, ts: int) -> Decimal | None:
        return self.get(ts)


def settled(at: Desk) -> list[FundingSettled]:
    """What the desk was told of."""
    return [event for event in at.events if isinstance(event, FundingSettled)]


def long_only(at: Desk) -> None:
    at.price("50000", ask="50000")
    at.market("long", LONG, "0.010")


def test_f14_a_settlement_is_told_with_the_cash_of_each_leg(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_interval_hours=4) as at:
        long_only(at)
        at.price("51000", ask="51000", seconds=3 * 3600)
        assert settled(at) == []
        at.price("52000", ask="52000", seconds=2 * 3600)
        (told,) = settled(at)
        assert told == FundingSettled(NOON + 4 * HOUR, D("0.0001"), D(51_000), {LONG: D("-0.051"), SHORT: D(0)})
        assert at.book.state(0).funding == (told,)
        assert at.book.state(0, after_funding_ts=told.ts).funding == ()


def test_f14_nothing_is_settled_for_a_flat_account(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_interval_hours=1) as at:
        at.price("50000")
        at.price("50000", seconds=3 * 3600)
        assert at.events == []


def test_f14_rates_may_differ_from_settlement_to_settlement(tmp_path: Path) -> None:
    rates = Rates({NOON + HOUR: D("0.001"), NOON + 2 * HOUR: D("-0.002")})
    with desk(tmp_path / "book", funding_rates=rates, funding_interval_hours=1) as at:
        long_only(at)
        assert at.book.account().funding_rate == D("0.001")
        at.price("50000", ask="50000", seconds=3600)
        assert at.book.account().funding_rate == D("-0.002")
        at.price("50000", ask="50000", seconds=3600)
        assert [told.total for told in settled(at)] == [D("-0.5"), D(1)]
        assert at.book.account().funding_paid == D("0.5")


def test_f14_a_table_knows_its_settlements_to_the_minute_and_no_others(tmp_path: Path) -> None:
    table = RateTable([(NOON + HOUR + 5_000_000, D("0.001")), (NOON + 2 * HOUR, D("-0.002"))])
    assert [table.rate_at(NOON + hours * HOUR) for hours in range(4)] == [None, D("0.001"), D("-0.002"), None]
    with desk(tmp_path / "book", funding_rates=table, funding_interval_hours=1) as at:
        long_only(at)
        at.price("50000", ask="50000", seconds=3 * 3600)
        assert [told.total for told in settled(at)] == [D("-0.5"), D(1)]
        assert at.book.account().funding_rate is None


def test_f14_an_unknown_rate_is_none_and_settles_nothing_until_it_is_known(tmp_path: Path) -> None:
    rates = Rates({NOON + 2 * HOUR: D("0.001")})
    with desk(tmp_path / "book", funding_rates=rates, funding_interval_hours=1) as at:
        long_only(at)
        assert at.book.account().funding_rate is None
        at.price("60000", ask="60000", seconds=3600)
        at.market("out", LONG, "0.004", close=True)
        at.price("60000", ask="60000", seconds=3600)
        assert settled(at) == [], "the one before holds it up: they are booked in their order"
        assert at.book.account().funding_paid == 0
        rates[NOON + HOUR] = D("0.002")
        at.price("70000", ask="70000")
        assert [(told.ts, told.mark, told.total) for told in settled(at)] == [
            (NOON + HOUR, D(50_000), D(-1)),
            (NOON + 2 * HOUR, D(60_000), D("-0.36")),
        ], "at the position and the mark price of their times"


def test_f14_a_settlement_that_waits_survives_a_restart(tmp_path: Path) -> None:
    path, rates = tmp_path / "book", Rates()
    with desk(path, funding_rates=rates, funding_interval_hours=1) as at:
        long_only(at)
        at.price("60000", ask="60000", seconds=3600)
    rates[NOON + HOUR] = D("0.002")
    for _ in range(2):
        with desk(path, funding_rates=rates, funding_interval_hours=1) as at, Audit(path) as audit:
            at.price("60000", ask="60000")
            assert [payment.amount for payment in audit.funding()] == [D(-1)]


def test_f14_a_constant_that_is_not_known_works_likewise(tmp_path: Path) -> None:
    with desk(tmp_path / "book", funding_rate=None, funding_interval_hours=1) as at:
        long_only(at)
        at.price("50000", ask="50000", seconds=3600)
        assert at.book.account().funding_rate is None
        at.book.change_rules(replace(at.book.rules, funding_rate=D("0.001")))
        at.price("50000", ask="50000")
        assert [told.total for told in settled(at)] == [D("-0.5")]
