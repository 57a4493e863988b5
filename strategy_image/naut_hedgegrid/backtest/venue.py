"""The venue of a backtest as the strategy sees it: the engine's matching, our books, the market's time.

Between two bars the clock stands at the close of the first: everything that happens in a bar has its time. A bar is
over when the next one begins; only then are the settlements of its moment booked (they go by the position after all
fills up to then) and its line of the equity curve is drawn.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from hedgegrid_api.tiers import Tier
from naut_hedgegrid.backtest.account_view import AccountView
from naut_hedgegrid.backtest.books import Books, OrderState
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.curve import Curve
from naut_hedgegrid.backtest.funding import Funding
from naut_hedgegrid.backtest.shelf import Matching, Shelf
from naut_hedgegrid.domain.ports import TradingStrategy
from naut_hedgegrid.domain.values import (
    AccountState,
    CancelRejected,
    Ending,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderRejected,
    OrderRequest,
)
from naut_hedgegrid.grid.bars import Bar
from naut_hedgegrid.grid.precision import money
from naut_hedgegrid.venues.sim.refusals import UNKNOWN_ORDER

_ENDINGS = {OrderState.CANCELED: Ending.CANCELED, OrderState.EXPIRED: Ending.EXPIRED}


class BarStrategy(TradingStrategy, Protocol):
    """A strategy whose market comes in bars."""

    def on_bar(self, bar: Bar) -> None:
        """A bar has closed."""
        ...

    def on_timer(self) -> None:
        """Time has passed."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """What a run is fed with."""

    bars: Iterator[Bar]
    """Those that are matched; at least one."""
    grid_bars: Iterator[Bar] | None
    """What the strategy is told of; None: of every bar that is matched."""
    funding: Funding


@dataclass(frozen=True, slots=True)
class Terms:
    """What the venue charges and asks for."""

    maker_rate: Decimal
    tiers: tuple[Tier, ...]


class BacktestVenue:
    """Gateway of one strategy, and what the matching reports to."""

    def __init__(
        self,
        strategy: BarStrategy,
        engine: Matching,
        books: Books,
        curve: Curve,
        clock: MarketClock,
        feed: Feed,
        terms: Terms,
    ) -> None:
        self._strategy = strategy
        self.shelf = Shelf(engine, self)
        """Goes between us and the engine."""
        self._books = books
        self._curve = curve
        self._clock = clock
        self._funding = feed.funding
        self._bars = feed.bars
        self._bar = next(feed.bars)
        self._coming: Bar | None = self._bar
        """The bar that is matched next, or just now; None after the last."""
        self._grid_bars = feed.grid_bars
        self._next_bar = None if feed.grid_bars is None else next(feed.grid_bars, None)
        self._maker_rate = terms.maker_rate
        self._view = AccountView(books.accountant, terms.tiers)
        self._viewed = books.version
        self._mark: Decimal | None = None
        self._now = 0
        self._unanswered: set[str] = set()
        self._aside: deque[OrderEvent] = deque()
        self._reads: deque[tuple[int, int]] = deque()
        self._waiting = False
        """The strategy isn't done with what happened up to the last bar."""
        self._stirred = True
        """Something has happened to it since that was asked."""
        self._withdrawn: set[str] = set()
        """Being cancelled."""

    # -- what the strategy asks for

    def submit(self, order: OrderRequest) -> None:
        """Send an order."""
        self._stirred = True
        self._books.sent(order, self._now)
        self._unanswered.add(order.client_order_id)
        self.shelf.send(order)

    def cancel(self, client_order_id: str) -> None:
        """Ask to cancel. It acts at once, though the engine only takes notice when it is done with the bar: what it
        fills of the order until then counts as cancelled (a stop, say, whose lot was closed earlier in the bar)."""
        self._stirred = True
        if client_order_id in self._books.open:
            self._unanswered.add(client_order_id)
            if self.shelf.withdraw(client_order_id):
                self._withdrawn.add(client_order_id)
        else:
            self._aside.append(CancelRejected(client_order_id, str(UNKNOWN_ORDER), self._now))

    def request_state(self, after_trade_id: int, after_funding_ts: int = 0) -> None:
        """Ask for the venue's state as it is once all commands sent so far have been answered."""
        self._stirred = True
        self._reads.append((after_trade_id, after_funding_ts))

    def account(self) -> AccountState | None:
        """The account's figures at the newest close; what depends on it is None before the first."""
        books, mark, coming = self._books, self._mark, self._funding.coming(self._now)
        if self._viewed != books.version:
            self._viewed = books.version
            self._view.look()
        accountant, view = books.accountant, self._view
        return AccountState(
            view.wallet,
            None if mark is None else view.unrealized(mark),
            None if mark is None else view.maintenance_margin(mark),
            accountant.funding,
            coming.rate,
            coming.ts,
            self._funding.interval_hours,
            self._now,
        )

    # -- what the matching reports

    def started(self) -> None:
        """The run begins."""
        self._strategy.on_start(self)
        self._answer()

    def bar(self, ts: int) -> None:
        """The bar that ends at a time has been matched; its fills came before.

        Raises:
            RuntimeError: another bar was due; the matching has left one out.
        """
        bar = self._coming
        if bar is None or bar.ts != ts:
            due = "none" if bar is None else f"that of {bar.ts}"
            raise RuntimeError(f"the matching is at the bar of {ts}, where {due} is due: it has left one out")
        self._reach(ts)
        self._bar, self._coming = bar, next(self._bars, None)
        self._mark = bar.close
        strategy = self._strategy
        if self._grid_bars is None:
            strategy.on_bar(bar)
        else:
            while self._next_bar is not None and self._next_bar.ts <= bar.ts:
                strategy.on_bar(self._next_bar)
                self._next_bar = next(self._grid_bars, None)
        if self._waiting:
            strategy.on_timer()
        self.shelf.ends(bar, self._coming)
        if self._aside or self._reads:
            self._answer()

    def accepted(self, client_order_id: str, ts: int) -> None:
        """An order was taken."""
        self._books.accepted(client_order_id)
        self._answered(OrderAccepted(client_order_id, ts))

    def filled(
        self, client_order_id: str, quantity: Decimal, price: Decimal, commission: Decimal, ts: int, *, maker: bool
    ) -> None:
        """An order was filled, at least in part."""
        self._reach(ts)
        if client_order_id in self._withdrawn:
            self._filled_too_late(client_order_id, quantity, ts)
            return
        books = self._books
        if maker:
            bar = self._coming if self._coming is not None and ts == self._coming.ts else self._bar
            if not bar.low <= price <= bar.high:
                price, commission = self._at_bar(bar, price, quantity)
        fill = books.filled(client_order_id, quantity, price, commission, ts, maker=maker)
        if client_order_id in books.open:
            self._tell(fill)
            return
        self._unanswered.discard(client_order_id)
        self.shelf.over(client_order_id)
        self._tell(fill)
        if books.orders[client_order_id].state is OrderState.EXPIRED:
            self._tell(OrderEnded(client_order_id, Ending.EXPIRED, ts))

    def leaves(self, client_order_id: str) -> Decimal:
        """Quantity still to be filled."""
        order = self._books.orders[client_order_id]
        return order.request.quantity - order.filled

    def cut(self, client_order_id: str, quantity: Decimal) -> None:
        """A market close asked for more than is held: it will only close that."""
        self._books.orders[client_order_id].available = quantity

    def rejected(self, client_order_id: str, reason: str, ts: int | None = None, *, post_only: bool) -> None:
        """An order was refused."""
        ts = self._now if ts is None else ts
        self._books.ended(client_order_id, OrderState.REJECTED, reason, ts)
        self.shelf.over(client_order_id)
        self._answered(OrderRejected(client_order_id, reason, post_only, ts))

    def ended(self, client_order_id: str, state: OrderState, ts: int) -> None:
        """An order was cancelled or has expired."""
        if self._books.orders[client_order_id].state is state:
            return
        self._books.ended(client_order_id, state, "", ts)
        self.shelf.over(client_order_id)
        self._answered(OrderEnded(client_order_id, _ENDINGS[state], ts))

    def cancel_rejected(self, client_order_id: str, reason: str, ts: int) -> None:
        """An order that was to be cancelled isn't there any more."""
        self._answered(CancelRejected(client_order_id, reason, ts))

    def finish(self) -> None:
        """Everything that was still to be answered has been: book what belongs to the last bar."""
        self._settle_before(self._now + 1)
        self._curve.bar_over(self._books)
        self._strategy.on_stop()

    # -- inside

    def _reach(self, ts: int) -> None:
        """The market has got to a time; what lies between two bars goes by the earlier one."""
        if ts <= self._now:
            return
        if self._stirred or self._waiting:
            # What was sent with the bar before has been answered: what still waits, waits for time to pass.
            self._stirred = False
            self._waiting = not self._strategy.idle
        settles = self._funding.due_ts < ts
        if self._mark is not None:
            if settles:
                self._settle_before(self._now + 1)
            self._curve.bar_over(self._books)
        if settles:
            self._settle_before(ts)
        self._now = ts
        self._clock.saw(ts)
        if self._coming is not None:
            self.shelf.begins(self._coming)

    def _settle_before(self, ts: int) -> None:
        while (due := self._funding.due) is not None and due.ts < ts:
            self._funding.pass_on()
            if self._mark is not None:
                self._stirred = True
                self._strategy.on_funding(self._books.settle(due.ts, due.rate, self._mark))

    def _at_bar(self, bar: Bar, limit: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Price and commission of an order that the price has jumped over: the matching fills it at its limit, where
        nobody traded in this bar; of the prices that were, the worst for us counts."""
        price = bar.high if limit > bar.high else bar.low
        self._books.jumped.add(abs(limit - price) * quantity)
        return price, money(price * quantity * self._maker_rate)

    def _filled_too_late(self, client_order_id: str, quantity: Decimal, ts: int) -> None:
        order = self._books.orders[client_order_id]
        self.shelf.undo(order.request, quantity)
        if order.state is OrderState.OPEN:
            self.ended(client_order_id, OrderState.CANCELED, ts)

    def _answered(self, event: OrderAccepted | OrderRejected | OrderEnded | CancelRejected) -> None:
        self._unanswered.discard(event.client_order_id)
        self._tell(event)

    def _tell(self, event: OrderEvent) -> None:
        self._stirred = True
        self._strategy.on_order_event(event)
        if self._aside or self._reads:
            self._answer()
        self.shelf.answer()

    def _answer(self) -> None:
        while self._aside:
            self._strategy.on_order_event(self._aside.popleft())
        while self._reads and not self._unanswered:
            after_trade_id, after_funding_ts = self._reads.popleft()
            self._strategy.on_venue_state(self._books.state(after_trade_id, after_funding_ts, self._now))
