"""Legs, sides, roles and the value types that cross the border between strategy and venue.

All times named `ts` are market time in nanoseconds since the epoch: the wall clock, or in a replay the bars' time.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

ZERO = Decimal(0)


class Leg(StrEnum):
    """A side of the hedge-mode position."""

    LONG = "LONG"
    SHORT = "SHORT"

    __hash__ = str.__hash__  # legs are keys everywhere; an enumeration's own is ten times slower

    @property
    def opening(self) -> "Side":
        """Side of an order that opens this leg."""
        return Side.BUY if self is Leg.LONG else Side.SELL

    @property
    def closing(self) -> "Side":
        """Side of an order that closes this leg."""
        return Side.SELL if self is Leg.LONG else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for LONG, −1 for SHORT: direction of profit with the price."""
        return 1 if self is Leg.LONG else -1


class Regime(StrEnum):
    """Which way the market trends."""

    UP = "UP"
    DOWN = "DOWN"
    SIDEWAYS = "SIDEWAYS"

    @property
    def trend_leg(self) -> Leg | None:
        """The leg that earns with the trend; None without one. The other is the counter leg."""
        return _TREND_LEGS.get(self)


_TREND_LEGS = {Regime.UP: Leg.LONG, Regime.DOWN: Leg.SHORT}


class Side(StrEnum):
    """Side of an order."""

    BUY = "BUY"
    SELL = "SELL"


class Role(StrEnum):
    """What an order is for; the letter stands in the client order id."""

    ENTRY = "E"
    TAKE_PROFIT = "T"
    STOP_LOSS = "S"
    FLATTEN = "F"


class OrderKind(StrEnum):
    """How an order is priced."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_MARKET = "STOP_MARKET"
    """Conditional: rests apart from the book until the mark price (simulated venues: their own trigger) reaches its
    trigger, then closes at market."""


class Ending(StrEnum):
    """How an order ended without (further) fills."""

    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    """By self-trade prevention: an order of the same account would have met it."""
    TRIGGER_REJECTED = "TRIGGER_REJECTED"
    """A conditional order whose market order the venue refused when it triggered."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to send. Limit orders rest until cancelled (GTC)."""

    client_order_id: str
    leg: Leg
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    """Limit price; None for market and stop orders."""
    post_only: bool = False
    trigger_price: Decimal | None = None
    """Of a stop order; None for any other."""

    @property
    def reduce_only(self) -> bool:
        """True for an order that closes its leg."""
        return self.side is self.leg.closing


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """The venue has taken the order."""

    client_order_id: str
    ts: int


@dataclass(frozen=True, slots=True)
class OrderRejected:
    """The venue (or the engine on the way to it) refused the order; it never existed."""

    client_order_id: str
    reason: str
    """The venue's code and text, like `-2022 ReduceOnly Order is rejected`."""
    post_only: bool
    """True when it was refused because it would have taken liquidity."""
    ts: int


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """One fill."""

    trade_id: int
    """Grows; unique at the venue."""
    client_order_id: str
    leg: Leg
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    """Quote currency; below 0 for a rebate."""
    maker: bool
    realized_pnl: Decimal
    """Gross, (exit − average entry)·quantity by the leg's sign; 0 for an opening fill."""
    ts: int


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """The order is terminal without being filled whole."""

    client_order_id: str
    ending: Ending
    ts: int
    reason: str = ""
    """The venue's code and text, where it gives one."""


@dataclass(frozen=True, slots=True)
class CancelRejected:
    """The venue knows no open order of that id: it is mostly filled or gone."""

    client_order_id: str
    reason: str
    ts: int


type OrderEvent = OrderAccepted | OrderRejected | OrderFilled | OrderEnded | CancelRejected


class Quote(NamedTuple):
    """Best bid and ask, and the venue's mark price (sim: mid)."""

    bid: Decimal
    ask: Decimal
    mark: Decimal
    ts: int
    mark_ts: int | None = None
    """Of the mark price; None where it comes with the quote."""
    trade_ts: int | None = None
    """Of the newest trade; None where the venue tells of none."""

    @property
    def mid(self) -> Decimal:
        """(bid + ask)/2."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An open order as the venue has it."""

    client_order_id: str
    leg: Leg
    side: Side
    kind: OrderKind
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    post_only: bool
    trigger_price: Decimal | None = None

    @property
    def leaves(self) -> Decimal:
        """Quantity still to be filled."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True)
class FundingSettled:
    """One settlement, as it was booked: cash of each leg in quote currency, above 0 received."""

    ts: int
    """Settlement time; a settlement is booked once."""
    rate: Decimal
    mark: Decimal
    cash: dict[Leg, Decimal]

    @property
    def total(self) -> Decimal:
        """Cash of both legs."""
        return sum(self.cash.values(), ZERO)


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """One leg's position as the venue has it."""

    quantity: Decimal
    entry_price: Decimal | None
    """Average; None when flat."""


@dataclass(frozen=True, slots=True)
class VenueState:
    """What the venue says, read in one piece: the truth that Flat, adoption and repair rest on."""

    positions: dict[Leg, VenuePosition]
    open_orders: tuple[VenueOrder, ...]
    """Regular and conditional ones."""
    fills: tuple[OrderFilled, ...]
    """Fills after the trade id that was asked for, oldest first."""
    ts: int
    funding: tuple[FundingSettled, ...] = ()
    """Settlements after the time that was asked for, oldest first."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account's figures at the venue, quote currency; None where unknown."""

    wallet: Decimal
    unrealized_pnl: Decimal | None
    maintenance_margin: Decimal | None
    funding_paid: Decimal
    """Signed sum of all settlements; above 0 we received."""
    funding_rate: Decimal | None
    """Of the coming settlement."""
    next_funding_ts: int | None
    funding_interval_hours: int | None
    ts: int
    transfers: Decimal = ZERO
    """Signed sum of deposits and withdrawals since the account's start."""
    liquidation_price: Decimal | None = None
    """The venue's own figure; None where it gives none."""
    available: Decimal | None = None
    """What is left to open with; may be below 0."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the venue asks of orders of the instrument."""

    symbol: str
    """Instrument id, like BTCUSDT-PERP.BINANCE."""
    tick_size: Decimal
    step_size: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    min_notional: Decimal
    max_orders: int
    """Open regular orders."""
    max_conditional_orders: int = 200
    """Open conditional orders."""
