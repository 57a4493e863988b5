"""Margin, liquidation and deleveraging at the simulated venue, and transfers (F25, F33, F37)."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.v1alpha1 import MarginType
from naut_hedgegrid.domain.values import Ending, Leg, OrderEnded
from naut_hedgegrid.venues.sim.account import Account, Position
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.liquidation import LiquidationWatch
from tests.unit.book_parts import D, Desk, desk, fills, rules, told

LONG, SHORT = Leg.LONG, Leg.SHORT


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    """1 LONG at 50,000 with 10,000 USDT and no fees: liquidated where 10,000 + P − 50,000 = 0.004·P."""
    with desk(tmp_path / "book", taker_rate=D(0)) as found:
        found.price("50000", ask="50000")
        found.market("long", LONG, "1")
        yield found


def test_f25_the_account_names_its_liquidation_price_and_what_is_available(at: Desk) -> None:
    account = at.book.account()
    assert account.liquidation_price is not None
    assert account.liquidation_price.quantize(D("0.0001")) == D("40160.6426")
    assert account.available == 0
    at.price("51000", ask="51000")
    assert at.book.account().available == 10_000 + 1_000 - 51_000 // 5


def test_f25_an_account_that_is_used_up_is_liquidated_at_the_mark(tmp_path: Path) -> None:
    """10,000 + 0.99·(P − 50,000) = 0.004·1.01·P at 40,062.48."""
    with desk(tmp_path / "book", taker_rate=D(0), leverage=20) as at:
        at.price("50000", ask="50000")
        at.market("long", LONG, "1")
        at.market("short", SHORT, "0.01")
        at.limit("tp", LONG, "1", "60000", close=True)
        at.limit("entry", LONG, "0.01", "40000")
        at.limit("entry too", SHORT, "0.01", "70000")
        assert at.price("40063", ask="40063") == []
        events = at.price("40062", ask="40062")
        assert events[:2] == [
            OrderEnded("entry", Ending.CANCELED, at.ts, "liquidation"),
            OrderEnded("entry too", Ending.CANCELED, at.ts, "liquidation"),
        ]
        long, short = fills(events)
        assert (long.leg, long.quantity, long.price, long.maker) == (LONG, 1, 40_062, False)
        assert (short.leg, short.quantity, short.price) == (SHORT, D("0.01"), 40_062)
        assert long.client_order_id.startswith(f"autoclose-{at.ts // 1_000_000}-")
        assert long.client_order_id != short.client_order_id
        assert at.open() == ["tp"], "what closes is the strategy's business"
        assert at.quantity(LONG) == at.quantity(SHORT) == 0
        assert at.book.account().wallet == 10_000 - D("0.99") * 9_938


def test_f25_liquidation_comes_after_the_exits_that_the_tick_reaches(at: Desk) -> None:
    at.stop("stop", LONG, "1", "41000")
    assert told(at.price("40100", ask="40100")) == [("stop", "OrderFilled")]


def test_f25_a_gap_may_leave_less_than_nothing(at: Desk) -> None:
    at.price("35000", ask="35000")
    assert at.book.account().wallet == -5_000


def test_f25_a_part_of_a_leg_is_liquidated_on_request(at: Desk) -> None:
    (fill,) = fills(at.saw(at.book.liquidate(LONG, D("0.3"), D(49_000))))
    assert (fill.quantity, fill.price, fill.side, fill.realized_pnl) == (D("0.3"), 49_000, LONG.closing, -300)
    assert fill.client_order_id.startswith("autoclose-")
    assert at.quantity(LONG) == D("0.7")
    assert at.book.state(0).fills[-1] == fill


def test_f25_deleveraging_has_one_id_for_all_its_orders(at: Desk) -> None:
    both = at.book.deleverage(LONG, D("0.3"), D(52_000)) + at.book.deleverage(LONG, D("0.7"), D(52_000))
    assert [(fill.client_order_id, fill.quantity) for fill in fills(both)] == [
        ("adl_autoclose", D("0.3")),
        ("adl_autoclose", D("0.7")),
    ]
    assert at.quantity(LONG) == 0


@pytest.mark.parametrize("quantity", ["0", "-1", "1.001"])
def test_no_more_is_closed_by_the_venue_than_the_leg_holds(at: Desk, quantity: str) -> None:
    with pytest.raises(ValueError, match=r"of LONG: it holds 1$"):
        at.book.liquidate(LONG, D(quantity), D(50_000))
    assert at.quantity(LONG) == 1


def test_the_venue_s_own_orders_are_no_commands_and_survive_a_restart(at: Desk, tmp_path: Path) -> None:
    at.book.liquidate(LONG, D("0.3"), D(49_000))
    wallet = at.book.account().wallet
    with Audit(tmp_path / "book") as audit:
        assert [command.client_order_id for command in audit.order_log()] == ["long"]
        assert audit.snapshot().wallet == wallet
        assert audit.snapshot().positions[LONG].quantity == D("0.7")


def test_f37_a_transfer_moves_the_wallet_and_is_told_apart(at: Desk, tmp_path: Path) -> None:
    at.book.transfer(D(500))
    at.book.transfer(D("-200.5"))
    account = at.book.account()
    assert (account.wallet, account.transfers, account.available) == (D("10299.5"), D("299.5"), D("299.5"))
    with Audit(tmp_path / "book") as audit:
        assert [transfer.amount for transfer in audit.transfers()] == [D(500), D("-200.5")]
        assert audit.snapshot().wallet == D("10299.5")


def test_f37_transfers_survive_a_restart(tmp_path: Path) -> None:
    with desk(tmp_path / "book") as at:
        at.price("50000")
        at.book.transfer(D("12.5"))
    with desk(tmp_path / "book") as at:
        assert (at.book.account().transfers, at.book.account().wallet) == (D("12.5"), D("10012.5"))


def test_f37_what_is_needed_as_margin_can_not_be_withdrawn(at: Desk) -> None:
    at.book.transfer(D(500))
    with pytest.raises(ValueError, match=r"can't withdraw 501: 500\.0+ of the wallet"):
        at.book.transfer(D(-501))
    at.book.transfer(D(-500))
    assert at.book.account().transfers == 0


quantities = st.decimals(0, 30, places=3)
entries = st.decimals(20_000, 80_000, places=1)


@given(
    wallet=st.decimals(-5_000, 400_000, places=2),
    long=quantities,
    long_entry=entries,
    short=quantities,
    short_entry=entries,
    marks=st.lists(entries, min_size=1, max_size=5),
)
def test_f25_the_watch_finds_what_the_definition_says_in_every_bracket(
    wallet: Decimal, long: Decimal, long_entry: Decimal, short: Decimal, short_entry: Decimal, marks: list[Decimal]
) -> None:
    """Margin balance ≤ maintenance margin, with a position."""
    positions = {LONG: Position(long, long * long_entry), SHORT: Position(short, short * short_entry)}
    account, watch, venue = Account(wallet, positions=positions), LiquidationWatch(), rules()
    for mark in marks:
        short_of_it = wallet + account.unrealized(mark) <= account.maintenance_margin(venue.tiers, mark)
        held = [leg for leg, position in positions.items() if position.quantity]
        assert watch.used_up(account, venue, mark) == (held if short_of_it else [])


@pytest.fixture
def isolated(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "isolated", taker_rate=D(0), margin_type=MarginType.ISOLATED) as found:
        found.price("50000", ask="50000")
        found.market("long", LONG, "0.5")
        found.market("short", SHORT, "0.1")
        yield found


def test_isolated_legs_have_the_initial_margin_of_their_entry(isolated: Desk) -> None:
    assert isolated.book.account().available == 10_000 - 5_000 - 1_000
    isolated.price("45000", ask="45000")
    assert isolated.book.account().available == 4_000, "what isn't realized doesn't count"
    found = isolated.book.account().liquidation_price
    assert found is not None
    assert found.quantize(D("0.01")) == D("40160.64"), "the nearer one: (25000 − 5000)/(0.5·0.996)"
    isolated.price("55000", ask="55000")
    found = isolated.book.account().liquidation_price
    assert found is not None
    assert found.quantize(D("0.01")) == D("59760.96"), "(5000 + 1000)/(0.1·1.004)"


def test_f25_isolated_legs_are_liquidated_one_by_one(isolated: Desk) -> None:
    isolated.limit("entry", LONG, "0.001", "39000")
    isolated.limit("other", SHORT, "0.001", "60000")
    assert isolated.price("40161", ask="40161") == []
    events = isolated.price("40160", ask="40160")
    (fill,) = fills(events)
    assert (fill.leg, fill.quantity) == (LONG, D("0.5"))
    assert (isolated.quantity(LONG), isolated.quantity(SHORT)) == (0, D("0.1"))
    assert isolated.open() == ["other"]
    assert isolated.book.account().wallet == 10_000 - 4_920
