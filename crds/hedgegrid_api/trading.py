"""The groups of the spec that say how the grid trades; the strategy file has them under the same names."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hedgegrid_api.rules import Rule
from hedgegrid_api.types import Flag, Integer, Model, Number, PositiveDecimal


class Grid(Model):
    """The two ladders: LONG rungs below the centre, SHORT rungs above."""

    RULES = (
        Rule(
            at="levelsLong",
            cel="self.levelsLong + self.levelsShort >= 1 && self.levelsLong + self.levelsShort <= 100",
            holds=lambda grid: 1 <= grid.levels_long + grid.levels_short <= 100,
            message="levelsLong + levelsShort must be 1 to 100",
            shows=("self.levelsLong", "self.levelsShort"),
        ),
        Rule(
            at="levelsLong",
            cel="double(self.levelsLong) * double(self.stepBps) < 10000.0",
            holds=lambda grid: grid.levels_long * grid.step_bps < 10000,
            message="levelsLong * stepBps must be less than 10000, or the lowest rung would have no price above 0",
            shows=("self.levelsLong", "self.stepBps"),
        ),
        Rule(
            at="recenterTriggerBps",
            cel="double(self.recenterTriggerBps) >= double(self.stepBps)",
            holds=lambda grid: grid.recenter_trigger_bps >= grid.step_bps,
            message="recenterTriggerBps must be at least stepBps, or the ladder would move within one step",
            shows=("self.recenterTriggerBps", "self.stepBps"),
        ),
    )

    step_bps: Annotated[Number, Field(ge=1, le=1000)]
    """Distance between two rungs, in basis points of the centre price (arithmetic ladder)."""
    levels_long: Annotated[Integer, Field(ge=0, le=100)]
    """Number of LONG rungs, below the centre."""
    levels_short: Annotated[Integer, Field(ge=0, le=100)]
    """Number of SHORT rungs, above the centre."""
    base_qty: PositiveDecimal
    """Quantity of the first rung, in base currency (BTC for BTCUSDT)."""
    qty_scale: Annotated[Number, Field(ge=0.1, le=3)] = 1
    """Ratio of the quantities of two neighbouring rungs: rung i has baseQty * qtyScale^(i-1)."""
    recenter_trigger_bps: Annotated[Number, Field(ge=1, le=10000)] = 200
    """Distance of the mid price from the centre at which the ladder moves, in basis points of the centre."""
    max_inventory_quote: PositiveDecimal
    """Cap on the notional of each leg, its position plus its open entries, in quote currency (USDT)."""


class Exits(Model):
    """What closes each fill again."""

    RULES = (
        Rule(
            at="takeProfitSteps",
            cel="self.takeProfitSteps + self.stopLossSteps > 0",
            holds=lambda exits: exits.take_profit_steps + exits.stop_loss_steps > 0,
            message="takeProfitSteps and stopLossSteps must not both be 0, or nothing would ever close a fill",
        ),
    )

    take_profit_steps: Annotated[Integer, Field(ge=0, le=100)] = 2
    """Distance of a fill's take-profit from its entry, in grid steps; 0: no take-profit."""
    stop_loss_steps: Annotated[Integer, Field(ge=0, le=100)] = 0
    """Distance of a fill's stop from its entry, in grid steps; 0: no stop."""


class Regime(Model):
    """Whether the market trends, from closed bars: UP, DOWN or SIDEWAYS."""

    RULES = (
        Rule(
            at="emaFast",
            cel="self.emaFast < self.emaSlow",
            holds=lambda regime: regime.ema_fast < regime.ema_slow,
            message="emaFast must be less than emaSlow, or UP and DOWN would be swapped",
            shows=("self.emaFast", "self.emaSlow"),
        ),
    )

    enabled: Flag = True
    """false: the market always counts as SIDEWAYS."""
    ema_fast: Annotated[Integer, Field(ge=2, le=500)] = 10
    """Length of the fast exponential average of closes, in bars."""
    ema_slow: Annotated[Integer, Field(ge=3, le=1000)] = 30
    """Length of the slow exponential average of closes, in bars."""
    adx_length: Annotated[Integer, Field(ge=2, le=200)] = 14
    """Length of Wilder's ADX, in bars."""
    adx_threshold: Annotated[Number, Field(ge=0, le=100)] = 20
    """ADX below which the market is SIDEWAYS."""
    hysteresis_bps: Annotated[Number, Field(ge=0, le=1000)] = 10
    """Distance of the averages below which a trend stays what it was, in basis points of the slow one."""


