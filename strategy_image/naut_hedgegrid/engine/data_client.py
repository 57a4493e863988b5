"""The simulated market as a data client of the engine."""

from nautilus_trader.common import Clock
from nautilus_trader.config import DataClientConfig
from nautilus_trader.live import (
    ClientCache,
    SubscribeMarkPrices,
    SubscribeQuotes,
    UnsubscribeMarkPrices,
    UnsubscribeQuotes,
)
from nautilus_trader.live.clients import MarketDataClient
from nautilus_trader.model import MarkPriceUpdate, Quantity, QuoteTick

from naut_hedgegrid.domain.values import Quote
from naut_hedgegrid.engine.traffic import Traffic
from naut_hedgegrid.engine.translation import Translation

# The simulated market has no depth; the engine asks for some size.
_SIZE = Quantity.from_int(1)


class SimDataClient(MarketDataClient):
    """Passes quotes and mark prices on; the market feed is the caller."""

    def __init__(
        self,
        translation: Translation,
        traffic: Traffic,
        *,
        name: str,
        config: DataClientConfig,
        cache: ClientCache,
        clock: Clock,
    ) -> None:
        """`name` to `clock` are the engine's own."""
        super().__init__(name=name, config=config, cache=cache, clock=clock, venue=translation.venue)
        self._translation = translation
        self._traffic = traffic

    def publish(self, quote: Quote) -> None:
        """Hand a quote, and before it its mark price, to the engine."""
        words = self._translation
        now = self.clock.timestamp_ns()
        self._handle_data(MarkPriceUpdate(words.instrument_id, words.mark_price(quote.mark), quote.ts, now))
        self._traffic.quote_sent()
        bid, ask = words.price(quote.bid), words.price(quote.ask)
        self._handle_data(QuoteTick(words.instrument_id, bid, ask, _SIZE, _SIZE, quote.ts, now))

    async def _connect(self) -> None:
        self._handle_instrument(self._translation.definition)

    async def _disconnect(self) -> None: ...

    async def _subscribe_quotes(self, command: SubscribeQuotes) -> None: ...

    async def _unsubscribe_quotes(self, command: UnsubscribeQuotes) -> None: ...

    async def _subscribe_mark_prices(self, command: SubscribeMarkPrices) -> None: ...

    async def _unsubscribe_mark_prices(self, command: UnsubscribeMarkPrices) -> None: ...
