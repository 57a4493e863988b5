"""The grid at the venue, event by event: ladder, exits, throttle, gates, restart. Read from the venue's book."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from naut_hedgegrid.domain.values import CancelRejected, Leg, OrderEvent, Side
from naut_hedgegrid.grid.bars import Bar
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Action
from naut_hedgegrid.venues.sim.faults import Faults
from tests.strategy.direct import SECOND, START, Rig, strategy_file, venue_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def prices(levels: dict[Decimal, Decimal]) -> list[int]:
    return sorted(int(price) for price in levels)


def test_r3_first_ladder_long_below_short_above_all_post_only(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    assert prices(rig.resting(LONG, opening=True)) == [41475, 41580, 41685, 41790, 41895]
    assert prices(rig.resting(SHORT, opening=True)) == [42105, 42210, 42315, 42420, 42525]
    assert all(order.post_only for order in rig.venue.submitted)
    rig.check()


def test_r2_only_a_bar_moves_entries(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    sent = len(rig.venue.submitted)
    for price in (42050, 41950, 42020):
        rig.quote(price)
    assert len(rig.venue.submitted) == sent
    rig.bar()
    assert len(rig.venue.submitted) == sent, "a bar that changes nothing sends nothing"
    assert rig.venue.cancelled == []


def test_r13_each_fill_gets_its_take_profit_at_once(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41790)
    assert rig.position(LONG) == D("0.020")
    assert rig.resting(LONG, opening=False) == {D(42105): D("0.010"), D(42000): D("0.010")}
    rig.check()


def test_r6_a_filled_rung_is_armed_again_after_its_lot_closed_and_not_before(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    rig.bar(41900)
    assert 41895 not in prices(rig.resting(LONG, opening=True))
    rig.quote(42106)
    assert rig.position(LONG) == 0
    assert 41895 not in prices(rig.resting(LONG, opening=True)), "armed at the next evaluation, not at the fill"
    rig.bar()
    assert 41895 in prices(rig.resting(LONG, opening=True))
    rig.check()


def test_r4_recentre_with_a_lot_keeps_what_coincides(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    for price in (42110, 42220, 42330, 42440, 42550, 42700, 42850):
        rig.quote(price)
    cancelled = len(rig.venue.cancelled)
    rig.bar(42890)
    ladder = rig.strategy._core.ledger.ladder
    assert ladder is not None
    assert (ladder.centre, ladder.step) == (D(42840), D(105))
    assert prices(rig.resting(LONG, opening=True))[-1] == 42735
    assert len(rig.venue.cancelled) > cancelled
    rig.check()


async def test_throttle_scales_entries_only_and_restarts_nothing(make: Callable[..., Rig]) -> None:
    rig = make()
    await rig.control(1)
    rig.quote(42000)
    rig.quote(41895)
    exits = rig.resting(LONG, opening=False)
    await rig.control(2, throttle=0.5)
    assert set(rig.resting(LONG, opening=True).values()) == {D("0.005")}
    assert set(rig.resting(SHORT, opening=True).values()) == {D("0.005")}
    assert rig.resting(LONG, opening=False) == exits
    await rig.control(3, throttle=0)
    assert rig.resting(LONG, opening=True) == rig.resting(SHORT, opening=True) == {}
    assert rig.resting(LONG, opening=False) == exits
    await rig.control(4, throttle=1)
    assert set(rig.resting(SHORT, opening=True).values()) == {D("0.010")}
    rig.check()


async def test_throttle_below_the_minimum_is_said(make: Callable[..., Rig]) -> None:
    rig = make()
    await rig.control(1, throttle=0.1)
    rig.quote(42000)
    report = rig.strategy.report()
    assert rig.venue.submitted == []
    placed = next(c for c in report.conditions if c.type == "Ready")
    assert (placed.status, placed.reason) == (False, "BelowMinNotional")


def test_r9_the_cap_ends_the_ladder(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(maxInventoryQuote="1300"))
    rig.quote(42000)
    assert len(rig.resting(LONG, opening=True)) == 3
    for price in (41895, 41790, 41685):
        rig.quote(price)
    rig.bar()
    assert rig.resting(LONG, opening=True) == {}
    rig.check()


def test_r14_a_take_profit_that_would_cross_goes_as_taker(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.venue.lazy = True
    rig.quote(41895)
    rig.market(42200)
    rig.venue.lazy = False
    rig.pump()
    closes = [o for o in rig.venue.submitted if o.reduce_only and o.leg is LONG]
    assert [o.post_only for o in closes] == [True, False]
    assert closes[0].price == closes[1].price == D(42105)
    assert rig.position(LONG) == 0
    rig.check()


def test_r15_partial_fills_are_covered_part_by_part(make: Callable[..., Rig]) -> None:
    rig = make(faults=Faults(largest_tick_fill=D("0.003")))
    rig.quote(42000)
    for _ in range(4):
        rig.quote(41895)
        rig.check()
    assert rig.position(LONG) == D("0.010")
    covers = [o.quantity for o in rig.venue.submitted if o.reduce_only]
    # The last 0.001 is below the smallest notional: it joins the newest part.
    assert covers == [D("0.003"), D("0.003"), D("0.003"), D("0.004")]
    assert sum(rig.resting(LONG, opening=False).values()) == D("0.010")


def test_r11_a_partly_filled_entry_stays_and_is_no_second_order(make: Callable[..., Rig]) -> None:
    rig = make(faults=Faults(largest_tick_fill=D("0.003")))
    rig.quote(42000)
    rig.quote(41895)
    rig.quote(41900)
    rig.bar()
    assert rig.resting(LONG, opening=True)[D(41895)] == D("0.007")
    assert [o.price for o in rig.venue.submitted].count(D(41895)) == 1
    rig.check()


def test_stale_data_stop_entries_and_keep_exits(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    rig.wait(121, step=5)
    assert rig.resting(LONG, opening=True) == rig.resting(SHORT, opening=True) == {}
    assert len(rig.resting(LONG, opening=False)) == 1
    assert rig.strategy.report().conditions[0].reason == "StaleData"
    for _ in range(3):
        rig.quote(41950)
        rig.bar(41951)
    rig.bar()
    assert len(rig.resting(SHORT, opening=True)) == 5
    rig.check()


def test_the_end_of_a_replay_stops_entries_and_keeps_exits(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    rig.strategy.on_market_end()
    rig.pump()
    assert rig.resting(LONG, opening=True) == {}
    assert len(rig.resting(LONG, opening=False)) == 1


@pytest.mark.parametrize("moves", [(), (41895,), (41790, 42110)])
def test_restart_with_nothing_moved_cancels_nothing_and_creates_nothing(
    make: Callable[..., Rig], moves: tuple[int, ...]
) -> None:
    rig = make(stored=True)
    rig.quote(42000)
    for price in moves:
        rig.quote(price)
    rig.bar()
    before = rig.book.state(10**12)
    rig.crash()
    rig.boot()
    rig.quote(rig.price or 0)
    rig.bar()
    assert rig.venue.submitted == []
    assert rig.venue.cancelled == []
    after = rig.book.state(10**12)
    assert after.open_orders == before.open_orders
    assert after.positions == before.positions
    rig.check()


def test_f40_an_entry_filled_while_the_process_was_down_gets_its_exit_first(make: Callable[..., Rig]) -> None:
    rig = make(stored=True)
    rig.quote(42000)
    rig.crash()
    rig.market(41780)
    rig.boot()
    assert rig.position(LONG) == D("0.020")
    first = rig.venue.submitted[:2]
    assert [(o.side, o.price) for o in first] == [(Side.SELL, D(42105)), (Side.SELL, D(42000))]
    rig.quote(41800)
    rig.check()


def test_a_crash_between_the_venue_and_the_store_is_healed_by_the_ids(make: Callable[..., Rig]) -> None:
    """The store has never heard of an order that the venue has: its id says where it belongs."""
    rig = make(stored=True)
    rig.quote(42000)
    rig.foreign(Side.BUY, LONG, 41055, "0.010", name="hg-0badcafe-L9-E-zz")
    rig.crash()
    rig.boot()
    rig.quote(42000)
    rig.bar()
    assert 41055 not in prices(rig.resting(LONG, opening=True)), "known by its id, and not wanted"
    rig.check()


async def test_after_a_start_nothing_is_added_until_the_controls_are_known(make: Callable[..., Rig]) -> None:
    rig = make(stored=True)
    rig.quote(42000)
    rig.quote(41895)
    rig.crash()
    rig.boot(await_control=True)
    rig.quote(42000)
    rig.bar()
    assert rig.venue.submitted == []
    assert rig.venue.cancelled == [], "what rests is kept"
    assert not rig.strategy.report().synced
    rig.wait(31, step=1)
    assert rig.resting(LONG, opening=True) == {}, "without a document for 30 s resting entries go"
    assert len(rig.resting(LONG, opening=False)) == 1, "exits stay"
    rig.quote(42001)
    await rig.control(1)
    assert len(rig.resting(SHORT, opening=True)) == 5
    rig.check()


def test_a_foreign_position_closes_the_gate_and_is_named(make: Callable[..., Rig]) -> None:
    rig = make(venue=venue_file())
    rig.quote(42000)
    rig.foreign(Side.BUY, LONG, 43000, "0.5")
    rig.strategy._core._actions.read()
    rig.strategy._step(rig.strategy._core._actions.take())
    rig.pump()
    ready = rig.strategy.report().conditions[0]
    assert (ready.status, ready.reason) == (False, "ForeignPosition")
    assert "LONG 0.5" in ready.message
    assert rig.resting(LONG, opening=True) == {}


def test_an_exception_in_a_handler_stops_entries_and_is_reported(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(event: OrderEvent) -> list[Action]:
        raise RuntimeError(f"can't handle {event}")

    rig = make()
    rig.quote(42000)
    rig.quote(41895)
    with monkeypatch.context() as broken:
        broken.setattr(rig.strategy._core, "on_order_event", fails)
        rig.strategy.on_order_event(CancelRejected("unknown", "-2011", 0))
    rig.pump()
    assert rig.strategy.errors == 1
    assert rig.resting(LONG, opening=True) == {}
    assert len(rig.resting(LONG, opening=False)) == 1
    assert any(c.reason == "CallbackErrors" for c in rig.strategy.report().conditions)


def test_a_market_of_bars_drives_the_grid_by_its_closes(make: Callable[..., Rig]) -> None:
    rig = make()
    for number, close in enumerate((42000, 42000, 42900), 1):
        rig.clock.ts = START + number * 60 * SECOND
        rig.market(close)
        rig.pump()
        rig.strategy.on_bar(Bar(D(close), D(close), D(close), D(close), rig.clock.ts))
        rig.pump()
    ladder = rig.strategy._core.ledger.ladder
    assert ladder is not None
    assert rig.position(SHORT) == D("0.050"), "the way up has filled the SHORT ladder"
    assert ladder.centre == 42945, "moved by nine whole steps"
    rig.check()
