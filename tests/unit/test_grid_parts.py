"""Small pure parts: rounding, ids, bars, diff, exits, freshness."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naut_hedgegrid.domain.grid import Lot, LotKey, OrderStatus, Rung, WorkingOrder
from naut_hedgegrid.domain.values import Instrument, Leg, OrderKind, Quote, Role, Side
from naut_hedgegrid.grid.bars import SECOND, Bar, BarAggregator
from naut_hedgegrid.grid.diff import entry_diff
from naut_hedgegrid.grid.exits import CancelExit, MoveRest, PlaceExit, next_step, uncovered
from naut_hedgegrid.grid.ids import WRAP, OrderId, owner_of, parse
from naut_hedgegrid.grid.precision import ceil_to, floor_to, passive, round_to, take_profit_price
from naut_hedgegrid.strategies.hedge_grid_v1.freshness import Freshness

D = Decimal
BTC = Instrument("BTCUSDT-PERP.BINANCE", D("0.1"), D("0.001"), D("0.001"), D(1000), D(120), D(50), 200)


# -- rounding


@given(st.decimals("0.01", "100000", places=4), st.sampled_from(["0.1", "0.001", "0.5", "1"]))
def test_rounding_lands_on_the_unit_and_on_the_right_side(value: Decimal, unit: str) -> None:
    step = D(unit)
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low % step == high % step == 0
    assert low <= value <= high < low + 2 * step
    assert passive(value, Side.BUY, step) == low
    assert passive(value, Side.SELL, step) == high
    assert round_to(value, step) in (low, high)


def test_r13_vector_take_profit_two_steps_from_the_first_rung() -> None:
    assert take_profit_price(Leg.LONG, D(41895), D(105), 2, D("0.1")) == D(42105)
    assert take_profit_price(Leg.SHORT, D(42105), D(105), 2, D("0.1")) == D(41895)


def test_r13_take_profits_are_rounded_away_from_the_entry() -> None:
    assert take_profit_price(Leg.LONG, D("100.0"), D("0.333"), 1, D("0.1")) == D("100.4")
    assert take_profit_price(Leg.SHORT, D("100.0"), D("0.333"), 1, D("0.1")) == D("99.6")


# -- client order ids


@given(
    st.sampled_from(list(Leg)),
    st.integers(0, 100),
    st.sampled_from(list(Role)),
    st.integers(0, WRAP - 1),
    st.integers(0, 36**2 - 1),
)
def test_ids_say_what_they_were_made_of_in_24_characters(leg: Leg, level: int, role: Role, n: int, part: int) -> None:
    ident = OrderId("0badcafe", leg, level, role, n, 0 if role is Role.ENTRY else part)
    assert len(str(ident)) <= 24
    assert parse(str(ident), "0badcafe") == ident
    assert parse(str(ident), "deadbeef") is None


@pytest.mark.parametrize("text", ["", "autoclose-123", "hg-0badcafe-L1-X-0", "hg-0badcafe-L1-E-00000", "x"])
def test_foreign_ids_are_not_ours(text: str) -> None:
    assert parse(text, "0badcafe") is None


def test_owner_is_the_uid_or_a_hash() -> None:
    assert owner_of("DEADBEEF-1234-4321-8888-0123456789ab") == "deadbeef"
    by_hand = owner_of("main/BTCUSDT-PERP.BINANCE")
    assert len(by_hand) == 8
    assert by_hand == owner_of("main/BTCUSDT-PERP.BINANCE") != owner_of("main/ETHUSDT-PERP.BINANCE")


# -- bars


def test_bars_are_aligned_to_the_epoch_and_close_with_the_first_price_after() -> None:
    bars = BarAggregator(60)
    at = 1_700_000_040 * SECOND
    for offset, price in ((5, 10), (20, 14), (40, 9), (59, 11)):
        assert bars.update(D(price), at + offset * SECOND) is None
    assert bars.update(D(12), at + 60 * SECOND) == Bar(D(10), D(14), D(9), D(11), at + 60 * SECOND)
    assert bars.update(D(13), at + 200 * SECOND) == Bar(D(12), D(12), D(12), D(12), at + 120 * SECOND)


def test_a_price_from_an_earlier_bar_is_left_out() -> None:
    bars = BarAggregator(60)
    at = 1_700_000_040 * SECOND
    bars.update(D(10), at + 61 * SECOND)
    assert bars.update(D(99), at + 10 * SECOND) is None
    bar = bars.update(D(11), at + 121 * SECOND)
    assert bar is not None
    assert bar.high == 10


# -- diff


def order(
    price: str | int,
    quantity: str = "0.01",
    *,
    status: OrderStatus = OrderStatus.OPEN,
    filled: str = "0",
    role: Role = Role.ENTRY,
    n: int = 1,
    part: int = 0,
) -> WorkingOrder:
    leg = Leg.LONG
    return WorkingOrder(
        f"{role}{n}-{part}",
        leg,
        1,
        role,
        n,
        part,
        leg.opening if role is Role.ENTRY else leg.closing,
        OrderKind.LIMIT,
        D(quantity),
        D(price),
        True,
        D(105),
        status,
        D(filled),
    )


def rung(price: str | int, quantity: str = "0.01") -> Rung:
    return Rung(Leg.LONG, 1, D(price), D(quantity))


def test_r11_what_is_wanted_stays_and_nothing_is_sent() -> None:
    diff = entry_diff([rung(100), rung(99)], [order(100), order(99, n=2)])
    assert (diff.cancel, diff.create, diff.waiting) == ((), (), False)


def test_r11_another_quantity_at_the_same_price_waits_for_the_cancel() -> None:
    diff = entry_diff([rung(100, "0.005")], [order(100)])
    assert [o.price for o in diff.cancel] == [D(100)]
    assert diff.create == ()
    assert diff.waiting
    again = entry_diff([rung(100, "0.005")], [order(100, status=OrderStatus.CANCELING)])
    assert (again.cancel, again.create, again.waiting) == ((), (), True)
    assert entry_diff([rung(100, "0.005")], []).create == (rung(100, "0.005"),)


def test_r11_a_partly_filled_entry_stays_at_any_quantity_while_its_price_is_wanted() -> None:
    assert entry_diff([rung(100, "0.005")], [order(100, filled="0.002")]).cancel == ()
    assert len(entry_diff([rung(99)], [order(100, filled="0.002")]).cancel) == 1


def test_r11_an_order_on_its_way_is_left_until_the_venue_answers() -> None:
    diff = entry_diff([rung(99)], [order(100, status=OrderStatus.SENT)])
    assert diff.cancel == ()
    assert diff.waiting
    assert diff.create == (rung(99),)


@given(
    st.lists(st.integers(90, 110), unique=True, max_size=12), st.lists(st.integers(90, 110), unique=True, max_size=12)
)
def test_r11_never_two_live_entries_at_one_price(want: list[int], live: list[int]) -> None:
    entries = [order(p, n=i) for i, p in enumerate(live)]
    diff = entry_diff([rung(p) for p in want], entries)
    assert {r.price for r in diff.create} == {D(p) for p in want} - {D(p) for p in live}
    assert {o.price for o in diff.cancel} == {D(p) for p in live} - {D(p) for p in want}


# -- exits


def lot(bought: str, *, sold: str = "0", done: bool = True, n: int = 1, price: int = 41895, seq: int = 0) -> Lot:
    return Lot(LotKey(Leg.LONG, 1, n), seq, D(price), D(105), 2, D(bought), D(sold), entry_done=done)


def exit_(quantity: str, *, n: int = 1, part: int = 0, status: OrderStatus = OrderStatus.OPEN) -> WorkingOrder:
    return order(42105, quantity, role=Role.TAKE_PROFIT, n=n, part=part, status=status)


def test_r15_each_fill_gets_its_own_exit_at_once() -> None:
    part = next_step(lot("0.003", done=False), [], list, BTC)
    assert part == PlaceExit(lot("0.003", done=False), D("0.003"), D(42105))
    more = next_step(lot("0.010", done=False), [exit_("0.003")], list, BTC)
    assert isinstance(more, PlaceExit)
    assert more.quantity == D("0.007")


def test_r15_a_part_below_the_minimum_waits_for_the_next_fill() -> None:
    assert next_step(lot("0.001", done=False), [], list, BTC) is None
    joined = next_step(lot("0.002", done=False), [], list, BTC)
    assert isinstance(joined, PlaceExit)
    assert joined.quantity == D("0.002")


def test_r15_the_rest_of_a_terminal_entry_joins_the_newest_exit() -> None:
    exits = [exit_("0.004"), exit_("0.005", part=1)]
    step = next_step(lot("0.010"), exits, list, BTC)
    assert step == CancelExit(exits[1])
    leaving = [exits[0], exits[1]._replace(status=OrderStatus.CANCELING)]
    assert next_step(lot("0.010"), leaving, list, BTC) is None
    again = next_step(lot("0.010"), [exits[0]], list, BTC)
    assert isinstance(again, PlaceExit)
    assert again.quantity == D("0.006")


def test_r15_a_rest_without_an_exit_moves_to_the_nearest_lot_else_goes_alone() -> None:
    near, far = lot("0.01", n=2, price=41790), lot("0.01", n=3, price=41000)
    step = next_step(lot("0.001"), [], lambda: [far, near], BTC)
    assert isinstance(step, MoveRest)
    source, target = step.applied()
    assert (target.key, target.open, source.open) == (near.key, D("0.011"), D(0))
    alone = next_step(lot("0.001"), [], list, BTC)
    assert isinstance(alone, PlaceExit)


def test_a_covered_lot_needs_nothing() -> None:
    whole = lot("0.010", sold="0.004")
    assert uncovered(whole, [exit_("0.006")]) == 0
    assert next_step(whole, [exit_("0.006")], list, BTC) is None


# -- freshness


def quote(second: float, price: str = "100") -> Quote:
    return Quote(D(price), D(price), D(price), int(second * SECOND))


def see(fresh: Freshness, seen: Quote) -> None:
    fresh.on_price(seen.mid, seen.ts)


def test_stale_by_the_clock_alone_and_trusted_again_after_three_bars() -> None:
    fresh = Freshness(10)
    assert fresh.check(0) is None
    see(fresh, quote(1))
    assert fresh.check(11 * SECOND) is None
    reason = fresh.check(12 * SECOND)
    assert reason is not None
    assert "no data for 11 s" in reason
    for second in range(13, 16):
        see(fresh, quote(second, str(second)))
        assert fresh.check(second * SECOND) is not None
        fresh.on_bar()
    assert fresh.check(15 * SECOND) is None


def test_a_feed_that_never_speaks_is_stale_too() -> None:
    fresh = Freshness(10)
    assert fresh.check(100 * SECOND) is None
    assert fresh.check(110 * SECOND) is None
    reason = fresh.check(111 * SECOND)
    assert reason is not None
    assert "no data for 11 s" in reason


def test_a_clock_set_back_hides_neither_silence_nor_a_frozen_price() -> None:
    """F50: for as long as the clock was set back nothing would be old, and no price would have stood still."""
    silent, frozen = Freshness(10), Freshness(10)
    for second in range(3600, 3603):
        see(silent, quote(second, str(second)))
        see(frozen, quote(second, str(second)))
    assert silent.check(3602 * SECOND) is None
    reason = silent.check(5 * SECOND)
    assert reason is not None
    assert "the newest data is 3597 s ahead of the clock" in reason
    for second in range(5, 58):
        see(frozen, quote(second, "3602"))
    assert "has not changed" in (frozen.check(57 * SECOND) or "")


def test_stale_is_over_after_a_minute_of_quotes_without_a_bar() -> None:
    fresh = Freshness(10)
    see(fresh, quote(1))
    fresh.check(20 * SECOND)
    for second in range(20, 80):
        see(fresh, quote(second, str(second)))
        assert fresh.check(second * SECOND) is not None
    see(fresh, quote(80, "1"))
    assert fresh.check(80 * SECOND) is None


def test_frozen_the_price_repeats_for_five_times_the_limit() -> None:
    fresh = Freshness(10)
    for second in range(52):
        see(fresh, quote(second))
    reason = fresh.check(51 * SECOND)
    assert reason is not None
    assert "has not changed" in reason


def test_the_end_of_the_market_is_final() -> None:
    fresh = Freshness(10)
    see(fresh, quote(1))
    fresh.on_end()
    see(fresh, quote(2))
    assert fresh.check(2 * SECOND) == "the market data have ended"
