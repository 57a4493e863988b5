"""What comes from outside, checked and in the core's own terms."""

from decimal import Decimal

from hedgegrid_api.files import StrategyFile
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.ladder import GridSettings

_SIDES: dict[str, tuple[Leg, ...]] = {"long": (Leg.LONG,), "short": (Leg.SHORT,), "both": (Leg.LONG, Leg.SHORT)}


def legs_of(side: str) -> tuple[Leg, ...]:
    """The legs that `"long"`, `"short"` or `"both"` means.

    Raises:
        ValueError: any other side.
    """
    legs = _SIDES.get(side)
    if legs is None:
        raise ValueError(f"side {side!r} is not one of 'long', 'short', 'both'")
    return legs


def checked_throttle(throttle: float) -> float:
    """The throttle.

    Raises:
        ValueError: outside 0.0..1.0, NaN included.
    """
    if not 0.0 <= throttle <= 1.0:
        raise ValueError(f"throttle {throttle} is outside 0.0..1.0")
    return throttle


def grid_settings(config: StrategyFile) -> GridSettings:
    """The strategy file's grid in decimals."""
    grid = config.grid
    return GridSettings(
        step_bps=Decimal(str(grid.step_bps)),
        levels={Leg.LONG: grid.levels_long, Leg.SHORT: grid.levels_short},
        base_qty=grid.base_qty,
        qty_scale=Decimal(str(grid.qty_scale)),
        recenter_trigger_bps=Decimal(str(grid.recenter_trigger_bps)),
        max_inventory_quote=grid.max_inventory_quote,
        take_profit_steps=config.exits.take_profit_steps,
    )
