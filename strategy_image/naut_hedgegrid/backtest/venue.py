"""The venue of a backtest as the strategy sees it: the engine's matching, our books, the market's time.

Between two bars the clock stands at the close of the first: everything that happens in a bar has its time. A bar is
over when the next one begins; only then are the settlements of its moment booked (they go by the position after all
fills up to then) and its line of the equity curve is drawn.
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Protocol

from hedgegrid_api.tiers import Tier
from naut_hedgegrid.backtest.books import Books, OrderState
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.curve import Curve
from naut_hedgegrid.backtest.funding import Settlement
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

_UNKNOWN_ORDER = "-2011 Unknown order sent."
_ENDINGS = {OrderState.CANCELED: Ending.CANCELED, OrderState.EXPIRED: Ending.EXPIRED}


class BarStrategy(TradingStrategy, Protocol):
    """A strategy whose market comes in bars."""

    def on_bar(self, bar: Bar) -> None:
        """A bar has closed."""
        ...


class Matching(Protocol):
    """What carries commands to the matching. It answers later, never within the call."""

    def send(self, order: OrderRequest) -> None:
        """Send an order."""
        ...

    def withdraw(self, client_order_id: str) -> None:
        """Cancel an order that the venue holds."""
        ...


class BacktestVenue:
    """Gateway of one strategy, and what the matching reports to."""

    def __init__(
        self,
        strategy: BarStrategy,
        matching: Matching,
        books: Books,
        curve: Curve,
        clock: MarketClock,
        settlements: Iterator[Settlement],
        *,
        tiers: tuple[Tier, ...],
        funding_interval_hours: int,
    ) -> None:
        """`settlements` are those that fall into the run, in order."""
        self._strategy = strategy
        self._matching = matching
        self._books = books
        self._curve = curve
        self._clock = clock
        self._settlements = settlements
        self._due = next(settlements, None)
        self._tiers = tiers
        self._interval = funding_interval_hours
        self._mark: Decimal | None = None
        self._now = 0
        self._unanswered: set[str] = set()
        self._aside: deque[OrderEvent] = deque()
        self._reads: deque[tuple[int, int]] = deque()

    # -- what the strategy asks for

    def submit(self, order: OrderRequest) -> None:
        """Send an order."""
        self._books.sent(order, self._now)
        self._unanswered.add(order.client_order_id)
        self._matching.send(order)

    def cancel(self, client_order_id: str) -> None:
        """Ask to cancel. An order that fills before the matching gets there answers by its fill."""
        if client_order_id in self._books.open:
            self._unanswered.add(client_order_id)
            self._matching.withdraw(client_order_id)
        else:
            self._aside.append(CancelRejected(client_order_id, _UNKNOWN_ORDER, self._now))

    def request_state(self, after_trade_id: int, after_funding_ts: int = 0) -> None:
        """Ask for the venue's state as it is once all commands sent so far have been answered."""
        self._reads.append((after_trade_id, after_funding_ts))

    def account(self) -> AccountState | None:
        """The account's figures at the newest close; what depends on it is None before the first."""
        accountant, mark, due = self._books.accountant, self._mark, self._due
        return AccountState(
            wallet=accountant.wallet,
            unrealized_pnl=None if mark is None else accountant.unrealized(mark),
            maintenance_margin=None if mark is None else accountant.maintenance_margin(self._tiers, mark),
            funding_paid=accountant.funding,
            funding_rate=None if due is None else due.rate,
            next_funding_ts=None if due is None else due.ts,
            funding_interval_hours=self._interval,
            ts=self._now,
        )

    # -- what the matching reports

    def started(self) -> None:
        """The run begins."""
        self._strategy.on_start(self)
        self._answer()

    def bar(self, bar: Bar) -> None:
        """A bar has been matched; its fills came before."""
        self._reach(bar.ts)
        self._mark = bar.close
        self._strategy.on_bar(bar)
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
        books = self._books
        fill = books.filled(client_order_id, quantity, price, commission, ts, maker=maker)
        if client_order_id in books.open:
            self._tell(fill)
            return
        self._unanswered.discard(client_order_id)
        self._tell(fill)
        if books.orders[client_order_id].state is OrderState.EXPIRED:
            self._tell(OrderEnded(client_order_id, Ending.EXPIRED, ts))

    def cut(self, client_order_id: str, quantity: Decimal) -> None:
        """A market close asked for more than is held: it will only close that."""
        self._books.orders[client_order_id].available = quantity

    def rejected(self, client_order_id: str, reason: str, ts: int | None = None, *, post_only: bool) -> None:
        """An order was refused."""
        ts = self._now if ts is None else ts
        self._books.ended(client_order_id, OrderState.REJECTED, reason, ts)
        self._answered(OrderRejected(client_order_id, reason, post_only, ts))

    def ended(self, client_order_id: str, state: OrderState, ts: int) -> None:
        """An order was cancelled or has expired."""
        self._books.ended(client_order_id, state, "", ts)
        self._answered(OrderEnded(client_order_id, _ENDINGS[state], ts))

    def cancel_rejected(self, client_order_id: str, reason: str, ts: int) -> None:
        """An order that was to be cancelled isn't there any more."""
        self._answered(CancelRejected(client_order_id, reason, ts))

    def over(self) -> None:
        """There are no more bars."""
        self._strategy.on_market_end()
        self._answer()

    def finish(self) -> None:
        """Everything that was still to be answered has been: book what belongs to the last bar."""
        self._close_bar()
        self._strategy.on_stop()

    # -- inside

    def _reach(self, ts: int) -> None:
        """The market has got to a time; what lies between two bars goes by the earlier one."""
        if ts <= self._now:
            return
        self._close_bar()
        self._settle_before(ts)
        self._now = ts
        self._clock.saw(ts)

    def _close_bar(self) -> None:
        if self._mark is not None:
            self._settle_before(self._now + 1)
            self._curve.bar_over(self._books)

    def _settle_before(self, ts: int) -> None:
        while self._due is not None and self._due.ts < ts:
            due, self._due = self._due, next(self._settlements, None)
            if self._mark is not None:
                self._strategy.on_funding(self._books.settle(due.ts, due.rate, self._mark))

    def _answered(self, event: OrderAccepted | OrderRejected | OrderEnded | CancelRejected) -> None:
        self._unanswered.discard(event.client_order_id)
        self._tell(event)

    def _tell(self, event: OrderEvent) -> None:
        self._strategy.on_order_event(event)
        if self._aside or self._reads:
            self._answer()

    def _answer(self) -> None:
        while self._aside:
            self._strategy.on_order_event(self._aside.popleft())
        while self._reads and not self._unanswered:
            after_trade_id, after_funding_ts = self._reads.popleft()
            self._strategy.on_venue_state(self._books.state(after_trade_id, after_funding_ts, self._now))
