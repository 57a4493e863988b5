"""Rules R18 to R20, gates, stale data and Flat at the venue: what stops entries, for how long, and what lives on."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg, OrderKind, OrderRequest, Quote, Side
from naut_hedgegrid.grid.bars import Bar
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from naut_hedgegrid.venues.sim.refusals import Refusal
from tests.strategy.direct import SECOND, Rig, strategy_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT
OVERLOADED = Refusal(-1008, "Server is currently overloaded.")


def entries(rig: Rig, *legs: Leg) -> int:
    return sum(len(rig.resting(leg, opening=True)) for leg in legs or tuple(Leg))


def exits(rig: Rig, leg: Leg) -> Decimal:
    return sum(rig.resting(leg, opening=False).values(), D(0))


def reasons(rig: Rig) -> list[str]:
    return [condition.reason for condition in rig.strategy.report().conditions]


def refuse_entries(rig: Rig, refusal: Refusal, count: int) -> None:
    rig.faults.refuse_next = [RefuseNext(refusal, lambda order: not order.reduce_only, count)]


def minutes(rig: Rig, count: int) -> None:
    """Bars whose price moves a little, so that nothing looks frozen."""
    price = rig.price or D(42000)
    for number in range(count):
        rig.bar(price + number % 2)


def held(make: Callable[..., Rig], **options: Any) -> Rig:
    """LONG .010, covered."""
    rig = make(**options)
    rig.quote(42000)
    rig.quote(41895)
    return rig


# -- R18


def test_r18_more_than_ten_refusals_in_a_minute_close_both_gates_for_five(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=10, levelsShort=10))
    refuse_entries(rig, OVERLOADED, 11)
    rig.quote(42000)
    assert entries(rig) == 0
    assert reasons(rig)[0] == "OrderRejects"
    minutes(rig, 4)
    assert entries(rig) == 0
    minutes(rig, 2)
    assert entries(rig) == 20
    rig.check()


def test_r18_ten_refusals_close_nothing(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=10, levelsShort=10))
    refuse_entries(rig, OVERLOADED, 10)
    rig.quote(42000)
    assert entries(rig) == 10
    rig.bar()
    assert entries(rig) == 20, "tried again with the next bar"


def test_r18_exits_live_on_while_the_breaker_has_closed_the_gates(make: Callable[..., Rig]) -> None:
    rig = held(make, config=strategy_file(levelsLong=10, levelsShort=10))
    refuse_entries(rig, OVERLOADED, 100)
    rig.bar(42900)
    rig.bar(42900)
    assert reasons(rig)[0] == "OrderRejects"
    rig.quote(42200)
    assert exits(rig, LONG) == rig.position(LONG)
    assert exits(rig, SHORT) == rig.position(SHORT)


def tripped(rig: Rig, price: int) -> None:
    """A ladder that has to move meets a venue that refuses eleven orders."""
    refuse_entries(rig, OVERLOADED, 11)
    rig.bar(price)
    rig.faults.refuse_next = []


async def test_r18_the_third_time_in_an_hour_latches_and_nothing_is_sent_with_it(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=20, levelsShort=0, maxInventoryQuote="100000"))
    rig.quote(42000)
    for price in (43000, 44000):
        tripped(rig, price)
        assert entries(rig) == 0
        minutes(rig, 6)
        assert entries(rig) == 20
    tripped(rig, 45000)
    (latch,) = rig.strategy.report().latches
    assert latch.reason == "OrderRejects"
    assert entries(rig) == 0
    sent = len(rig.venue.submitted)
    minutes(rig, 20)
    assert len(rig.venue.submitted) == sent, "until it is released"
    await rig.strategy.resume(latch.id, "both")
    rig.pump()
    assert entries(rig) == 20
    rig.check()


def test_r18_what_was_made_in_the_step_that_latches_is_not_sent_though_the_store_is_slow(
    make: Callable[..., Rig],
) -> None:
    rig = make(config=strategy_file(levelsLong=20, levelsShort=0, maxInventoryQuote="100000"))
    rig.quote(42000)
    assert entries(rig) == 20
    rig.store.hung = True
    rig.strategy._core._ask_latch("OrderRejects", tuple(Leg), "within a step")
    assert not any(rig.strategy._core.may_send(order) for order in rig.strategy._core.ledger.entries(LONG))


@pytest.mark.parametrize(
    "refusal",
    [
        refusals.MARGIN_INSUFFICIENT,
        Refusal(-2018, "Balance is insufficient."),
        Refusal(-2027, "Exceeded the maximum allowable position at current leverage."),
        Refusal(-4400, "Futures Trading Quantitative Rules violated."),
        Refusal(-4192, "Trade forbidden due to Cooling-off Period."),
        Refusal(-4140, "Invalid symbol status for opening position."),
    ],
    ids=lambda refusal: str(refusal.code),
)
def test_r18_a_refusal_for_margin_or_permission_closes_at_once_and_is_tried_again_after_five_minutes(
    make: Callable[..., Rig], refusal: Refusal
) -> None:
    rig = make()
    refuse_entries(rig, refusal, 1)
    rig.quote(42000)
    assert entries(rig) == 0
    assert reasons(rig)[0] == "OrderRejects"
    minutes(rig, 4)
    assert entries(rig) == 0
    minutes(rig, 2)
    assert entries(rig) == 10
    rig.check()


def test_r18_a_closed_gate_survives_a_restart(make: Callable[..., Rig]) -> None:
    rig = make(stored=True)
    refuse_entries(rig, refusals.MARGIN_INSUFFICIENT, 1)
    rig.quote(42000)
    rig.crash()
    rig.boot()
    rig.quote(42001)
    assert rig.venue.submitted == []
    minutes(rig, 6)
    assert entries(rig) == 10


# -- R19


async def test_r19_one_leg_killed_and_the_other_trades_on(make: Callable[..., Rig]) -> None:
    rig = held(make)
    await rig.control(1, killSwitch="flattenLong")
    rig.quote(42105)
    rig.bar(42100)
    assert rig.position(LONG) == 0
    assert entries(rig, LONG) == 0
    assert rig.position(SHORT) == exits(rig, SHORT) == D("0.010")
    rig.quote(41895)
    rig.bar()
    assert entries(rig, SHORT) == 5
    assert rig.position(LONG) == 0


# -- R20


def test_r20_fills_by_our_ids_are_found_first(make: Callable[..., Rig]) -> None:
    """The fill's event is lost; the next audit finds the trade, not a foreign position."""
    rig = make()
    rig.quote(42000)
    rig.venue.lazy = True
    rig.market(41895)
    rig.venue.queue.clear()
    rig.venue.lazy = False
    rig.wait(61, step=1)
    assert rig.strategy.report().latches == ()
    assert exits(rig, LONG) == rig.position(LONG) == D("0.010")
    rig.check()


