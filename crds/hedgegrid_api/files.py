"""The two files that a strategy reads, with or without a cluster: strategy file and venue file.

The operator renders them from a HedgeGrid into the pod's ConfigMap; a person writes them by hand. They carry the same
groups under the same names as the object's spec. Controls (`killSwitch`, `throttle` of a running pod) are no part of
them: they arrive by `PUT /control`.
"""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from hedgegrid_api.types import Mode, Model, PositiveDecimal, UnsignedDecimal
from hedgegrid_api.v1alpha1 import Execution, Exits, Fees, Filters, Grid, HedgeGridSpec, Market, Replay, Sim

# The relations that the schema states as CEL rules; here for people without an API server.
_BPS = 10_000


class StrategyFile(Model):
    """`configs/strategies/hedge_grid_v1.yaml`: what the grid does."""

    grid: Grid
    """The two ladders."""
    exits: Exits = Exits()
    """What closes each fill again."""
    execution: Execution = Execution()
    """Data and orders."""
    throttle: Annotated[float, Field(ge=0, le=1)] = 1
    """Throttle at the start of a strategy that no operator controls; a pod takes its own from `PUT /control`."""

    @model_validator(mode="after")
    def _relations(self) -> Self:
        grid, exits, execution = self.grid, self.exits, self.execution
        if not 1 <= grid.levels_long + grid.levels_short <= 100:
            raise ValueError("grid.levelsLong + grid.levelsShort must be 1 to 100")
        if grid.levels_long * grid.step_bps >= _BPS:
            raise ValueError("grid.levelsLong * grid.stepBps must be less than 10000")
        if grid.recenter_trigger_bps < grid.step_bps:
            raise ValueError("grid.recenterTriggerBps must be at least grid.stepBps")
        if exits.take_profit_steps * grid.step_bps >= _BPS:
            raise ValueError("exits.takeProfitSteps * grid.stepBps must be less than 10000")
        if execution.stale_data_seconds < 2 * execution.bar_seconds:
            raise ValueError("execution.staleDataSeconds must be at least 2 * execution.barSeconds")
        return self


class Tier(Model):
    """A bracket of the venue's maintenance margin."""

    notional_cap: PositiveDecimal
    """Upper bound of the leg's notional, quote currency."""
    mmr: Annotated[Decimal, Field(ge=0, lt=1)]
    """Maintenance margin rate."""
    cum: UnsignedDecimal
    """Maintenance amount deducted, quote currency."""
    max_leverage: Annotated[int, Field(ge=1, le=125)]
    """Largest leverage in this bracket."""


_BTCUSDT_TIERS = (
    Tier(notional_cap=Decimal(300_000), mmr=Decimal("0.004"), cum=Decimal(0), max_leverage=125),
    Tier(notional_cap=Decimal(800_000), mmr=Decimal("0.005"), cum=Decimal(300), max_leverage=100),
    Tier(notional_cap=Decimal(3_000_000), mmr=Decimal("0.0065"), cum=Decimal(1_500), max_leverage=75),
    Tier(notional_cap=Decimal(12_000_000), mmr=Decimal("0.01"), cum=Decimal(12_000), max_leverage=50),
)


class SimMarket(Model):
    """Where the prices of mode sim come from: the market fields of the object's `sim`."""

    market: Market = Market.SYNTHETIC
    """synthetic or replay."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 1
    """Seed of the synthetic market."""
    start_price: PositiveDecimal = Decimal(50000)
    """First price, quote currency."""
    annual_volatility: Annotated[float, Field(ge=0, le=10)] = 0.6
    """Standard deviation of the yearly log return."""
    annual_drift: Annotated[float, Field(ge=-10, le=10)] = 0
    """Mean of the yearly log return."""
    ticks_per_second: Annotated[float, Field(ge=0.1, le=1000)] = 10
    """Quotes each second."""
    latency_ms: Annotated[int, Field(ge=0, le=10000)] = 0
    """Time that each order command takes to the simulated venue, milliseconds."""
    replay: Replay | None = None
    """File and speed of market: replay."""

    @model_validator(mode="after")
    def _replay_has_a_file(self) -> Self:
        if (self.market is Market.REPLAY) != (self.replay is not None):
            raise ValueError("market: replay needs replay.path, and only it has replay")
        return self


class VenueFile(Model):
    """`configs/venues/binance_futures.yaml`: where the grid trades."""

    venue: Annotated[str, Field(pattern=r"^BINANCE$")] = "BINANCE"
    """Name of the venue; the instrument's suffix."""
    instrument: Annotated[str, Field(max_length=64, pattern=r"^[A-Z0-9]{2,20}USDT-PERP\.BINANCE$")]
    """USDT-margined perpetual, like BTCUSDT-PERP.BINANCE."""
    mode: Mode = Mode.SIM
    """sim: simulated market and venue."""
    starting_balance: PositiveDecimal = Decimal(10000)
    """Wallet at the simulated venue's first start, quote currency."""
    leverage: Annotated[int, Field(ge=1, le=125)] = 5
    """Initial margin of the simulated venue is notional / leverage."""
    fees: Fees = Fees()
    """Commission rates."""
    filters: Filters = Filters()
    """Limits on orders."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)] = _BTCUSDT_TIERS
    """Maintenance margin brackets, ascending."""
    funding_rate: Annotated[float, Field(ge=-0.05, le=0.05)] = 0.0001
    """Rate of every settlement; above 0 LONG pays SHORT."""
    funding_interval_hours: Annotated[int, Field(ge=1, le=24)] = 8
    """Hours between settlements, aligned to 00:00 UTC."""
    sim: SimMarket = SimMarket()
    """Market of mode sim."""


def strategy_file(spec: HedgeGridSpec) -> StrategyFile:
    """Strategy file of a HedgeGrid. Its throttle is left at 1: the pod's comes by `PUT /control`."""
    return StrategyFile(grid=spec.grid, exits=spec.exits, execution=spec.execution)


def venue_file(spec: HedgeGridSpec) -> VenueFile:
    """Venue file of a HedgeGrid of mode sim."""
    sim = spec.sim or Sim()
    market = {name: getattr(sim, name) for name in SimMarket.model_fields}
    venue = {name: getattr(sim, name) for name in VenueFile.model_fields if name in Sim.model_fields}
    return VenueFile(instrument=spec.instrument, mode=spec.mode, sim=SimMarket(**market), **venue)


def rendered(file: StrategyFile | VenueFile) -> dict[str, Any]:
    """Plain data of a file, ready for a YAML or JSON writer: camelCase names, decimals as strings, no nulls."""
    return file.model_dump(mode="json", by_alias=True, exclude_none=True)
