"""The account's risk figures (strategy.md, Formulas). None is unknown, and what rests on it is unknown too.

Maintenance margin and liquidation price are in `hedgegrid_api.margin`, the cost of funding is in `grid.funding`.
"""

from decimal import Decimal
from typing import Final

from naut_hedgegrid.domain.values import ZERO

LARGEST_RATIO: Final = Decimal(9999)
"""Stands for every margin ratio beyond it. The ratio has no bound where the margin balance goes to 0; a number can be
stored, sent and shown everywhere, infinity can't."""
NO_LIQUIDATION: Final = Decimal("Infinity")
"""Distance to a liquidation price that doesn't exist."""
_PERCENT: Final = 100


def equity(wallet: Decimal | None, unrealized: Decimal | None) -> Decimal | None:
    """Margin balance of the account, quote currency."""
    return None if wallet is None or unrealized is None else wallet + unrealized


def margin_ratio(maintenance: Decimal | None, balance: Decimal | None, *, has_position: bool | None) -> Decimal | None:
    """Maintenance margin / margin balance, 0 to LARGEST_RATIO; from 1 on the venue liquidates.

    LARGEST_RATIO for a position without a margin balance above 0, whether its maintenance margin is known or not.
    """
    if balance is None or has_position is None:
        return None
    if not has_position:
        return ZERO
    if balance <= 0:
        return LARGEST_RATIO
    return None if maintenance is None else min(maintenance / balance, LARGEST_RATIO)


def drawdown(peak: Decimal | None, now: Decimal | None) -> Decimal | None:
    """Fall of the equity from its peak as a fraction of the peak, ≥ 0; above 1 where equity is below 0."""
    if peak is None or now is None or peak <= 0:
        return None
    return max(ZERO, (peak - now) / peak)


def drawdown_percent(peak: Decimal | None, now: Decimal | None) -> Decimal | None:
    """`drawdown` in the unit of its limit."""
    fraction = drawdown(peak, now)
    return None if fraction is None else fraction * _PERCENT


def liquidation_distance_percent(mark: Decimal | None, price: Decimal | None) -> Decimal | None:
    """|mark − liquidation price| in percent of the mark price; NO_LIQUIDATION where there is no such price.

    On which side it lies isn't asked: past it the margin ratio is 1 or more, which trips by itself.
    """
    if mark is None:
        return None
    return NO_LIQUIDATION if price is None else abs(mark - price) / mark * _PERCENT