async def test_r20_f25_smaller_at_the_venue_cuts_the_newest_lots_and_latches(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41790)
    assert rig.position(LONG) == D("0.020")
    rig.happen(lambda book: book.deleverage(LONG, D("0.014"), D(41790)))
    assert rig.position(LONG) == D("0.006")
    assert [lot.price for lot in rig.strategy._core.ledger.lots_of(LONG)] == [41895], "the older lot is what is left"
    assert exits(rig, LONG) == D("0.006")
    (latch,) = rig.strategy.report().latches
    assert (latch.reason, latch.leg) == ("ExternalPositionChange", "LONG")
    assert entries(rig, LONG) == 0
    assert entries(rig, SHORT) == 5
    minutes(rig, 2)
    assert entries(rig, LONG) == 0, "no blind re-grid"
    await rig.strategy.resume(latch.id, "long")
    rig.pump()
    assert entries(rig, LONG) > 0
    rig.check()


def test_r20_f25_a_liquidation_with_stops_leaves_no_exit_beyond_the_position(make: Callable[..., Rig]) -> None:
    rig = held(make, config=strategy_file(stopLossSteps=3))
    rig.happen(lambda book: book.liquidate(LONG, D("0.010"), D(41700)))
    assert [order for order in rig.book.state(10**12).open_orders if order.leg is LONG] == []
    assert rig.strategy.report().latches[0].reason == "ExternalPositionChange"
    rig.check()


def test_r20_a_close_whose_event_never_came_is_found_by_the_audit(make: Callable[..., Rig]) -> None:
    rig = held(make)
    rig.book.submit(OrderRequest("by-hand", LONG, Side.SELL, OrderKind.MARKET, D("0.004"), None), rig.clock.ts)
    rig.wait(61, step=1)
    assert rig.lots(LONG) == rig.position(LONG) == exits(rig, LONG) == D("0.006")
    assert rig.strategy.report().latches[0].reason == "ExternalPositionChange"


