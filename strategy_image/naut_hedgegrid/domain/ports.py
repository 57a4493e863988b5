"""The border between the strategy and whatever carries its orders: the engine's node, a backtest, a test."""

from typing import Protocol

from naut_hedgegrid.domain.values import (
    AccountState,
    FundingSettled,
    Instrument,
    OrderEvent,
    OrderRequest,
    Quote,
    VenueState,
)


class VenueGateway(Protocol):
    """What the strategy asks of the venue. Every call returns at once; answers come as events."""

    def submit(self, order: OrderRequest) -> None:
        """Send an order; answered by events that carry its client order id."""
        ...

    def cancel(self, client_order_id: str) -> None:
        """Ask to cancel; answered by `OrderEnded`, a last fill, or `CancelRejected`."""
        ...

    def request_state(self, after_trade_id: int, after_funding_ts: int = 0) -> None:
        """Read positions, open orders, the fills after a trade id and the settlements after a time in one piece;
        answered by `on_venue_state`."""
        ...

    def account(self) -> AccountState | None:
        """The account's figures as last known; None before the first."""
        ...


class TradingStrategy(Protocol):
    """What the carrier calls, always on one thread and one at a time."""

    def on_start(self, gateway: VenueGateway) -> None:
        """The venue is connected and the engine has taken over its orders and positions."""
        ...

    def on_quote(self, quote: Quote) -> None:
        """A new best bid and ask."""
        ...

    def on_order_event(self, event: OrderEvent) -> None:
        """Something happened to an order of this instrument; may come twice or late."""
        ...

    def on_venue_state(self, state: VenueState) -> None:
        """Answer to `request_state`."""
        ...

    def on_funding(self, settled: FundingSettled) -> None:
        """Funding was settled; may come twice."""
        ...

    def on_instrument(self, instrument: Instrument | None) -> None:
        """The venue's limits on orders have changed; None while they are unknown."""
        ...

    def on_market_end(self) -> None:
        """The market has no more data (end of a replay)."""
        ...

    def on_stop(self) -> None:
        """The node stops: nothing is sent any more."""
        ...

    @property
    def idle(self) -> bool:
        """Nothing is under way: no order in flight, nothing waiting for the store or an answer."""
        ...
