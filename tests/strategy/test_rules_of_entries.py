"""Rules R1 to R12 at the venue: where entries rest, when they move, what holds them back."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg, Quote
from naut_hedgegrid.grid.ladder import Drop
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from tests.strategy.direct import Rig, strategy_file, venue_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT
QUICK = {"emaFast": 2, "emaSlow": 3, "adxLength": 2, "adxThreshold": 0, "hysteresisBps": 0}
"""A regime that a few bars decide."""


def entries(rig: Rig, leg: Leg) -> dict[Decimal, Decimal]:
    return rig.resting(leg, opening=True)


def dropped(rig: Rig, leg: Leg, why: Drop) -> int:
    return rig.strategy._core.entries.dropped[leg][why]


def trending(rig: Rig, step: int, bars: int = 8, start: int = 42000) -> Rig:
    """Bars that all point one way, too small to fill anything."""
    rig.quote(start)
    for number in range(bars):
        rig.bar(start + step * number)
    return rig


# -- R1, R2


def test_r1_the_mid_is_the_newest_quote_s_while_it_is_fresh_and_else_the_last_bar_s_close(
    make: Callable[..., Rig],
) -> None:
    rig = make()
    rig.quote(42000)
    rig.bar(42010)
    rig.quote(42050)
    assert rig.strategy.get_ladders_snapshot()["mid_price"] == 42050
    rig.clock.ts += 121 * 10**9
    assert rig.strategy.get_ladders_snapshot()["mid_price"] == 42010


async def test_r2_a_gate_that_opens_places_entries_at_once_and_a_quote_alone_never(make: Callable[..., Rig]) -> None:
    rig = make()
    await rig.control(1, killSwitch="haltEntries")
    rig.quote(42000)
    rig.quote(42010)
    assert rig.venue.submitted == []
    await rig.control(2, killSwitch="none")
    assert len(entries(rig, LONG)) == len(entries(rig, SHORT)) == 5
    rig.check()


def test_r2_the_first_mid_after_a_start_places_entries(make: Callable[..., Rig]) -> None:
    rig = make()
    assert rig.venue.submitted == []
    rig.quote(42000)
    assert len(rig.venue.submitted) == 10


# -- R4, R5


def test_r4_without_a_lot_the_ladder_is_made_anew_at_the_mid(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsShort=0))
    rig.quote(42000)
    rig.bar(42839)
    assert max(entries(rig, LONG)) == 41895, "199.8 bps: not yet"
    rig.bar(42840)
    assert max(entries(rig, LONG)) == D("42732.9")
    rig.check()


def test_r4_f44_a_mid_far_from_the_mark_moves_nothing(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsShort=0))
    rig.quote(42000)
    before = entries(rig, LONG)
    rig.bar()
    closed_bar(rig, mid=44100, mark=42000)
    assert entries(rig, LONG) == before


def closed_bar(rig: Rig, *, mid: int, mark: int) -> None:
    """A bar whose mid isn't where the mark is; nothing fills."""
    for seconds in (30, 31):
        rig.clock.ts += seconds * 10**9
        rig.market(42000)
        rig.strategy.on_quote(Quote(D(mid), D(mid), D(mark), rig.clock.ts))
        rig.pump()


async def test_r5_vector_throttle_half_leaves_rungs_3_and_4(make: Callable[..., Rig]) -> None:
    """c = 42000, 25 bps, base .002, scale 1.5, throttle .5, step .001, minNotional 50."""
    rig = make(
        config=strategy_file(levelsLong=4, levelsShort=4, baseQty="0.002", qtyScale=1.5),
        venue=venue_file(filters={"minNotional": "50"}),
    )
    await rig.control(1, throttle=0.5)
    rig.quote(42000)
    assert entries(rig, LONG) == {D(41685): D("0.002"), D(41580): D("0.003")}
    assert entries(rig, SHORT) == {D(42315): D("0.002"), D(42420): D("0.003")}
    assert dropped(rig, LONG, Drop.MINIMUM) == dropped(rig, SHORT, Drop.MINIMUM) == 2


async def test_r5_the_first_reason_counts(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(placement={"policy": "coreAndScalp", "counterLevels": 3}, maxInventoryQuote="900"))
    rig.quote(42000)
    assert dropped(rig, LONG, Drop.PLACEMENT) == 2
    assert dropped(rig, LONG, Drop.CAP) == 1
    assert sorted(entries(rig, LONG)) == [41790, 41895]
    rig.quote(41895)
    rig.bar(41880)
    assert dropped(rig, LONG, Drop.OCCUPIED) == 1
    await rig.control(1, killSwitch="haltEntries")
    assert rig.strategy._core.entries.dropped[LONG] == {Drop.GATE: 5}


