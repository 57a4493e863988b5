"""The group `sim`: where the prices of mode sim come from, and the terms of its simulated venue."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hedgegrid_api.rules import Rule, Written
from hedgegrid_api.types import Integer, Model, Number, PositiveDecimal, SignedDecimal, UnsignedDecimal


class Market(StrEnum):
    """Where the prices of mode sim come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"


class Replay(Model):
    """Bars of a file as market."""

    path: Annotated[str, Written(r"^.+$", "the path of a file, at most 4096 characters", max_length=4096)]
    """File of bars in the pod: CSV with timestamp, open, high, low, close, volume, plain or gzip. Mount it with
    pod.volumes and pod.volumeMounts."""
    speed: Annotated[Number, Field(ge=1, le=1_000_000)] = 60
    """How many times faster than recorded the bars are played."""


class SimMarket(Model):
    """Where the prices of mode sim come from."""

    RULES = (
        Rule(
            at="replay",
            cel="self.market != 'replay' || has(self.replay)",
            holds=lambda sim: sim.market is not Market.REPLAY or sim.replay is not None,
            message="market: replay needs replay.path, a file of bars in the pod",
        ),
        Rule(
            at="replay",
            cel="self.market == 'replay' || !has(self.replay)",
            holds=lambda sim: sim.market is Market.REPLAY or sim.replay is None,
            message="replay has a meaning only with market: replay; remove it or set the market",
        ),
    )

    market: Market = Market.SYNTHETIC
    """synthetic: a random walk from the seed; same seed, same ticks. replay: the bars of a file."""
    seed: Annotated[Integer, Field(ge=0, le=2**53)] = 1
    """Seed of the synthetic market."""
    start_price: PositiveDecimal = Decimal(50000)
    """First price of the synthetic market, in quote currency (USDT)."""
    annual_volatility: Annotated[Number, Field(ge=0, le=10)] = 0.6
    """Standard deviation of the synthetic market's yearly log return; 0.6 is 60 %."""
    annual_drift: Annotated[Number, Field(ge=-10, le=10)] = 0
    """Mean of the synthetic market's yearly log return; 0.1 is 10 %."""
    ticks_per_second: Annotated[Number, Field(ge=0.1, le=1000)] = 10
    """Quotes of the synthetic market in each second."""
    latency_ms: Annotated[Integer, Field(ge=0, le=10000)] = 0
    """Time that each order command takes to the simulated venue, in milliseconds."""
    replay: Replay | None = None
    """File and speed of market: replay."""


class Filters(Model):
    """The venue's limits on orders of the instrument. The defaults are those of BTCUSDT."""

    RULES = (
        Rule(
            at="minQty",
            cel="[self.maxQty, self.marketMaxQty].all(q, quantity(self.minQty).compareTo(quantity(q)) <= 0)",
            holds=lambda filters: filters.min_qty <= min(filters.max_qty, filters.market_max_qty),
            message="minQty must be at most maxQty and marketMaxQty",
            shows=("self.minQty", "self.maxQty", "self.marketMaxQty"),
        ),
    )

    tick_size: PositiveDecimal = Decimal("0.1")
    """Smallest difference of two prices, in quote currency (USDT)."""
    step_size: PositiveDecimal = Decimal("0.001")
    """Smallest difference of two quantities, in base currency."""
    min_qty: PositiveDecimal = Decimal("0.001")
    """Smallest quantity of an order, in base currency."""
    max_qty: PositiveDecimal = Decimal(1000)
    """Largest quantity of a limit order, in base currency."""
    market_max_qty: PositiveDecimal = Decimal(120)
    """Largest quantity of a market order, in base currency; a larger position is closed in parts."""
    min_notional: UnsignedDecimal = Decimal(50)
    """Smallest notional of an opening order, in quote currency (USDT)."""
    max_orders: Annotated[Integer, Field(ge=20, le=10000)] = 200
    """Largest number of open orders, conditional ones not counted."""
    max_conditional_orders: Annotated[Integer, Field(ge=20, le=10000)] = 200
    """Largest number of open conditional orders: stops that wait for their trigger price."""


class Fees(Model):
    """Commission rates of the venue."""

    maker: SignedDecimal = Decimal("0.0002")
    """Rate of a fill that added liquidity, as a fraction of its notional; negative for a rebate."""
    taker: UnsignedDecimal = Decimal("0.0005")
    """Rate of a fill that took liquidity, as a fraction of its notional."""


class VenueTerms(Model):
    """Terms of the simulated venue."""

    starting_balance: PositiveDecimal = Decimal(10000)
    """Wallet balance of the account at the venue's first start, in quote currency (USDT)."""
    funding_rate: Annotated[Number, Field(ge=-0.05, le=0.05)] = 0.0001
    """Funding rate of every settlement, as a fraction of the notional; above 0 LONG pays SHORT."""
    funding_interval_hours: Annotated[Integer, Field(ge=1, le=24)] = 8
    """Hours of market time between two settlements, aligned to 00:00 UTC."""
    filters: Filters = Filters()
    """The venue's limits on orders of the instrument. The defaults are those of BTCUSDT."""
    fees: Fees = Fees()
    """Commission rates of the venue."""


class Sim(VenueTerms, SimMarket):
    """Market and venue of mode sim. Immutable."""
