"""The engine's backtest behind the strategy's ports: what is sent, filled, refused and told."""

from decimal import Decimal

import pytest

from naut_hedgegrid.backtest.books import OrderState
from naut_hedgegrid.domain.values import (
    CancelRejected,
    Ending,
    FundingSettled,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Side,
    VenueState,
)
from naut_hedgegrid.engine.backtest_engine import FillRule
from tests.strategy.backtest_parts import FIRST, MINUTE, Scripted, bars, replay
from tests.strategy.direct import venue_file

D = Decimal
FLAT = (100.0, 100.0, 100.0, 100.0)
TO_98 = (100.0, 100.0, 98.0, 98.0)
AT_98 = (98.0, 98.0, 98.0, 98.0)


def limit(name: str, side: Side, leg: Leg, price: str, quantity: str = "1", *, post_only: bool = True) -> OrderRequest:
    return OrderRequest(name, leg, side, OrderKind.LIMIT, D(quantity), D(price), post_only)


def market(name: str, leg: Leg, quantity: str) -> OrderRequest:
    return OrderRequest(name, leg, leg.closing, OrderKind.MARKET, D(quantity))


def test_an_entry_fills_at_its_price_and_its_exit_with_the_profit() -> None:
    entry = limit("E", Side.BUY, Leg.LONG, "99.0")
    strategy = Scripted({1: [entry], 2: [limit("T", Side.SELL, Leg.LONG, "99.5"), "state"]})
    left = replay(strategy, bars(FLAT, TO_98, (98.0, 99.5, 98.0, 99.0), FLAT), venue_file())
    assert [type(event) for event in strategy.told] == [
        OrderAccepted,
        OrderFilled,
        OrderAccepted,
        VenueState,
        OrderFilled,
    ]
    opened, closed = left.books.fills
    assert (opened.trade_id, opened.price, opened.maker, opened.realized_pnl) == (1, D(99), True, 0)
    assert opened.commission == D("0.0198")
    assert (closed.ts, closed.price, closed.realized_pnl) == (FIRST + 2 * MINUTE, D("99.5"), D("0.5"))
    state = strategy.told[3]
    assert state.positions[Leg.LONG].quantity == 1
    assert state.positions[Leg.LONG].entry_price == 99
    assert [order.client_order_id for order in state.open_orders] == ["T"]
    assert [fill.trade_id for fill in state.fills] == [1]


@pytest.mark.parametrize(("fill", "filled"), [(FillRule.TOUCH, 1), (FillRule.THROUGH, 0)])
def test_through_wants_one_tick_more_than_touch(fill: FillRule, filled: int) -> None:
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "98.0")]})
    left = replay(strategy, bars(FLAT, TO_98, AT_98), venue_file(), fill)
    assert len(left.books.fills) == filled
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "98.1")]})
    assert len(replay(strategy, bars(FLAT, TO_98, AT_98), venue_file(), fill).books.fills) == 1


def test_a_post_only_order_that_would_take_is_refused_as_such() -> None:
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "100.0")]})
    replay(strategy, bars(FLAT, FLAT), venue_file())
    [refused] = strategy.told
    assert isinstance(refused, OrderRejected)
    assert refused.post_only
    assert refused.reason.startswith("-5022 ")


def test_a_stop_that_would_trigger_at_once_is_refused_with_the_venue_s_code() -> None:
    """R16 closes the lot at market on -2021."""
    stop = OrderRequest("S", Leg.LONG, Side.SELL, OrderKind.STOP_MARKET, D(1), trigger_price=D("98.0"))
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "99.0")], 2: [stop]})
    replay(strategy, bars(FLAT, TO_98, AT_98), venue_file())
    refused = strategy.told[-1]
    assert isinstance(refused, OrderRejected)
    assert (refused.reason, refused.post_only) == ("-2021 Order would immediately trigger.", False)