def test_r5_a_rung_beyond_the_market_waits_until_it_is_passive_again(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.quote(41790)
    rig.quote(42106)
    assert rig.position(LONG) == 0
    rig.quote(41800)
    rig.bar(41800)
    assert dropped(rig, LONG, Drop.CROSSING) == 1
    assert max(entries(rig, LONG)) == 41790
    rig.bar(41900)
    assert max(entries(rig, LONG)) == 41895
    rig.check()


# -- R7, R8


COUNTER = {"counterLevels": 2, "counterQtyScale": 0.5}
WHOLE, SHORTENED, SCALP = (5, D("0.010")), (2, D("0.005")), (2, D("0.010"))


@pytest.mark.parametrize(
    ("policy", "step", "long", "short"),
    [
        ("symmetric", 10, WHOLE, WHOLE),
        ("symmetric", -10, WHOLE, WHOLE),
        ("symmetric", 0, WHOLE, WHOLE),
        ("throttledCounter", 10, WHOLE, SHORTENED),
        ("throttledCounter", -10, SHORTENED, WHOLE),
        ("throttledCounter", 0, WHOLE, WHOLE),
        ("coreAndScalp", 10, WHOLE, SHORTENED),
        ("coreAndScalp", -10, SHORTENED, WHOLE),
        ("coreAndScalp", 0, SCALP, SCALP),
    ],
)
def test_r7_what_a_regime_leaves_of_the_ladders(
    make: Callable[..., Rig], policy: str, step: int, long: tuple[int, Decimal], short: tuple[int, Decimal]
) -> None:
    rig = trending(make(config=strategy_file(regime=QUICK, placement={"policy": policy, **COUNTER})), step)
    for leg, (count, quantity) in ((LONG, long), (SHORT, short)):
        assert (len(entries(rig, leg)), set(entries(rig, leg).values())) == (count, {quantity}), leg
    rig.check()


@pytest.mark.parametrize(
    ("policy", "step", "take_profit"),
    [("throttledCounter", -10, 2), ("coreAndScalp", -10, 1), ("coreAndScalp", 10, 2), ("coreAndScalp", 0, 1)],
)
def test_r7_take_profit_of_a_new_long_lot(make: Callable[..., Rig], policy: str, step: int, take_profit: int) -> None:
    rig = trending(make(config=strategy_file(regime=QUICK, placement={"policy": policy, **COUNTER})), step)
    rig.quote(41895)
    assert list(rig.resting(LONG, opening=False)) == [41895 + take_profit * 105]


def test_r7_a_change_of_regime_never_touches_a_lot_or_its_exit(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(regime=QUICK, placement={"policy": "coreAndScalp", **COUNTER}))
    rig.quote(42000)
    rig.quote(41895)
    exits = rig.resting(LONG, opening=False)
    trending(rig, 10, start=41900)
    assert len(entries(rig, LONG)) == 4, "UP: LONG is the core, with all rungs but the occupied one"
    assert rig.resting(LONG, opening=False) == exits == {D(42000): D("0.010")}
    rig.check()


def test_r8_the_regime_acts_once_three_bars_said_the_same(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(regime=QUICK, placement={"policy": "throttledCounter", **COUNTER}))
    rig.quote(42000)
    found: list[int] = []
    for number in range(8):
        rig.bar(42000 + 10 * number)
        found.append(len(entries(rig, SHORT)))
    assert found == [5] * 5 + [2] * 3, "cold until bar 4, effective with the third bar that says UP"
    assert rig.strategy.regime == "UP"


def test_r8_the_effective_regime_stands_over_a_restart(make: Callable[..., Rig]) -> None:
    placement = {"policy": "throttledCounter", **COUNTER}
    rig = trending(make(config=strategy_file(regime=QUICK, placement=placement), stored=True), 10)
    assert len(entries(rig, SHORT)) == 2
    rig.crash()
    rig.boot()
    rig.quote(rig.price or 0)
    assert (rig.venue.submitted, rig.venue.cancelled) == ([], [])
    assert len(entries(rig, SHORT)) == 2
    rig.check()


@pytest.mark.parametrize(
    ("rate", "hours", "leg", "quantity"),
    [
        (0.0015, 8, LONG, "0.008"),
        (0.0015, 4, LONG, "0.004"),
        (-0.0015, 8, SHORT, "0.008"),
        (0.0012, 8, LONG, "0.010"),
        (0, 8, LONG, "0.010"),
    ],
)
def test_r8_vector_the_paying_leg_s_entries_are_scaled_down(
    make: Callable[..., Rig], rate: float, hours: int, leg: Leg, quantity: str
) -> None:
    """The next settlement is in 106 minutes, the window 480."""
    rig = make(venue=venue_file(fundingRate=rate, fundingIntervalHours=hours))
    rig.quote(42000)
    other = SHORT if leg is LONG else LONG
    assert set(entries(rig, leg).values()) == {D(quantity)}
    assert set(entries(rig, other).values()) == {D("0.010")}


# -- R9


def test_r9_a_live_entry_goes_only_above_102_percent_of_the_cap(make: Callable[..., Rig]) -> None:
    """SHORT 1 and 2 of .03 at 42105 and 42210: .06·42210 = 2532.6; the mark lifts it to 2534.4, then 2583.01."""
    rig = make(config=strategy_file(levelsLong=0, levelsShort=2, baseQty="0.03", maxInventoryQuote="2533"))
    rig.quote(42000)
    assert len(entries(rig, SHORT)) == 2
    for mark, left in ((42240, 2), (43000, 2), (43065, 1)):
        closed_bar(rig, mid=42000, mark=mark)
        assert len(entries(rig, SHORT)) == left, mark


async def test_r9_what_is_being_cancelled_still_counts_at_its_whole_quantity(make: Callable[..., Rig]) -> None:
    """Smaller entries don't come on top of the larger ones that they replace, until those are gone."""
    rig = make(config=strategy_file(maxInventoryQuote="1300"))
    rig.quote(42000)
    assert len(entries(rig, LONG)) == 3
    rig.venue.lazy = True
    await rig.control(1, throttle=0.5)
    new = [order for order in rig.venue.submitted if order.leg is LONG][3:]
    assert sum(order.quantity for order in new) == 0
    rig.venue.lazy = False
    rig.pump()
    assert set(entries(rig, LONG).values()) == {D("0.005")}
    assert len(entries(rig, LONG)) == 5
    rig.check()


def test_r9_new_rungs_wait_for_what_is_cancelled_to_make_room(make: Callable[..., Rig]) -> None:
    """The cap has room for three. The ladder moves up by three steps; until the old entries are gone they may fill."""
    config = strategy_file(maxInventoryQuote="1300", levelsShort=1, recenterTriggerBps=70)
    rig = make(config=config)
    rig.quote(42000)
    rig.quote(42105)
    assert set(entries(rig, LONG)) == {D(41895), D(41790), D(41685)}
    rig.quote(42315, seconds=56)
    sent = len(rig.venue.submitted)
    rig.venue.lazy = True
    rig.clock.ts += 4 * 10**9
    rig.strategy.on_quote(Quote(D(42315), D(42315), D(42315), rig.clock.ts))
    assert [order.price for order in rig.venue.submitted[sent:] if order.leg is LONG] == []
    rig.venue.lazy = False
    rig.pump()
    assert set(entries(rig, LONG)) == {D(42210), D(42105), D(42000)}
    rig.check()


def test_r9_a_position_is_never_cut_by_the_cap(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=0, levelsShort=3, baseQty="0.03", maxInventoryQuote="2533"))
    rig.quote(42000)
    rig.quote(42210)
    assert rig.position(SHORT) == D("0.06")
    rig.bar(44000)
    assert rig.position(SHORT) == D("0.06")
    assert entries(rig, SHORT) == {}


