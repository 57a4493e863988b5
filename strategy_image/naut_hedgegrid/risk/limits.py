"""The limits of the spec's group `risk`, in decimals."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Self

from hedgegrid_api.risk import Risk, RiskAction


class Rule(StrEnum):
    """What is limited; the value is its name in metrics and messages."""

    DRAWDOWN = "drawdown"
    LOSS = "loss"
    DAILY_LOSS = "dailyLoss"
    POSITION = "position"
    MARGIN_RATIO = "marginRatio"
    FUNDING_COST = "fundingCost"
    LIQUIDATION_DISTANCE = "liquidationDistance"

    @property
    def field(self) -> str:
        """The limit's field under `risk`, like maxDrawdownPercent."""
        return _FIELDS[self]


_FIELDS = {
    Rule.DRAWDOWN: "maxDrawdownPercent",
    Rule.LOSS: "maxLossQuote",
    Rule.DAILY_LOSS: "dailyLossQuote",
    Rule.POSITION: "maxPositionQuote",
    Rule.MARGIN_RATIO: "maxMarginRatio",
    Rule.FUNDING_COST: "maxFundingCostBps",
    Rule.LIQUIDATION_DISTANCE: "minLiquidationDistancePercent",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits by rule; None is no limit, and such a rule never trips. A limit that is reached counts as broken."""

    max_drawdown_percent: Decimal | None = None
    max_loss_quote: Decimal | None = None
    daily_loss_quote: Decimal | None = None
    max_position_quote: Decimal | None = None
    max_margin_ratio: Decimal | None = None
    max_funding_cost_bps: Decimal | None = None
    min_liquidation_distance_percent: Decimal | None = None
    confirmations: int = 3
    """Samples in a row that must agree, 1 to 10."""
    action: RiskAction = RiskAction.FLATTEN_BOTH
    """What a trip engages."""

    @classmethod
    def of(cls, risk: Risk) -> Self:
        """As the spec says."""
        return cls(
            max_drawdown_percent=Decimal(str(risk.max_drawdown_percent)),
            max_loss_quote=risk.max_loss_quote,
            daily_loss_quote=risk.daily_loss_quote,
            max_position_quote=risk.max_position_quote,
            max_margin_ratio=Decimal(str(risk.max_margin_ratio)),
            max_funding_cost_bps=Decimal(str(risk.max_funding_cost_bps)),
            min_liquidation_distance_percent=Decimal(str(risk.min_liquidation_distance_percent)),
            confirmations=risk.confirmations,
            action=risk.action,
        )

    def by_rule(self) -> dict[Rule, Decimal | None]:
        """Every rule with its limit."""
        return {
            Rule.DRAWDOWN: self.max_drawdown_percent,
            Rule.LOSS: self.max_loss_quote,
            Rule.DAILY_LOSS: self.daily_loss_quote,
            Rule.POSITION: self.max_position_quote,
            Rule.MARGIN_RATIO: self.max_margin_ratio,
            Rule.FUNDING_COST: self.max_funding_cost_bps,
            Rule.LIQUIDATION_DISTANCE: self.min_liquidation_distance_percent,
        }
