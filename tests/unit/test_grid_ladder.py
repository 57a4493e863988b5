"""Rules R3 to R6 and R9: prices, quantities, re-centre, occupied rungs, cap."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naut_hedgegrid.domain.grid import Ladder, Lot, LotKey, OrderStatus, Rung, WorkingOrder
from naut_hedgegrid.domain.values import Instrument, Leg, OrderKind, Quote, Role
from naut_hedgegrid.grid.ladder import Drop, GridSettings, Wanted, first_ladder, recentred, rungs, wanted

D = Decimal
BTC = Instrument("BTCUSDT-PERP.BINANCE", D("0.1"), D("0.001"), D("0.001"), D(1000), D(120), D(50), 200)
SETTINGS = GridSettings(D(25), {Leg.LONG: 4, Leg.SHORT: 4}, D("0.002"), D("1.5"), D(200), D(10000), 2)


def quote(mid: str | int, mark: str | int | None = None) -> Quote:
    return Quote(D(mid) - D("0.1"), D(mid) + D("0.1"), D(mark if mark is not None else mid), 0)


def lot(leg: Leg, price: str | int, held: str = "0.01") -> Lot:
    return Lot(LotKey(leg, 1, 7), 0, D(price), D(105), 2, bought=D(held), entry_done=True)


def entry(rung: Rung, status: OrderStatus = OrderStatus.OPEN, filled: str = "0") -> WorkingOrder:
    return WorkingOrder(
        f"{rung.leg}{rung.level}",
        rung.leg,
        rung.level,
        Role.ENTRY,
        rung.level,
        0,
        rung.leg.opening,
        OrderKind.LIMIT,
        rung.quantity,
        rung.price,
        True,
        D(105),
        status,
        D(filled),
    )


def ask(
    candidates: list[Rung],
    *,
    position: str = "0",
    lots: tuple[Lot, ...] = (),
    entries: tuple[WorkingOrder, ...] = (),
    at: Quote | None = None,
    cap: str | int = 10**9,
) -> Wanted:
    return wanted(
        Ladder(D(42000), D(105)),
        candidates,
        position=D(position),
        held_prices=sorted(held.price for held in lots if held.open > 0),
        entries=entries,
        quote=at or quote(42000),
        settings=replace(SETTINGS, max_inventory_quote=D(cap)),
        instrument=BTC,
    )


def test_r5_vector_rungs_below_the_minimum_are_dropped_and_counted() -> None:
    ladder = first_ladder(D("42000.04"), SETTINGS, BTC.tick_size)
    assert ladder == Ladder(D("42000.0"), D(105))
    long = ask(rungs(ladder, Leg.LONG, SETTINGS, BTC, D("0.5")))
    assert [(r.level, r.price, r.quantity) for r in long.rungs] == [
        (3, D(41685), D("0.002")),
        (4, D(41580), D("0.003")),
    ]
    assert long.dropped == {Drop.MINIMUM: 2}
    short = ask(rungs(ladder, Leg.SHORT, SETTINGS, BTC, D("0.5")))
    assert [(r.price, r.quantity) for r in short.rungs] == [(D(42315), D("0.002")), (D(42420), D("0.003"))]


def test_r5_buys_floor_and_sells_ceil_to_the_tick() -> None:
    ladder = Ladder(D("100.0"), D("0.33"))
    settings = replace(SETTINGS, base_qty=D(1), qty_scale=D(1))
    assert [r.price for r in rungs(ladder, Leg.LONG, settings, BTC, D(1))] == [D("99.6"), D("99.3"), D(99), D("98.6")]
    assert [r.price for r in rungs(ladder, Leg.SHORT, settings, BTC, D(1))] == [
        D("100.4"),
        D("100.7"),
        D(101),
        D("101.4"),
    ]


@given(st.decimals("0", "1", places=3), st.decimals("0.001", "1", places=3), st.floats(0.1, 3))
def test_r5_a_throttle_only_shrinks_quantities_and_keeps_prices(throttle: Decimal, base: Decimal, scale: float) -> None:
    settings = replace(SETTINGS, base_qty=base, qty_scale=D(str(scale)))
    full = rungs(Ladder(D(42000), D(105)), Leg.LONG, settings, BTC, D(1))
    less = rungs(Ladder(D(42000), D(105)), Leg.LONG, settings, BTC, throttle)
    for a, b in zip(full, less, strict=True):
        exact = base * D(str(scale)) ** (a.level - 1) * throttle
        assert b.price == a.price
        assert b.quantity <= exact
        assert exact - b.quantity < BTC.step_size
        assert b.quantity % BTC.step_size == 0


@pytest.mark.parametrize("has_lots", [True, False])
def test_r4_moves_at_the_trigger_and_not_before(has_lots: bool) -> None:
    ladder = Ladder(D(42000), D(105))
    before = D("42839.9")
    assert recentred(ladder, before, before, SETTINGS, D("0.1"), has_lots=has_lots) is None
    at = D(42840)
    assert recentred(ladder, at, at, SETTINGS, D("0.1"), has_lots=has_lots) is not None


def test_r4_vector_with_an_open_lot_moves_by_whole_steps_and_keeps_the_step() -> None:
    moved = recentred(Ladder(D(42000), D(105)), D(42890), D(42890), SETTINGS, D("0.1"), has_lots=True)
    assert moved == Ladder(D(42840), D(105))


def test_r4_without_a_lot_is_a_first_ladder() -> None:
    moved = recentred(Ladder(D(42000), D(105)), D(42890), D(42890), SETTINGS, D("0.1"), has_lots=False)
    assert moved == Ladder(D(42890), D("107.225"))


def test_r4_a_step_more_than_ten_percent_off_is_set_anew() -> None:
    moved = recentred(Ladder(D(42000), D(105)), D(47000), D(47000), SETTINGS, D("0.1"), has_lots=True)
    assert moved is not None
    assert moved.step == moved.centre * 25 / 10000


def test_r4_a_bad_print_moves_nothing() -> None:
    ladder = Ladder(D(42000), D(105))
    assert recentred(ladder, D(44100), D(42000), SETTINGS, D("0.1"), has_lots=False) is None


def test_r6_a_rung_is_occupied_within_half_a_step_of_an_open_lot() -> None:
    four = [Rung(Leg.LONG, i, D(42000) - 105 * i, D("0.01")) for i in range(1, 5)]
    assert [r.level for r in ask(four, lots=(lot(Leg.LONG, 41895),)).rungs] == [2, 3, 4]
    assert ask(four, lots=(lot(Leg.LONG, 41895),)).dropped == {Drop.OCCUPIED: 1}
    assert len(ask(four, lots=(lot(Leg.LONG, "41842.5"),)).rungs) == 4, "exactly half a step away is free"
    assert len(ask(four, lots=(lot(Leg.LONG, "41842.6"),)).rungs) == 3


def test_r6_a_partly_filled_entry_holds_its_own_rung() -> None:
    one = [Rung(Leg.LONG, 1, D(41895), D("0.01"))]
    live = entry(one[0], filled="0.004")
    assert ask(one, lots=(lot(Leg.LONG, 41895, "0.004"),), entries=(live,)).rungs == tuple(one)


@pytest.mark.parametrize(
    ("leg", "bid", "ask_", "kept"),
    [(Leg.LONG, "41894.9", "41895.0", 0), (Leg.LONG, "41895.0", "41895.1", 1), (Leg.SHORT, "42105", "42106", 0)],
)
def test_r5_a_rung_that_would_take_waits(leg: Leg, bid: str, ask_: str, kept: int) -> None:
    price = D(41895) if leg is Leg.LONG else D(42105)
    now = ask([Rung(leg, 1, price, D("0.01"))], at=Quote(D(bid), D(ask_), D(42000), 0))
    assert len(now.rungs) == kept
    assert now.dropped.get(Drop.CROSSING, 0) == 1 - kept


@pytest.mark.parametrize("leg", list(Leg))
def test_r9_vector_the_first_rung_beyond_the_cap_ends_the_ladder(leg: Leg) -> None:
    prices = (D(42100), D(42200)) if leg is Leg.SHORT else (D(41900), D(41800))
    two = [Rung(leg, i, p, D("0.01")) for i, p in enumerate(prices, 1)]
    now = ask(two, position="0.04", cap=2500)
    assert [r.level for r in now.rungs] == [1]
    assert now.dropped == {Drop.CAP: 1}


def test_r9_orders_being_cancelled_count_as_live() -> None:
    two = [Rung(Leg.LONG, i, D(42000) - 105 * i, D("0.01")) for i in (1, 2)]
    leaving = entry(Rung(Leg.LONG, 9, D(41000), D("0.01")), OrderStatus.CANCELING)
    assert len(ask(two, cap=850).rungs) == 2
    assert len(ask(two, entries=(leaving,), cap=850).rungs) == 1


def test_r9_a_live_entry_is_given_up_only_above_102_percent() -> None:
    one = [Rung(Leg.LONG, 1, D(41895), D("0.01"))]
    assert ask(one, entries=(entry(one[0]),), cap=415).rungs == tuple(one)
    assert ask(one, cap=415).rungs == ()
    assert ask(one, entries=(entry(one[0]),), cap=411).rungs == ()


@given(
    st.integers(0, 60),
    st.lists(st.integers(1, 30), min_size=1, max_size=12),
    st.integers(100, 4000),
    st.sampled_from(list(Leg)),
)
def test_r9_new_rungs_never_lift_a_leg_above_its_cap(held: int, sizes: list[int], cap: int, leg: Leg) -> None:
    candidates = [Rung(leg, i, D(42000) - leg.sign * 105 * i, D(q) / 1000) for i, q in enumerate(sizes, 1)]
    kept = ask(candidates, position=str(D(held) / 1000), cap=cap).rungs
    total = D(held) / 1000
    for rung in kept:
        total += rung.quantity
        assert total * max(D(42000), rung.price) <= cap
