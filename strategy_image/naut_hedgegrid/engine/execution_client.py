"""The simulated venue as an execution client of the engine.

The book commits, then the events go out. Hooks never wait: latency is the wire's business. What a hook raises would
leave its order initialized for ever, so it becomes a rejection.
"""

from collections.abc import Callable, Sequence
from functools import partial

from nautilus_trader.common import Clock
from nautilus_trader.config import ExecutionClientConfig
from nautilus_trader.live import CancelOrder, ClientCache, QueryAccount, QueryOrder, SubmitOrder
from nautilus_trader.live.clients import ExecutionClient
from nautilus_trader.model import (
    AccountBalance,
    AccountType,
    ClientOrderId,
    ExecutionMassStatus,
    LimitOrder,
    LiquiditySide,
    MarginBalance,
    MarketOrder,
    OmsType,
    OrderSide,
    PositionId,
    StopMarketOrder,
    TradeId,
    TraderId,
    VenueOrderId,
)

from naut_hedgegrid.domain.values import (
    ZERO,
    CancelRejected,
    Ending,
    FundingSettled,
    Instrument,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Side,
)
from naut_hedgegrid.engine.reports import Reports
from naut_hedgegrid.engine.venue import SimVenue
from naut_hedgegrid.grid.precision import money
from naut_hedgegrid.venues.sim.account import Account
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.margin import free_margin, position_margin
from naut_hedgegrid.venues.sim.refusals import NO_SUCH_ORDER

# The venue's own words for a command that it hasn't carried out.
_NOT_EXECUTED = "-1001 Internal error; unable to process your request. Please try again."

type EngineOrder = LimitOrder | MarketOrder | StopMarketOrder


