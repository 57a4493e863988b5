"""Settlements of funding: at whose rate, of which positions, and those that wait until their rate is known."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from naut_hedgegrid.domain.values import ZERO, FundingSettled, Leg
from naut_hedgegrid.grid.funding import settlement_cash
from naut_hedgegrid.venues.sim.records import FundingPayment

_MINUTE = 60_000_000_000


class FundingRates(Protocol):
    """Where the rates come from."""

    def rate_at(self, ts: int) -> Decimal | None:
        """Rate of the settlement at a time, fraction of the notional; None while it isn't known."""
        ...


class RateTable:
    """Rates of settlements that are known in advance: those of a file, say."""

    def __init__(self, rates: Iterable[tuple[int, Decimal]]) -> None:
        """Settlement times, exact to the minute (the venue's own records are some ms late), and their rates."""
        self._rates = {_minute(ts): rate for ts, rate in rates}

    def rate_at(self, ts: int) -> Decimal | None:
        """Rate of the settlement at a time; None for one that isn't in the table."""
        return self._rates.get(_minute(ts))


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A settlement that has fallen due: what counts for it, whenever its rate becomes known."""

    ts: int
    mark: Decimal
    quantities: Mapping[Leg, Decimal]
    """Position of each leg at that time."""

    def at(self, rate: Decimal) -> FundingSettled:
        """The settlement, booked at a rate: rate·quantity·mark from LONG to SHORT where the rate is above 0."""
        quantities = self.quantities
        cash = {leg: settlement_cash(leg, rate, quantities.get(leg, ZERO), self.mark) for leg in Leg}
        return FundingSettled(self.ts, rate, self.mark, cash)

    def payments(self, settled: FundingSettled) -> Iterator[FundingPayment]:
        """A line of the file for each leg that held something."""
        for leg, quantity in self.quantities.items():
            if quantity:
                yield FundingPayment(self.ts, leg, settled.rate, self.mark, quantity, settled.cash[leg])


def boundaries(after: int, before: int, interval_ns: int) -> range:
    """Settlement times from `after` on, before `before`; they are aligned to the epoch."""
    return range(-(-after // interval_ns) * interval_ns, before, interval_ns)


def _minute(ts: int) -> int:
    return (ts + _MINUTE // 2) // _MINUTE
