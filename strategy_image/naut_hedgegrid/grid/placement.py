"""Rule R7: what a regime does to a leg's ladder and to the take-profit of its new lots."""

from dataclasses import dataclass
from decimal import Decimal

from hedgegrid_api.trading import PlacementPolicy
from naut_hedgegrid.domain.values import Leg, Regime

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class PlacementSettings:
    """Placement as configured."""

    policy: PlacementPolicy
    counter_levels: int
    """Most rungs of a leg that is held short, 0 to 100."""
    counter_qty_scale: Decimal
    """Factor on the quantities of the leg against the trend, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What a leg's ladder is to be now."""

    levels: int
    """Rungs 1 to levels are wanted; the others are dropped for placement."""
    factor: Decimal
    """m of rule R5, above 0 to 1."""
    take_profit_steps: int
    """For lots that are opened from now on; 0 = none. Lots that exist keep theirs."""


def placed(settings: PlacementSettings, regime: Regime, leg: Leg, levels: int, take_profit_steps: int) -> Placement:
    """A leg's ladder in a regime; `levels` and `take_profit_steps` as configured.

    A grid without a regime (`regime.enabled` false) is one in SIDEWAYS. A factor of 0 leaves no rung: its rungs are
    dropped for placement, not for the venue's minimum, which would be reported as a mistake of the configuration.
    """
    whole = Placement(levels, _ONE, take_profit_steps)
    short = min(levels, settings.counter_levels)
    counter = regime.trend_leg not in {None, leg}
    factor = settings.counter_qty_scale
    match settings.policy:
        case PlacementPolicy.THROTTLED_COUNTER if counter:
            return Placement(short if factor else 0, factor, take_profit_steps)
        case PlacementPolicy.CORE_AND_SCALP if counter:
            return Placement(short if factor else 0, factor, _scalped(take_profit_steps))
        case PlacementPolicy.CORE_AND_SCALP if regime is Regime.SIDEWAYS:
            return Placement(short, _ONE, _scalped(take_profit_steps))
        case _:
            return whole


def _scalped(take_profit_steps: int) -> int:
    """One step; a grid without take-profits stays without."""
    return min(take_profit_steps, 1)
