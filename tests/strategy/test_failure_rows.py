"""Rows of failures.md on the simulated venue that no rule's test has by itself.

Restarts, lost and doubled events, changed terms, transfers. What happened is read from the venue.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import AccountState, Leg, OrderKind, Side
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from naut_hedgegrid.venues.sim.refusals import Refusal
from tests.strategy.direct import SECOND, Rig, strategy_file, venue_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def entries(rig: Rig, leg: Leg) -> dict[Decimal, Decimal]:
    return rig.resting(leg, opening=True)


def exits(rig: Rig, leg: Leg = LONG) -> dict[Decimal, Decimal]:
    return rig.resting(leg, opening=False)


def shown(rig: Rig) -> list[tuple[Any, ...]]:
    """The venue's open orders, whatever their ids."""
    orders = rig.book.state(10**12).open_orders
    return sorted((o.leg, o.side, o.kind, o.price or D(0), o.trigger_price or D(0), o.leaves) for o in orders)


def condition(rig: Rig) -> tuple[str, str]:
    found = rig.strategy.report().conditions[0]
    return found.reason, found.message


# -- F1


@pytest.mark.parametrize("steps", range(0, 24, 2))
def test_f1_a_crash_after_any_step_of_placing_a_ladder_ends_in_the_same_orders(
    make: Callable[..., Rig], steps: int
) -> None:
    rig = make(config=strategy_file(stopLossSteps=4), stored=True)
    rig.venue.lazy = True
    rig.quote(42000)
    rig.market(41895)
    for _ in range(steps):
        rig.venue.deliver()
    rig.crash()
    rig.boot()
    rig.quote(41896)
    rig.bar()
    assert set(entries(rig, LONG)) == {D(41790), D(41685), D(41580), D(41475)}
    assert set(entries(rig, LONG).values()) == set(entries(rig, SHORT).values()) == {D("0.010")}
    assert len(entries(rig, SHORT)) == 5
    assert exits(rig) == {D(42105): D("0.010")}
    assert [row for row in shown(rig) if row[2] is OrderKind.STOP_MARKET] == [
        (LONG, Side.SELL, OrderKind.STOP_MARKET, D(0), D(41475), D("0.010"))
    ]
    rig.check()


def test_f1_after_a_start_unprotected_quantity_gets_its_exits_before_any_entry(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(stopLossSteps=4), stored=True)
    rig.quote(42000)
    rig.crash()
    rig.market(41790)
    rig.boot()
    rig.quote(41800)
    rig.bar(41900)
    roles = [order.client_order_id.split("-")[3][0] for order in rig.venue.submitted]
    assert sorted(roles[:4]) == ["S", "S", "T", "T"]
    assert rig.venue.cancelled == []
    rig.check()


def test_f1_nothing_is_sent_until_the_venue_has_been_read(make: Callable[..., Rig]) -> None:
    rig = make(stored=True)
    rig.quote(42000)
    rig.quote(41895)
    rig.crash()
    rig.boot()
    rig.venue.submitted.clear()
    fresh = rig.strategy
    fresh._core.gates.started = False
    rig.quote(43000)
    rig.bar()
    assert rig.venue.submitted == []


# -- F6, F7


def test_f6_an_entry_filled_in_two_parts_is_covered_whole_and_not_sent_again(make: Callable[..., Rig]) -> None:
    rig = make(faults=Faults(largest_tick_fill=D("0.003")))
    rig.quote(42000)
    rig.quote(41895)
    rig.faults.largest_tick_fill = None
    rig.bar(41900)
    rig.quote(41895)
    assert rig.position(LONG) == sum(exits(rig).values()) == D("0.010")
    assert [order.price for order in rig.venue.submitted if not order.reduce_only].count(D(41895)) == 1
    rig.check()


