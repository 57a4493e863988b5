"""The simulated venue's book: Binance's USDT-margined hedge mode for one account and one instrument.

Each call commits first and then returns the events, so that what anybody has seen is in the file. Nothing happens
while no process has the book; it goes on where it stood. Times are market time, but for the arrival in the order log.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from naut_hedgegrid.domain.values import (
    ZERO,
    AccountState,
    CancelRejected,
    Ending,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Quote,
    Side,
    VenuePosition,
    VenueState,
)
from naut_hedgegrid.grid.precision import money
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.admission import refusal_of
from naut_hedgegrid.venues.sim.changes import Changes, Command
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.history import LegHistory, history_of
from naut_hedgegrid.venues.sim.ledger import Ledger
from naut_hedgegrid.venues.sim.orders import BookOrder, Status
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.records import ACCEPTED, Action, BookFill, FundingPayment
from naut_hedgegrid.venues.sim.refusals import Refusal
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.standing import Standing

_PLACE_EVERY_SECONDS = 1.0
_ENDED = {Ending.CANCELED: Status.CANCELED, Ending.EXPIRED: Status.EXPIRED}


class Book:
    """The venue. Not thread-safe; a call blocks for a commit, well below a millisecond."""

    def __init__(
        self,
        path: Path,
        rules: VenueRules,
        faults: Faults | None = None,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open the book at `path`, or make it.

        Raises BookFileError if the file is in use, of another layout, or another instrument's.
        """
        self.rules = rules
        self.faults = faults or Faults()
        self._wall_clock = wall_clock
        self._ledger = Ledger(path, rules)
        self._standing = self._ledger.standing()
        self._committed = time.monotonic()

    def close(self) -> None:
        """Store the market's place and close the file."""
        try:
            self._ledger.commit(Changes(), self._standing)
        finally:
            self._ledger.close()

    @property
    def standing(self) -> Standing:
        """Where the venue stands; to be read only, and only until the next call."""
        return self._standing

    def state(self, after_trade_id: int, after_funding_ts: int = 0) -> VenueState:
        """Positions, open orders, the fills after a trade id and the settlements after a time."""
        standing = self._standing
        positions = standing.account.positions.items()
        return VenueState(
            positions={leg: VenuePosition(position.quantity, position.entry_price) for leg, position in positions},
            open_orders=tuple(order.seen() for order in standing.open),
            fills=tuple(fill.event for fill in self._ledger.fills(after_trade_id)),
            ts=standing.ts,
            funding=self._ledger.settlements(after_funding_ts),
        )

    def account(self) -> AccountState:
        """Wallet, margin and funding at the newest mark price."""
        standing, rules = self._standing, self.rules
        account, mark, interval = standing.account, standing.mark, rules.funding_interval_ns
        return AccountState(
            wallet=account.wallet,
            unrealized_pnl=None if mark is None else account.unrealized(mark),
            maintenance_margin=None if mark is None else account.maintenance_margin(rules.tiers, mark),
            funding_paid=account.funding,
            funding_rate=rules.funding_rate,
            next_funding_ts=(standing.ts // interval + 1) * interval if standing.ts else None,
            funding_interval_hours=rules.funding_interval_hours,
            ts=standing.ts,
        )

    def order(self, client_order_id: str) -> BookOrder | None:
        """The newest order with that id, open or not."""
        return self._standing.open.get(client_order_id) or self._ledger.newest_order(client_order_id)

    def fill(self, trade_id: int) -> OrderFilled:
        """A fill. Raises KeyError if there is none with that id."""
        return self._ledger.fill(trade_id).event

    def fills_of(self, order: BookOrder) -> list[OrderFilled]:
        """An order's fills, oldest first."""
        return [fill.event for fill in self._ledger.fills_of_order(order.order_id)]

    def history(self) -> list[LegHistory]:
        """What a client that starts anew has to be told of each leg."""
        return history_of(self._ledger, self._standing)

    def submit(self, order: OrderRequest, ts: int) -> list[OrderEvent]:
        """Take or refuse an order that arrives at `ts`; a taken one may fill at once."""
        with self._transaction() as changes:
            self._advance(ts, changes)
            refusal = self.faults.refuses() or refusal_of(order, self._standing, self.rules)
            result = ACCEPTED if refusal is None else str(refusal)
            self._log(changes, Action.SUBMIT, order.client_order_id, order, result)
            if refusal is None:
                self._take(order, changes)
            else:
                post_only = isinstance(refusal, Refusal) and refusal.post_only
                changes.events.append(OrderRejected(order.client_order_id, result, post_only, self._standing.ts))
        return changes.events

    def cancel(self, client_order_id: str, ts: int) -> list[OrderEvent]:
        """Cancel an open order, or say that there is none."""
        with self._transaction() as changes:
            self._advance(ts, changes)
            order = self._standing.open.get(client_order_id)
            if order is None:
                reason = str(refusals.UNKNOWN_ORDER)
                self._log(changes, Action.CANCEL, client_order_id, None, reason)
                changes.events.append(CancelRejected(client_order_id, reason, self._standing.ts))
            else:
                self._log(changes, Action.CANCEL, client_order_id, order.request, ACCEPTED)
                self._end(order, Ending.CANCELED, changes)
        return changes.events

    def on_quote(self, quote: Quote, place: Place) -> list[OrderEvent]:
        """The market moved: settle what fell due before it, then fill what it touches."""
        with self._transaction() as changes:
            self._advance(quote.ts, changes)
            self._standing.quote, self._standing.place = quote, place
            self._match(Side.BUY, quote.ask, changes)
            self._match(Side.SELL, quote.bid, changes)
        return changes.events

    @contextmanager
    def _transaction(self) -> Generator[Changes]:
        changes = Changes()
        market = self._standing.quote, self._standing.place, self._standing.ts
        try:
            yield changes
            now = time.monotonic()
            if changes.any or now - self._committed >= _PLACE_EVERY_SECONDS:
                self._ledger.commit(changes, self._standing)
                self._committed = now
        except BaseException:
            # Nothing was written: what the file says stands, but for the market, which it holds only now and then.
            self._standing = self._ledger.standing()
            self._standing.quote, self._standing.place, self._standing.ts = market
            raise

    def _log(
        self, changes: Changes, action: Action, client_order_id: str, order: OrderRequest | None, result: str
    ) -> None:
        changes.commands.append(Command(self._wall_clock(), self._standing.ts, action, client_order_id, order, result))

    def _advance(self, ts: int, changes: Changes) -> None:
        """Move market time; settlements before `ts` are booked at the mark price known so far.

        A fill at the very time of a settlement still counts for it: the settlement waits for the next moment.
        """
        standing, interval = self._standing, self.rules.funding_interval_ns
        due = -(-standing.ts // interval) * interval
        while standing.ts and due < ts:
            self._settle(due, changes)
            due += interval
        standing.ts = max(standing.ts, ts)

    def _settle(self, ts: int, changes: Changes) -> None:
        standing, rate = self._standing, self.rules.funding_rate
        if standing.mark is None:
            return
        for leg, position in standing.account.positions.items():
            if position.quantity:
                amount = standing.account.funding_of(leg, rate, standing.mark)
                changes.funding.append(FundingPayment(ts, leg, rate, standing.mark, position.quantity, amount))
                standing.account = standing.account.funded(amount)

    def _take(self, request: OrderRequest, changes: Changes) -> None:
        standing = self._standing
        standing.last_order_id += 1
        order = BookOrder(standing.last_order_id, request, ts=standing.ts, ts_last=standing.ts)
        standing.open.add(order)
        changes.orders[order.order_id] = order
        changes.events.append(OrderAccepted(request.client_order_id, standing.ts))
        market, price = request.kind is OrderKind.MARKET, standing.taker_price(request.side)
        if price is not None and (market or standing.crosses(request)):
            quantity = self.faults.of_market_order(order.leaves) if market else order.leaves
            self._fill(order, quantity, price, changes, maker=False)
        if market and order.status is Status.OPEN:
            self._end(order, Ending.EXPIRED, changes)

    def _match(self, side: Side, opposite: Decimal, changes: Changes) -> None:
        """Fill the resting orders of a side that the opposite best price reaches, each at its own price."""
        while (order := self._standing.open.touched(side, opposite)) is not None:
            request, leaves = order.request, order.leaves
            positions = self._standing.account.positions
            fillable = min(leaves, positions[request.leg].quantity) if request.reduce_only else leaves
            if request.price is None or fillable <= ZERO:
                self._end(order, Ending.EXPIRED, changes)  # a close that outlived its position
                continue
            quantity = self.faults.of_resting_order(fillable)
            self._fill(order, quantity, request.price, changes, maker=True)
            if quantity < fillable:
                return  # the rest waits for the next tick

    def _fill(self, order: BookOrder, quantity: Decimal, price: Decimal, changes: Changes, *, maker: bool) -> None:
        if quantity <= ZERO:
            return
        request, standing = order.request, self._standing
        commission = money(quantity * price * (self.rules.maker_rate if maker else self.rules.taker_rate))
        before, realized = standing.account.positions[request.leg], ZERO
        if request.reduce_only:
            standing.account, realized = standing.account.closed(request.leg, quantity, price, commission)
        else:
            standing.account = standing.account.opened(request.leg, quantity, price, commission)
        standing.last_trade_id += 1
        event = OrderFilled(
            trade_id=standing.last_trade_id,
            client_order_id=request.client_order_id,
            leg=request.leg,
            side=request.side,
            quantity=quantity,
            price=price,
            commission=commission,
            maker=maker,
            realized_pnl=realized,
            ts=standing.ts,
        )
        changes.events.append(event)
        changes.fills.append(BookFill(order.order_id, event, before))
        order.filled += quantity
        self._update(order, Status.OPEN if order.leaves else Status.FILLED, changes)

    def _end(self, order: BookOrder, ending: Ending, changes: Changes) -> None:
        self._update(order, _ENDED[ending], changes)
        changes.events.append(OrderEnded(order.request.client_order_id, ending, self._standing.ts))

    def _update(self, order: BookOrder, status: Status, changes: Changes) -> None:
        order.status, order.ts_last = status, self._standing.ts
        if status is not Status.OPEN:
            self._standing.open.remove(order)
        changes.orders[order.order_id] = order
