"""The engine's backtest as the matching of a `BacktestVenue`.

The engine calls while it matches a bar: first for each fill, then with the bar. What is sent meanwhile is carried out
when the callback has returned.
"""

from collections.abc import Callable
from decimal import Decimal

from nautilus_trader.model import Bar as EngineBar
from nautilus_trader.model import (
    BarType,
    ClientOrderId,
    LimitOrder,
    LiquiditySide,
    MarketOrder,
    OmsType,
    Price,
    Quantity,
    StopMarketOrder,
    StrategyId,
)
from nautilus_trader.model import OrderAccepted as EngineAccepted
from nautilus_trader.model import OrderCanceled as EngineCanceled
from nautilus_trader.model import OrderCancelRejected as EngineCancelRejected
from nautilus_trader.model import OrderDenied as EngineDenied
from nautilus_trader.model import OrderExpired as EngineExpired
from nautilus_trader.model import OrderFilled as EngineFilled
from nautilus_trader.model import OrderRejected as EngineRejected
from nautilus_trader.model import OrderUpdated as EngineUpdated
from nautilus_trader.trading import Strategy, StrategyConfig

from naut_hedgegrid.backtest.books import OrderState
from naut_hedgegrid.backtest.venue import BacktestVenue
from naut_hedgegrid.domain.values import ZERO, OrderKind, OrderRequest, Side
from naut_hedgegrid.engine.translation import ORDER_SIDES, Translation
from naut_hedgegrid.venues.sim import refusals

_PURGE_BARS = 60
"""So often the engine forgets what has ended: nobody needs it, and it would only grow."""