@pytest.mark.parametrize("fault", ["duplicates", "delays"])
def test_f7_events_that_come_twice_or_late_change_nothing(make: Callable[..., Rig], fault: str) -> None:
    """Against a rig whose events come once and in order: same orders, positions, profit, counts."""
    rig = make(config=strategy_file(stopLossSteps=5))
    rig.quote(42000)
    for price in (41895, 42105, 41790, 42000, 41580, 42315, 42000, 41900):
        setattr(rig.faults, fault, 7 if fault == "duplicates" else 2)
        rig.quote(price)
        rig.wait(0.2)
    rig.faults.duplicates = rig.faults.delays = 0
    rig.quote(41905)
    rig.wait(61, step=1)
    rig.check()
    totals, fills = rig.strategy._core.ledger.totals, rig.book.state(0).fills
    assert totals.fills == len(fills)
    assert totals.realized == sum((fill.realized_pnl for fill in fills), D(0))
    assert totals.fees == sum((fill.commission for fill in fills), D(0))
    assert rig.strategy.report().latches == ()


# -- F9


@pytest.mark.parametrize("refusal", [refusals.PRECISION, refusals.NOTIONAL_TOO_SMALL, refusals.PRICE_OFF_TICK])
def test_f9_an_entry_that_the_venue_s_limits_refuse_is_not_sent_again_as_it_is(
    make: Callable[..., Rig], refusal: Refusal
) -> None:
    rig = make(config=strategy_file(levelsShort=0, levelsLong=3))
    rig.faults.refuse_next = [RefuseNext(refusal, lambda order: order.price == 41790, 10**6)]
    rig.quote(42000)
    for price in (42001, 42002, 42003):
        rig.bar(price)
    assert [order.price for order in rig.venue.submitted].count(D(41790)) == 1
    assert set(entries(rig, LONG)) == {D(41895), D(41685)}
    rig.faults.refuse_next = []
    limits = replace(rig.rules.instrument, min_notional=D(6))
    rig.happen(lambda book: book.change_rules(replace(rig.rules, instrument=limits)))
    assert set(entries(rig, LONG)) == {D(41895), D(41790), D(41685)}, "fresh limits: tried anew"
    rig.check()


async def test_f9_a_close_is_computed_from_fresh_limits(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41790)
    limits = replace(rig.rules.instrument, market_max_qty=D("0.008"))
    rig.happen(lambda book: book.change_rules(replace(rig.rules, instrument=limits)))
    await rig.control(1, killSwitch="flattenLong")
    sizes = [order.quantity for order in rig.venue.submitted if order.kind is OrderKind.MARKET]
    assert sizes == [D("0.008"), D("0.008"), D("0.004")]
    assert rig.position(LONG) == 0


# -- F14, F21


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_f14_a_settlement_is_booked_once_with_its_sign_in_any_interval(make: Callable[..., Rig], hours: int) -> None:
    config = strategy_file(funding={"maxCostBps": 100})
    rig = make(config=config, venue=venue_file(fundingRate=0.001, fundingIntervalHours=hours), stored=True)
    rig.quote(42000)
    rig.quote(41895)
    assert rig.position(LONG) > 0
    for _ in range(hours + 1):
        rig.quote(41900, seconds=3600)
        rig.quote(41900)
    paid = rig.book.account().funding_paid
    settled = rig.book.state(0).funding
    assert settled
    assert paid == sum((one.total for one in settled), D(0)) < 0, "LONG pays at a rate above 0"
    assert rig.strategy._core.ledger.totals.funding == paid
    rig.crash()
    rig.boot()
    rig.quote(41900)
    assert rig.strategy._core.ledger.totals.funding == paid


