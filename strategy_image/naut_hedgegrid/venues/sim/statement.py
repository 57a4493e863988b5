"""The account's statement: what the venue tells of wallet, margin and funding."""

from naut_hedgegrid.domain.values import AccountState
from naut_hedgegrid.venues.sim import margin
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.settlement import FundingRates
from naut_hedgegrid.venues.sim.standing import Standing


def account_state(standing: Standing, rules: VenueRules, rates: FundingRates) -> AccountState:
    """Figures at the newest mark price; None where they need one that there isn't, or a rate that isn't known."""
    account, mark, interval = standing.account, standing.mark, rules.funding_interval_ns
    coming = (standing.ts // interval + 1) * interval
    return AccountState(
        wallet=account.wallet,
        unrealized_pnl=None if mark is None else account.unrealized(mark),
        maintenance_margin=None if mark is None else account.maintenance_margin(rules.tiers, mark),
        funding_paid=account.funding,
        funding_rate=rates.rate_at(coming),
        next_funding_ts=coming if standing.ts else None,
        funding_interval_hours=rules.funding_interval_hours,
        ts=standing.ts,
        transfers=account.transfers,
        liquidation_price=None if mark is None else margin.liquidation_price(account, rules, mark),
        available=margin.free_margin(standing, rules),
    )
