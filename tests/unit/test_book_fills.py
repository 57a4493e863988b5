"""When orders fill at the simulated venue, at which price, and what that costs and earns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naut_hedgegrid.domain.values import Ending, Leg, OrderAccepted, OrderEnded, Side
from naut_hedgegrid.venues.sim.faults import Faults
from tests.unit.book_parts import D, Desk, desk, fills

LONG, SHORT = Leg.LONG, Leg.SHORT


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "book", starting_balance=D(100_000)) as found:
        found.price("50000")
        yield found


@pytest.mark.parametrize(
    ("leg", "price", "short_of_it", "touch"),
    [(LONG, "49900", "49900", "49899.9"), (SHORT, "50100", "50099.9", "50100")],
)
def test_a_limit_fills_on_touch_at_its_own_price_as_maker(
    at: Desk, leg: Leg, price: str, short_of_it: str, touch: str
) -> None:
    at.limit("a", leg, "0.010", price)
    assert at.price(short_of_it) == []
    (fill,) = fills(at.price(touch))
    assert (fill.price, fill.quantity, fill.maker, fill.leg) == (D(price), D("0.010"), True, leg)
    assert fill.commission == D("0.010") * D(price) * D("0.0002")


def test_a_gap_through_the_price_fills_at_the_price(at: Desk) -> None:
    at.limit("a", LONG, "0.010", "49900")
    assert fills(at.price("45000"))[0].price == D(49900)


def test_both_legs_and_all_rungs_reached_fill_in_one_tick_best_price_first(at: Desk) -> None:
    for identity, price in (("low", "49800"), ("high", "49900"), ("high too", "49900")):
        at.limit(identity, LONG, "0.002", price)
    at.market("short", SHORT, "0.002")
    at.limit("short tp", SHORT, "0.002", "49850", close=True)
    done = fills(at.price("49700"))
    assert [fill.client_order_id for fill in done] == ["high", "high too", "short tp", "low"]
    assert [fill.trade_id for fill in done] == [2, 3, 4, 5]


def test_a_market_order_takes_the_opposite_best(at: Desk) -> None:
    (bought,) = fills(at.market("a", LONG, "0.010"))
    (sold,) = fills(at.market("b", SHORT, "0.010"))
    assert (bought.price, bought.side, bought.maker) == (D("50000.1"), Side.BUY, False)
    assert (sold.price, sold.side, sold.maker) == (D(50000), Side.SELL, False)
    assert bought.commission == D("0.010") * D("50000.1") * D("0.0005")


def test_a_limit_that_crosses_takes_at_the_opposite_best(at: Desk) -> None:
    (fill,) = fills(at.limit("a", LONG, "0.010", "50010"))
    assert (fill.price, fill.maker) == (D("50000.1"), False)


@pytest.mark.parametrize(("rate", "commission"), [("2.5e-10", "2e-8"), ("3.5e-10", "4e-8")])
def test_commissions_are_rounded_half_to_even_at_eight_digits(tmp_path: Path, rate: str, commission: str) -> None:
    with desk(tmp_path / "book", taker_rate=D(rate)) as at:
        at.price("49999.9")
        assert fills(at.market("a", LONG, "0.002"))[0].commission == D(commission)  # of 100 USDT


def test_a_rebate_is_a_negative_commission(tmp_path: Path) -> None:
    with desk(tmp_path / "book", maker_rate=D("-0.0001")) as at:
        at.price("50000")
        at.limit("a", LONG, "0.010", "49900")
        at.price("49800")
        assert fills(at.events)[0].commission == D("-0.0499")
        assert at.book.account().wallet == D("10000.0499")


@pytest.mark.parametrize(("leg", "profit"), [(LONG, D("1.5")), (SHORT, D("-1.5"))])
def test_realized_profit_is_taken_from_the_average_entry(at: Desk, leg: Leg, profit: D) -> None:
    at.price("50000", ask="50000")
    at.market("a", leg, "0.010")
    at.price("50100", ask="50100")
    at.market("b", leg, "0.030")
    assert at.book.state(0).positions[leg].entry_price == D(50075)
    at.price("50150", ask="50150")
    (fill,) = fills(at.market("c", leg, "0.020", close=True))
    assert fill.realized_pnl == profit
    assert at.book.state(0).positions[leg].entry_price == D(50075)
    assert at.quantity(leg) == D("0.020")


def test_a_leg_that_goes_flat_has_realized_exactly_what_it_sold_for_less_what_it_cost(at: Desk) -> None:
    for number, price in enumerate(("50000.3", "49871.7", "50211.1")):
        at.price(price)
        at.market(f"in{number}", LONG, "0.007")
    bought = sum(fill.quantity * fill.price for fill in fills(at.events))
    before = len(fills(at.events))
    for number, (price, quantity) in enumerate((("50100.7", "0.011"), ("49999.9", "0.006"), ("50300.1", "0.004"))):
        at.price(price)
        at.market(f"out{number}", LONG, quantity, close=True)
    exits = fills(at.events)[before:]
    assert at.quantity(LONG) == 0
    assert at.book.state(0).positions[LONG].entry_price is None
    assert sum(fill.realized_pnl for fill in exits) == sum(fill.quantity * fill.price for fill in exits) - bought


def test_a_close_that_outlived_its_position_expires_when_touched(at: Desk) -> None:
    at.market("open", LONG, "0.010")
    at.limit("tp", LONG, "0.010", "50100", close=True)
    at.market("part", LONG, "0.004", close=True)
    at.limit("tp too", LONG, "0.004", "50200", close=True)
    events = at.price("50300")
    assert [type(event).__name__ for event in events] == ["OrderFilled", "OrderEnded", "OrderEnded"]
    assert fills(events)[0].quantity == D("0.006")
    assert events[1:] == [OrderEnded("tp", Ending.EXPIRED, at.ts), OrderEnded("tp too", Ending.EXPIRED, at.ts)]
    assert at.quantity(LONG) == 0
    assert at.book.state(0).open_orders == ()


def test_a_market_order_can_be_filled_in_part_and_expire(tmp_path: Path) -> None:
    with desk(tmp_path / "book", Faults(largest_market_fill=D("0.003"))) as at:
        at.price("50000")
        events = at.market("a", LONG, "0.010")
        assert [type(event).__name__ for event in events] == ["OrderAccepted", "OrderFilled", "OrderEnded"]
        assert at.quantity(LONG) == D("0.003")
        at.book.faults.largest_market_fill = D(0)
        assert at.market("b", LONG, "0.010") == [
            OrderAccepted("b", at.ts),
            OrderEnded("b", Ending.EXPIRED, at.ts),
        ]


def test_a_resting_order_can_be_filled_tick_by_tick(tmp_path: Path) -> None:
    with desk(tmp_path / "book", Faults(largest_tick_fill=D("0.003"))) as at:
        at.price("50000")
        at.limit("a", LONG, "0.007", "49900")
        quantities = [fills(at.price("49800"))[0].quantity for _ in range(3)]
        assert quantities == [D("0.003"), D("0.003"), D("0.001")]
        assert at.price("49800") == []


def test_the_state_tells_fills_after_a_trade_and_what_is_open(at: Desk) -> None:
    at.market("a", LONG, "0.010")
    at.market("b", LONG, "0.010")
    at.limit("tp", LONG, "0.020", "51000", close=True)
    state = at.book.state(after_trade_id=1)
    assert [fill.client_order_id for fill in state.fills] == ["b"]
    (order,) = state.open_orders
    assert (order.client_order_id, order.leaves, order.price, order.leg) == ("tp", D("0.020"), D(51000), LONG)
    assert state.positions[SHORT].entry_price is None