# -- R10


def test_r10_entries_leave_ten_places_to_exits(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=8, levelsShort=8), venue=venue_file(filters={"maxOrders": 20}))
    rig.quote(42000)
    assert (len(entries(rig, LONG)), len(entries(rig, SHORT))) == (8, 2)
    assert dropped(rig, SHORT, Drop.BUDGET) == 6
    rig.quote(41790)
    assert len(rig.resting(LONG, opening=False)) == 2
    rig.check()


async def test_r10_a_window_that_is_full_delays_entries_and_neither_exits_nor_a_kill(make: Callable[..., Rig]) -> None:
    """50 + 50 rungs: a first ladder of 100, then 100 cancels; of the new ones 50 fit into 10 s."""
    rig = make(config=strategy_file(levelsLong=50, levelsShort=50, baseQty="0.004", maxInventoryQuote="100000"))
    rig.quote(42000)
    await rig.control(1, throttle=0.5)
    assert len(entries(rig, LONG)) + len(entries(rig, SHORT)) == 50
    rig.quote(min(entries(rig, SHORT) or entries(rig, LONG)))
    held = {leg: rig.position(leg) for leg in Leg}
    assert any(held.values())
    covered = {leg: sum(rig.resting(leg, opening=False).values(), D(0)) for leg in Leg}
    assert covered == held, "exits never wait"
    await rig.control(2, throttle=0.5, killSwitch="flattenBoth")
    rig.wait(1)
    assert all(rig.position(leg) == 0 for leg in Leg)
    assert not rig.book.state(10**12).open_orders