def test_f14_f21_an_unknown_rate_holds_entries_is_said_and_flattens_nothing(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make(risk=True)
    rig.quote(42000)
    rig.wait(4, step=0.5)
    rig.quote(41895)

    def dark() -> AccountState:
        return replace_account(rig.book.account(), funding_rate=None)

    monkeypatch.setattr(rig.venue, "account", dark)
    rig.strategy._core.account = dark
    rig.wait(4, step=0.5)
    rig.bar(41950)
    assert rig.position(LONG) == sum(exits(rig).values()) == D("0.010")
    assert condition(rig)[0] in {"RiskUnknown", "FundingUnknown"}
    assert "unding" in condition(rig)[1]
    assert rig.strategy.get_operational_metrics()["funding_rate_current"] != 0
    assert rig.strategy.report().trip is None


def replace_account(account: AccountState, **fields: Any) -> AccountState:
    return account._replace(**fields) if hasattr(account, "_replace") else replace(account, **fields)


# -- F18


async def test_f18_a_close_whose_answer_is_lost_is_found_and_not_sent_twice(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    before = rig.book.faults
    rig.venue.lazy = True
    first = await rig.control(1, killSwitch="flattenLong")
    while not any(order.kind is OrderKind.MARKET for order in rig.venue.submitted):
        before.lost_answers = 1 if len(rig.venue.queue) == 1 else 0
        rig.venue.deliver()
    rig.venue.lazy = False
    rig.pump()
    rig.wait(12)
    assert rig.position(LONG) == 0
    closes = [order for order in rig.venue.submitted if order.kind is OrderKind.MARKET]
    assert sum(order.quantity for order in closes) == D("0.010")
    again = await rig.control(1, killSwitch="flattenLong")
    assert again.kill_switch.operation_id == first.kill_switch.operation_id
    assert again.kill_switch.legs.long.state is LegState.FLAT
    rig.check()


def test_f18_entries_whose_answers_are_lost_are_found_by_the_audit_and_not_doubled(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.faults.lost_answers = 10
    rig.quote(42000)
    rig.bar()
    rig.bar(42001)
    rig.wait(61, step=1)
    assert len(rig.venue.submitted) == 10
    assert len(rig.book.state(10**12).open_orders) == 10
    rig.quote(41895)
    assert exits(rig) == {D(42105): D("0.010")}
    rig.check()


# -- F25, F38: while the process was down


def test_f25_a_close_from_outside_while_the_process_was_down_latches(make: Callable[..., Rig]) -> None:
    rig = make(stored=True)
    rig.quote(42000)
    rig.quote(41790)
    rig.crash()
    rig.book.deleverage(LONG, D("0.014"), D(41790))
    rig.boot()
    assert rig.lots(LONG) == rig.position(LONG) == sum(exits(rig).values()) == D("0.006")
    assert [latch.reason for latch in rig.strategy.report().latches] == ["ExternalPositionChange"]
    rig.quote(41800)
    rig.bar(41950)
    assert entries(rig, LONG) == {}
    rig.check()


# -- F28


def test_f28_sigterm_cancels_entries_keeps_exits_and_a_start_goes_on(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(stopLossSteps=4), stored=True)
    rig.quote(42000)
    rig.quote(41895)
    kept = [row for row in shown(rig) if row[1] is row[0].closing]
    rig.strategy.halt()
    rig.strategy.halt()
    rig.pump()
    assert rig.strategy.entries_gone
    assert shown(rig) == kept
    rig.crash()
    rig.boot()
    rig.quote(41900)
    rig.bar()
    assert [row for row in shown(rig) if row[1] is row[0].closing] == kept
    assert (len(entries(rig, LONG)), len(entries(rig, SHORT))) == (4, 5)
    rig.check()


# -- F37, F42, F43, F44


def test_f37_a_withdrawal_near_the_drawdown_limit_trips_nothing(make: Callable[..., Rig]) -> None:
    """4 % down with a limit of 5, when half of the equity is withdrawn; then a real 5 % trips."""
    config = strategy_file(baseQty="0.1", maxInventoryQuote="50000", risk={"maxDrawdownPercent": 5})
    rig = make(config=config, venue=venue_file(startingBalance="20000", leverage=50), risk=True)
    rig.quote(42000)
    rig.wait(4, step=0.5)
    for price in (41895, 41790, 41685, 41580, 41475, 40100):
        rig.quote(price)
    rig.wait(4, step=0.5)
    rig.happen(lambda book: book.transfer(D(-9000)))
    rig.quote(40101)
    rig.wait(5, step=0.5)
    assert rig.strategy.report().trip is None
    rig.quote(39500)
    rig.wait(6, step=0.5)
    assert rig.strategy.report().trip.reason == "maxDrawdownPercent"
    assert rig.position(LONG) == 0


def test_f42_another_tick_and_another_minimum_are_followed_at_once(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=3, levelsShort=0))
    rig.quote("42001.3")
    rig.bar()
    rig.bar("42001.4")
    assert max(entries(rig, LONG)) == D("41896.2")
    limits = replace(rig.rules.instrument, tick_size=D(1))
    rig.happen(lambda book: book.change_rules(replace(rig.rules, instrument=limits)))
    assert sorted(entries(rig, LONG)) == [41686, 41791, 41896]
    limits = replace(limits, min_notional=D(500))
    rig.happen(lambda book: book.change_rules(replace(rig.rules, instrument=limits)))
    assert entries(rig, LONG) == {}
    rig.check()


def test_f42_entries_wait_while_the_limits_are_unknown_and_exits_stay(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    rig.strategy.on_instrument(None)
    rig.pump()
    assert (entries(rig, LONG), entries(rig, SHORT)) == ({}, {})
    assert exits(rig) == {D(42105): D("0.010")}
    rig.strategy.on_instrument(rig.rules.instrument)
    rig.pump()
    assert (len(entries(rig, LONG)), len(entries(rig, SHORT))) == (4, 5)
    rig.check()


def test_f42_a_shorter_funding_interval_is_followed_with_the_next_bar(make: Callable[..., Rig]) -> None:
    rig = make(venue=venue_file(fundingRate=0.0015))
    rig.quote(42000)
    assert set(entries(rig, LONG).values()) == {D("0.008")}
    rig.happen(lambda book: book.change_rules(replace(rig.rules, funding_interval_hours=4)))
    rig.bar(42001)
    assert set(entries(rig, LONG).values()) == {D("0.004")}
    rig.check()


async def test_f43_release_in_mid_flatten_covers_what_is_left_before_any_entry(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(stopLossSteps=4), faults=Faults(largest_market_fill=D("0.004")))
    rig.quote(42000)
    rig.quote(41895)
    rig.venue.lazy = True
    await rig.control(1, killSwitch="flattenLong")
    while not any(order.kind is OrderKind.MARKET for order in rig.venue.submitted):
        rig.venue.deliver()
    await rig.control(2)
    rig.venue.lazy = False
    rig.pump()
    rig.wait(1)
    assert rig.lots(LONG) == rig.position(LONG) == D("0.006")
    assert exits(rig) == {D(42105): D("0.006")}
    stops = [o.leaves for o in rig.book.state(10**12).open_orders if o.leg is LONG and o.trigger_price is not None]
    assert stops == [D("0.006")]
    rig.check()


def test_f44_a_price_five_percent_away_for_one_tick_moves_no_ladder(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    before = shown(rig)
    rig.clock.ts += SECOND
    quote = rig.market(42000)
    rig.strategy.on_quote(type(quote)(D(44100), D(44100), D(44100), rig.clock.ts))
    rig.pump()
    rig.quote(42000)
    rig.bar()
    assert shown(rig) == before
    assert rig.venue.cancelled == []


# -- F50


def test_f50_the_day_of_the_daily_loss_is_the_market_s_and_not_begun_again(make: Callable[..., Rig]) -> None:
    config = strategy_file(baseQty="0.1", maxInventoryQuote="50000", risk={"dailyLossQuote": "1000"})
    rig = make(config=config, venue=venue_file(leverage=50), risk=True)
    rig.quote(42000)
    rig.wait(4, step=0.5)
    for price in (41895, 41790, 41685, 41580, 41475, 40500):
        rig.quote(price)
    rig.wait(4, step=0.5)
    assert rig.strategy.report().trip is None, "592 lost"
    rig.clock.ts -= 3600 * SECOND
    rig.wait(4, step=0.5)
    rig.clock.ts += 3600 * SECOND
    rig.quote(39500)
    rig.wait(6, step=0.5)
    assert rig.strategy.report().trip.reason == "dailyLossQuote", "1,092 since the day's start"
    assert rig.position(LONG) == 0
