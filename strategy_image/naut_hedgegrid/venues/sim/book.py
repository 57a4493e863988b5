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
    AccountState,
    CancelRejected,
    Ending,
    Leg,
    OrderFilled,
    OrderRejected,
    OrderRequest,
    Quote,
    VenuePosition,
    VenueState,
)
from naut_hedgegrid.grid.precision import money
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.admission import refusal_of
from naut_hedgegrid.venues.sim.changes import BookEvent, Changes, Command
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.history import LegHistory, history_of
from naut_hedgegrid.venues.sim.ledger import Ledger
from naut_hedgegrid.venues.sim.liquidation import LiquidationWatch
from naut_hedgegrid.venues.sim.margin import free_margin
from naut_hedgegrid.venues.sim.matching import Matching
from naut_hedgegrid.venues.sim.orders import BookOrder
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.records import ACCEPTED, Action, Transfer
from naut_hedgegrid.venues.sim.refusals import Refusal
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.settlement import FundingRates, Unsettled, boundaries
from naut_hedgegrid.venues.sim.standing import Standing
from naut_hedgegrid.venues.sim.statement import account_state

_PLACE_EVERY_SECONDS = 1.0
_MS = 1_000_000
ADL_ID = "adl_autoclose"
"""Client order id of every order by which the venue deleverages."""


