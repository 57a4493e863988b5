"""The engine's backtest behind the strategy's ports: what is sent, filled, refused and told."""

from decimal import Decimal

import pytest

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
    assert [event.client_order_id for event in refused] == ["F3"]


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