@pytest.mark.parametrize(
    ("order", "after", "price"),
    [
        (("E", Side.BUY, Leg.LONG, "99.0"), (95.0, 96.5, 94.0, 95.0), "96.5"),
        (("E", Side.SELL, Leg.SHORT, "101.0"), (105.0, 106.0, 104.5, 105.0), "104.5"),
    ],
)
def test_an_order_that_the_price_jumped_over_fills_at_the_nearest_price_that_was_traded(
    order: tuple[str, Side, Leg, str], after: tuple[float, ...], price: str
) -> None:
    """The engine says: at its limit, which lies outside of the bar. What that is better is counted."""
    left = replay(Scripted({1: [limit(*order)]}), bars(FLAT, after, after), venue_file())
    [fill] = left.books.fills
    assert (fill.price, fill.maker) == (D(price), True)
    assert fill.commission == D(price) * D("0.0002")
    assert (left.books.jumped.fills, left.books.jumped.gain) == (1, abs(D(price) - D(order[3])))


def test_exits_of_several_lots_close_their_own_quantities() -> None:
    """The engine resizes reduce-only orders to the whole position: exits are none."""
    entries = [limit("E1", Side.BUY, Leg.LONG, "99.0", "1"), limit("E2", Side.BUY, Leg.LONG, "98.5", "2")]
    exits = [limit("T1", Side.SELL, Leg.LONG, "99.5", "1"), limit("T2", Side.SELL, Leg.LONG, "99.0", "2")]
    strategy = Scripted({1: [*entries], 2: [*exits]})
    left = replay(strategy, bars(FLAT, TO_98, (98.0, 99.2, 98.0, 98.0), AT_98), venue_file())
    assert [(fill.client_order_id, fill.quantity) for fill in left.books.fills[2:]] == [("T2", D(2))]
    assert left.books.accountant.legs[Leg.LONG].quantity == 1


def test_the_legs_are_apart() -> None:
    orders = [limit("L", Side.BUY, Leg.LONG, "99.0"), limit("S", Side.SELL, Leg.SHORT, "101.0", "2")]
    left = replay(Scripted({1: [*orders]}), bars(FLAT, (100.0, 102.0, 98.0, 100.0), FLAT), venue_file())
    assert {leg: book.quantity for leg, book in left.books.accountant.legs.items()} == {Leg.LONG: 1, Leg.SHORT: 2}


def test_a_market_close_in_parts_closes_exactly_the_position() -> None:
    entry = limit("E", Side.BUY, Leg.LONG, "99.0", "3")
    strategy = Scripted({1: [entry], 2: [market("F1", Leg.LONG, "2"), market("F2", Leg.LONG, "1")]})
    left = replay(strategy, bars(FLAT, TO_98, AT_98, AT_98), venue_file())
    assert [(fill.client_order_id, fill.quantity, fill.maker) for fill in left.books.fills[1:]] == [
        ("F1", D(2), False),
        ("F2", D(1), False),
    ]
    assert left.books.fills[-1].ts == FIRST + MINUTE, "at the close of the bar that it was sent at"


def test_a_market_close_of_more_than_is_held_ends_when_all_is_closed() -> None:
    entry = limit("E", Side.BUY, Leg.LONG, "99.0", "3")
    closes = [market("F1", Leg.LONG, "2"), market("F2", Leg.LONG, "2"), market("F3", Leg.LONG, "1")]
    strategy = Scripted({1: [entry], 2: [*closes]})
    left = replay(strategy, bars(FLAT, TO_98, AT_98, AT_98), venue_file())
    assert sum(fill.quantity for fill in left.books.fills[1:]) == 3
    assert left.books.accountant.legs[Leg.LONG].quantity == 0
    endings = [event for event in strategy.told if isinstance(event, OrderEnded)]
    assert [(event.client_order_id, event.ending) for event in endings] == [("F2", Ending.EXPIRED)]
    refused = [event for event in strategy.told if isinstance(event, OrderRejected)]
    assert [(event.client_order_id, event.reason[:5]) for event in refused] == [("F3", "-2022")]


