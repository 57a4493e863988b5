"""The flatten, step by step and across crashes. What was opened is read from the venue, never from the strategy."""

import itertools
from collections.abc import Callable
from decimal import Decimal

import pytest

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg, OrderKind, OrderRequest, Side
from naut_hedgegrid.venues.sim.faults import Faults
from tests.strategy.direct import Rig, strategy_file, venue_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def loaded(rig: Rig) -> Rig:
    """Long 0.020 and short 0.010, with exits and entries resting on both sides."""
    rig.quote(42000)
    rig.quote(41790)
    rig.quote(42000 - 1)
    rig.bar()
    rig.quote(42105 - 1)
    rig.quote(42000)
    return rig


def closes(rig: Rig) -> list[OrderRequest]:
    return [order for order in rig.venue.submitted if order.kind is OrderKind.MARKET]


def opened(rig: Rig) -> int:
    """Orders that open, as the venue received them."""
    return sum(not order.reduce_only for order in rig.venue.submitted)


def assert_flat(rig: Rig, *legs: Leg) -> None:
    for leg in legs or tuple(Leg):
        assert rig.position(leg) == 0
        assert rig.resting(leg, opening=True) == rig.resting(leg, opening=False) == {}


async def test_flatten_both_closes_exactly_the_position_and_reports_flat(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    held = {leg: rig.position(leg) for leg in Leg}
    assert held[LONG] > 0
    report = await rig.control(2, killSwitch="flattenBoth")
    assert_flat(rig)
    assert {o.leg: o.quantity for o in closes(rig)} == {leg: q for leg, q in held.items() if q}
    assert all(o.reduce_only for o in closes(rig))
    final = rig.strategy.report().kill_switch
    assert final.state is LegState.FLAT
    assert final.legs.long.operation_id == final.legs.short.operation_id == report.kill_switch.operation_id
    assert final.legs.long.quantity == 0
    assert final.legs.long.open_orders == 0
    rig.check()


async def test_while_engaged_nothing_opens_whatever_the_market_does(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    await rig.control(2, killSwitch="flattenBoth")
    before = opened(rig)
    for price in (41500, 42000, 42600, 42000):
        rig.quote(price)
        rig.bar()
    assert opened(rig) == before
    assert_flat(rig)


@pytest.mark.parametrize(("switch", "leg"), [("flattenLong", LONG), ("flattenShort", SHORT)])
async def test_one_leg_is_flattened_and_the_other_trades_on_unchanged(
    make: Callable[..., Rig], switch: str, leg: Leg
) -> None:
    rig = loaded(make())
    other = SHORT if leg is LONG else LONG
    before = (rig.position(other), rig.resting(other, opening=True), rig.resting(other, opening=False))
    await rig.control(2, killSwitch=switch)
    assert_flat(rig, leg)
    assert (rig.position(other), rig.resting(other, opening=True), rig.resting(other, opening=False)) == before
    report = rig.strategy.report().kill_switch.legs
    states = {LONG: report.long.state, SHORT: report.short.state}
    assert states == {leg: LegState.FLAT, other: LegState.RELEASED}
    rig.check()


async def test_f24_net_long_and_flatten_short_succeeds(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(takeProfitSteps=8))
    rig.quote(42000)
    rig.quote(41790)
    rig.quote(42105)
    assert rig.position(LONG) >= rig.position(SHORT) > 0
    await rig.control(1, killSwitch="flattenShort")
    assert_flat(rig, SHORT)


async def test_halt_entries_cancels_entries_and_keeps_exits_and_positions(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    held, exits = rig.position(LONG), rig.resting(LONG, opening=False)
    await rig.control(2, killSwitch="haltEntries")
    assert rig.resting(LONG, opening=True) == rig.resting(SHORT, opening=True) == {}
    assert (rig.position(LONG), rig.resting(LONG, opening=False)) == (held, exits)
    assert rig.strategy.report().kill_switch.state is LegState.HALTED


async def test_f3_the_same_kill_again_and_again_is_one_operation_with_one_set_of_orders(
    make: Callable[..., Rig],
) -> None:
    rig = loaded(make())
    reports = [await rig.control(2, killSwitch="flattenBoth", epoch=k) for k in (1, 1, 2, 5)]
    rig.wait(2)
    assert len({report.kill_switch.operation_id for report in reports}) == 1
    assert len(closes(rig)) == sum(1 for leg in Leg if any(o.leg is leg for o in closes(rig)))


async def test_f3_already_flat_is_success_with_no_order(make: Callable[..., Rig]) -> None:
    rig = make(await_control=True)
    rig.quote(42000)
    await rig.control(1, killSwitch="flattenBoth")
    rig.pump()
    assert rig.venue.submitted == []
    assert rig.strategy.report().kill_switch.state is LegState.FLAT


async def test_f5_an_entry_fill_that_races_the_kill_is_closed_too(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.venue.lazy = True
    rig.market(41790)
    await rig.control(1, killSwitch="flattenBoth")
    rig.venue.lazy = False
    rig.pump()
    rig.wait(1)
    assert_flat(rig)
    assert sum(o.quantity for o in closes(rig)) == D("0.020")
    rig.check()


async def test_f5_partly_filled_closes_go_on_with_exactly_the_rest(make: Callable[..., Rig]) -> None:
    rig = loaded(make(faults=Faults(largest_market_fill=D("0.003"))))
    held = rig.position(LONG)
    await rig.control(2, killSwitch="flattenLong")
    rig.wait(10)
    assert_flat(rig, LONG)
    sizes = [o.quantity for o in closes(rig)]
    assert sizes[0] == held
    assert all(b == max(a - D("0.003"), D(0)) for a, b in itertools.pairwise(sizes))
    rig.check()


@pytest.mark.parametrize("code", ["-4131 no counterparty", "-1008 overloaded", "-2022 ReduceOnly rejected", "-4118 x"])
async def test_refused_closes_are_read_again_and_tried_again_until_flat(make: Callable[..., Rig], code: str) -> None:
    rig = loaded(make())
    rig.faults.refusal, rig.faults.refusals = code, 4
    await rig.control(2, killSwitch="flattenLong")
    seen = rig.strategy.report().kill_switch.legs.long
    assert seen.state is LegState.FLATTENING
    assert seen.last_error is not None
    assert seen.last_error.startswith(code[:5])
    rig.wait(10)
    assert_flat(rig, LONG)
    assert rig.strategy.report().kill_switch.legs.long.attempts == 5


async def test_a_flatten_that_can_not_succeed_is_failed_after_its_deadline_and_goes_on(
    make: Callable[..., Rig],
) -> None:
    rig = loaded(make())
    rig.faults.refusal, rig.faults.refusals = "-4131 no counterparty", 25
    await rig.control(2, killSwitch="flattenLong")
    rig.wait(31)
    report = rig.strategy.report().kill_switch
    assert report.state is LegState.FAILED
    assert "-4131" in (report.legs.long.last_error or "")
    rig.wait(40)
    assert_flat(rig, LONG)
    assert rig.strategy.report().kill_switch.state is LegState.FLAT


async def test_a_residue_below_the_smallest_order_is_dust(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    rig.faults.refusal, rig.faults.refusals = "-4164 notional too small", 2
    await rig.control(2, killSwitch="flattenLong")
    rig.wait(3)
    leg = rig.strategy.report().kill_switch.legs.long
    assert leg.state is LegState.DUST
    assert leg.dust == rig.position(LONG) > 0


async def test_f33_free_margin_zero_closes_all_the_same(make: Callable[..., Rig]) -> None:
    rig = make(
        config=strategy_file(baseQty="0.3", maxInventoryQuote="100000"),
        venue=venue_file(startingBalance="26000", leverage=5),
    )
    rig.quote(42000)
    for price in (41895, 41790, 41685, 41580, 41475):
        rig.quote(price)
    rig.market(38000)
    available = rig.book.account().available
    assert available is not None
    assert available <= 0
    assert rig.position(LONG) > 0
    await rig.control(1, killSwitch="flattenBoth")
    rig.wait(1)
    assert_flat(rig)


async def test_f34_a_position_above_the_largest_market_order_is_closed_in_parts(make: Callable[..., Rig]) -> None:
    rig = loaded(make(venue=venue_file(filters={"marketMaxQty": "0.008"})))
    held = rig.position(LONG)
    await rig.control(2, killSwitch="flattenLong")
    rig.wait(1)
    sizes = [o.quantity for o in closes(rig)]
    assert sum(sizes) == held
    assert max(sizes) == D("0.008")
    assert_flat(rig, LONG)


async def test_a_foreign_position_is_closed_too(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    rig.foreign(Side.BUY, LONG, 43000, "0.5")
    await rig.control(2, killSwitch="flattenBoth")
    rig.wait(1)
    assert_flat(rig)


async def test_lots_that_the_venue_no_longer_holds_are_gone_after_a_flatten(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    rig.book.submit(OrderRequest("by-hand", LONG, Side.SELL, OrderKind.MARKET, D("0.010"), None), rig.clock.ts)
    await rig.control(2, killSwitch="flattenBoth")
    rig.wait(1)
    assert_flat(rig)
    await rig.control(3)
    rig.quote(42000)
    rig.bar()
    assert len(rig.resting(LONG, opening=True)) == 5
    rig.check()


async def test_flat_is_watched_and_what_appears_later_is_closed(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    await rig.control(2, killSwitch="flattenBoth")
    rig.foreign(Side.BUY, LONG, 43000, "0.5")
    rig.wait(32, step=0.5)
    assert_flat(rig)


async def test_r19_release_in_mid_flatten_awaits_the_close_and_covers_what_remains(make: Callable[..., Rig]) -> None:
    rig = loaded(make(faults=Faults(largest_market_fill=D("0.004"))))
    held = rig.position(LONG)
    rig.venue.lazy = True
    await rig.control(2, killSwitch="flattenLong")
    while not any(o.kind is OrderKind.MARKET for o in rig.venue.submitted):
        rig.venue.deliver()
    sent = len(rig.venue.submitted)
    await rig.control(3)
    assert len(rig.venue.submitted) == sent, "nothing is sent while the close is under way"
    rig.venue.lazy = False
    rig.pump()
    rig.wait(1)
    assert rig.position(LONG) == held - D("0.004")
    after = rig.venue.submitted[sent:]
    exits = [o for o in after if o.reduce_only and o.leg is LONG]
    assert sum(o.quantity for o in exits) == held - D("0.004")
    first_entry = next((i for i, o in enumerate(after) if not o.reduce_only), len(after))
    assert all(after.index(o) < first_entry for o in exits), "exits before entries"
    rig.check()


async def test_f47_a_hung_store_delays_no_flatten_and_says_so(make: Callable[..., Rig]) -> None:
    rig = loaded(make())
    rig.store.hung = True
    report = await rig.control(2, killSwitch="flattenBoth")
    assert report.kill_switch.state is not LegState.DELIVERED
    rig.wait(2)
    assert_flat(rig)
    leg = rig.strategy.report().kill_switch.legs.long
    assert "store" in (leg.last_error or "")


async def test_entries_wait_for_the_store_and_exits_do_not(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.store.hung = True
    before = opened(rig)
    rig.quote(41895)
    rig.wait(1)
    assert len(rig.resting(LONG, opening=False)) == 1
    rig.quote(42105)
    rig.bar()
    rig.wait(1)
    assert opened(rig) == before


@pytest.mark.parametrize("steps", range(14))
async def test_f4_a_crash_after_any_step_resumes_halted_and_closes_only_the_rest(
    make: Callable[..., Rig], steps: int
) -> None:
    """The process dies after `steps` events of the flatten have reached it; a new one starts on the same files."""
    rig = loaded(make(stored=True, faults=Faults(largest_market_fill=D("0.006"))))
    held = rig.position(LONG)
    rig.venue.lazy = True
    report = await rig.control(2, killSwitch="flattenBoth")
    for _ in range(steps):
        rig.venue.deliver()
    closed_before = held - rig.position(LONG)
    operation = report.kill_switch.operation_id
    rig.crash()
    rig.boot(await_control=True)
    rig.wait(5)
    assert_flat(rig)
    assert opened(rig) == 0
    assert sum(o.quantity for o in closes(rig) if o.leg is LONG) >= held - closed_before
    filled = [f for f in rig.book.state(0).fills if f.leg is LONG]
    assert sum(f.quantity if f.side is Side.BUY else -f.quantity for f in filled) == 0
    after = rig.strategy.report().kill_switch
    assert (after.operation_id, after.state) == (operation, LegState.FLAT)
    rig.check()
