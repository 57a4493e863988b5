"""The account's margin as the venue reckons it: what is left to open with, and where it liquidates.

Initial margin is notional / leverage, of both legs together: in hedge mode they aren't netted. Crossed, both legs share
the wallet and what isn't realized counts; isolated, each leg has the initial margin of its entry price and no more.
"""

from decimal import Decimal

from hedgegrid_api.margin import cross_liquidation, isolated_liquidation
from hedgegrid_api.v1alpha1 import MarginType
from naut_hedgegrid.domain.values import ZERO, Leg
from naut_hedgegrid.venues.sim.account import Account
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.standing import Standing


def position_margin(standing: Standing, rules: VenueRules) -> Decimal:
    """Initial margin of both legs."""
    account = standing.account
    if rules.margin_type is MarginType.ISOLATED:
        return sum((isolated_margin(account, leg, rules) for leg in Leg), ZERO)
    return ZERO if standing.mark is None else account.position_notional(standing.mark) / rules.leverage


def order_margin(standing: Standing, rules: VenueRules) -> Decimal:
    """Initial margin of the open orders that open; closing needs none, nor do stops."""
    entries = (order for order in standing.open if not order.request.reduce_only)
    return sum((order.leaves * (order.request.price or ZERO) for order in entries), ZERO) / rules.leverage


def free_margin(standing: Standing, rules: VenueRules) -> Decimal:
    """What is left to open with; may be below 0."""
    account, balance = standing.account, standing.account.wallet
    if rules.margin_type is MarginType.CROSSED and standing.mark is not None:
        balance += account.unrealized(standing.mark)
    return balance - position_margin(standing, rules) - order_margin(standing, rules)


def isolated_margin(account: Account, leg: Leg, rules: VenueRules) -> Decimal:
    """What a leg in isolated margin is backed with: the initial margin at its entry price."""
    return account.positions[leg].cost / rules.leverage


def liquidation_price(account: Account, rules: VenueRules, mark: Decimal) -> Decimal | None:
    """Mark price at which the venue liquidates; isolated, the nearer of the legs'. None: there is none above 0."""
    long, short = account.positions[Leg.LONG], account.positions[Leg.SHORT]
    if rules.margin_type is MarginType.CROSSED:
        return cross_liquidation(
            account.wallet,
            long.quantity,
            long.entry_price or ZERO,
            short.quantity,
            short.entry_price or ZERO,
            rules.tiers,
            mark,
        )
    found = [
        isolated_liquidation(leg.sign, position.quantity, entry, isolated_margin(account, leg, rules), rules.tiers)
        for leg, position in account.positions.items()
        if (entry := position.entry_price) is not None
    ]
    return min((price for price in found if price is not None), key=lambda price: abs(price - mark), default=None)
