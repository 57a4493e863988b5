"""What a strategy behind the engine sees of its orders."""

import asyncio
import gc
import sqlite3
import sys
import threading
from typing import Any

import pytest
from nautilus_trader.model import ClientOrderId, Currency, PositionId, Venue

from naut_hedgegrid.domain.values import (
    CancelRejected,
    Ending,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Quote,
    VenueState,
)
from naut_hedgegrid.engine.node import NodeError
from tests.strategy.node_parts import D, NodeRig, Recorder, bars_of, replay_file, synthetic_file, until

LONG, SHORT = Leg.LONG, Leg.SHORT


async def test_quotes_come_with_mark_and_market_time(rig: NodeRig) -> None:
    strategy = await rig.start(["50000", "50010.5", "49999", "50001"])
    assert [(quote.bid, quote.mark) for quote in strategy.quotes] == [
        (D(price), D(price)) for price in ("50000", "50010.5", "49999", "50001")
    ]
    assert [quote.ts - 1_640_995_200_000_000_000 for quote in strategy.quotes[:2]] == [7_500_000_000, 22_500_000_000]
    assert strategy.market_ended == 1


async def test_an_order_lives_and_dies(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.limit("hg-00000000-L1-E-1", LONG, "0.010", "49900", post_only=True)
    assert strategy.events == []  # answers come as events, never from within the call
    await rig.rest()
    strategy.venue.cancel("hg-00000000-L1-E-1")
    await rig.rest()
    accepted, ended = strategy.events
    assert isinstance(accepted, OrderAccepted)
    assert ended == OrderEnded("hg-00000000-L1-E-1", Ending.CANCELED, ended.ts)


async def test_a_fill_is_told_in_full(rig: NodeRig) -> None:
    strategy = await rig.start(["50000", "50000", "49900", "49950"])
    strategy.market("in", LONG, "0.010")
    await rig.rest()
    strategy.market("out", LONG, "0.004", close=True)
    await rig.rest()
    assert [event.client_order_id for event in strategy.fills] == ["in", "out"]
    with rig.audit() as audit:
        assert audit.fills() == strategy.fills
    out = strategy.fills[1]
    assert (out.leg, out.side, out.quantity, out.price) == (LONG, LONG.closing, D("0.004"), D(49950))
    assert (out.commission, out.realized_pnl, out.maker) == (D("0.09990"), 0, False)


async def test_limits_fill_as_the_market_moves_before_its_quote_is_seen(rig: NodeRig) -> None:
    def react(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.limit("long", LONG, "0.010", "49990")
            strategy.limit("short", SHORT, "0.010", "50010")

    rig.strategy.react = react
    strategy = await rig.start(["50000", "50020", "49980", "50000"])
    assert [(fill.client_order_id, fill.price, fill.maker) for fill in strategy.fills] == [
        ("short", D(50010), True),
        ("long", D(49990), True),
    ]
    kinds = [type(what).__name__ for what in strategy.heard]
    assert kinds == [
        "Quote",
        *["OrderAccepted"] * 2,
        *["OrderFilled", "Quote"] * 2,
        "Quote",
    ]


async def test_several_closes_of_a_leg_rest_each_for_its_own_quantity(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.market("in", SHORT, "0.010")
    for identity, quantity in (("tp1", "0.003"), ("tp2", "0.003"), ("tp3", "0.004")):
        strategy.limit(identity, SHORT, quantity, "49000", close=True, post_only=True)
    await rig.rest()
    with rig.audit() as audit:
        snapshot = audit.snapshot()
    assert [(order.client_order_id, order.quantity) for order in snapshot.open_orders] == [
        ("tp1", D("0.003")),
        ("tp2", D("0.003")),
        ("tp3", D("0.004")),
    ]
    strategy.market("flat", SHORT, "0.010", close=True)
    await rig.rest()
    assert strategy.told("flat") == ["OrderAccepted", "OrderFilled"]


async def test_closing_works_with_no_margin_left(rig: NodeRig) -> None:
    strategy = await rig.start(["50000", "50000", "47500", "47500"], startingBalance="1000", leverage=20)
    rig.strategy.react = None
    assert rig.node is not None
    strategy.market("none", LONG, "0.500")
    await rig.rest()
    assert strategy.told("none") == ["OrderRejected"]
    strategy.market("in", LONG, "0.400")
    await rig.rest()
    available = rig.node.book.account().available
    assert available is not None
    assert available < 50
    strategy.market("more", LONG, "0.100")
    strategy.market("out", LONG, "0.400", close=True)
    await rig.rest()
    assert strategy.told("more") == ["OrderRejected"]
    assert strategy.told("out") == ["OrderAccepted", "OrderFilled"]


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        ("0.0105", "49000", "-1111 "),
        ("0.010", "49000.01", "-1111 "),
        ("0.001", "49000", "-4164 "),
        ("20", "49000", "-2019 "),
        ("0", "49000", "not handed over: "),
        ("0.0000000000000000000001", "49000", "not handed over: "),
        ("-1", "49000", "not handed over: "),
    ],
)
async def test_each_refusal_reaches_the_strategy(rig: NodeRig, quantity: str, price: str, reason: str) -> None:
    strategy = await rig.start()
    strategy.limit("a", LONG, quantity, price)
    await rig.rest()
    (rejected,) = strategy.events
    assert isinstance(rejected, OrderRejected)
    assert rejected.reason.startswith(reason)
    assert not rejected.post_only
    strategy.limit("b", LONG, "0.010", "49000")
    await rig.rest()
    assert strategy.told("b") == ["OrderAccepted"]


async def test_a_post_only_refusal_is_marked(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.limit("a", LONG, "0.010", "50000", post_only=True)
    await rig.rest()
    (rejected,) = strategy.events
    assert isinstance(rejected, OrderRejected)
    assert rejected.post_only


async def test_a_limit_order_without_a_price_is_rejected(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.venue.submit(OrderRequest("a", LONG, LONG.opening, OrderKind.LIMIT, D("0.010")))
    await rig.rest()
    assert strategy.told("a") == ["OrderRejected"]


async def test_an_id_in_use_is_refused_and_the_order_that_has_it_lives_on(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.limit("a", LONG, "0.010", "49900")
    strategy.limit("a", SHORT, "0.010", "50100")
    await rig.rest()
    assert sorted(strategy.told("a")) == ["OrderAccepted", "OrderRejected"]
    strategy.venue.cancel("a")
    await rig.rest()
    assert strategy.told("a")[-1] == "OrderEnded"
    with rig.audit() as audit:
        assert audit.snapshot().flat


async def test_a_cancel_of_nothing_is_rejected(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.market("done", LONG, "0.010")
    await rig.rest()
    for identity in ("never", "done"):
        strategy.venue.cancel(identity)
        await rig.rest()
        rejected = strategy.events[-1]
        assert isinstance(rejected, CancelRejected)
        assert (rejected.client_order_id, rejected.reason) == (identity, "-2011 Unknown order sent.")


async def test_cancelling_twice_is_answered_once(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.limit("a", LONG, "0.010", "49900")
    await rig.rest()
    strategy.venue.cancel("a")
    strategy.venue.cancel("a")
    await rig.rest()
    strategy.venue.cancel("a")
    await rig.rest()
    assert strategy.told("a") == ["OrderAccepted", "OrderEnded", "CancelRejected"]


async def test_a_cancel_on_the_wire_whose_order_ends_meanwhile_is_rejected(rig: NodeRig) -> None:
    """The engine would keep that to itself."""
    strategy = await rig.start(sim={"latencyMs": 20})
    strategy.limit("a", LONG, "0.010", "49900")
    strategy.venue.cancel("a")
    strategy.venue.cancel("a")
    await rig.rest()
    assert strategy.told("a") == ["OrderAccepted", "OrderEnded", "CancelRejected"]


async def test_what_a_fill_makes_the_strategy_send_is_at_the_venue_before_it_sees_the_tick(rig: NodeRig) -> None:
    def react(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.limit("in", LONG, "0.010", "49990")
        if isinstance(what, OrderFilled):
            strategy.limit("tp", LONG, "0.010", "50010", close=True)

    rig.strategy.react = react
    strategy = await rig.start(["50000", "50000", "49980", "49985"])
    kinds = [type(what).__name__ for what in strategy.heard]
    assert kinds == ["Quote", "OrderAccepted", "Quote", "OrderFilled", "OrderAccepted", "Quote", "Quote"]


async def test_a_fill_that_overtakes_a_cancel_is_told_before_the_refusal(rig: NodeRig) -> None:
    def react(strategy: Recorder, what: Any) -> None:
        if isinstance(what, Quote) and len(strategy.quotes) == 1:
            strategy.limit("a", LONG, "0.010", "49900")
        if isinstance(what, OrderAccepted):
            rig.faults.largest_tick_fill = None
        if isinstance(what, OrderFilled):
            strategy.venue.cancel("a")

    rig.strategy.react = react
    strategy = await rig.start(["50000", "50000", "49900", "49950"])
    assert strategy.told("a") == ["OrderAccepted", "OrderFilled", "CancelRejected"]


async def test_hundreds_of_orders_at_once_all_arrive(rig: NodeRig) -> None:
    strategy = await rig.start(filters={"maxOrders": 1000})
    for number in range(400):
        strategy.limit(f"o{number}", LONG, "0.002", "49000")
    await rig.rest()
    assert [type(event).__name__ for event in strategy.events] == ["OrderAccepted"] * 400


async def test_an_engine_that_asks_about_an_order_is_answered(rig: NodeRig) -> None:
    """As it does by itself about one whose answer is overdue."""
    strategy = await rig.start(sim={"latencyMs": 30})
    assert rig.node is not None
    assert rig.node._assembly is not None
    bridge = rig.node._assembly.bridge
    strategy.limit("resting", LONG, "0.010", "49900")
    strategy.market("filled", SHORT, "0.010")
    await until(lambda: bridge.cache.order(ClientOrderId("resting")) is not None)
    for identity in ("resting", "filled"):
        bridge.query_order(bridge.cache.order(ClientOrderId(identity)))  # while the orders are on the wire
    await rig.rest()
    for identity in ("resting", "filled"):
        bridge.query_order(bridge.cache.order(ClientOrderId(identity)))
    strategy.venue.request_state(0)
    await rig.rest()
    strategy.venue.cancel("resting")
    await rig.rest()
    assert strategy.told("resting") == ["OrderAccepted", "OrderEnded"]
    assert strategy.told("filled") == ["OrderAccepted", "OrderFilled"]
    assert rig.errors == []


async def test_an_order_that_can_not_be_written_down_is_rejected_and_the_next_is_taken(rig: NodeRig) -> None:
    strategy = await rig.start()
    rogue = sqlite3.connect(rig.book_path, isolation_level=None)
    rogue.execute("begin immediate")
    strategy.market("a", LONG, "0.010")
    await rig.rest()
    rogue.execute("rollback")
    rogue.close()
    (rejected,) = strategy.events
    assert isinstance(rejected, OrderRejected)
    assert rejected.reason.startswith("-1001 ")
    assert [where for where, _ in rig.errors] == ["submit"]
    strategy.market("b", LONG, "0.010")
    await rig.rest()
    assert strategy.told("b") == ["OrderAccepted", "OrderFilled"]
    assert rig.node is not None
    assert rig.node.book.state(0).positions[LONG].quantity == D("0.010")


async def test_partial_fills_of_a_market_order_end_with_expired(rig: NodeRig) -> None:
    strategy = await rig.start()
    rig.faults.largest_market_fill = D("0.003")
    strategy.market("a", LONG, "0.010")
    await rig.rest()
    assert strategy.told("a") == ["OrderAccepted", "OrderFilled", "OrderEnded"]
    assert strategy.events[-1] == OrderEnded("a", Ending.EXPIRED, strategy.events[-1].ts)


async def test_the_state_includes_all_commands_sent_before_and_comes_after_their_events(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.market("in", LONG, "0.010")
    strategy.limit("tp", LONG, "0.010", "51000", close=True)
    strategy.venue.request_state(0)
    await rig.rest()
    assert [type(what).__name__ for what in strategy.heard[-4:]] == [
        "OrderAccepted",
        "OrderFilled",
        "OrderAccepted",
        "VenueState",
    ]
    (state,) = strategy.states
    assert state.positions[LONG].quantity == D("0.010")
    assert [order.client_order_id for order in state.open_orders] == ["tp"]
    assert state.fills == tuple(strategy.fills)
    strategy.venue.request_state(state.fills[-1].trade_id)
    await rig.rest()
    assert strategy.states[-1].fills == ()


async def test_the_account_is_the_venue_s(rig: NodeRig) -> None:
    strategy = await rig.start()
    strategy.market("in", LONG, "0.010")
    await rig.rest()
    account = strategy.venue.account()
    assert account is not None
    assert (account.wallet, account.unrealized_pnl, account.maintenance_margin) == (D("99999.75"), 0, 2)


async def test_the_engine_s_own_account_and_position_equal_the_venue_s(rig: NodeRig) -> None:
    strategy = await rig.start(["50000", "50100", "49900", "50010"])
    assert rig.node is not None
    strategy.market("in", LONG, "0.010")
    strategy.market("out", LONG, "0.003", close=True)
    strategy.market("other", SHORT, "0.020")
    await rig.rest()
    bridge = rig.node._assembly.bridge if rig.node._assembly else None
    assert bridge is not None
    await until(
        lambda: (
            bridge.portfolio.account(Venue("BINANCE")).balance_total(Currency.from_str("USDT")).as_decimal()
            == rig.node.book.account().wallet
        )
    )
    for leg, quantity in ((LONG, "0.007"), (SHORT, "0.020")):
        position = bridge.cache.position(PositionId(f"BTCUSDT-PERP.BINANCE-{leg}"))
        assert position is not None
        assert position.quantity.as_decimal() == D(quantity)


async def test_exceptions_of_callbacks_are_reported_and_the_strategy_is_called_on(rig: NodeRig) -> None:
    def react(strategy: Recorder, what: Any) -> None:
        match what:
            case Quote() if len(strategy.quotes) in (1, 3):
                raise RuntimeError(f"quote {len(strategy.quotes)}")
            case OrderAccepted():
                raise RuntimeError("accepted")
            case _:
                pass

    rig.strategy.react = react
    strategy = await rig.start()
    strategy.limit("a", LONG, "0.010", "49900")
    await rig.rest()
    strategy.venue.cancel("a")
    await rig.rest()
    assert rig.errors == [("on_quote", "quote 1"), ("on_quote", "quote 3"), ("on_order_event", "accepted")]
    assert rig.node is not None
    assert rig.node.errors.counts == {"on_quote": 2, "on_order_event": 1}
    assert len(strategy.quotes) == 8
    assert strategy.told("a") == ["OrderAccepted", "OrderEnded"]
    assert rig.node.running


async def test_an_error_in_on_start_is_reported_and_the_node_runs(
    rig: NodeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(gateway: object) -> None:
        raise RuntimeError("no start")

    monkeypatch.setattr(rig.strategy, "on_start", broken)
    await rig.start()
    assert rig.errors == [("on_start", "no start")]
    assert rig.node is not None
    assert rig.node.running


async def test_orders_sent_from_every_callback_arrive(rig: NodeRig) -> None:
    def react(strategy: Recorder, what: Any) -> None:
        match what:
            case Quote() if len(strategy.quotes) == 1:
                strategy.limit("from quote", LONG, "0.010", "49900")
            case OrderAccepted("from quote"):
                strategy.venue.cancel("from quote")
            case OrderEnded():
                strategy.limit("from ended", LONG, "0.0001", "49900")
            case OrderRejected("from ended"):
                strategy.market("from rejected", LONG, "0.010")
            case OrderFilled(client_order_id="from rejected"):
                strategy.venue.request_state(0)
            case VenueState():
                strategy.market("from state", LONG, "0.010", close=True)
            case _:
                pass

    rig.strategy.react = react
    strategy = await rig.start()
    await rig.rest()
    assert strategy.told("from state") == ["OrderAccepted", "OrderFilled"]
    assert rig.errors == []


async def test_latency_delays_commands_and_keeps_their_order(rig: NodeRig) -> None:
    strategy = await rig.start(file=synthetic_file(latency_ms=60))
    await until(lambda: bool(strategy.quotes))
    loop = asyncio.get_running_loop()
    sent = loop.time()
    strategy.limit("a", LONG, "0.010", "40000")
    strategy.venue.cancel("a")
    strategy.market("b", LONG, "0.010")
    strategy.venue.request_state(0)
    assert rig.node is not None
    with rig.audit() as audit:
        assert audit.order_log() == []
        await until(lambda: bool(strategy.states))
        assert loop.time() - sent >= 0.06
        assert [(command.action, command.client_order_id) for command in audit.order_log()] == [
            ("submit", "a"),
            ("cancel", "a"),
            ("submit", "b"),
        ]
    assert [type(event).__name__ for event in strategy.events] == [
        "OrderAccepted",
        "OrderEnded",
        "OrderAccepted",
        "OrderFilled",
    ]
    assert strategy.states[0].positions[LONG].quantity == D("0.010")


async def test_what_is_under_way_at_the_stop_still_arrives(rig: NodeRig) -> None:
    strategy = await rig.start(file=synthetic_file(latency_ms=60))
    await until(lambda: bool(strategy.quotes))
    strategy.limit("a", LONG, "0.010", "40000")
    assert rig.node is not None
    await rig.node.stop()
    assert strategy.told("a") == ["OrderAccepted"]
    assert strategy.stopped == 1
    with rig.audit() as audit:
        assert [order.client_order_id for order in audit.snapshot().open_orders] == ["a"]


async def test_after_the_stop_nothing_is_sent_and_nothing_raised(rig: NodeRig) -> None:
    strategy = await rig.start()
    assert rig.node is not None
    await rig.node.stop()
    await rig.node.stop()
    heard = len(strategy.heard)
    strategy.limit("late", LONG, "0.010", "49900")
    strategy.venue.cancel("late")
    await asyncio.sleep(0)
    assert len(strategy.heard) == heard
    assert strategy.stopped == 1
    assert rig.errors == []
    with rig.audit() as audit:
        assert audit.order_log() == []


async def test_a_stopped_node_leaves_nothing_that_could_end_on_another_thread(
    rig: NodeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Engine objects must not: and the garbage collector runs on whichever thread it likes."""
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda complaint: complaints.append(complaint.exc_value))
    strategy = await rig.start()
    strategy.market("a", LONG, "0.010")
    await rig.rest()
    assert rig.node is not None
    gc.disable()
    await rig.node.stop()
    rig.node = None
    collector = threading.Thread(target=gc.collect)
    collector.start()
    collector.join()
    gc.enable()
    assert complaints == []


async def test_wait_returns_after_a_stop(rig: NodeRig) -> None:
    await rig.start()
    assert rig.node is not None
    waiting = asyncio.create_task(rig.node.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    await rig.node.stop()
    async with asyncio.timeout(5):
        await waiting
    assert not rig.node.running


async def test_an_engine_that_ends_by_itself_is_told(rig: NodeRig) -> None:
    strategy = await rig.start(file=synthetic_file())
    node = rig.node
    assert node is not None
    assert node._assembly is not None
    waiting = asyncio.create_task(node.wait())
    await until(lambda: bool(strategy.quotes))
    node._assembly.handle.stop()
    with pytest.raises(NodeError, match="ended by itself"):
        async with asyncio.timeout(10):
            await waiting
    assert not node.running
    assert strategy.stopped == 1
    assert [where for where, _ in rig.errors] == ["engine"]
    await node.stop()
    with rig.audit() as audit:
        assert audit.snapshot().flat


async def test_an_instrument_with_whole_steps_and_fine_ticks(rig: NodeRig) -> None:
    filters = {
        "tickSize": "0.0000001",
        "stepSize": "1",
        "minQty": "1",
        "maxQty": "100000000",
        "marketMaxQty": "100000000",
    }
    prices = ["0.0100001", "0.0100002", "0.0099999", "0.0100001"]
    file = replay_file(
        bars_of(rig.folder / "bars.csv", prices), instrument="1000PEPEUSDT-PERP.BINANCE", filters=filters
    )
    strategy = await rig.start(file=file)
    strategy.market("a", SHORT, "100000")
    await rig.rest()
    assert strategy.told("a") == ["OrderAccepted", "OrderFilled"], strategy.events
    (fill,) = strategy.fills
    assert (fill.price, fill.quantity, fill.commission) == (D("0.0100001"), D(100_000), D("0.500005"))
    assert strategy.quotes[1].mark == D("0.0100002")
