"""The two files that a strategy reads, with or without a cluster: strategy file and venue file.

The operator renders them from a HedgeGrid into the pod's ConfigMap; a person writes them by hand. They carry the same
groups under the same names as the object's spec. Controls (`killSwitch`, `throttle` of a running pod) are no part of
them: they arrive by `PUT /control`.
"""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from hedgegrid_api.rules import Rule, Written
from hedgegrid_api.types import Integer, Mode, Model, Number, PositiveDecimal, UnsignedDecimal
from hedgegrid_api.v1alpha1 import (
    TAKE_PROFIT_RULE,
    Execution,
    Exits,
    Grid,
    HedgeGridSpec,
    InstrumentId,
    Sim,
    SimMarket,
    VenueTerms,
)


class StrategyFile(Model):
    """`configs/strategies/hedge_grid_v1.yaml`: what the grid does."""

    RULES = (TAKE_PROFIT_RULE,)

    grid: Grid
    """The two ladders: LONG rungs below the centre, SHORT rungs above."""
    exits: Exits = Exits()
    """What closes each fill again."""
    execution: Execution = Execution()
    """Data and orders."""
    throttle: Annotated[Number, Field(ge=0, le=1)] = 1
    """Factor on the quantity of entries at the start of a strategy that no operator controls; 0 means no new entries.
    A pod takes its own from `PUT /control`."""


class Tier(Model):
    """A bracket of the venue's maintenance margin."""

    notional_cap: PositiveDecimal
    """Upper bound of the leg's notional in this bracket, in quote currency (USDT)."""
    mmr: Annotated[
        UnsignedDecimal,
        Written(r"^0([.][0-9]+)?$", 'a decimal number from 0 to less than 1, written as a string, like "0.004"'),
    ]
    """Maintenance margin rate, as a fraction of the notional."""
    cum: UnsignedDecimal
    """Amount deducted from the maintenance margin, in quote currency (USDT)."""
    max_leverage: Annotated[Integer, Field(ge=1, le=125)]
    """Largest leverage in this bracket."""


_BTCUSDT_TIERS = (
    Tier(notional_cap=Decimal(300_000), mmr=Decimal("0.004"), cum=Decimal(0), max_leverage=125),
    Tier(notional_cap=Decimal(800_000), mmr=Decimal("0.005"), cum=Decimal(300), max_leverage=100),
    Tier(notional_cap=Decimal(3_000_000), mmr=Decimal("0.0065"), cum=Decimal(1_500), max_leverage=75),
    Tier(notional_cap=Decimal(12_000_000), mmr=Decimal("0.01"), cum=Decimal(12_000), max_leverage=50),
)


class VenueFile(VenueTerms):
    """`configs/venues/binance_futures.yaml`: where the grid trades."""

    RULES = (
        Rule(
            at="tiers",
            cel=None,
            holds=lambda venue: all(a.notional_cap < b.notional_cap for a, b in pairwise(venue.tiers)),
            message="tiers must ascend: each notionalCap above the one before",
        ),
    )

    venue: Literal["BINANCE"] = "BINANCE"
    """Name of the venue; the suffix of the instrument."""
    instrument: InstrumentId
    """What is traded: symbol, and after the dot the venue."""
    mode: Mode = Mode.SIM
    """sim: simulated market and venue, no network at all."""
    leverage: Annotated[Integer, Field(ge=1, le=125)] = 5
    """Leverage of both legs: the initial margin of the simulated venue is notional / leverage."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=32)] = _BTCUSDT_TIERS
    """Brackets of the maintenance margin, ascending. The defaults are those of BTCUSDT."""
    sim: SimMarket = SimMarket()
    """Where the prices of mode sim come from."""


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
