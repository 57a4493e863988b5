"""Rules R13 to R17 at the venue: what closes each fill, in parts, with stops, refused, taken away."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Ending, Leg, OrderKind, OrderRequest, Quote
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from naut_hedgegrid.venues.sim.refusals import Refusal
from tests.strategy.direct import Rig, strategy_file, venue_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def takes(rig: Rig, leg: Leg = LONG) -> dict[Decimal, Decimal]:
    return rig.resting(leg, opening=False)


def stops(rig: Rig, leg: Leg = LONG) -> dict[Decimal, Decimal]:
    """Trigger → quantity of the leg's stops at the venue."""
    found: dict[Decimal, Decimal] = {}
    for order in rig.book.state(10**12).open_orders:
        if order.leg is leg and order.trigger_price is not None:
            found[order.trigger_price] = found.get(order.trigger_price, D(0)) + order.leaves
    return found


def exits_of(rig: Rig, leg: Leg = LONG) -> list[OrderRequest]:
    return [order for order in rig.venue.submitted if order.reduce_only and order.leg is leg]


def with_stop(make: Callable[..., Rig], *, steps: int = 3, **options: Any) -> Rig:
    """LONG .010 at 41895 with a take-profit and a stop, and SHORT the mirror image not filled."""
    rig = make(config=strategy_file(stopLossSteps=steps, **options.pop("grid", {})), **options)
    rig.quote(42000)
    rig.quote(41895)
    return rig


def refuse(rig: Rig, refusal: Refusal, kind: OrderKind, count: int = 1) -> None:
    rig.faults.refuse_next = [RefuseNext(refusal, lambda order: order.kind is kind and order.reduce_only, count)]


# -- R13


def test_r13_stop_first_then_take_profit_each_on_its_own_side(make: Callable[..., Rig]) -> None:
    rig = with_stop(make)
    assert [order.kind for order in exits_of(rig)] == [OrderKind.STOP_MARKET, OrderKind.LIMIT]
    assert (stops(rig), takes(rig)) == ({D(41580): D("0.010")}, {D(42105): D("0.010")})
    rig.quote(42105 + 105)
    assert stops(rig, SHORT) == {D(42420): D("0.010"), D(42525): D("0.010")}
    assert takes(rig, SHORT) == {D(41895): D("0.010"), D(42000): D("0.010")}
    rig.check()


def test_r13_prices_are_rounded_away_from_the_entry_for_the_profit_and_up_for_the_stop(
    make: Callable[..., Rig],
) -> None:
    """c = 42001.3: step 105.00325, LONG rung 41896.2, SHORT rung 42106.4."""
    rig = make(config=strategy_file(stopLossSteps=3, levelsLong=1, levelsShort=1))
    rig.quote("42001.3")
    rig.quote("41896.2")
    assert (stops(rig), takes(rig)) == ({D("41581.2"): D("0.010")}, {D("42106.3"): D("0.010")})
    rig.quote("42106.4")
    assert (stops(rig, SHORT), takes(rig, SHORT)) == ({D("42421.4"): D("0.010")}, {D("41896.3"): D("0.010")})


def test_r13_an_exit_s_id_is_its_entry_s_with_the_next_part_and_survives_a_restart(make: Callable[..., Rig]) -> None:
    rig = with_stop(make, stored=True, faults=Faults(largest_tick_fill=D("0.004")))
    entry = next(order for order in rig.venue.submitted if order.price == 41895).client_order_id
    head, n = entry.split("-E-")
    assert [order.client_order_id for order in exits_of(rig)] == [f"{head}-S0-{n}", f"{head}-T1-{n}"]
    rig.crash()
    rig.boot()
    rig.quote(41895)
    ids = [order.client_order_id for order in exits_of(rig)]
    assert sorted(ids) == [f"{head}-S3-{n}", f"{head}-T2-{n}"], "counts on, no id comes twice"
    rig.check()


# -- R14


