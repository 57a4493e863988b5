"""The grid's figures at one moment: inventory, profit and loss, margin ratio, projected funding."""

from dataclasses import dataclass
from decimal import Decimal

from naut_hedgegrid.domain.values import AccountState, Leg
from naut_hedgegrid.grid.funding import FundingTerms, projected_1h
from naut_hedgegrid.risk.formulas import equity, margin_ratio
from naut_hedgegrid.strategies.hedge_grid_v1.core import GridCore


@dataclass(frozen=True, slots=True)
class Figures:
    """The grid's figures; None where unknown. Quote currency unless said otherwise."""

    mark: Decimal | None
    quantity: dict[Leg, Decimal | None]
    """Base currency."""
    entry_price: dict[Leg, Decimal | None]
    notional: dict[Leg, Decimal | None]
    realized: Decimal | None
    """Closed trades less commissions plus funding received."""
    unrealized: Decimal | None
    equity: Decimal | None
    margin_ratio: Decimal | None
    """Maintenance margin / margin balance."""
    funding_rate: Decimal | None
    funding_1h: Decimal | None
    """What the positions would pay in an hour; above 0 we pay."""
    fees: Decimal | None
    """Commissions less rebates since the first start."""
    fills: int | None
    """Since the first start."""
    funding_paid: Decimal | None
    """Funding since the first start; above 0 we paid."""
    wallet: Decimal | None
    """Of the venue's account."""
    drawdown: Decimal | None = None
    """(peak − equity) / peak; at least 0."""
    liquidation_distance: Decimal | None = None
    """From mark to liquidation price / mark; infinite where no price liquidates."""

    @property
    def net(self) -> Decimal | None:
        """LONG less SHORT notional."""
        long, short = self.notional[Leg.LONG], self.notional[Leg.SHORT]
        return None if long is None or short is None else long - short

    @property
    def total(self) -> Decimal | None:
        """Realized plus unrealized."""
        return None if self.realized is None or self.unrealized is None else self.realized + self.unrealized


@dataclass(frozen=True, slots=True)
class RiskFigure:
    """What a risk rule has to say."""

    observed: Decimal | None
    """Last sample, in the limit's unit; None where unknown."""
    limit: Decimal | None
    """None where none is set."""
    trips: int
    """Since the process started."""


def figures(core: GridCore, account: AccountState | None) -> Figures:
    """The figures at the newest quote."""
    ledger = core.ledger
    mark = core.quote.mark if core.quote is not None else None
    known = core.started
    quantity: dict[Leg, Decimal | None] = {leg: ledger.positions[leg] if known else None for leg in Leg}
    notional: dict[Leg, Decimal | None] = {
        leg: None if q is None or mark is None else q * mark for leg, q in quantity.items()
    }
    totals = ledger.totals
    realized = totals.realized - totals.fees + totals.funding if known else None
    unrealized = _unrealized(quantity, ledger.entry_prices, mark)
    balance = equity(account.wallet if account is not None else None, unrealized)
    maintenance = account.maintenance_margin if account is not None else None
    has_position = any(ledger.positions.values()) if known else None
    return Figures(
        mark=mark,
        quantity=quantity,
        entry_price=dict(ledger.entry_prices),
        notional=notional,
        realized=realized,
        unrealized=unrealized,
        equity=balance,
        margin_ratio=margin_ratio(maintenance, balance, has_position=has_position),
        funding_rate=account.funding_rate if account is not None else None,
        funding_1h=_funding_1h(account, notional),
        fees=totals.fees if known else None,
        fills=totals.fills if known else None,
        funding_paid=-totals.funding if known else None,
        wallet=account.wallet if account is not None else None,
    )


def _unrealized(
    quantity: dict[Leg, Decimal | None], entry: dict[Leg, Decimal | None], mark: Decimal | None
) -> Decimal | None:
    total = Decimal(0)
    for leg in Leg:
        held, price = quantity[leg], entry[leg]
        if held is None:
            return None
        if held == 0:
            continue
        if mark is None or price is None:
            return None
        total += leg.sign * held * (mark - price)
    return total


def _funding_1h(account: AccountState | None, notional: dict[Leg, Decimal | None]) -> Decimal | None:
    long, short = notional[Leg.LONG], notional[Leg.SHORT]
    if account is None or long is None or short is None:
        return None
    terms = FundingTerms(account.funding_rate, account.next_funding_ts, account.funding_interval_hours)
    return projected_1h(terms, long, short)
