"""The strategy's way to the venue: `VenueGateway` over the engine."""

from collections.abc import Callable

from nautilus_trader.model import ClientOrderId, TriggerType
from nautilus_trader.trading import Strategy

from naut_hedgegrid.domain.values import (
    AccountState,
    CancelRejected,
    OrderKind,
    OrderRejected,
    OrderRequest,
)
from naut_hedgegrid.engine.execution_client import EngineOrder
from naut_hedgegrid.engine.translation import ORDER_SIDES, Translation
from naut_hedgegrid.engine.venue import SimVenue
from naut_hedgegrid.venues.sim.refusals import DUPLICATE_ID, UNKNOWN_ORDER

_PATIENCE_SECONDS = 1.0


class EngineGateway:
    """Sends through an engine strategy. An order that can't be handed over is answered as rejected."""

    def __init__(self, sender: Strategy, venue: SimVenue) -> None:
        """`sender` is the engine's strategy in whose name orders go out."""
        self._sender: Strategy | None = sender
        self._venue = venue

    def close(self) -> None:
        """Send nothing any more, and let go of the engine: its objects must end on the loop's thread."""
        self._sender = None

    def submit(self, order: OrderRequest) -> None:
        """Send an order.

        Ids that the engine knows, of ended orders too, are refused here: it would overwrite the order it has.
        """
        sender, venue = self._sender, self._venue
        if sender is None:
            return
        try:
            if _known(sender, order.client_order_id) is not None:
                self._reject(order, str(DUPLICATE_ID))
                return
            position_id = venue.translation.position_ids[order.leg]
            sender.submit_order(  # pyright: ignore[reportUnknownMemberType]  the stubs say `dict`
                _in_engine_words(order, sender, venue.translation), position_id=position_id
            )
            venue.traffic.command_sent()
        except Exception as error:  # noqa: BLE001  whatever it was, the strategy has to learn that nothing was sent
            venue.errors.report("submit", error)
            self._reject(order, f"not handed over: {error}")

    def cancel(self, client_order_id: str) -> None:
        """Ask to cancel; a second request while the first is under way adds nothing."""
        sender, venue = self._sender, self._venue
        if sender is None:
            return
        try:
            order = _known(sender, client_order_id)
            if order is not None and order.is_pending_cancel:
                return
            if order is None or order.is_closed:
                venue.delivery.order_event_aside(CancelRejected(client_order_id, str(UNKNOWN_ORDER), venue.now()))
                return
            sender.cancel_order(ClientOrderId(client_order_id))  # pyright: ignore[reportUnknownMemberType]  likewise
            venue.traffic.command_sent()
        except Exception as error:  # noqa: BLE001  as in `submit`
            venue.errors.report("cancel", error)
            reason = f"not handed over: {error}"
            venue.delivery.order_event_aside(CancelRejected(client_order_id, reason, venue.now()))

    def request_state(self, after_trade_id: int, after_funding_ts: int = 0) -> None:
        """Ask for the venue's state as it is once all commands sent so far have arrived."""
        if self._sender is None:
            return
        traffic = self._venue.traffic
        traffic.answer_due()
        self._venue.delivery.spawn(self._answer(after_trade_id, after_funding_ts, traffic.commands_so_far_entered()))

    def account(self) -> AccountState | None:
        """The account's figures."""
        return self._venue.book.account()

    async def _answer(self, after_trade_id: int, after_funding_ts: int, entered: Callable[[], bool]) -> None:
        venue = self._venue
        try:
            await venue.traffic.until(entered, _PATIENCE_SECONDS)
            await venue.wire.passed()
            venue.delivery.venue_state_aside(venue.book.state(after_trade_id, after_funding_ts))
        finally:
            venue.traffic.answered()

    def _reject(self, order: OrderRequest, reason: str) -> None:
        rejected = OrderRejected(order.client_order_id, reason, False, self._venue.now())
        self._venue.delivery.order_event_aside(rejected)


def _known(sender: Strategy, client_order_id: str) -> EngineOrder | None:
    return sender.cache.order(ClientOrderId(client_order_id))


def _in_engine_words(order: OrderRequest, sender: Strategy, words: Translation) -> EngineOrder:
    factory, side = sender.order_factory, ORDER_SIDES[order.side]
    identity, quantity = ClientOrderId(order.client_order_id), words.quantity(order.quantity)
    if order.kind is OrderKind.MARKET:
        return factory.market(
            words.instrument_id, side, quantity, reduce_only=order.reduce_only, client_order_id=identity
        )
    if order.kind is OrderKind.STOP_MARKET:
        if order.trigger_price is None:
            raise ValueError(f"stop order {order.client_order_id} has no trigger price")
        return factory.stop_market(
            words.instrument_id,
            side,
            quantity,
            words.price(order.trigger_price),
            trigger_type=TriggerType.MARK_PRICE,
            reduce_only=order.reduce_only,
            client_order_id=identity,
        )
    if order.price is None:
        raise ValueError(f"limit order {order.client_order_id} has no price")
    return factory.limit(
        words.instrument_id,
        side,
        quantity,
        words.price(order.price),
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        client_order_id=identity,
    )