async def test_r20_larger_at_the_venue_is_foreign_has_no_exit_and_a_flatten_closes_it(make: Callable[..., Rig]) -> None:
    rig = held(make)
    rig.foreign(Side.BUY, LONG, 43000, "0.5")
    rig.wait(61, step=1)
    assert reasons(rig)[0] == "ForeignPosition"
    assert rig.position(LONG) == D("0.510")
    assert exits(rig, LONG) == D("0.010"), "what isn't ours gets no exit"
    assert entries(rig) == 0
    await rig.control(1, killSwitch="flattenLong")
    rig.wait(1)
    assert rig.position(LONG) == 0
    assert entries(rig, SHORT) == 5, "nothing foreign is left"


# -- gates


async def test_gate_held_keeps_what_rests_and_sends_nothing(make: Callable[..., Rig]) -> None:
    rig = held(make, stored=True)
    rig.crash()
    rig.boot(await_control=True)
    rig.quote(42000)
    rig.bar(42900)
    assert (rig.venue.cancelled, [o for o in rig.venue.submitted if not o.reduce_only]) == ([], [])
    assert entries(rig) > 0
    await rig.control(1)
    rig.bar()
    assert [o for o in rig.venue.submitted if not o.reduce_only]


async def test_gate_closed_cancels_what_is_in_flight_as_soon_as_it_appears(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.venue.lazy = True
    rig.quote(42000)
    rig.strategy.on_quote(Quote(D(42000), D(42000), D(42000), rig.clock.ts))
    assert len(rig.venue.submitted) == 10
    await rig.control(1, killSwitch="haltEntries")
    assert rig.venue.cancelled == [], "nothing is known to be there yet"
    rig.venue.lazy = False
    rig.pump()
    assert len(rig.venue.cancelled) == 10
    assert entries(rig) == 0
    rig.check()


@pytest.mark.parametrize("close", ["halt", "throttle", "stale", "stop", "risk"])
async def test_a_closed_gate_of_any_kind_cancels_no_exit(make: Callable[..., Rig], close: str) -> None:
    rig = held(make, config=strategy_file(stopLossSteps=4))
    before = [order for order in rig.book.state(10**12).open_orders if order.side is Side.SELL and order.leg is LONG]
    assert len(before) == 2
    match close:
        case "halt":
            await rig.control(1, killSwitch="haltEntries")
        case "throttle":
            await rig.control(1, throttle=0)
        case "stale":
            rig.wait(130, step=5)
        case "stop":
            rig.strategy.halt()
            rig.pump()
        case _:
            rig.strategy._step(rig.strategy._core.fault("RiskUnknown", "unknown"))
            rig.pump()
    assert entries(rig) == 0
    left = [order for order in rig.book.state(10**12).open_orders if order.side is Side.SELL and order.leg is LONG]
    assert left == before
    rig.check()


# -- Flat, Dust


async def test_flat_is_said_only_when_the_venue_shows_no_conditional_order_either(make: Callable[..., Rig]) -> None:
    rig = held(make, config=strategy_file(stopLossSteps=4))
    await rig.control(1, killSwitch="flattenLong")
    rig.wait(1)
    assert [order for order in rig.book.state(10**12).open_orders if order.leg is LONG] == []
    assert rig.strategy.report().kill_switch.legs.long.state is LegState.FLAT
    kinds = [o.kind for o in rig.venue.submitted if o.leg is LONG and o.reduce_only]
    assert kinds[-1] is OrderKind.MARKET


async def test_flatten_leaves_the_stop_until_the_position_is_gone(make: Callable[..., Rig]) -> None:
    rig = held(make, config=strategy_file(stopLossSteps=4))
    rig.faults.refusals, rig.faults.refusal = 3, "-4131 no counterparty"
    await rig.control(1, killSwitch="flattenLong")
    conditional = [o for o in rig.book.state(10**12).open_orders if o.leg is LONG and o.trigger_price is not None]
    assert len(conditional) == 1, "not naked while the close is refused"
    rig.wait(5)
    assert [o for o in rig.book.state(10**12).open_orders if o.leg is LONG] == []
    assert rig.position(LONG) == 0


async def test_dust_below_the_smallest_market_order_counts_as_reached(make: Callable[..., Rig]) -> None:
    rig = held(make, faults=Faults(largest_market_fill=D("0.004")))
    instrument = replace(rig.rules.instrument, min_qty=D("0.003"))
    rig.happen(lambda book: book.change_rules(replace(rig.rules, instrument=instrument)))
    await rig.control(1, killSwitch="flattenLong")
    rig.wait(5)
    leg = rig.strategy.report().kill_switch.legs.long
    assert (leg.state, leg.dust, rig.position(LONG)) == (LegState.DUST, D("0.002"), D("0.002"))


# -- Stale, frozen


def test_stale_f12_frozen_prices_stop_entries_after_five_times_the_limit(make: Callable[..., Rig]) -> None:
    rig = held(make)
    for _ in range(9):
        rig.bar(41900)
    assert entries(rig) > 0
    for _ in range(3):
        rig.bar(41900)
    assert entries(rig) == 0
    assert reasons(rig)[0] == "StaleData"
    assert "not changed" in rig.strategy.report().conditions[0].message
    assert exits(rig, LONG) == rig.position(LONG)
    rig.bar(41905)
    assert entries(rig) == 0, "recovers after three fresh bars, or a minute of quotes"
    rig.bar(41903)
    rig.bar(41901)
    rig.bar(41902)
    assert entries(rig) > 0
    rig.check()


def test_stale_f12_recovery_takes_a_minute_of_quotes(make: Callable[..., Rig]) -> None:
    rig = held(make, config=strategy_file(execution={"barSeconds": 60, "staleDataSeconds": 120}))
    rig.wait(125, step=5)
    assert entries(rig) == 0
    rig.quote(41900)
    for number in range(11):
        rig.quote(41900 + number, seconds=5)
        rig.timer()
    assert entries(rig) == 0
    rig.quote(41905, seconds=6)
    rig.timer()
    assert entries(rig) > 0


@pytest.mark.parametrize(("field", "said"), [("mark_ts", "no mark price for"), ("trade_ts", "no trade for")])
def test_stale_f12_an_old_mark_or_trade_stops_entries_though_quotes_come(
    make: Callable[..., Rig], field: str, said: str
) -> None:
    rig = held(make)
    old = rig.clock.ts
    for number in range(26):
        rig.clock.ts += 5 * SECOND
        price = D(41900 + number % 2)
        rig.market(price)
        rig.strategy.on_quote(Quote(price, price, price, rig.clock.ts)._replace(**{field: old}))
        rig.pump()
    rig.timer()
    assert entries(rig) == 0
    assert said in rig.strategy.report().conditions[0].message
    assert exits(rig, LONG) == rig.position(LONG)
    for number in range(14):
        rig.clock.ts += 5 * SECOND
        price = D(41900 + number % 2)
        rig.market(price)
        rig.strategy.on_quote(Quote(price, price, price, rig.clock.ts)._replace(**{field: rig.clock.ts}))
        rig.timer()
    assert entries(rig) > 0, "a minute later"


def test_stale_frozen_means_neither_price_nor_volume_changes(make: Callable[..., Rig]) -> None:
    """A market of bars that trades at one price is alive."""
    rig = make()
    close_bars(rig, 15, volume=lambda number: D(number + 1))
    assert entries(rig) == 10
    close_bars(rig, 12, volume=lambda _: D(7))
    assert entries(rig) == 0
    close_bars(rig, 1, volume=lambda _: D(8))
    assert entries(rig) == 0, "recovers after three bars that say something"
    close_bars(rig, 3, volume=lambda number: D(9 + number))
    assert entries(rig) == 10


def close_bars(rig: Rig, count: int, volume: Callable[[int], Decimal]) -> None:
    for number in range(count):
        rig.clock.ts = (rig.clock.ts // (60 * SECOND) + 1) * 60 * SECOND
        rig.market(42000)
        rig.pump()
        rig.strategy.on_bar(Bar(D(42000), D(42000), D(42000), D(42000), rig.clock.ts, volume(number)))
        rig.pump()


async def test_stale_f50_after_a_freeze_nothing_is_sent_on_the_old_quote(make: Callable[..., Rig]) -> None:
    """The process stood still for ten minutes; what comes first is a control, before any timer or quote."""
    rig = make()
    await rig.control(1, killSwitch="haltEntries")
    rig.quote(42000)
    rig.clock.ts += 600 * SECOND
    await rig.control(2, killSwitch="none")
    assert rig.venue.submitted == []
    rig.timer()
    assert rig.venue.submitted == []


def test_stale_f50_nor_where_an_answer_of_the_venue_comes_first(make: Callable[..., Rig]) -> None:
    """A ladder moves, its cancels are answered only after the freeze: what would replace them waits."""
    rig = make(config=strategy_file(levelsShort=0))
    rig.quote(42000)
    rig.venue.lazy = True
    rig.clock.ts += 61 * SECOND
    rig.strategy.on_quote(Quote(D(42900), D(42900), D(42900), rig.clock.ts))
    rig.clock.ts += 600 * SECOND
    sent = len(rig.venue.submitted)
    rig.venue.lazy = False
    rig.pump()
    rig.timer()
    assert len(rig.venue.submitted) == sent
    assert entries(rig) == 0
