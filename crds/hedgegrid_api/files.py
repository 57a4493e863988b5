"""The two files that a strategy reads, with or without a cluster: strategy file and venue file.

The operator renders them from a HedgeGrid into the pod's ConfigMap; a person writes them by hand. They carry the same
groups under the same names as the object's spec. Controls (`killSwitch`, `throttle` and `risk` of a running pod) are no
part of the pod's: they arrive by `PUT /control`.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from hedgegrid_api.rules import Rule
from hedgegrid_api.tiers import BTCUSDT_TIERS, Tier
from hedgegrid_api.types import Mode, Model, Number
from hedgegrid_api.v1alpha1 import (
    STRATEGY_RULES,
    Execution,
    Exits,
    Funding,
    Grid,
    HedgeGridSpec,
    InstrumentId,
    Leverage,
    MarginType,
    Placement,
    Regime,
    Risk,
    Sim,
    SimMarket,
    VenueTerms,
)

__all__ = [
    "CONTROLS",
    "StrategyFile",
    "Tier",
    "VenueFile",
    "rendered",
    "rendered_for_pod",
    "settled",
    "strategy_file",
    "venue_file",
]

CONTROLS = frozenset({"throttle", "risk"})
"""What a strategy file says for a strategy that no operator controls: a pod takes it from `PUT /control`."""


class StrategyFile(Model):
    """`configs/strategies/hedge_grid_v1.yaml`: what the grid does."""

    RULES = STRATEGY_RULES

    grid: Grid
    """The two ladders: LONG rungs below the centre, SHORT rungs above."""
    exits: Exits = Exits()
    """What closes each fill again."""
    regime: Regime = Regime()
    """Whether the market trends, from closed bars."""
    placement: Placement = Placement()
    """What a trend does to the ladders."""
    funding: Funding = Funding()
    """Scales down the entries of the leg that would pay too much funding."""
    execution: Execution = Execution()
    """Data and orders."""
    leverage: Leverage = 5
    """Leverage of both legs: the initial margin is notional / leverage. Written here, it outranks the venue file's."""
    margin_type: MarginType = MarginType.CROSSED
    """CROSSED: both legs share the account's margin. ISOLATED: each leg has its own. Written here, it outranks the
    venue file's."""
    risk: Risk = Risk()
    """Limits whose breach stops the grid. A pod takes its own from `PUT /control`."""
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
    leverage: Leverage = 5
    """Leverage of both legs where the strategy file names none: the initial margin of the simulated venue is
    notional / leverage."""
    margin_type: MarginType = MarginType.CROSSED
    """CROSSED: both legs share the account's margin. ISOLATED: each leg has its own. Where the strategy file names
    none."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=32)] = BTCUSDT_TIERS
    """Brackets of the maintenance margin, ascending. The defaults are those of BTCUSDT."""
    sim: SimMarket = SimMarket()
    """Where the prices of mode sim come from."""


def strategy_file(spec: HedgeGridSpec) -> StrategyFile:
    """Strategy file of a HedgeGrid. Its controls (`throttle`, `risk`) are left at their defaults: the pod's come by
    `PUT /control`.
    """
    groups = {name: getattr(spec, name) for name in StrategyFile.model_fields if name not in CONTROLS}
    return StrategyFile(**groups)


def venue_file(spec: HedgeGridSpec) -> VenueFile:
    """Venue file of a HedgeGrid of mode sim."""
    sim = spec.sim or Sim()
    market = {name: getattr(sim, name) for name in SimMarket.model_fields}
    venue = {name: getattr(sim, name) for name in VenueFile.model_fields if name in Sim.model_fields}
    return VenueFile(
        instrument=spec.instrument,
        mode=spec.mode,
        leverage=spec.leverage,
        margin_type=spec.margin_type,
        sim=SimMarket(**market),
        **venue,
    )


def settled(strategy: StrategyFile, venue: VenueFile) -> VenueFile:
    """The venue file with the leverage and the margin type that count: the strategy file's where it writes them."""
    written = strategy.model_fields_set & {"leverage", "margin_type"}
    return venue.model_copy(update={name: getattr(strategy, name) for name in written})


def rendered(file: StrategyFile | VenueFile) -> dict[str, Any]:
    """Plain data of a file, ready for a YAML or JSON writer: camelCase names, decimals as strings, no nulls."""
    return file.model_dump(mode="json", by_alias=True, exclude_none=True)


def rendered_for_pod(spec: HedgeGridSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Strategy and venue file of a HedgeGrid as its pod reads them: without controls, whose change must not restart
    it.
    """
    strategy = {name: value for name, value in rendered(strategy_file(spec)).items() if name not in CONTROLS}
    return strategy, rendered(venue_file(spec))
