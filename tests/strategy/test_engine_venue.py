"""What goes by way of the engine beside the strategy's own limit and market orders: stops, endings that the engine has
no word for, the venue's own orders, answers that are lost, settlements, changed limits."""

from dataclasses import replace
from typing import Any

import pytest
from nautilus_trader.model import ClientOrderId, Currency, InstrumentId, Venue

from naut_hedgegrid.domain.values import (
    Ending,
    FundingSettled,
    Instrument,
    Leg,
    OrderEnded,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Quote,
)
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import RefuseNext
from tests.strategy.node_parts import D, NodeRig, Recorder, synthetic_file, until

LONG, SHORT = Leg.LONG, Leg.SHORT
HOUR = 3600


async def hedged(rig: NodeRig, **values: Any) -> Recorder:
    """Ten of each leg at 50,000."""
    strategy = await rig.start(**values)
    strategy.market("long", LONG, "0.010")
    strategy.market("short", SHORT, "0.010")
    await rig.rest()
    return strategy


async def test_a_stop_rests_triggers_and_fills(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    strategy.stop("long stop", LONG, "0.004", "49000")
    strategy.stop("short stop", SHORT, "0.010", "51000")
    await rig.rest()
    assert rig.differences() == []
    await rig.move("49000")
    await rig.move("51000")
    assert strategy.told("long stop") == strategy.told("short stop") == ["OrderAccepted", "OrderFilled"]
    assert [(fill.client_order_id, fill.price, fill.maker) for fill in strategy.fills[2:]] == [
        ("long stop", D(49_000), False),
        ("short stop", D(51_000), False),
    ]
    assert rig.differences() == []
    assert rig.errors == []


async def test_a_stop_is_cancelled(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    strategy.stop("stop", LONG, "0.004", "49000")
    await rig.rest()
    strategy.venue.cancel("stop")
    await rig.rest()
    assert strategy.told("stop") == ["OrderAccepted", "OrderEnded"]
    assert rig.differences() == []


@pytest.mark.parametrize(
    ("trigger", "quantity", "reason"),
    [("50000", "0.004", "-2021 "), ("49000.05", "0.004", "-1111 "), ("49000", "0.011", "-2022 ")],
)
async def test_f35_a_refused_stop_is_told_with_its_code(rig: NodeRig, trigger: str, quantity: str, reason: str) -> None:
    strategy = await hedged(rig)
    strategy.stop("stop", LONG, quantity, trigger)
    await rig.rest()
    rejected = strategy.events[-1]
    assert isinstance(rejected, OrderRejected)
    assert rejected.reason.startswith(reason)


async def test_a_stop_without_a_trigger_is_rejected(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    strategy.venue.submit(OrderRequest("stop", LONG, LONG.closing, OrderKind.STOP_MARKET, D("0.004")))
    await rig.rest()
    assert strategy.told("stop") == ["OrderRejected"]


async def test_r16_a_stop_whose_trigger_is_refused_ends_with_the_reason(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    strategy.stop("stop", LONG, "0.010", "49000")
    strategy.market("out", LONG, "0.010", close=True)
    await rig.rest()
    await rig.move("48000")
    ended = strategy.events[-1]
    assert ended == OrderEnded("stop", Ending.TRIGGER_REJECTED, ended.ts, "-2022 ReduceOnly Order is rejected.")
    assert rig.differences() == []


async def test_a_stop_filled_in_part_expires_with_its_rest(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    strategy.stop("stop", LONG, "0.010", "49000")
    await rig.rest()
    rig.faults.largest_market_fill = D("0.003")
    await rig.move("48000")
    assert strategy.told("stop") == ["OrderAccepted", "OrderFilled", "OrderEnded"]
    assert strategy.events[-1] == OrderEnded("stop", Ending.EXPIRED, strategy.events[-1].ts)
    assert rig.differences() == []


async def test_f36_self_trade_prevention_keeps_its_name_on_the_way_to_the_strategy(rig: NodeRig) -> None:
    def react(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 3:
            strategy.market("long", LONG, "0.010")
            strategy.market("short", SHORT, "0.010")
            strategy.limit("tp", SHORT, "0.010", what.bid, close=True)
            strategy.market("close", LONG, "0.010", close=True)

    rig.strategy.react = react
    strategy = await rig.start(file=synthetic_file(volatility=0))
    await until(lambda: strategy.told("close") == ["OrderAccepted", "OrderFilled"])
    ended = next(event for event in strategy.events if isinstance(event, OrderEnded))
    assert (ended.client_order_id, ended.ending) == ("tp", Ending.EXPIRED_IN_MATCH)
    assert rig.differences() == []


@pytest.mark.parametrize("ending", list(Ending))
async def test_r17_each_ending_that_was_not_asked_for_is_told(rig: NodeRig, ending: Ending) -> None:
    strategy = await hedged(rig)
    strategy.limit("tp", LONG, "0.010", "51000", close=True)
    await rig.rest()
    await rig.happen(lambda book: book.expire_resting("tp", ending, "because"))
    assert strategy.events[-1] == OrderEnded("tp", ending, strategy.events[-1].ts, "because")
    assert rig.differences() == []
    strategy.limit("tp too", LONG, "0.010", "51000", close=True)
    await rig.rest()
    assert strategy.told("tp too") == ["OrderAccepted"]


async def test_f25_the_venue_s_own_orders_reach_the_strategy_as_fills_and_the_engine_keeps_step(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    before = len(strategy.events)
    await rig.happen(lambda book: book.liquidate(LONG, D("0.003"), D("49990.05")))
    await rig.happen(lambda book: book.deleverage(LONG, D("0.002"), D(50_010)))
    await rig.happen(lambda book: book.deleverage(LONG, D("0.001"), D(50_020)))
    first, second, third = strategy.events[before:]
    with rig.audit() as audit:
        assert [first, second, third] == audit.fills(2)
    assert first.client_order_id.startswith("autoclose-")
    assert second.client_order_id == third.client_order_id == "adl_autoclose"
    assert rig.differences() == []
    strategy.market("rest", LONG, "0.004", close=True)
    await rig.rest()
    assert strategy.told("rest") == ["OrderAccepted", "OrderFilled"]
    assert rig.differences() == []
    assert rig.errors == []


async def test_f25_an_account_that_is_used_up_is_closed_and_everything_is_told(rig: NodeRig) -> None:
    strategy = await rig.start(startingBalance="1000", leverage=20)
    strategy.market("long", LONG, "0.200")
    strategy.limit("entry", LONG, "0.010", "40000")
    strategy.limit("tp", LONG, "0.200", "60000", close=True)
    await rig.rest()
    await rig.move("45100")
    assert strategy.told("entry") == ["OrderAccepted", "OrderEnded"]
    assert [(fill.quantity, fill.price) for fill in strategy.fills[1:]] == [(D("0.200"), D(45_100))]
    assert rig.differences() == []
    strategy = await rig.restart()
    strategy.venue.request_state(0)
    await rig.rest()
    assert strategy.states[0].positions[LONG].quantity == 0
    assert [order.client_order_id for order in strategy.states[0].open_orders] == ["tp"]


async def test_a_restart_after_the_venue_s_own_orders_finds_the_engine_in_step(rig: NodeRig) -> None:
    """Every start takes them over, also those that share their id, with orders open that they fell among."""
    strategy = await hedged(rig)
    rig.faults.largest_tick_fill = D("0.002")
    strategy.limit("tp", LONG, "0.008", "50100", close=True)
    await rig.rest()
    await rig.move("50100")
    for number in range(4):
        await rig.happen(lambda book: book.deleverage(LONG, D("0.001"), D(50_010)))
        await rig.happen(lambda book: book.liquidate(SHORT, D("0.001"), D(50_010)))
        strategy = await rig.restart()
        assert rig.differences() == []
        strategy.venue.request_state(0)
        await rig.rest()
        assert strategy.states[0].positions[LONG].quantity == D("0.007") - number * D("0.001")
        assert [order.leaves for order in strategy.states[0].open_orders] == [D("0.006")]


async def test_restarts_bring_back_resting_stops_with_id_trigger_and_quantity(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    strategy.stop("long stop", LONG, "0.004", "49000.1")
    strategy.stop("short stop", SHORT, "0.010", "51000")
    await rig.rest()
    for _ in range(3):
        strategy = await rig.restart()
        orders = {str(order.client_order_id): order for order in rig.bridge.cache.orders_open()}
        assert {name: (o.trigger_price.as_decimal(), o.quantity.as_decimal()) for name, o in orders.items()} == {
            "long stop": (D("49000.1"), D("0.004")),
            "short stop": (D(51_000), D("0.010")),
        }
    strategy.venue.cancel("short stop")
    await rig.rest()
    await rig.move("49000")
    assert strategy.told("short stop") == ["OrderEnded"]
    assert strategy.told("long stop") == ["OrderFilled"]
    assert rig.differences() == []


async def test_f10_f18_a_lost_answer_is_found_by_asking(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    rig.faults.lost_answers = 3
    strategy.market("filled", LONG, "0.005")
    strategy.limit("resting", LONG, "0.005", "49000")
    strategy.limit("refused", LONG, "0.0055", "49000")
    strategy.venue.request_state(2)
    await rig.rest()
    assert strategy.told("filled") == strategy.told("resting") == []
    assert [fill.client_order_id for fill in strategy.states[0].fills] == ["filled"]
    assert [order.client_order_id for order in strategy.states[0].open_orders] == ["resting"]
    for identity in ("filled", "resting", "refused"):
        rig.bridge.query_order(rig.bridge.cache.order(ClientOrderId(identity)))
    await until(lambda: strategy.told("refused") == ["OrderRejected"])
    assert strategy.told("filled") == ["OrderAccepted", "OrderFilled"]
    assert strategy.told("resting") == ["OrderAccepted"]
    assert strategy.fills[-1] == strategy.states[0].fills[0]
    assert rig.differences() == []
    assert str(rig.running.traffic) == "0 quotes, 0 commands, 0 events, 0 answers under way"


async def test_f18_a_cancel_whose_answer_is_lost_is_found_by_asking(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.limit("a", LONG, "0.010", "49000")
    await rig.rest()
    rig.faults.lost_answers = 1
    strategy.venue.cancel("a")
    await rig.rest()
    assert strategy.told("a") == ["OrderAccepted"]
    rig.bridge.query_order(rig.bridge.cache.order(ClientOrderId("a")))
    await until(lambda: strategy.told("a") == ["OrderAccepted", "OrderEnded"])
    assert rig.differences() == []


async def test_f7_events_that_come_twice_or_late_reach_the_strategy_and_leave_the_engine_in_step(rig: NodeRig) -> None:
    strategy = await hedged(rig)
    rig.faults.duplicates = 2
    strategy.market("twice", LONG, "0.005")
    await rig.rest()
    assert sorted(strategy.told("twice")) == ["OrderAccepted"] * 2 + ["OrderFilled"] * 2
    strategy.limit("late", LONG, "0.005", "49990")
    await rig.rest()
    rig.faults.delays = 1
    await rig.move("49990")
    assert strategy.told("late") == ["OrderAccepted"]
    await rig.move("49991")
    assert strategy.told("late") == ["OrderAccepted", "OrderFilled"]
    assert rig.differences() == []
    assert rig.errors == []


async def test_r12_post_only_expires_or_is_refused_on_request(rig: NodeRig) -> None:
    strategy = await rig.start()
    rig.faults.post_only_expiries = 1
    rig.faults.refuse_next.append(RefuseNext(refusals.WOULD_TAKE, when=lambda order: order.client_order_id == "b"))
    strategy.limit("a", LONG, "0.010", "49000", post_only=True)
    strategy.limit("b", LONG, "0.010", "49000", post_only=True)
    await rig.rest()
    assert strategy.told("a") == ["OrderAccepted", "OrderEnded"]
    rejected = strategy.events[-1]
    assert isinstance(rejected, OrderRejected)
    assert rejected.post_only


async def test_f14_a_settlement_is_told_once_and_again_after_a_restart_on_request(rig: NodeRig) -> None:
    strategy = await rig.start(fundingIntervalHours=1, fundingRate=0.001)
    strategy.market("long", LONG, "0.010")
    await rig.rest()
    await rig.move("50000", seconds=2 * HOUR)
    told = [what for what in strategy.heard if isinstance(what, FundingSettled)]
    assert [settled.cash for settled in told] == [{LONG: D("-0.5"), SHORT: D(0)}] * 2
    strategy = await rig.restart()
    strategy.venue.request_state(0, told[0].ts)
    await rig.rest()
    assert strategy.states[0].funding == (told[1],)
    account = strategy.venue.account()
    assert account is not None
    assert account.funding_paid == -1


async def test_a_settlement_comes_after_the_fills_before_it_and_before_those_after_it(rig: NodeRig) -> None:
    strategy = await rig.start(fundingIntervalHours=1)
    strategy.market("long", LONG, "0.010")
    strategy.limit("later", LONG, "0.010", "49000")
    await rig.rest()
    await rig.move("49000", seconds=HOUR)
    kinds = [type(what).__name__ for what in strategy.heard if isinstance(what, OrderFilled | FundingSettled)]
    assert sorted(kinds) == ["FundingSettled", "OrderFilled", "OrderFilled"]
    assert kinds[0] == "OrderFilled"


async def test_f42_changed_limits_are_told_and_followed(rig: NodeRig) -> None:
    """By the time the strategy is told, the engine lets finer orders pass."""
    strategy = await rig.start()
    finer = replace(rig.running.book.rules.instrument, tick_size=D("0.01"), step_size=D("0.0001"), min_qty=D("0.0001"))

    def react(told: Recorder, what: object) -> None:
        if isinstance(what, Instrument):
            told.limit("fine", LONG, "0.0101", "49000.05")

    strategy.react = react
    await rig.happen(lambda book: book.change_rules(replace(book.rules, instrument=finer)))
    assert [what for what in strategy.heard if isinstance(what, Instrument)] == [finer]
    assert rig.bridge.cache.instrument(InstrumentId.from_str(finer.symbol)).price_increment.as_decimal() == D("0.01")
    strategy.market("in", LONG, "0.0101")
    await rig.rest()
    strategy.stop("stop", LONG, "0.0101", "48000.05")
    await rig.rest()
    assert strategy.told("fine") == strategy.told("stop") == ["OrderAccepted"]
    assert rig.differences() == []
    assert rig.errors == []


async def test_answers_that_wait_for_the_engine_keep_their_order(rig: NodeRig) -> None:
    """Limits change twice in a moment, and the state is asked for at once."""
    strategy = await rig.start()
    rules = rig.running.book.rules
    ticks = [D("0.01"), D("0.001")]
    for tick in ticks:
        finer = replace(rules.instrument, tick_size=tick)
        rig.running.intervene(lambda book, finer=finer: book.change_rules(replace(rules, instrument=finer)))
    strategy.venue.request_state(0)
    await rig.rest()
    told = [what.tick_size if isinstance(what, Instrument) else "state" for what in strategy.heard[-3:]]
    assert told == [*ticks, "state"]
    assert rig.errors == []


async def test_f37_a_transfer_is_in_the_account_of_venue_and_engine(rig: NodeRig) -> None:
    strategy = await rig.start()
    await rig.happen(lambda book: book.transfer(D("-40000")))
    account = strategy.venue.account()
    assert account is not None
    assert (account.wallet, account.transfers, account.available) == (60_000, -40_000, 60_000)
    await until(lambda: _balance(rig) == 60_000)


def _balance(rig: NodeRig) -> D:
    account = rig.bridge.portfolio.account(Venue("BINANCE"))
    return account.balance_total(Currency.from_str("USDT")).as_decimal()


async def test_f12_a_frozen_market_repeats_itself_and_a_silent_one_says_nothing(rig: NodeRig) -> None:
    strategy = await rig.start(file=synthetic_file(volatility=5))
    await until(lambda: len({quote.bid for quote in strategy.quotes}) > 3)
    rig.faults.frozen = True
    seen = len(strategy.quotes)
    await until(lambda: len(strategy.quotes) >= seen + 10)
    assert len({quote.bid for quote in strategy.quotes[seen + 1 :]}) == 1
    rig.faults.silent = True
    ticks = rig.running.book.standing.place
    seen = len(strategy.quotes)
    strategy.market("works", LONG, "0.010")
    await until(lambda: strategy.told("works") == ["OrderAccepted", "OrderFilled"])
    assert len(strategy.quotes) <= seen + 1
    assert rig.running.book.standing.place == ticks
    rig.faults.silent = rig.faults.frozen = False
    await until(lambda: len({quote.bid for quote in strategy.quotes[seen:]}) > 3)
