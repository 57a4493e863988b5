"""When funding is settled in a backtest, and at which rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

_HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Settlement:
    """One that is due."""

    ts: int
    """ns since the epoch."""
    rate: Decimal
    """Fraction of the notional; above 0 LONG pays SHORT."""


def constant_rate(rate: Decimal, interval_hours: int, after: int) -> Iterator[Settlement]:
    """The same rate at every settlement later than a time, aligned to 00:00 UTC; without end."""
    interval = interval_hours * _HOUR_NS
    return (Settlement(n * interval, rate) for n in count(after // interval + 1))