def test_r14_a_take_profit_is_never_priced_anew(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    for price in (41400, 40900, 41300):
        rig.bar(price)
    assert takes(rig)[D(42105)] == D("0.010")
    assert not [name for name in rig.venue.cancelled if "-T" in name]
    rig.check()


# -- R15


def test_r15_what_is_too_small_waits_and_joins_the_next_fill(make: Callable[..., Rig]) -> None:
    rig = make(faults=Faults(largest_tick_fill=D("0.001")), venue=venue_file(filters={"minNotional": "100"}))
    rig.quote(42000)
    for _ in range(3):
        rig.quote(41895)
    assert rig.position(LONG) == D("0.003")
    assert [order.quantity for order in exits_of(rig)] == [D("0.003")]
    rig.check()


async def test_r15_the_rest_of_an_ended_entry_goes_to_the_nearest_lot_with_a_take_profit(
    make: Callable[..., Rig],
) -> None:
    rig = make(venue=venue_file(filters={"minNotional": "100"}))
    rig.quote(42000)
    rig.quote(41895)
    rig.faults.largest_tick_fill = D("0.001")
    rig.quote(41790)
    assert rig.position(LONG) == D("0.011")
    assert rig.strategy.unprotected(LONG) == D("0.001")
    await rig.control(1, killSwitch="haltEntries")
    assert takes(rig) == {D(42105): D("0.011")}
    assert rig.strategy.unprotected(LONG) == 0
    rig.check()


async def test_r15_a_rest_alone_is_tried_and_said_to_be_unprotected_where_the_venue_refuses_it(
    make: Callable[..., Rig],
) -> None:
    rig = make(faults=Faults(largest_tick_fill=D("0.001")), venue=venue_file(filters={"minNotional": "100"}))
    rig.quote(42000)
    rig.quote(41895)
    rig.faults.refuse_next = [RefuseNext(refusals.NOTIONAL_TOO_SMALL, lambda order: order.reduce_only, 1)]
    await rig.control(1, killSwitch="haltEntries")
    assert [order.quantity for order in exits_of(rig)] == [D("0.001")]
    assert rig.strategy.unprotected(LONG) == D("0.001")
    rig.bar(41900)
    assert takes(rig) == {D(42105): D("0.001")}, "tried again with the next bar"
    rig.check()


# -- R16


def test_r16_a_take_profit_filled_in_part_shrinks_the_stop(make: Callable[..., Rig]) -> None:
    rig = with_stop(make, grid={"levelsShort": 0})
    rig.faults.largest_tick_fill = D("0.004")
    rig.quote(42105)
    assert (stops(rig), takes(rig)) == ({D(41580): D("0.006")}, {D(42105): D("0.006")})
    rig.check()


def test_r16_a_stop_that_triggers_closes_the_lot_and_takes_its_profit_order_away(make: Callable[..., Rig]) -> None:
    rig = with_stop(make)
    rig.quote(41580)
    assert D(41580) not in stops(rig)
    assert D(42105) not in takes(rig)
    assert rig.lots(LONG) == rig.position(LONG) == D("0.030")
    rig.check()


def test_r16_a_stop_filled_in_part_is_followed_by_a_market_close_of_the_rest(make: Callable[..., Rig]) -> None:
    rig = with_stop(make, grid={"levelsLong": 1})
    rig.faults.largest_market_fill = D("0.004")
    rig.quote(41580)
    rig.wait(5)
    assert rig.position(LONG) == 0
    assert sum(order.quantity for order in rig.venue.submitted if order.kind is OrderKind.MARKET) >= D("0.006")
    assert not takes(rig)
    rig.check()


@pytest.mark.parametrize("refusal", [refusals.WOULD_TRIGGER, refusals.TRIGGERS_AT_ONCE, refusals.TOO_MANY_STOPS])
def test_r16_f35_a_stop_that_can_not_rest_becomes_a_market_close(make: Callable[..., Rig], refusal: Refusal) -> None:
    rig = make(config=strategy_file(stopLossSteps=3, levelsLong=1))
    rig.quote(42000)
    refuse(rig, refusal, OrderKind.STOP_MARKET)
    rig.quote(41895)
    assert rig.position(LONG) == 0
    closes = [order for order in exits_of(rig) if order.kind is OrderKind.MARKET]
    assert [(order.quantity, order.client_order_id.split("-")[3][0]) for order in closes] == [(D("0.010"), "S")]
    assert (stops(rig), takes(rig)) == ({}, {})
    rig.check()


def test_r16_f35_beyond_its_trigger_at_once(make: Callable[..., Rig]) -> None:
    """The market has gone through the stop's trigger by the time the fill is known."""
    rig = make(config=strategy_file(stopLossSteps=3, levelsLong=1))
    rig.quote(42000)
    rig.venue.lazy = True
    rig.market(41500)
    rig.venue.lazy = False
    rig.pump()
    assert rig.position(LONG) == 0
    assert (stops(rig), takes(rig)) == ({}, {})
    rig.check()


def test_r16_f35_the_venue_s_limit_of_stops(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(stopLossSteps=3, levelsLong=2), venue=venue_file(filters={"maxOrders": 200}))
    rig.book.change_rules(rules_with(rig, max_conditional_orders=1))
    rig.quote(42000)
    rig.quote(41790)
    assert rig.position(LONG) == D("0.010")
    assert len(stops(rig)) == 1
    rig.check()


def rules_with(rig: Rig, **limits: Any) -> Any:
    """The venue's rules with other limits."""
    return replace(rig.rules, instrument=replace(rig.rules.instrument, **limits))


def test_r16_f35_a_trigger_that_is_refused_closes_the_rest_at_market(make: Callable[..., Rig]) -> None:
    rig = with_stop(make, grid={"levelsLong": 1})
    (stop,) = [order.client_order_id for order in exits_of(rig) if order.kind is OrderKind.STOP_MARKET]
    rig.happen(lambda book: book.expire_resting(stop, Ending.TRIGGER_REJECTED, "-2022 ReduceOnly Order is rejected."))
    rig.wait(2)
    assert rig.position(LONG) == 0
    assert (stops(rig), takes(rig)) == ({}, {})
    rig.check()


def test_r16_a_market_close_that_nobody_takes_is_tried_again_not_in_a_storm(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(stopLossSteps=3, levelsLong=1))
    rig.quote(42000)
    refuse(rig, refusals.WOULD_TRIGGER, OrderKind.STOP_MARKET)
    rig.faults.largest_market_fill = D(0)
    rig.quote(41895, seconds=1)
    rig.wait(5)
    tries = sum(order.kind is OrderKind.MARKET for order in rig.venue.submitted)
    assert 3 <= tries <= 4
    rig.faults.largest_market_fill = None
    rig.wait(3)
    assert rig.position(LONG) == 0
    rig.check()


def test_r16_a_market_close_that_is_refused_is_tried_again_in_a_moment(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(stopLossSteps=3, levelsLong=1))
    rig.quote(42000)
    rig.faults.refuse_next = [
        RefuseNext(refusals.WOULD_TRIGGER, lambda order: order.kind is OrderKind.STOP_MARKET),
        RefuseNext(refusals.NO_COUNTERPARTY, lambda order: order.kind is OrderKind.MARKET, 3),
    ]
    rig.quote(41895)
    rig.wait(2)
    assert rig.position(LONG) == D("0.010")
    rig.wait(4)
    assert rig.position(LONG) == 0
    rig.check()


# -- R17


@pytest.mark.parametrize("ending", [Ending.EXPIRED, Ending.EXPIRED_IN_MATCH, Ending.CANCELED])
@pytest.mark.parametrize("role", ["T", "S"])
def test_r17_f36_an_exit_that_somebody_else_ended_is_created_again_at_once(
    make: Callable[..., Rig], ending: Ending, role: str
) -> None:
    rig = with_stop(make)
    before = (stops(rig), takes(rig))
    lost(rig, role, ending)
    assert (stops(rig), takes(rig)) == before
    assert len(rig.resting(LONG, opening=True)) == 4
    rig.check()


def lost(rig: Rig, role: str, ending: Ending = Ending.EXPIRED) -> None:
    name = next(
        order.client_order_id
        for order in rig.book.state(10**12).open_orders
        if f"-{role}" in order.client_order_id and order.leg is LONG
    )
    rig.happen(lambda book: book.expire_resting(name, ending))


def test_r17_f36_the_third_in_a_minute_closes_the_leg_s_gate_and_says_so(make: Callable[..., Rig]) -> None:
    rig = with_stop(make)
    for _ in range(3):
        lost(rig, "T")
    assert takes(rig) == {D(42105): D("0.010")}
    assert rig.resting(LONG, opening=True) == {}
    assert len(rig.resting(SHORT, opening=True)) == 5
    ready = rig.strategy.report().conditions
    assert any(c.reason == "ExitsLost" and "LONG" in c.message for c in ready)
    for number in range(6):
        rig.bar(41900 + number)
    assert len(rig.resting(LONG, opening=True)) == 4, "open again after five minutes"
    rig.check()


def test_r17_f36_a_venue_that_takes_every_exit_away_is_no_storm_of_orders(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.faults.post_only_expiries = 10**6
    rig.quote(41895)
    rig.wait(5)
    assert len(exits_of(rig)) <= 8
    rig.faults.post_only_expiries = 0
    rig.wait(5)
    assert takes(rig) == {D(42105): D("0.010")}
    rig.check()


def test_r14_a_take_profit_that_expires_because_it_would_cross_goes_as_taker(make: Callable[..., Rig]) -> None:
    """The venue's other way to refuse a post-only order: it is accepted, and EXPIRED at once."""
    rig = make(config=strategy_file(levelsShort=0))
    rig.quote(42000)
    rig.venue.lazy = True
    rig.quote(41895)
    rig.market(42200)
    rig.faults.post_only_expiries = 1
    rig.strategy.on_quote(Quote(D(42200), D(42200), D(42200), rig.clock.ts))
    rig.venue.lazy = False
    rig.pump()
    assert [order.post_only for order in exits_of(rig)] == [True, False]
    assert rig.position(LONG) == 0
    rig.check()


def test_r20_a_stop_is_resized_though_the_lot_s_take_profit_waits_after_a_refusal(make: Callable[..., Rig]) -> None:
    """The take-profit was refused and waits for the next bar; meanwhile the venue closes a part of the lot."""
    rig = make(config=strategy_file(stopLossSteps=3))
    rig.quote(42000)
    refuse(rig, Refusal(-4016, "Limit price can't be higher than a value."), OrderKind.LIMIT)
    rig.quote(41895)
    assert (stops(rig), takes(rig)) == ({D(41580): D("0.010")}, {})
    rig.happen(lambda book: book.deleverage(LONG, D("0.004"), D(41895)))
    assert (stops(rig), takes(rig)) == ({D(41580): D("0.006")}, {})
    rig.bar(41900)
    assert (stops(rig), takes(rig)) == ({D(41580): D("0.006")}, {D(42105): D("0.006")})
    rig.check()


def test_r13_an_exit_refused_for_a_passing_reason_is_sent_again_in_a_moment(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(execution={"barSeconds": 1800, "staleDataSeconds": 3600}))
    rig.quote(42000)
    refuse(rig, Refusal(-1008, "Server is currently overloaded."), OrderKind.LIMIT)
    rig.quote(41895)
    assert takes(rig) == {}
    rig.wait(0.5)
    assert takes(rig) == {}
    rig.wait(1)
    assert takes(rig) == {D(42105): D("0.010")}, "long before the bar's close"
    rig.check()
