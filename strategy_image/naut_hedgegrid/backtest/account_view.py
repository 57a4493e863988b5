"""The account's figures for the strategy, which asks for them at every bar: what only a fill changes is kept."""

from collections.abc import Sequence
from decimal import Decimal

from hedgegrid_api.tiers import Tier
from naut_hedgegrid.backtest.accountant import Accountant
from naut_hedgegrid.domain.values import ZERO, Leg


class AccountView:
    """Wallet, and lines in the mark price: a·mark + b."""

    def __init__(self, accountant: Accountant, tiers: Sequence[Tier]) -> None:
        self.wallet = ZERO
        self._accountant = accountant
        self._tiers = tiers
        self._net = self._offset = self._gross_rate = self._first_bracket = ZERO
        self.look()

    def look(self) -> None:
        """Something was booked."""
        accountant = self._accountant
        long, short = accountant.legs[Leg.LONG], accountant.legs[Leg.SHORT]
        first = self._tiers[0]
        self.wallet = accountant.wallet
        self._net = long.quantity - short.quantity
        self._offset = short.cost - long.cost
        self._gross_rate = (long.quantity + short.quantity) * first.mmr
        larger = max(long.quantity, short.quantity)
        # Nothing is deducted in the first bracket of any venue; were it so, the long way is taken.
        self._first_bracket = first.notional_cap / larger if larger and not first.cum else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit of both legs if they were closed at the mark price."""
        return self._net * mark + self._offset

    def maintenance_margin(self, mark: Decimal) -> Decimal:
        """Of both legs, each in its own bracket."""
        if mark <= self._first_bracket:
            return self._gross_rate * mark
        return self._accountant.maintenance_margin(self._tiers, mark)
