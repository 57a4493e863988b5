"""The strategy as configured, in the core's own terms."""

from dataclasses import dataclass
from decimal import Decimal

from hedgegrid_api.files import StrategyFile
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.funding import FundingSettings
from naut_hedgegrid.grid.ladder import GridSettings
from naut_hedgegrid.grid.placement import PlacementPolicy, PlacementSettings


@dataclass(frozen=True, slots=True)
class RegimeSettings:
    """Rule R8's averages, in bars."""

    ema_fast: int
    ema_slow: int
    adx_length: int
    adx_threshold: float
    hysteresis_bps: float


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Everything that the grid goes by and that no control changes."""

    grid: GridSettings
    regime: RegimeSettings | None
    """None: the grid doesn't look at the regime (a backtest neither where the placement doesn't)."""
    placement: PlacementSettings
    funding: FundingSettings
    bar_seconds: int
    stale_seconds: int
    post_only_retries: int
    stops_last: bool = True
    """A flatten leaves stops at the venue until the position reads 0; False where a stop that outlives its position
    would turn the leg round (the backtest)."""
    keeps_state: bool = True
    """What the market taught is stored with each bar; False where nothing outlives the process anyway."""


def core_settings(config: StrategyFile, *, backtest: bool = False) -> CoreSettings:
    """The strategy file's groups in decimals."""
    grid, regime, placement, funding = config.grid, config.regime, config.placement, config.funding
    return CoreSettings(
        grid=GridSettings(
            step_bps=Decimal(str(grid.step_bps)),
            levels={Leg.LONG: grid.levels_long, Leg.SHORT: grid.levels_short},
            base_qty=grid.base_qty,
            qty_scale=Decimal(str(grid.qty_scale)),
            recenter_trigger_bps=Decimal(str(grid.recenter_trigger_bps)),
            max_inventory_quote=grid.max_inventory_quote,
            take_profit_steps=config.exits.take_profit_steps,
            stop_loss_steps=config.exits.stop_loss_steps,
        ),
        regime=RegimeSettings(
            regime.ema_fast, regime.ema_slow, regime.adx_length, regime.adx_threshold, regime.hysteresis_bps
        )
        if regime.enabled and not (backtest and placement.policy is PlacementPolicy.SYMMETRIC)
        else None,
        placement=PlacementSettings(
            PlacementPolicy(placement.policy.value),
            placement.counter_levels,
            Decimal(str(placement.counter_qty_scale)),
        ),
        funding=FundingSettings(Decimal(str(funding.max_cost_bps)), funding.window_minutes),
        bar_seconds=config.execution.bar_seconds,
        stale_seconds=config.execution.stale_data_seconds,
        post_only_retries=config.execution.post_only_retries,
        stops_last=not backtest,
        keeps_state=not backtest,
    )
