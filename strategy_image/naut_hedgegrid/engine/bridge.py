"""The engine's strategy behind which ours lives: engine callbacks in, domain events out.

Each callback only translates and queues (see `inbox`); the engine may have its cache locked while it calls.
"""

from decimal import Decimal

from nautilus_trader.model import MarkPriceUpdate, OmsType, QuoteTick, StrategyId
from nautilus_trader.model import OrderAccepted as EngineAccepted
from nautilus_trader.model import OrderCanceled as EngineCanceled
from nautilus_trader.model import OrderDenied as EngineDenied
from nautilus_trader.model import OrderExpired as EngineExpired
from nautilus_trader.model import OrderFilled as EngineFilled
from nautilus_trader.model import OrderRejected as EngineRejected
from nautilus_trader.trading import Strategy, StrategyConfig

from naut_hedgegrid.domain.values import (
    Ending,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderRejected,
    Quote,
)
from naut_hedgegrid.engine.translation import Translation
from naut_hedgegrid.engine.venue import SimVenue

type EngineEvent = EngineAccepted | EngineRejected | EngineFilled | EngineCanceled | EngineExpired


class BridgeStrategy(Strategy):
    """Owns the instrument's orders in the engine, those of earlier processes included."""

    def __init__(self, venue: SimVenue) -> None:
        """For the venue's instrument."""
        super().__init__(
            StrategyConfig(
                strategy_id=StrategyId("HEDGEGRID-001"),
                oms_type=OmsType.HEDGING,
                external_order_instrument_ids=[venue.translation.instrument_id],
                log_events=False,
                log_commands=False,
            )
        )
        self._venue = venue
        self._mark: Decimal | None = None

    def on_start(self) -> None:
        """The engine has reconciled: ask for prices."""
        words: Translation = self._venue.translation
        self.subscribe_quotes(words.instrument_id)  # pyright: ignore[reportUnknownMemberType]  the stubs say `dict`
        self.subscribe_mark_prices(words.instrument_id)  # pyright: ignore[reportUnknownMemberType]  the stubs say `dict`

    def on_stop(self) -> None:
        """The engine stops, whoever asked for it."""
        self._venue.delivery.end()

    def on_mark_price(self, mark_price: MarkPriceUpdate) -> None:
        """A mark price: belongs to the quote that follows."""
        self._mark = mark_price.value.as_decimal()

    def on_quote(self, quote: QuoteTick) -> None:
        """A quote."""
        bid, ask = quote.bid_price.as_decimal(), quote.ask_price.as_decimal()
        mark = (bid + ask) / 2 if self._mark is None else self._mark
        self._venue.delivery.quote(Quote(bid, ask, mark, quote.ts_event))

    def on_order_accepted(self, event: EngineAccepted) -> None:
        """The venue has taken an order."""
        identity = str(event.client_order_id)
        if identity not in self._venue.foreign:  # their fill tells all
            self._deliver(OrderAccepted(identity, event.ts_event), event)

    def on_order_rejected(self, event: EngineRejected) -> None:
        """The venue has refused an order."""
        rejected = OrderRejected(str(event.client_order_id), event.reason, event.due_post_only, event.ts_event)
        self._deliver(rejected, event)

    def on_order_denied(self, event: EngineDenied) -> None:
        """The engine has refused an order: it never got to the venue."""
        self._venue.traffic.command_entered()
        self._venue.traffic.command_arrived()
        denied = OrderRejected(str(event.client_order_id), event.reason, False, self._venue.now())
        self._venue.delivery.order_event_aside(denied)

    def on_order_filled(self, event: EngineFilled) -> None:
        """A fill; the venue's record of it knows the realized profit."""
        self._deliver(self._venue.book.fill(int(str(event.trade_id))), event)

    def on_order_canceled(self, event: EngineCanceled) -> None:
        """An order was cancelled."""
        self._ended(event)

    def on_order_expired(self, event: EngineExpired) -> None:
        """The venue has ended an order."""
        self._ended(event)

    def _ended(self, event: EngineCanceled | EngineExpired) -> None:
        """The engine knows two endings; the venue's record has them all."""
        identity = str(event.client_order_id)
        order = self._venue.book.order(identity)
        if order is None:
            raise ValueError(f"the engine has ended order {identity}, which the venue doesn't know")
        ending = Ending(order.status.value)
        self._deliver(OrderEnded(identity, ending, event.ts_event, order.reason), event)

    def _deliver(self, told: OrderEvent, event: EngineEvent) -> None:
        """What the engine finds out from a report, when it asks about an order, nobody has announced."""
        announced = not event.reconciliation or str(event.client_order_id) in self._venue.foreign
        self._venue.delivery.order_event(told, announced=announced)