async def test_r10_what_waited_for_the_window_goes_on_by_the_timer(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsLong=50, levelsShort=50, baseQty="0.004", maxInventoryQuote="100000"))
    rig.quote(42000)
    await rig.control(1, throttle=0.5)
    assert len(entries(rig, LONG)) + len(entries(rig, SHORT)) == 50
    rig.wait(11, step=0.5)
    assert (len(entries(rig, LONG)), len(entries(rig, SHORT))) == (50, 50)
    assert {*entries(rig, LONG).values(), *entries(rig, SHORT).values()} == {D("0.002")}
    rig.check()


# -- R11


async def test_r11_cancel_wait_until_terminal_then_create(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.quote(42000)
    rig.venue.lazy = True
    await rig.control(1, throttle=0.5)
    assert len(rig.venue.cancelled) == 10
    assert len(rig.venue.submitted) == 10, "no second order at a price before the first is terminal"
    rig.venue.lazy = False
    rig.pump()
    assert len(rig.venue.submitted) == 20
    rig.check()


async def test_r11_the_rest_of_a_partly_filled_entry_goes_when_its_price_is_not_wanted(
    make: Callable[..., Rig],
) -> None:
    rig = make(faults=Faults(largest_tick_fill=D("0.003")))
    rig.quote(42000)
    rig.quote(41895)
    assert entries(rig, LONG)[D(41895)] == D("0.007")
    await rig.control(1, throttle=0.5)
    assert entries(rig, LONG)[D(41895)] == D("0.007"), "wanted at its price, whatever the quantity"
    await rig.control(2, killSwitch="haltEntries")
    assert entries(rig, LONG) == {}
    rig.check()


# -- R12


def crossed(rig: Rig, price: str, *, refusals_more: int = 0) -> list[Decimal | None]:
    """The market has fallen to a price when the first LONG rung, 41895, arrives: what is tried, in order."""
    rig.faults.refuse_next = [RefuseNext(refusals.WOULD_TAKE, count=refusals_more)] if refusals_more else []
    rig.venue.lazy = True
    rig.market(price)
    rig.strategy.on_quote(Quote(D(42000), D(42000), D(42000), rig.clock.ts))
    rig.strategy.on_quote(Quote(D(price), D(price), D(price), rig.clock.ts))
    rig.venue.lazy = False
    rig.pump()
    return [order.price for order in rig.venue.submitted]


def one_rung(make: Callable[..., Rig], **options: Any) -> Rig:
    return make(config=strategy_file(levelsLong=1, levelsShort=0, **options), stored=True)


def test_r12_f8_it_is_tried_again_at_the_best_bid_and_a_tick_back_each_time(make: Callable[..., Rig]) -> None:
    rig = one_rung(make)
    assert crossed(rig, "41890") == [41895, 41890, D("41889.9")]
    assert list(entries(rig, LONG)) == [D("41889.9")]
    for price in (41900, 41920, 41910):
        rig.bar(price)
    assert len(rig.venue.submitted) == 3, "it stands for its rung: nothing is sent beside it, nothing is cancelled"
    assert rig.venue.cancelled == []
    assert not rig.strategy._core.gates.faults, "no matter for the breaker"
    rig.crash()
    rig.boot()
    rig.quote(41900)
    rig.bar()
    assert (rig.venue.submitted, rig.venue.cancelled) == ([], []), "nor after a restart"
    rig.quote("41889.9")
    assert rig.resting(LONG, opening=False) == {D("42099.9"): D("0.010")}, "the lot's price is the limit"
    rig.bar(41900)
    assert entries(rig, LONG) == {}, "its rung is occupied"
    rig.check()


def test_r12_after_so_many_tries_the_rung_waits_for_the_next_bar(make: Callable[..., Rig]) -> None:
    rig = one_rung(make, execution={"postOnlyRetries": 2})
    assert crossed(rig, "41890", refusals_more=3) == [41895, 41890, D("41889.9")]
    rig.quote(41900)
    assert entries(rig, LONG) == {}
    rig.bar()
    assert list(entries(rig, LONG)) == [41895]
    rig.check()


def test_r12_not_half_a_step_away_from_its_rung(make: Callable[..., Rig]) -> None:
    rig = one_rung(make)
    assert crossed(rig, "41840") == [41895], "55 away, half a step is 52.5"
    rig.bar(41900)
    assert list(entries(rig, LONG)) == [41895]


def test_r12_an_entry_that_expires_after_its_acceptance_is_one_of_them(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(levelsShort=0, levelsLong=1), faults=Faults(post_only_expiries=2))
    rig.quote(42000)
    assert [order.price for order in rig.venue.submitted] == [41895] * 3
    assert entries(rig, LONG) == {D(41895): D("0.010")}
    assert not rig.strategy._core.gates.faults
    rig.check()
