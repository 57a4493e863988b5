"""What the books make of a venue whose orders and fills they have never heard of: the store is lost."""

from decimal import Decimal
from typing import Any

from naut_hedgegrid.domain.grid import ExitSteps, Ladder, LotKey
from naut_hedgegrid.domain.values import Leg, OrderFilled, OrderKind, Role, Side, VenueOrder, VenuePosition, VenueState
from naut_hedgegrid.grid.ids import OrderId
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.grid.records import Snapshot

D = Decimal
OWNER = "0badcafe"
LONG, SHORT = Leg.LONG, Leg.SHORT
STEPS = {leg: ExitSteps(2) for leg in Leg}


def ident(role: Role, n: int, part: int = 0) -> str:
    return str(OrderId(OWNER, LONG, 1 if role is not Role.FLATTEN else 0, role, n, part))


def fill(trade_id: int, name: str, side: Side, quantity: str, price: str = "40000") -> OrderFilled:
    return OrderFilled(trade_id, name, LONG, side, D(quantity), D(price), D(0), True, D(0), trade_id)


def resting(name: str, side: Side, quantity: str, price: str, filled: str = "0") -> VenueOrder:
    return VenueOrder(name, LONG, side, OrderKind.LIMIT, D(quantity), D(filled), D(price), True)


def adopted(position: str, *orders: VenueOrder, fills: tuple[OrderFilled, ...], **snapshot: Any) -> Ledger:
    ledger = Ledger(OWNER, Snapshot(**snapshot), step_bps=D(25))
    positions = {LONG: VenuePosition(D(position), None), SHORT: VenuePosition(D(0), None)}
    ledger.adopt(VenueState(positions, orders, fills, 0), STEPS, start=True)
    return ledger


def test_a_lot_without_a_known_ladder_has_the_configured_step() -> None:
    ledger = adopted("0.010", fills=(fill(1, ident(Role.ENTRY, 5), Side.BUY, "0.010"),))
    (lot,) = ledger.lots_of(LONG)
    assert (lot.price, lot.step, lot.open) == (D(40000), D(100), D("0.010"))


def test_a_known_ladder_counts_more_than_the_configured_step() -> None:
    ladder = Ladder(D(40100), D(99))
    ledger = adopted("0.010", fills=(fill(1, ident(Role.ENTRY, 5), Side.BUY, "0.010"),), ladder=ladder)
    assert ledger.lots_of(LONG)[0].step == D(99)


def test_a_resting_entry_gives_its_lot_the_configured_step_too() -> None:
    name = ident(Role.ENTRY, 5)
    ledger = adopted("0", resting(name, Side.BUY, "0.010", "40000"), fills=())
    ledger.filled(fill(1, name, Side.BUY, "0.010"), STEPS[LONG])
    assert ledger.lots_of(LONG)[0].step == D(100)


def test_a_partly_filled_entry_goes_on_filling_its_lot() -> None:
    """F6: the first part was sold already; the lot and the numbers of its exits live on with the entry."""
    name = ident(Role.ENTRY, 5)
    fills = (fill(1, name, Side.BUY, "0.003"), fill(2, ident(Role.TAKE_PROFIT, 5, 0), Side.SELL, "0.003"))
    ledger = adopted("0", resting(name, Side.BUY, "0.010", "40000", "0.003"), fills=fills)
    ledger.filled(fill(3, name, Side.BUY, "0.007"), STEPS[LONG])
    (lot,) = ledger.lots_of(LONG)
    assert (lot.open, lot.next_part, lot.entry_done) == (D("0.007"), 1, True)


def test_no_number_is_used_again_that_the_venue_tells_of() -> None:
    fills = (
        fill(1, ident(Role.ENTRY, 5), Side.BUY, "0.010"),
        fill(2, ident(Role.FLATTEN, 40), Side.SELL, "0.004"),
        fill(3, "autoclose-1", Side.SELL, "0.001"),
    )
    ledger = adopted("0.005", resting(ident(Role.TAKE_PROFIT, 5, 3), Side.SELL, "0.005", "40200"), fills=fills)
    assert ledger.new_close(LONG, D("0.005")).client_order_id == ident(Role.FLATTEN, 41)
    (lot,) = ledger.lots_of(LONG)
    assert ledger.new_take_profit(lot, D("0.001"), D(40200), post_only=True).client_order_id == ident(
        Role.TAKE_PROFIT, 5, 4
    )


def test_exits_that_have_filled_are_not_numbered_again() -> None:
    fills = (
        fill(1, ident(Role.ENTRY, 5), Side.BUY, "0.010"),
        fill(2, ident(Role.TAKE_PROFIT, 5, 2), Side.SELL, "0.004"),
    )
    ledger = adopted("0.006", fills=fills)
    (lot,) = ledger.lots_of(LONG)
    assert (lot.key, lot.next_part) == (LotKey(LONG, 1, 5), 3)


def test_numbers_of_the_store_count_where_it_is_known() -> None:
    """After the numbers have begun anew, old fills with high ones say nothing."""
    ledger = adopted("0.010", fills=(fill(9, ident(Role.ENTRY, 1_679_000), Side.BUY, "0.010"),), next_n=7)
    assert ledger.new_close(LONG, D("0.010")).client_order_id == ident(Role.FLATTEN, 7)
