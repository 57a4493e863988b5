"""Brackets of the venue's maintenance margin."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from hedgegrid_api.rules import Written
from hedgegrid_api.types import Integer, Model, PositiveDecimal, UnsignedDecimal


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


BTCUSDT_TIERS = (
    Tier(notional_cap=Decimal(300_000), mmr=Decimal("0.004"), cum=Decimal(0), max_leverage=125),
    Tier(notional_cap=Decimal(800_000), mmr=Decimal("0.005"), cum=Decimal(300), max_leverage=100),
    Tier(notional_cap=Decimal(3_000_000), mmr=Decimal("0.0065"), cum=Decimal(1_500), max_leverage=75),
    Tier(notional_cap=Decimal(12_000_000), mmr=Decimal("0.01"), cum=Decimal(12_000), max_leverage=50),
)
"""The venue's brackets for BTCUSDT."""
