"""The engine's words for our instrument, legs, prices and quantities."""

from dataclasses import dataclass
from decimal import Decimal

from nautilus_trader.model import (
    AccountId,
    CryptoPerpetual,
    Currency,
    InstrumentId,
    Money,
    OrderSide,
    OrderType,
    PositionId,
    Price,
    Quantity,
    Symbol,
    Venue,
)

from naut_hedgegrid.domain.values import ZERO, Instrument, Leg, OrderKind, Side

ORDER_SIDES = {Side.BUY: OrderSide.BUY, Side.SELL: OrderSide.SELL}
ORDER_TYPES = {
    OrderKind.LIMIT: OrderType.LIMIT,
    OrderKind.MARKET: OrderType.MARKET,
    OrderKind.STOP_MARKET: OrderType.STOP_MARKET,
}
_QUOTE_CURRENCY = "USDT"


@dataclass(frozen=True, slots=True)
class Margin:
    """Margin rates as the engine counts them: fractions of the notional / leverage."""

    initial: Decimal = ZERO
    maintenance: Decimal = ZERO


class Translation:
    """One USDT-margined perpetual of one venue, like BTCUSDT-PERP.BINANCE."""

    def __init__(self, instrument: Instrument, margin: Margin | None = None) -> None:
        """Words for an instrument whose id is `<base>USDT-PERP.<venue>`; `margin` where the engine keeps it."""
        self.instrument_id = InstrumentId.from_str(instrument.symbol)
        self.venue: Venue = self.instrument_id.venue
        self.account_id = AccountId(f"{self.venue}-SIM")
        self.currency = Currency.from_str(_QUOTE_CURRENCY)
        self.position_ids = {leg: PositionId(f"{instrument.symbol}-{leg}") for leg in Leg}
        self._margin = margin or Margin()
        self.adopt(instrument)

    def adopt(self, instrument: Instrument) -> None:
        """The instrument's tick and step have changed."""
        self._tick = instrument.tick_size
        self._price_digits = _digits(instrument.tick_size)
        self._quantity_digits = _digits(instrument.step_size)
        self.definition = self._definition(instrument, self._margin)

    def price(self, value: Decimal) -> Price:
        """The very value, also where it is finer than the tick: the venue refuses it, nobody rounds."""
        fits = value.same_quantum(self._tick)  # the market's prices do, and are many
        return Price.from_decimal_dp(value, self._price_digits if fits else max(self._price_digits, _digits(value)))

    def mark_price(self, value: Decimal) -> Price:
        """A mark price: half ticks occur."""
        return Price.from_decimal_dp(value, self._price_digits + 1)

    def quantity(self, value: Decimal) -> Quantity:
        """The very value, also where it is finer than the step."""
        return Quantity.from_decimal_dp(value, max(self._quantity_digits, _digits(value)))

    def money(self, value: Decimal) -> Money:
        """An amount in quote currency."""
        return Money.from_decimal(value, self.currency)

    def _definition(self, instrument: Instrument, margin: Margin) -> CryptoPerpetual:
        raw_symbol = instrument.symbol.split("-", 1)[0]
        return CryptoPerpetual(
            instrument_id=self.instrument_id,
            raw_symbol=Symbol(raw_symbol),
            base_currency=Currency.from_str(raw_symbol.removesuffix(_QUOTE_CURRENCY)),
            quote_currency=self.currency,
            settlement_currency=self.currency,
            is_inverse=False,
            price_precision=self._price_digits,
            size_precision=self._quantity_digits,
            price_increment=self.price(instrument.tick_size),
            size_increment=self.quantity(instrument.step_size),
            margin_init=margin.initial,
            margin_maint=margin.maintenance,
            ts_event=0,
            ts_init=0,
        )


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
