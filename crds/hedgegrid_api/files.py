"""The two files that a strategy reads, with or without a cluster: strategy file and venue file.

The operator renders them from a HedgeGrid into the pod's ConfigMap; a person writes them by hand. They carry the same
groups under the same names as the object's spec. Controls (`killSwitch`, `throttle` of a running pod) are no part of
them: they arrive by `PUT /control`.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from hedgegrid_api.rules import Rule
from hedgegrid_api.tiers import BTCUSDT_TIERS, Tier
from hedgegrid_api.types import Integer, Mode, Model, Number
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

__all__ = ["StrategyFile", "Tier", "VenueFile", "rendered", "strategy_file", "venue_file"]


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
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=32)] = BTCUSDT_TIERS
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