class SimExecutionClient(ExecutionClient):
    """Hedge mode: leg from side and reduce-only, checked against the position id, as with the real venue."""

    def __init__(
        self,
        venue: SimVenue,
        *,
        name: str,
        config: ExecutionClientConfig,
        cache: ClientCache,
        clock: Clock,
        trader_id: TraderId,
    ) -> None:
        """`name` to `trader_id` are the engine's own."""
        super().__init__(
            name=name,
            config=config,
            cache=cache,
            clock=clock,
            trader_id=trader_id,
            venue=venue.translation.venue,
            account_id=venue.translation.account_id,
            account_type=AccountType.MARGIN,
            oms_type=OmsType.HEDGING,
        )
        self._venue = venue
        self._reports = Reports(venue.translation)
        self._account_sent: Account | None = None

    def emit(self, events: Sequence[BookEvent]) -> None:
        """Send what the book has committed to the engine, and the account where it changed."""
        before: BookEvent | None = None
        for event in events:
            self._venue.errors.guarded("execution", self._emit, event, again=event == before)
            before = event
        if self._venue.book.standing.account is not self._account_sent:
            self._venue.errors.guarded("execution", self._emit_account)

    def _emit(self, event: BookEvent, *, again: bool) -> None:
        match event:
            case FundingSettled():
                self._venue.delivery.funding_aside(event)
            case Instrument():
                self._venue.translation.adopt(event)
                self._handle_instrument(self._venue.translation.definition)
                self._venue.delivery.instrument_aside(event, self._definition_known)
            case _:
                self._emit_of_order(event, again=again)

    def _definition_known(self) -> bool:
        """Whether the engine has taken over tick and step; to it, all definitions with one id are equal."""
        wanted, held = self._venue.translation.definition, self.cache.instrument(self._venue.translation.instrument_id)
        increments = (wanted.price_increment, wanted.size_increment)
        return held is not None and (held.price_increment, held.size_increment) == increments

    def _emit_of_order(self, event: OrderEvent, *, again: bool) -> None:
        """By way of the engine, but for what it has no use for.

        It drops the refusal to cancel an order that has ended meanwhile, takes an event that comes twice for an error,
        and learns of an order that it hasn't sent from its fill.
        """
        identity = ClientOrderId(event.client_order_id)
        order: EngineOrder | None = self.cache.order(identity)
        if again or isinstance(event, CancelRejected):
            self._venue.delivery.order_event_aside(event)
        elif order is not None:
            self._generate(order, VenueOrderId(event.client_order_id), event)
            self._venue.traffic.event_sent()
        elif isinstance(event, OrderFilled):
            self._report_foreign(event)
            self._venue.traffic.event_sent()
        else:
            self._venue.delivery.order_event_aside(event)

    def _report_foreign(self, fill: OrderFilled) -> None:
        """An order of the venue's own (liquidation, deleveraging), filled in one piece."""
        order, now = self._venue.book.order_of(fill.trade_id), self.clock.timestamp_ns()
        report = self._reports.order(order, [fill], now)
        self._venue.foreign.add(str(report.client_order_id))
        self._handle_report(report, [self._reports.fill(order, fill, now)])

    def _generate(
        self,
        order: EngineOrder,
        venue_order_id: VenueOrderId,
        event: OrderAccepted | OrderRejected | OrderFilled | OrderEnded,
    ) -> None:
        match event:
            case OrderAccepted():
                self.generate_order_accepted(order, venue_order_id, event.ts)
            case OrderRejected():
                self.generate_order_rejected(order, event.reason, event.ts, event.post_only)
            case OrderFilled():
                self._generate_fill(order, venue_order_id, event)
            case OrderEnded(ending=Ending.CANCELED):
                self.generate_order_canceled(order, venue_order_id, event.ts)
            case OrderEnded():
                self.generate_order_expired(order, venue_order_id, event.ts)

    def _generate_fill(self, order: EngineOrder, venue_order_id: VenueOrderId, fill: OrderFilled) -> None:
        words = self._venue.translation
        self.generate_order_filled(
            order,
            venue_order_id,
            words.position_ids[fill.leg],
            TradeId(str(fill.trade_id)),
            words.quantity(fill.quantity),
            words.price(fill.price),
            words.currency,
            words.money(fill.commission),
            LiquiditySide.MAKER if fill.maker else LiquiditySide.TAKER,
            fill.ts,
        )

    def _emit_account(self) -> None:
        """Total is the wallet and free what is left to open with, within 0 and the total: as the real adapter."""
        book, words = self._venue.book, self._venue.translation
        standing = book.standing
        total = money(standing.account.wallet)
        free = money(min(max(free_margin(standing, book.rules), ZERO), max(total, ZERO)))
        balance = AccountBalance(words.money(total), words.money(total - free), words.money(free))
        mark, tiers = standing.mark, book.rules.tiers
        maintenance = ZERO if mark is None else money(standing.account.maintenance_margin(tiers, mark))
        initial = money(position_margin(standing, book.rules))
        margin = MarginBalance(words.money(initial), words.money(maintenance), words.instrument_id)
        self.generate_account_state([balance], [margin], True, standing.ts)
        self._account_sent = standing.account

    async def _connect(self) -> None:
        self._emit_account()  # without an account the engine denies every order

    async def _disconnect(self) -> None: ...

    async def _submit_order(self, command: SubmitOrder) -> None:
        order: EngineOrder = command.order
        self._venue.errors.guarded("execution", self.generate_order_submitted, order)
        self._send(partial(self._submitted, order, command.position_id))

    async def _cancel_order(self, command: CancelOrder) -> None:
        self._send(partial(self._cancelled, str(command.client_order_id)))

    def _send(self, carry_out: Callable[[], Sequence[BookEvent]]) -> None:
        self._venue.traffic.command_entered()
        self._venue.wire.send(partial(self._arrive, carry_out))

    def _arrive(self, carry_out: Callable[[], Sequence[BookEvent]]) -> None:
        events = carry_out()
        self._venue.traffic.command_arrived()
        self.emit(events)

    def _submitted(self, order: EngineOrder, position_id: PositionId | None) -> Sequence[BookEvent]:
        venue = self._venue
        try:
            return venue.book.submit(self._request(order, position_id), venue.now())
        except Exception as error:  # noqa: BLE001  a book that can't write hasn't taken the order
            venue.errors.report("submit", error)
            return [OrderRejected(str(order.client_order_id), f"{_NOT_EXECUTED} {error}", False, venue.now())]

    def _cancelled(self, client_order_id: str) -> Sequence[BookEvent]:
        venue = self._venue
        try:
            return venue.book.cancel(client_order_id, venue.now())
        except Exception as error:  # noqa: BLE001  a book that can't write hasn't cancelled the order
            venue.errors.report("cancel", error)
            return [CancelRejected(client_order_id, f"{_NOT_EXECUTED} {error}", venue.now())]

    def _request(self, order: EngineOrder, position_id: PositionId | None) -> OrderRequest:
        buy = order.side == OrderSide.BUY
        leg = Leg.LONG if buy != order.is_reduce_only else Leg.SHORT
        if position_id != self._venue.translation.position_ids[leg]:
            raise ValueError(f"-4061 Order's position side does not match: {position_id} for {leg}")
        limit = order if isinstance(order, LimitOrder) else None
        stop = order if isinstance(order, StopMarketOrder) else None
        return OrderRequest(
            client_order_id=str(order.client_order_id),
            leg=leg,
            side=Side.BUY if buy else Side.SELL,
            kind=OrderKind.LIMIT if limit else OrderKind.STOP_MARKET if stop else OrderKind.MARKET,
            quantity=order.quantity.as_decimal(),
            price=None if limit is None else limit.price.as_decimal(),
            post_only=limit is not None and limit.is_post_only,
            trigger_price=None if stop is None else stop.trigger_price.as_decimal(),
        )

    async def _query_account(self, command: QueryAccount) -> None:  # noqa: ARG002  the engine's signature
        self._emit_account()

    async def _query_order(self, command: QueryOrder) -> None:
        """Asked about an order whose answer is overdue; without an answer the engine rejects it."""
        errors, client_order_id = self._venue.errors, command.client_order_id
        self._venue.wire.send(lambda: errors.guarded("execution", self._answer, client_order_id))

    def _answer(self, client_order_id: ClientOrderId) -> None:
        order = self._venue.book.order(str(client_order_id))
        if order is not None:
            fills, now = self._venue.book.fills_of(order), self.clock.timestamp_ns()
            told = [self._reports.fill(order, fill, now) for fill in fills]
            self._handle_report(self._reports.order(order, fills, now), told)
        elif (unknown := self.cache.order(client_order_id)) is not None:
            self.generate_order_rejected(unknown, str(NO_SUCH_ORDER), self._venue.now(), False)
            self._venue.traffic.event_sent()

    async def _generate_mass_status(self, lookback_mins: int | None) -> ExecutionMassStatus:  # noqa: ARG002  likewise
        """Orders and fills only: the engine compares reported positions as float sums with `==`."""
        now = self.clock.timestamp_ns()
        status = ExecutionMassStatus(self.client_id, self.account_id, self._venue.translation.venue, now)
        for history in self._venue.book.history():
            orders, fills = self._reports.of_leg(history, now)
            status.add_order_reports(orders)
            status.add_fill_reports(fills)
        return status
