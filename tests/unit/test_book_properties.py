"""What holds for the book whatever is sent, whatever the market does, and however often it is restarted."""

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from naut_hedgegrid.domain.values import (
    CancelRejected,
    FundingSettled,
    Instrument,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Side,
)
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from tests.unit.book_parts import NOON, TICK, D, Desk, rules

START = D(5_000)
quantities = st.integers(1, 40).map(lambda steps: D(steps) / 1000)
prices = st.integers(499_000, 501_000).map(lambda ticks: D(ticks) / 10)
tick_fills = st.none() | st.integers(1, 5).map(lambda steps: D(steps) / 1000)


class BookMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "book"
        self.orders: dict[str, OrderRequest] = {}
        self.filled: dict[str, Decimal] = {}
        self.ended: set[str] = set()
        self.settled: list[FundingSettled] = []
        self.number = self.kills = 0
        self.open(NOON)
        self.at.price("50000")

    def open(self, ts: int) -> None:
        self.at = Desk(Book(self.path, rules(starting_balance=START, funding_interval_hours=1)), ts)
        self.audit = Audit(self.path)

    def close(self) -> None:
        self.audit.close()
        self.at.book.close()

    def teardown(self) -> None:
        self.close()
        self.folder.cleanup()

    @rule(leg=st.sampled_from(Leg), quantity=quantities, price=prices, close=st.booleans(), post_only=st.booleans())
    def limit(self, leg: Leg, quantity: Decimal, price: Decimal, close: bool, post_only: bool) -> None:
        side = leg.closing if close else leg.opening
        self.send(OrderRequest(self.identity(), leg, side, OrderKind.LIMIT, quantity, price, post_only))

    @rule(leg=st.sampled_from(Leg), quantity=quantities, close=st.booleans())
    def market(self, leg: Leg, quantity: Decimal, close: bool) -> None:
        self.send(OrderRequest(self.identity(), leg, leg.closing if close else leg.opening, OrderKind.MARKET, quantity))

    @rule(leg=st.sampled_from(Leg), quantity=quantities, trigger=prices)
    def stop(self, leg: Leg, quantity: Decimal, trigger: Decimal) -> None:
        self.send(
            OrderRequest(self.identity(), leg, leg.closing, OrderKind.STOP_MARKET, quantity, trigger_price=trigger)
        )

    @rule(amount=st.integers(-500, 500).map(lambda cents: D(cents) / 100))
    def transfer(self, amount: Decimal) -> None:
        available = self.at.book.account().available
        assert available is not None
        if amount < 0 and available + amount < 0:
            with pytest.raises(ValueError, match="can't withdraw"):
                self.at.book.transfer(amount)
        else:
            self.at.book.transfer(amount)

    @rule(leg=st.sampled_from(Leg), price=prices, whole=st.booleans(), adl=st.booleans())
    def closed_by_the_venue(self, leg: Leg, price: Decimal, whole: bool, adl: bool) -> None:
        held = self.at.quantity(leg)
        if held:
            close = self.at.book.deleverage if adl else self.at.book.liquidate
            self.saw(close(leg, held if whole else min(held, D("0.002")), price))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(sorted(self.orders)))
        (event,) = self.at.cancel(identity)
        assert isinstance(event, CancelRejected if identity in self.ended else OrderEnded)
        self.saw([event])

    @rule(price=prices, minutes=st.integers(1, 90), most=tick_fills)
    def move(self, price: Decimal, minutes: int, most: Decimal | None) -> None:
        self.at.book.faults.largest_tick_fill = most
        self.saw(self.at.price(price, seconds=60 * minutes))
        mark = price + TICK / 2
        account = self.at.book.account()
        assert account.maintenance_margin is not None
        assert account.unrealized_pnl is not None
        if account.maintenance_margin:
            assert account.wallet + account.unrealized_pnl > account.maintenance_margin
        for order in self.at.book.state(0).open_orders:
            if order.trigger_price is not None:
                assert order.trigger_price > mark if order.side is Side.BUY else order.trigger_price < mark
            elif most is None:
                assert order.price is not None
                assert order.price < price + TICK if order.side is Side.BUY else order.price > price

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        """With the file closed in order, or as a kill leaves it: whatever it and its log hold at that moment."""
        state, account = self.at.book.state(0), self.at.book.account()
        if killed:
            self.kills += 1
            left = self.path.with_name(f"left{self.kills}")
            for suffix in ("", "-wal"):
                shutil.copy(f"{self.path}{suffix}", f"{left}{suffix}")
            self.close()
            self.path = left
        else:
            self.close()
        self.open(self.at.ts)
        after = self.at.book.state(0)
        assert (after.positions, after.open_orders, after.fills) == (state.positions, state.open_orders, state.fills)
        assert self.at.book.account().wallet == account.wallet
        if not killed:  # a kill may lose the newest second of a market that moved nothing
            assert (after, self.at.book.account()) == (state, account)

    def identity(self) -> str:
        self.number += 1
        return f"o{self.number}"

    def send(self, order: OrderRequest) -> None:
        held = self.at.quantity(order.leg)
        events = self.at.send(order)
        while isinstance(events[0], FundingSettled):
            events = events[1:]
        if isinstance(events[0], OrderRejected):
            assert len(events) == 1
            return
        assert isinstance(events[0], OrderAccepted)
        assert not order.reduce_only or order.quantity <= held
        self.orders[order.client_order_id] = order
        self.saw(events[1:])
        if order.kind is OrderKind.MARKET:
            assert order.client_order_id in self.ended

    def saw(self, events: list[BookEvent]) -> None:
        for event in events:
            if isinstance(event, FundingSettled):
                self.settled.append(event)
                continue
            assert not isinstance(event, Instrument)
            if event.client_order_id.startswith(("autoclose-", "adl_autoclose")):
                continue
            assert event.client_order_id in self.orders
            if isinstance(event, OrderEnded):
                assert event.client_order_id not in self.ended
                self.ended.add(event.client_order_id)
            if isinstance(event, OrderFilled):
                self.saw_fill(event)

    def saw_fill(self, fill: OrderFilled) -> None:
        order = self.orders[fill.client_order_id]
        assert fill.quantity > 0
        assert (fill.leg, fill.side) == (order.leg, order.side)
        assert fill.client_order_id not in self.ended
        filled = self.filled.get(fill.client_order_id, D(0)) + fill.quantity
        self.filled[fill.client_order_id] = filled
        assert filled <= order.quantity
        if fill.maker:
            assert fill.price == order.price
        assert not fill.maker or order.kind is OrderKind.LIMIT
        if filled == order.quantity:
            self.ended.add(fill.client_order_id)

    @invariant()
    def the_wallet_is_the_sum_of_what_was_booked(self) -> None:
        snapshot, fills = self.audit.snapshot(), self.audit.fills()
        booked = sum((fill.realized_pnl - fill.commission for fill in fills), START)
        booked += sum(payment.amount for payment in self.audit.funding())
        booked += sum(transfer.amount for transfer in self.audit.transfers())
        assert snapshot.wallet == self.at.book.account().wallet == booked
        assert [fill.trade_id for fill in fills] == list(range(1, len(fills) + 1))

    @invariant()
    def each_settlement_is_told_once(self) -> None:
        state = self.at.book.state(0)
        assert list(state.funding) == self.settled
        assert len({settled.ts for settled in self.settled}) == len(self.settled)
        assert sum(settled.total for settled in self.settled) == self.at.book.account().funding_paid

    @invariant()
    def legs_are_the_sum_of_their_fills(self) -> None:
        state = self.at.book.state(0)
        for leg, position in state.positions.items():
            signed = [
                fill.quantity if fill.side is leg.opening else -fill.quantity for fill in state.fills if fill.leg is leg
            ]
            assert position.quantity == sum(signed) >= 0
            assert (position.entry_price is None) is (position.quantity == 0)

    @invariant()
    def open_orders_are_those_that_have_not_ended(self) -> None:
        open_orders = {order.client_order_id: order for order in self.at.book.state(0).open_orders}
        assert open_orders.keys() == self.orders.keys() - self.ended
        for identity, order in open_orders.items():
            assert order.filled == self.filled.get(identity, 0) < order.quantity
        assert {order.client_order_id for order in self.audit.snapshot().open_orders} == open_orders.keys()


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