def test_a_close_without_free_margin_is_taken() -> None:
    """The engine's risk engine would refuse it while exits rest: it is bypassed."""
    venue = venue_file(startingBalance="20", leverage=5)
    entry = limit("E", Side.BUY, Leg.LONG, "99.0", "1")
    script = {1: [entry], 2: [limit("T", Side.SELL, Leg.LONG, "120.0")], 3: ["T"], 4: [market("F", Leg.LONG, "1")]}
    left = replay(Scripted(script), bars(FLAT, TO_98, AT_98, AT_98, AT_98), venue)
    assert left.books.accountant.legs[Leg.LONG].quantity == 0


def test_a_stop_is_filled_at_market_when_its_trigger_is_passed() -> None:
    entry = limit("E", Side.BUY, Leg.LONG, "99.0")
    stop = OrderRequest("S", Leg.LONG, Side.SELL, OrderKind.STOP_MARKET, D(1), trigger_price=D("97.5"))
    strategy = Scripted({1: [entry], 2: [stop]})
    left = replay(strategy, bars(FLAT, TO_98, (98.0, 98.0, 97.0, 97.0), AT_98), venue_file())
    assert (left.books.fills[1].price, left.books.fills[1].maker) == (D("97.5"), False)
    assert left.books.fills[1].realized_pnl == D("-1.5")


@pytest.mark.parametrize(
    ("leg", "entry", "exit_", "trigger", "path", "first"),
    [
        (Leg.LONG, "99.0", "100.0", "97.0", (98.0, 101.0, 96.0, 98.5), "T"),
        (Leg.SHORT, "101.0", "100.0", "103.0", (102.0, 104.0, 99.0, 101.5), "S"),
    ],
)
def test_of_exit_and_stop_in_one_bar_the_first_on_its_way_counts(
    leg: Leg, entry: str, exit_: str, trigger: str, path: tuple[float, ...], first: str
) -> None:
    """R16: open, high, low, close. The engine carries the cancel of the other out after the bar, and fills both."""
    close = leg.closing
    stop = OrderRequest("S", leg, close, OrderKind.STOP_MARKET, D(1), trigger_price=D(trigger))
    before = (100.0, 102.0, 98.0, path[0])
    strategy = Scripted(
        {1: [limit("E", leg.opening, leg, entry)], 2: [stop, limit("T", close, leg, exit_)], 4: ["state"]},
        at_fill={"T": ["S"], "S": ["T"]},
    )
    after = (path[3],) * 4
    left = replay(strategy, bars(FLAT, before, path, after, after), venue_file())
    assert [fill.client_order_id for fill in left.books.fills] == ["E", first]
    assert left.books.accountant.legs[leg].quantity == 0
    other = "S" if first == "T" else "T"
    assert [event.client_order_id for event in strategy.told if isinstance(event, OrderEnded)] == [other]
    assert left.books.orders[other].state is OrderState.CANCELED
    assert not left.books.open


def test_what_the_engine_filled_too_late_is_taken_back_there() -> None:
    """Its position must be ours again, or the next close would be cut."""
    stop = OrderRequest("S", Leg.LONG, Side.SELL, OrderKind.STOP_MARKET, D(1), trigger_price=D("97.0"))
    exits = [stop, limit("T", Side.SELL, Leg.LONG, "100.0")]
    entries = [limit("E1", Side.BUY, Leg.LONG, "99.0"), limit("E2", Side.BUY, Leg.LONG, "98.5", "2")]
    strategy = Scripted({1: [*entries], 2: [*exits], 4: [market("F", Leg.LONG, "2")]}, at_fill={"T": ["S"]})
    path = (98.0, 101.0, 96.0, 98.0)
    left = replay(strategy, bars(FLAT, TO_98, path, AT_98, AT_98), venue_file())
    assert [(fill.client_order_id, fill.quantity) for fill in left.books.fills[2:]] == [("T", D(1)), ("F", D(2))]
    assert left.books.accountant.legs[Leg.LONG].quantity == 0