class PlacementPolicy(StrEnum):
    """What a trend does to the ladders."""

    SYMMETRIC = "symmetric"
    THROTTLED_COUNTER = "throttledCounter"
    CORE_AND_SCALP = "coreAndScalp"


class Placement(Model):
    """What a trend does to the ladders. The counter leg is SHORT in UP and LONG in DOWN."""

    policy: PlacementPolicy = PlacementPolicy.THROTTLED_COUNTER
    """symmetric: nothing. throttledCounter: the counter leg keeps its first rungs only, smaller. coreAndScalp: the
    same, and its take-profits are one step away; without a trend both legs keep their first rungs, whole, with
    take-profits one step away."""
    counter_levels: Annotated[Integer, Field(ge=0, le=100)] = 4
    """Number of rungs that a shortened leg keeps, from the centre outward."""
    counter_qty_scale: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """Factor on the counter leg's quantities; 0: no entries."""


class Funding(Model):
    """Scales down the entries of the leg that would pay too much funding."""

    max_cost_bps: Annotated[Number, Field(ge=0, le=100)] = 12
    """Funding that the paying leg may cost within the window, in basis points of its notional; what would cost more
    is scaled down, in steps of a tenth."""
    window_minutes: Annotated[Integer, Field(ge=1, le=1440)] = 480
    """Length of the window of settlements ahead, in minutes."""


class Execution(Model):
    """Data and orders."""

    RULES = (
        Rule(
            at="staleDataSeconds",
            cel="self.staleDataSeconds >= 2 * self.barSeconds",
            holds=lambda execution: execution.stale_data_seconds >= 2 * execution.bar_seconds,
            message="staleDataSeconds must be at least 2 * barSeconds, or every bar would look stale",
            shows=("self.staleDataSeconds", "self.barSeconds"),
        ),
    )

    bar_seconds: Annotated[Integer, Field(ge=1, le=1800)] = 60
    """Length of the bar that drives the ladder, in seconds of market time."""
    post_only_retries: Annotated[Integer, Field(ge=0, le=10)] = 3
    """Number of new tries, each at a passive price, of an entry that the venue refused as post-only."""
    stale_data_seconds: Annotated[Integer, Field(ge=5, le=3600)] = 120
    """Age of the newest market data, in seconds of market time, at which entries stop; exits stay."""


class MarginType(StrEnum):
    """Whether the legs share the account's margin."""

    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


Leverage = Annotated[Integer, Field(ge=1, le=125)]
"""Notional / initial margin."""

STRATEGY_RULES = (
    Rule(
        at="exits.takeProfitSteps",
        cel="double(self.exits.takeProfitSteps) * double(self.grid.stepBps) < 10000.0",
        holds=lambda spec: spec.exits.take_profit_steps * spec.grid.step_bps < 10000,
        message="exits.takeProfitSteps * grid.stepBps must be less than 10000, or the take-profit of a SHORT would "
        "have no price above 0",
        shows=("self.exits.takeProfitSteps", "self.grid.stepBps"),
    ),
    Rule(
        at="exits.stopLossSteps",
        cel="self.exits.stopLossSteps == 0 || "
        "double(self.grid.levelsLong + self.exits.stopLossSteps) * double(self.grid.stepBps) < 10000.0",
        holds=lambda spec: (
            spec.exits.stop_loss_steps == 0
            or (spec.grid.levels_long + spec.exits.stop_loss_steps) * spec.grid.step_bps < 10000
        ),
        message="(grid.levelsLong + exits.stopLossSteps) * grid.stepBps must be less than 10000, or the lowest stop "
        "would have no price above 0",
        shows=("self.grid.levelsLong", "self.exits.stopLossSteps", "self.grid.stepBps"),
    ),
    Rule(
        at="exits.stopLossSteps",
        cel="self.exits.stopLossSteps == 0 || self.grid.levelsLong + self.grid.levelsShort <= 80",
        holds=lambda spec: spec.exits.stop_loss_steps == 0 or spec.grid.levels_long + spec.grid.levels_short <= 80,
        message="with stops, grid.levelsLong + grid.levelsShort must be at most 80, or an order for each exit would "
        "exceed what the venue holds open",
        shows=("self.grid.levelsLong", "self.grid.levelsShort", "self.exits.stopLossSteps"),
    ),
)
"""Rules of every object that has the groups `grid` and `exits`. An object from before there were stops keeps them."""
