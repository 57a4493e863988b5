"""Orders that the coming bar can't reach: the engine doesn't get them, and nobody sees a difference."""

from decimal import Decimal

import pytest

from naut_hedgegrid.backtest.books import OrderState
from naut_hedgegrid.backtest.shelf import Shelf
from naut_hedgegrid.domain.values import Leg, OrderKind, OrderRequest, Side
from naut_hedgegrid.grid.bars import Bar

D = Decimal
ENTRY, EXIT, STOP = "entry", "exit", "stop"


class Both:
    """The engine, and the desk: writes down what each is told."""

    def __init__(self) -> None:
        self.sent: dict[str, Decimal] = {}
        self.withdrawn: list[str] = []
        self.undone: list[Decimal] = []
        self.told: list[tuple[str, str, int]] = []
        self.left: dict[str, Decimal] = {}

    # engine

    def send(self, order: OrderRequest) -> None:
        self.sent[order.client_order_id] = order.quantity

    def withdraw(self, client_order_id: str) -> None:
        self.withdrawn.append(client_order_id)

    def undo(self, order: OrderRequest, quantity: Decimal) -> None:
        self.undone.append(quantity)

    # desk

    def accepted(self, client_order_id: str, ts: int) -> None:
        self.told.append((client_order_id, "accepted", ts))

    def filled(
        self, client_order_id: str, quantity: Decimal, price: Decimal, commission: Decimal, ts: int, *, maker: bool
    ) -> None:
        self.told.append((client_order_id, f"filled {quantity}", ts))
        self.left[client_order_id] -= quantity

    def rejected(self, client_order_id: str, reason: str, ts: int | None = None, *, post_only: bool) -> None:
        self.told.append((client_order_id, "rejected", ts or 0))

    def ended(self, client_order_id: str, state: OrderState, ts: int) -> None:
        self.told.append((client_order_id, state.value, ts))

    def cancel_rejected(self, client_order_id: str, reason: str, ts: int) -> None:
        self.told.append((client_order_id, "cancel rejected", ts))

    def leaves(self, client_order_id: str) -> Decimal:
        return self.left[client_order_id]


class Rig:
    """A shelf after the first bar, which closed at 100."""

    def __init__(self) -> None:
        self.both = Both()
        self.shelf = Shelf(self.both, self.both)
        self.ts = 0
        self.before = bar(0, 100, 100, 100)
        self.pass_bar(self.before, None)

    def pass_bar(self, now: Bar, coming: Bar | None) -> None:
        """The engine matches a bar without a fill, and the strategy sees it."""
        self.shelf.begins(now)
        self.shelf.ends(now, coming)
        self.before = now

    def next(self, coming: Bar) -> None:
        """The coming bar gets known to the shelf: nothing else happens."""
        self.shelf.ends(self.before, coming)

    def send(self, kind: str, price: str, quantity: str = "1", name: str = "A") -> None:
        side = Side.BUY if kind == ENTRY else Side.SELL
        if kind == STOP:
            order = OrderRequest(name, Leg.LONG, side, OrderKind.STOP_MARKET, D(quantity), trigger_price=D(price))
        else:
            order = OrderRequest(name, Leg.LONG, side, OrderKind.LIMIT, D(quantity), D(price), True)
        self.both.left[name] = D(quantity)
        self.shelf.send(order)

    def fill(self, engine_id: str, quantity: str, ts: int, *, maker: bool = True) -> None:
        self.shelf.filled(engine_id, D(quantity), D(1), D(0), ts, maker=maker)


def bar(ts: int, high: float, low: float, close: float, volume: str = "10") -> Bar:
    return Bar(D(str(close)), D(str(high)), D(str(low)), D(str(close)), ts, D(volume))


@pytest.mark.parametrize(
    ("kind", "price", "out_of_reach", "in_reach"),
    [
        (ENTRY, "98", bar(1, 103, 98.1, 102), bar(2, 102, 98, 101)),
        (EXIT, "103", bar(1, 102.9, 97, 99), bar(2, 103, 98, 99)),
        (STOP, "97", bar(1, 105, 97.1, 99), bar(2, 99, 97, 98)),
        (ENTRY, "98", bar(1, 103, 98.1, 102), bar(2, 97, 96, 96.5)),
    ],
    ids=["a buying limit", "a selling limit", "a selling stop", "jumped over"],
)
def test_the_engine_gets_an_order_before_the_bar_that_can_reach_it(
    kind: str, price: str, out_of_reach: Bar, in_reach: Bar
) -> None:
    rig = Rig()
    rig.next(out_of_reach)
    rig.send(kind, price)
    assert rig.both.told == [], "never within the call"
    rig.shelf.answer()
    assert (rig.both.told, rig.both.sent) == ([("A", "accepted", 0)], {})
    rig.pass_bar(out_of_reach, in_reach)
    assert rig.both.sent == {"A": 1}
    rig.shelf.accepted("A", 1)
    rig.fill("A", "1", 2)
    assert rig.both.told == [("A", "accepted", 0), ("A", "filled 1", 2)], "taken once"