class Carrier(Strategy):
    """The engine's strategy in whose name orders go out."""

    def __init__(self, words: Translation) -> None:
        """Of one instrument; `connect` comes before the run."""
        super().__init__(
            StrategyConfig(
                strategy_id=StrategyId("HEDGEGRID-001"), oms_type=OmsType.HEDGING, log_events=False, log_commands=False
            )
        )
        self.failure: Exception | None = None
        """The first error in a callback, which the engine only logs; nothing is done after it."""
        self._words = words
        self.bar_type = BarType.from_str(f"{words.instrument_id}-1-MINUTE-LAST-EXTERNAL")
        """Of all bars, whatever their length: the matching doesn't look at it."""
        self._venue: BacktestVenue | None = None
        self._seen = 0
        self._undone: set[str] = set()
        self._prices: dict[Decimal, Price] = {}
        self._quantities: dict[Decimal, Quantity] = {}

    def connect(self, venue: BacktestVenue) -> None:
        """Report to a venue, which knows the very bars that the engine is fed with."""
        self._venue = venue

    # -- Matching

    def send(self, order: OrderRequest) -> None:
        """Send an order."""
        self.submit_order(self._in_engine_words(order), self._words.position_ids[order.leg])  # pyright: ignore[reportUnknownMemberType]  the stubs say `dict`

    def withdraw(self, client_order_id: str) -> None:
        """Cancel an order that the engine holds, or has just filled without having said so."""
        self.cancel_order(ClientOrderId(client_order_id))  # pyright: ignore[reportUnknownMemberType]  likewise

    def undo(self, order: OrderRequest, quantity: Decimal) -> None:
        """Bring the engine's position back to where it was before a fill that counts as never done."""
        side = ORDER_SIDES[Side.BUY if order.side is Side.SELL else Side.SELL]
        identity = ClientOrderId(f"undo-{len(self._undone)}")
        self._undone.add(identity.value)
        back = self.order_factory.market(
            self._words.instrument_id, side, self._quantity(quantity), client_order_id=identity
        )
        self.submit_order(back, self._words.position_ids[order.leg])  # pyright: ignore[reportUnknownMemberType]  likewise

    # -- what the engine calls

    def on_start(self) -> None:
        """The run begins."""
        self.subscribe_bars(self.bar_type)  # pyright: ignore[reportUnknownMemberType]  the stubs say `dict`
        self._guarded(lambda venue: venue.started())

    def on_bar(self, bar: EngineBar) -> None:
        """A bar has been matched."""
        if self.failure is not None or self._venue is None:
            return
        try:
            self._venue.bar(bar.ts_event)
        except Exception as error:  # noqa: BLE001  raised again when the engine has returned
            self.failure = error
        self._seen += 1
        if self._seen % _PURGE_BARS == 0:
            cache, now = self.cache, bar.ts_event
            cache.purge_account_events(now, 0)
            cache.purge_closed_orders(now, 0)

    def on_order_accepted(self, event: EngineAccepted) -> None:
        """An order was taken."""
        self._guarded(lambda venue: venue.shelf.accepted(event.client_order_id.value, event.ts_event))

    def on_order_filled(self, event: EngineFilled) -> None:
        """An order was filled, at least in part."""
        identity, commission = event.client_order_id.value, event.commission
        if identity in self._undone:
            return
        self._guarded(
            lambda venue: venue.shelf.filled(
                identity,
                event.last_qty.as_decimal(),
                event.last_px.as_decimal(),
                ZERO if commission is None else commission.as_decimal(),
                event.ts_event,
                maker=event.liquidity_side == LiquiditySide.MAKER,
            )
        )

    def on_order_updated(self, event: EngineUpdated) -> None:
        """The engine cuts a market close to what is held."""
        self._guarded(lambda venue: venue.cut(event.client_order_id.value, event.quantity.as_decimal()))

    def on_order_rejected(self, event: EngineRejected) -> None:
        """An order was refused by the matching."""
        post_only = event.due_post_only
        reason = _in_venue_words(event.reason, post_only=post_only)
        self._guarded(
            lambda venue: venue.shelf.rejected(event.client_order_id.value, reason, event.ts_event, post_only=post_only)
        )

    def on_order_denied(self, event: EngineDenied) -> None:
        """An order was refused on its way."""
        self._guarded(lambda venue: venue.shelf.rejected(event.client_order_id.value, event.reason, post_only=False))

    def on_order_canceled(self, event: EngineCanceled) -> None:
        """An order was cancelled."""
        self._guarded(lambda venue: venue.shelf.ended(event.client_order_id.value, OrderState.CANCELED, event.ts_event))

    def on_order_expired(self, event: EngineExpired) -> None:
        """An order has expired."""
        self._guarded(lambda venue: venue.shelf.ended(event.client_order_id.value, OrderState.EXPIRED, event.ts_event))

    def on_order_cancel_rejected(self, event: EngineCancelRejected) -> None:
        """An order that was to be cancelled isn't there any more."""
        self._guarded(
            lambda venue: venue.shelf.cancel_rejected(event.client_order_id.value, event.reason, event.ts_event)
        )

    # -- inside

    def _guarded(self, call: Callable[[BacktestVenue], None]) -> None:
        if self.failure is not None or self._venue is None:
            return
        try:
            call(self._venue)
        except Exception as error:  # noqa: BLE001  raised again when the engine has returned
            self.failure = error

    def _in_engine_words(self, order: OrderRequest) -> LimitOrder | MarketOrder | StopMarketOrder:
        """Exits that rest are not reduce-only here: the engine would resize each to the whole position."""
        factory, instrument_id, side = self.order_factory, self._words.instrument_id, ORDER_SIDES[order.side]
        identity, quantity = ClientOrderId(order.client_order_id), self._quantity(order.quantity)
        if order.kind is OrderKind.MARKET:
            return factory.market(instrument_id, side, quantity, reduce_only=True, client_order_id=identity)
        if order.kind is OrderKind.STOP_MARKET:
            trigger = self._price(order.trigger_price, order)
            return factory.stop_market(instrument_id, side, quantity, trigger, client_order_id=identity)
        price = self._price(order.price, order)
        return factory.limit(instrument_id, side, quantity, price, post_only=order.post_only, client_order_id=identity)

    def _price(self, value: Decimal | None, order: OrderRequest) -> Price:
        if value is None:
            raise ValueError(f"{order.kind} order {order.client_order_id} has no price")
        price = self._prices.get(value)
        if price is None:
            price = self._prices[value] = self._words.price(value)
        return price

    def _quantity(self, value: Decimal) -> Quantity:
        quantity = self._quantities.get(value)
        if quantity is None:
            quantity = self._quantities[value] = self._words.quantity(value)
        return quantity


def _in_venue_words(reason: str, *, post_only: bool) -> str:
    """Why the matching refuses, with the venue's code: the strategy goes by it."""
    if post_only:
        return str(refusals.WOULD_TAKE)
    if "was in the market" in reason:
        return str(refusals.WOULD_TRIGGER)
    return str(refusals.REDUCE_ONLY) if reason.startswith("Reduce-only") else reason
