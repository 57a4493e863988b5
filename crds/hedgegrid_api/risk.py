"""The group `risk`: limits whose breach stops the grid. They reach a running pod by `PUT /control`."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hedgegrid_api.types import Integer, Model, Number, PositiveDecimal


class RiskAction(StrEnum):
    """What a trip engages."""

    HALT_ENTRIES = "haltEntries"
    FLATTEN_BOTH = "flattenBoth"


class Risk(Model):
    """Limits whose breach stops the grid. What trips stands until rearm grows."""

    max_drawdown_percent: Annotated[Number, Field(ge=0.1, le=100)] = 20
    """Fall of the account's equity from its peak, in percent of the peak. Transfers don't count."""
    max_loss_quote: PositiveDecimal | None = None
    """Loss of this grid since its first start, net of commissions and funding, in quote currency (USDT); absent: no
    limit."""
    daily_loss_quote: PositiveDecimal | None = None
    """Loss of this grid since 00:00 UTC, net of commissions and funding, in quote currency (USDT); absent: no limit."""
    max_position_quote: PositiveDecimal | None = None
    """Notional of both legs together at the mark price, in quote currency (USDT); absent: no limit."""
    max_margin_ratio: Annotated[Number, Field(ge=0.1, le=0.95)] = 0.8
    """Maintenance margin / margin balance. From 0.95 on it trips at once, without confirmations."""
    max_funding_cost_bps: Annotated[Number, Field(ge=0.1, le=100)] = 20
    """Net funding paid in 8 hours, in basis points of both legs' notional; receiving never trips."""
    min_liquidation_distance_percent: Annotated[Number, Field(ge=0.1, le=50)] = 5
    """Distance of the liquidation price from the mark price, in percent of the mark price."""
    confirmations: Annotated[Integer, Field(ge=1, le=10)] = 3
    """Number of samples in a row, one a second, that must agree before a limit trips."""
    action: RiskAction = RiskAction.FLATTEN_BOTH
    """What a trip engages. haltEntries: no entry stays open, exits live on. flattenBoth: no order and no position."""


class RiskLimits(Risk):
    """The group `risk` in a message: fields of a newer side are ignored."""

    model_config = ConfigDict(extra="ignore")
