"""Whom the venue liquidates: where the margin balance is down to the maintenance margin."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hedgegrid_api.margin import maintenance_margin
from hedgegrid_api.v1alpha1 import MarginType
from naut_hedgegrid.domain.values import ZERO, Leg
from naut_hedgegrid.venues.sim.account import Account, Position
from naut_hedgegrid.venues.sim.margin import isolated_margin
from naut_hedgegrid.venues.sim.rules import VenueRules


@dataclass(frozen=True, slots=True)
class _Pool:
    """Legs that share a margin: both of an account in crossed margin, one in isolated."""

    margin: Decimal
    positions: dict[Leg, Position]
    base: Decimal
    slope: Decimal
    """`base + slope·mark` is what is left where every bracket had the highest rate and deducted nothing: while that is
    above 0, so is what is really left."""

    @classmethod
    def of(cls, margin: Decimal, positions: dict[Leg, Position], rules: VenueRules) -> "_Pool":
        """With the estimate worked out."""
        highest = max(tier.mmr for tier in rules.tiers)
        base = margin - sum((leg.sign * position.cost for leg, position in positions.items()), ZERO)
        slope = sum(((leg.sign - highest) * position.quantity for leg, position in positions.items()), ZERO)
        return cls(margin, positions, base, slope)

    def is_used_up(self, rules: VenueRules, mark: Decimal) -> bool:
        """Margin balance ≤ maintenance margin at the mark price."""
        if self.base + self.slope * mark > 0:
            return False
        balance = self.margin + sum((p.unrealized(leg, mark) for leg, p in self.positions.items()), ZERO)
        needed = sum((maintenance_margin(p.quantity * mark, rules.tiers) for p in self.positions.values()), ZERO)
        return balance <= needed


class LiquidationWatch:
    """Asked at every tick, so it works out what only changes with the account once."""

    def __init__(self) -> None:
        """It has seen no account yet."""
        self._account: Account | None = None
        self._rules: VenueRules | None = None
        self._pools: tuple[_Pool, ...] = ()

    def used_up(self, account: Account, rules: VenueRules, mark: Decimal) -> list[Leg]:
        """The legs that the venue closes at this mark price."""
        if account is not self._account or rules is not self._rules:
            self._account, self._rules, self._pools = account, rules, tuple(_pools(account, rules))
        return [leg for pool in self._pools if pool.is_used_up(rules, mark) for leg in pool.positions]


def _pools(account: Account, rules: VenueRules) -> Iterator[_Pool]:
    held = {leg: position for leg, position in account.positions.items() if position.quantity}
    if rules.margin_type is MarginType.ISOLATED:
        for leg, position in held.items():
            yield _Pool.of(isolated_margin(account, leg, rules), {leg: position}, rules)
    elif held:
        yield _Pool.of(account.wallet, held, rules)