class Book:
    """The venue. Not thread-safe; a call blocks for a commit, well below a millisecond."""

    def __init__(
        self,
        path: Path,
        rules: VenueRules,
        faults: Faults | None = None,
        wall_clock: Callable[[], int] = time.time_ns,
        funding_rates: FundingRates | None = None,
    ) -> None:
        """Open the book at `path`, or make it. Without `funding_rates` the rate is the rules'.

        Raises BookFileError if the file is in use, of another layout, or another instrument's.
        """
        self.rules = rules
        self.faults = faults or Faults()
        self._funding_rates = funding_rates
        self._wall_clock = wall_clock
        self._liquidation = LiquidationWatch()
        self._ledger = Ledger(path, rules)
        self._standing = self._ledger.standing()
        self._committed = time.monotonic()

    def close(self) -> None:
        """Store the market's place and close the file."""
        try:
            self._ledger.commit(Changes(), self._standing)
        finally:
            self._ledger.close()

    # -- what can be asked

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
        return account_state(self._standing, self.rules, self._rates())

    def order(self, client_order_id: str) -> BookOrder | None:
        """The newest order with that id, open or not."""
        return self._standing.open.get(client_order_id) or self._ledger.newest_order(client_order_id)

    def order_of(self, trade_id: int) -> BookOrder:
        """The order that a fill belongs to. Raises KeyError if there is no such fill."""
        (order,) = self._ledger.orders([self._ledger.fill(trade_id).order_id])
        return order

    def fill(self, trade_id: int) -> OrderFilled:
        """A fill. Raises KeyError if there is none with that id."""
        return self._ledger.fill(trade_id).event

    def fills_of(self, order: BookOrder) -> list[OrderFilled]:
        """An order's fills, oldest first."""
        return [fill.event for fill in self._ledger.fills_of_order(order.order_id)]

    def history(self) -> list[LegHistory]:
        """What a client that starts anew has to be told of each leg."""
        return history_of(self._ledger, self._standing)

    # -- what the account does

    def submit(self, order: OrderRequest, ts: int) -> list[BookEvent]:
        """Take or refuse an order that arrives at `ts`; a taken one may fill at once."""
        with self._transaction() as changes:
            self._advance(ts, changes)
            expires = self.faults.expires(order)
            refusal = self.faults.refuses(order) or refusal_of(order, self._standing, self.rules)
            if expires and refusal is refusals.WOULD_TAKE:
                refusal = None
            result = ACCEPTED if refusal is None else str(refusal)
            self._log(changes, Action.SUBMIT, order.client_order_id, order, result)
            if refusal is not None:
                post_only = isinstance(refusal, Refusal) and refusal.post_only
                changes.events.append(OrderRejected(order.client_order_id, result, post_only, self._standing.ts))
            elif expires:
                matching = self._matching(changes)
                matching.end(matching.placed(order), Ending.EXPIRED)
            else:
                self._matching(changes).take(order)
        return self.faults.answered(changes.events)

    def cancel(self, client_order_id: str, ts: int) -> list[BookEvent]:
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
                self._matching(changes).end(order, Ending.CANCELED)
        return self.faults.answered(changes.events)

    def transfer(self, amount: Decimal) -> None:
        """Deposit into the wallet, or below 0 withdraw from it, what isn't needed as margin.

        Raises ValueError for a withdrawal of more than is available.
        """
        available = free_margin(self._standing, self.rules)
        if amount < 0 and available + amount < 0:
            raise ValueError(f"can't withdraw {-amount}: {available} of the wallet is available")
        with self._transaction() as changes:
            booked = money(amount)
            changes.transfers.append(Transfer(self._wall_clock(), self._standing.ts, booked))
            self._standing.account = self._standing.account.transferred(booked)

    # -- what happens to it

    def on_quote(self, quote: Quote, place: Place) -> list[BookEvent]:
        """The market moved: settle what fell due before it, match, then liquidate an account that is used up."""
        with self._transaction() as changes:
            self._advance(quote.ts, changes)
            self._standing.quote, self._standing.place = quote, place
            matching = self._matching(changes)
            matching.tick()
            if legs := self._liquidation.used_up(self._standing.account, self.rules, quote.mark):
                self._liquidate(legs, quote.mark, matching)
        return self.faults.arrived(changes.events)

    def liquidate(self, leg: Leg, quantity: Decimal, price: Decimal) -> list[BookEvent]:
        """Close a part of a leg as the venue's liquidation does, whatever the margin.

        Raises ValueError if the leg holds less.
        """
        return self._autoclose(leg, quantity, price, self._liquidation_id())

    def deleverage(self, leg: Leg, quantity: Decimal, price: Decimal) -> list[BookEvent]:
        """Close a part of a leg as auto-deleveraging (ADL) does: another's liquidation took it as counterparty.

        Raises ValueError if the leg holds less.
        """
        return self._autoclose(leg, quantity, price, ADL_ID)

    def expire_resting(self, client_order_id: str, ending: Ending, reason: str = "") -> list[BookEvent]:
        """End an open order that nobody has cancelled. Raises ValueError if it isn't open."""
        order = self._standing.open.get(client_order_id)
        if order is None:
            known = ", ".join(order.request.client_order_id for order in self._standing.open) or "none"
            raise ValueError(f"no open order {client_order_id!r}; open: {known}")
        with self._transaction() as changes:
            self._matching(changes).end(order, ending, reason)
        return self.faults.arrived(changes.events)

    def change_rules(self, rules: VenueRules) -> list[BookEvent]:
        """The venue trades by other rules from now on. Not stored: a start takes the venue file's.

        Open orders stay as they are. Raises ValueError for another instrument.
        """
        before, self.rules = self.rules, rules
        if rules.instrument.symbol != before.instrument.symbol:
            self.rules = before
            raise ValueError(f"rules of {rules.instrument.symbol} in a book of {before.instrument.symbol}")
        return self.faults.arrived([rules.instrument] if rules.instrument != before.instrument else [])

    # -- inside

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

    def _rates(self) -> FundingRates:
        return self.rules if self._funding_rates is None else self._funding_rates

    def _matching(self, changes: Changes) -> Matching:
        return Matching(self._standing, self.rules, self.faults, changes)

    def _log(
        self, changes: Changes, action: Action, client_order_id: str, order: OrderRequest | None, result: str
    ) -> None:
        changes.commands.append(Command(self._wall_clock(), self._standing.ts, action, client_order_id, order, result))

    def _advance(self, ts: int, changes: Changes) -> None:
        """Move market time; settlements before `ts` fall due at the mark price known so far.

        A fill at the very time of a settlement still counts for it: the settlement waits for the next moment.
        """
        standing = self._standing
        for due in boundaries(standing.ts, ts, self.rules.funding_interval_ns) if standing.ts else ():
            quantities = {leg: position.quantity for leg, position in standing.account.positions.items()}
            if standing.mark is not None and any(quantities.values()):
                standing.unsettled += (Unsettled(due, standing.mark, quantities),)
                changes.unsettled = True
        standing.ts = max(standing.ts, ts)
        if standing.unsettled:
            self._settle(changes)

    def _settle(self, changes: Changes) -> None:
        """Book the settlements that are due, in their order: one whose rate isn't known holds up those after it."""
        standing, rates = self._standing, self._rates()
        while standing.unsettled:
            oldest, *others = standing.unsettled
            rate = rates.rate_at(oldest.ts)
            if rate is None:
                return
            settled = oldest.at(rate)
            standing.unsettled = tuple(others)
            standing.account = standing.account.funded(settled.total)
            changes.funding += oldest.payments(settled)
            changes.events.append(settled)

    def _liquidate(self, legs: list[Leg], mark: Decimal, matching: Matching) -> None:
        """Cancel what would open these legs further, then close them at the mark price.

        There is neither a liquidation fee nor an insurance fund: a wallet may end below 0.
        """
        for order in list(self._standing.open):
            if order.request.leg in legs and not order.request.reduce_only:
                matching.end(order, Ending.CANCELED, "liquidation")
        for leg in legs:
            quantity = self._standing.account.positions[leg].quantity
            matching.autoclose(leg, quantity, mark, self._liquidation_id())

    def _liquidation_id(self) -> str:
        return f"autoclose-{self._standing.ts // _MS}-{self._standing.last_order_id + 1}"

    def _autoclose(self, leg: Leg, quantity: Decimal, price: Decimal, client_order_id: str) -> list[BookEvent]:
        held = self._standing.account.positions[leg].quantity
        if not 0 < quantity <= held:
            raise ValueError(f"can't close {quantity} of {leg}: it holds {held}")
        with self._transaction() as changes:
            self._matching(changes).autoclose(leg, quantity, price, client_order_id)
        return self.faults.arrived(changes.events)