def test_a_cancel_answers_and_one_of_an_unknown_order_is_refused() -> None:
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "99.0")], 2: ["E", "never"]})
    replay(strategy, bars(FLAT, FLAT, FLAT), venue_file())
    assert {(type(event), event.client_order_id) for event in strategy.told[1:]} == {
        (OrderEnded, "E"),
        (CancelRejected, "never"),
    }


def test_the_state_comes_when_everything_sent_before_has_been_answered() -> None:
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "99.0"), "state"], 2: ["E", "state"]})
    replay(strategy, bars(FLAT, FLAT, FLAT), venue_file())
    assert [type(event) for event in strategy.told] == [OrderAccepted, VenueState, OrderEnded, VenueState]
    assert [len(event.open_orders) for event in strategy.told if isinstance(event, VenueState)] == [1, 0]


def test_funding_is_settled_by_us_once_and_by_the_engine_never() -> None:
    """After all fills up to its time, at the close; the engine's balance knows nothing of it."""
    first = 1_641_023_880 * 1_000_000_000
    script = {1: [limit("E", Side.BUY, Leg.LONG, "99.0")]}
    strategy = Scripted({**script})
    left = replay(strategy, bars(FLAT, FLAT, TO_98, AT_98, first=first), venue_file(fundingRate=0.001))
    settled = [event for event in strategy.told if isinstance(event, FundingSettled)]
    assert settled == left.books.funding
    assert [(it.ts, it.mark, it.cash) for it in settled] == [
        (first + 2 * MINUTE, D(98), {Leg.LONG: D("-0.098"), Leg.SHORT: D(0)})
    ]
    assert left.books.accountant.wallet == D(100_000) - D("0.0198") - D("0.098")
    assert left.engine_balance == D(100_000) - D("0.0198")


def test_a_settlement_between_two_bars_goes_by_the_earlier_one() -> None:
    first = 1_641_023_880 * 1_000_000_000
    market_ = bars(FLAT, first=first) + bars(TO_98, AT_98, first=first + 10 * MINUTE)
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "99.0")]})
    left = replay(strategy, market_, venue_file(fundingRate=0.001))
    [settled] = left.books.funding
    assert (settled.mark, settled.total) == (D(100), D(0)), "the fill came in the bar after it"


def test_an_error_in_a_callback_ends_the_run() -> None:
    """The engine would only log it."""
    sent_twice = limit("E", Side.BUY, Leg.LONG, "99.0")
    with pytest.raises(ValueError, match="client order id E was used before"):
        replay(Scripted({1: [sent_twice, sent_twice]}), bars(FLAT, FLAT), venue_file())


def test_closing_more_than_is_held_ends_the_run() -> None:
    """An exit that outlives its leg turns it round in the engine: no figure of such a run is worth anything."""
    entry, exit_ = limit("E", Side.BUY, Leg.LONG, "99.0"), limit("T", Side.SELL, Leg.LONG, "99.0")
    script = {1: [entry], 2: [exit_, market("F", Leg.LONG, "1")]}
    with pytest.raises(ValueError, match="of LONG were closed, which holds only 0"):
        replay(Scripted({**script}), bars(FLAT, TO_98, (98.0, 100.0, 98.0, 99.0), FLAT), venue_file())


def test_every_bar_has_its_place_in_the_curve() -> None:
    strategy = Scripted({1: [limit("E", Side.BUY, Leg.LONG, "99.0")], 2: ["E"]})
    left = replay(strategy, bars(FLAT, FLAT, FLAT, FLAT), venue_file())
    assert left.curve.bars == 4
    assert [(it.bar, it.live_entries) for it in left.curve.standings] == [(0, 1), (1, 0)]
