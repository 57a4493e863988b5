"""History: the grid's figures every 10 s, rolled up into minutes, hours and days. Pure.

A rollup grows sample by sample: what a period is like follows from what it was like and one more sample, so nothing is
ever read again to be summed up.
"""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

SECOND = 1_000_000_000
_DIGITS = Decimal("0.00000001")


class Resolution(StrEnum):
    """Length of a period of the history. Periods are aligned to the epoch, so days are those of UTC."""

    TEN_SECONDS = "10s"
    MINUTE = "1m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return _LENGTHS[self] * SECOND

    @property
    def kept(self) -> int | None:
        """So long periods are kept, in nanoseconds; None: for ever."""
        days = _KEPT_DAYS[self]
        return None if days is None else days * 86_400 * SECOND

    def start_of(self, ts: int) -> int:
        """Start of the period that a time falls into."""
        return ts - ts % self.length


_LENGTHS = {Resolution.TEN_SECONDS: 10, Resolution.MINUTE: 60, Resolution.HOUR: 3_600, Resolution.DAY: 86_400}
_KEPT_DAYS = {Resolution.TEN_SECONDS: 1, Resolution.MINUTE: 14, Resolution.HOUR: 365, Resolution.DAY: None}


@dataclass(frozen=True, slots=True)
class Sample:
    """The grid's figures at one moment; None where unknown. Quote currency unless said otherwise."""

    ts: int
    """Wall time, nanoseconds since the epoch."""
    equity: Decimal | None = None
    wallet: Decimal | None = None
    realized: Decimal | None = None
    """As the metric: closed trades less commissions, plus funding received, since the first start."""
    unrealized: Decimal | None = None
    funding: Decimal | None = None
    """Cash of all settlements since the first start, above 0 received."""
    fees: Decimal | None = None
    """Commissions paid since the first start."""
    net_inventory: Decimal | None = None
    """LONG less SHORT notional at mark."""
    long_inventory: Decimal | None = None
    """Notional at mark."""
    short_inventory: Decimal | None = None
    """Notional at mark."""
    margin_ratio: Decimal | None = None
    """Maintenance margin / margin balance."""
    drawdown: Decimal | None = None
    """(peak − equity)/peak."""
    mark: Decimal | None = None
    """Mark price."""
    open_orders: int | None = None
    throttle: Decimal | None = None
    """As it acts, 0 to 1."""
    fills: int | None = None
    """Since the first start."""

    def rounded(self) -> Self:
        """As it is kept: at most 8 digits after the point, as venues count money."""
        figures = {name: getattr(self, name) for name in FIGURES}
        return replace(self, **{name: _rounded(v) for name, v in figures.items() if isinstance(v, Decimal)})


FIGURES = tuple(field.name for field in fields(Sample) if field.name != "ts")
"""Names of a sample's figures."""


@dataclass(frozen=True, slots=True)
class Extremes:
    """Least or greatest values of a period; None where no sample knew one.

    Sums since the first start (realized, funding, fees, fills, and the wallet that they add up to) have none: their
    last value says it all. Neither have open orders and throttle, which are set and not measured.
    """

    equity: Decimal | None = None
    unrealized: Decimal | None = None
    net_inventory: Decimal | None = None
    long_inventory: Decimal | None = None
    short_inventory: Decimal | None = None
    margin_ratio: Decimal | None = None
    drawdown: Decimal | None = None
    mark: Decimal | None = None

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """Of a single sample."""
        return cls(**{name: getattr(sample, name) for name in RANGED})


RANGED = tuple(field.name for field in fields(Extremes))
"""Names of the figures that have a least and a greatest value."""


@dataclass(frozen=True, slots=True)
class Point:
    """A period of the history."""

    start: int
    """Wall time, nanoseconds since the epoch."""
    samples: int
    """So many are in it: 6 a minute while the process runs."""
    last: Sample
    """The newest known value of each figure; `ts` is that of the newest sample."""
    low: Extremes
    high: Extremes

    def plus(self, sample: Sample) -> Self:
        """The period with one more sample of it."""
        older, newer = (self.last, sample) if sample.ts >= self.last.ts else (sample, self.last)
        return replace(
            self,
            samples=self.samples + 1,
            last=replace(newer, **{name: _known(newer, older, name) for name in FIGURES}),
            low=_extremes(self.low, sample, min),
            high=_extremes(self.high, sample, max),
        )


def first_point(resolution: Resolution, sample: Sample) -> Point:
    """A period that begins with a sample."""
    extremes = Extremes.of(sample)
    return Point(resolution.start_of(sample.ts), 1, sample, extremes, extremes)


def _known(newer: Sample, older: Sample, name: str) -> Any:
    value = getattr(newer, name)
    return getattr(older, name) if value is None else value


def _extremes(so_far: Extremes, sample: Sample, pick: Any) -> Extremes:
    values = {name: [v for v in (getattr(so_far, name), getattr(sample, name)) if v is not None] for name in RANGED}
    return Extremes(**{name: pick(known) if known else None for name, known in values.items()})


def _rounded(value: Decimal) -> Decimal:
    rounded = value.quantize(_DIGITS).normalize()
    return Decimal(0) if rounded == 0 else rounded
