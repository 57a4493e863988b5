"""What the simulated venue charges, asks for and pays."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from hedgegrid_api.files import Tier, VenueFile
from hedgegrid_api.v1alpha1 import MarginType
from naut_hedgegrid.domain.values import Instrument
from naut_hedgegrid.venues.instrument import instrument_of

_HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class VenueRules:
    """Rules of one instrument for one account in hedge mode.

    Three readings of the real venue's rules can't be told apart from its documentation; each has a switch.
    """

    instrument: Instrument
    starting_balance: Decimal
    """Wallet at the first start, quote currency."""
    leverage: int
    """Initial margin is notional / leverage."""
    maker_rate: Decimal
    """Commission of a fill that added liquidity, fraction of the notional; below 0 a rebate."""
    taker_rate: Decimal
    """Commission of a fill that took liquidity, fraction of the notional."""
    margin_type: MarginType
    """Crossed: both legs share the account's margin. Isolated: each leg has its own."""
    tiers: tuple[Tier, ...]
    """Maintenance margin brackets, ascending."""
    funding_rate: Decimal | None
    """Of every settlement, fraction of the notional; above 0 LONG pays SHORT. None: not known (yet)."""
    funding_interval_hours: int
    """Between settlements, aligned to 00:00 UTC."""
    resting_closes_reserve: bool = False
    """Whether open closing orders reserve quantity: a further one may only close what they leave."""
    closes_need_min_notional: bool = False
    """Whether closing orders, too, must reach the smallest notional."""

    oversized_stops_rejected: bool = False
    """Whether a stop that triggers for more than its position is rejected; otherwise it closes what there is."""
    self_trade_prevention: bool = True
    """Expires own orders that a taking order would have met. Mandatory at Binance; an engine's own matching, which the
    venue is compared with, has none."""

    def rate_at(self, ts: int) -> Decimal | None:  # noqa: ARG002  the same at any time
        """Rate of the settlement at a time."""
        return self.funding_rate

    @property
    def funding_interval_ns(self) -> int:
        """Nanoseconds between settlements."""
        return self.funding_interval_hours * _HOUR_NS

    @classmethod
    def of(cls, file: VenueFile) -> Self:
        """Rules as the venue file states them."""
        return cls(
            instrument=instrument_of(file),
            starting_balance=file.starting_balance,
            leverage=file.leverage,
            margin_type=file.margin_type,
            maker_rate=file.fees.maker,
            taker_rate=file.fees.taker,
            tiers=file.tiers,
            funding_rate=Decimal(str(file.funding_rate)),
            funding_interval_hours=file.funding_interval_hours,
        )