def test_a_cancel_on_the_shelf_is_answered_like_any_other() -> None:
    rig = Rig()
    rig.send(ENTRY, "98")
    rig.shelf.answer()
    assert not rig.shelf.withdraw("A"), "the engine has nothing to do"
    assert rig.both.told == [("A", "accepted", 0)]
    rig.shelf.answer()
    assert rig.both.told[1:] == [("A", "CANCELED", 0)]
    rig.next(bar(1, 100, 90, 95))
    assert (rig.both.sent, rig.both.withdrawn) == ({}, [])


def test_what_is_sent_while_a_bar_is_matched_is_answered_after_it() -> None:
    rig = Rig()
    rig.shelf.begins(bar(1, 101, 99, 101))
    rig.send(ENTRY, "98")
    rig.shelf.answer()
    assert rig.both.told == []
    rig.shelf.ends(bar(1, 101, 99, 101), bar(2, 102, 100, 101))
    assert rig.both.told == [("A", "accepted", 1)]


@pytest.mark.parametrize(("kind", "price"), [(ENTRY, "100"), (ENTRY, "101"), (EXIT, "100"), (STOP, "100.5")])
def test_of_an_order_that_may_cross_the_engine_decides(kind: str, price: str) -> None:
    rig = Rig()
    rig.next(bar(1, 100, 100, 100))
    rig.send(kind, price)
    rig.shelf.answer()
    assert (rig.both.sent, rig.both.told) == ({"A": 1}, [])
    rig.shelf.rejected("A", "would take", 0, post_only=True)
    assert rig.both.told == [("A", "rejected", 0)]


def test_an_order_is_taken_back_from_a_bar_that_can_not_reach_it_and_goes_on_with_what_is_left() -> None:
    rig = Rig()
    rig.next(bar(1, 100, 98, 99))
    rig.send(ENTRY, "98", "3")
    rig.shelf.answer()
    rig.fill("A", "1", 1)
    rig.pass_bar(bar(1, 100, 98, 99), bar(2, 105, 99, 104))
    assert rig.both.withdrawn == ["A"]
    rig.shelf.ended("A", OrderState.CANCELED, 1)
    assert rig.both.told == [("A", "accepted", 0), ("A", "filled 1", 1)], "nobody hears of it"
    rig.pass_bar(bar(2, 105, 99, 104), bar(3, 104, 97, 98))
    assert rig.both.sent == {"A": 3, "A+1": 2}
    rig.shelf.accepted("A+1", 2)
    rig.fill("A+1", "2", 3)
    assert rig.both.told[2:] == [("A", "filled 2", 3)]


def test_what_the_engine_fills_of_an_order_that_was_taken_back_never_happened() -> None:
    rig = Rig()
    rig.next(bar(1, 100, 98, 99))
    rig.send(ENTRY, "98")
    rig.shelf.answer()
    rig.pass_bar(bar(1, 100, 98, 99), bar(2, 105, 99, 104))
    rig.fill("A", "1", 1)
    assert rig.both.undone == [D(1)]
    assert rig.both.told == [("A", "accepted", 0)]


def test_what_the_engine_fills_between_two_bars_never_happened_and_is_tried_again() -> None:
    """With each command the engine fills a bit more of an order that lacked volume."""
    rig = Rig()
    rig.next(bar(1, 100, 97, 97))
    rig.send(ENTRY, "98", "2")
    rig.shelf.answer()
    rig.fill("A", "1", 1)
    rig.pass_bar(bar(1, 100, 97, 97), bar(2, 97, 97, 97))
    rig.fill("A", "1", 1)
    assert rig.both.undone == [D(1)]
    assert rig.both.told == [("A", "accepted", 0), ("A", "filled 1", 1)]
    rig.pass_bar(bar(2, 97, 97, 97), bar(3, 99, 97, 99))
    assert rig.both.sent == {"A": 2}, "the price has yet to come back above it"
    rig.pass_bar(bar(3, 99, 97, 99), bar(4, 99, 98, 98.5))
    assert rig.both.sent == {"A": 2, "A+1": 1}


def test_a_bar_without_volume_moves_nothing_in_the_engine() -> None:
    rig = Rig()
    rig.next(bar(1, 100, 90, 90, volume="0"))
    rig.send(ENTRY, "95")
    rig.shelf.answer()
    rig.pass_bar(bar(1, 100, 90, 90, volume="0"), bar(2, 99, 90, 99))
    assert rig.both.sent == {"A": 1}, "the engine is still at 100, from where the next bar gets to 95"


def test_an_order_that_rested_and_is_refused_is_an_error() -> None:
    rig = Rig()
    rig.send(ENTRY, "98")
    rig.next(bar(1, 100, 97, 97))
    with pytest.raises(RuntimeError, match="order A rested, and was then refused: why"):
        rig.shelf.rejected("A", "why", 0, post_only=False)
