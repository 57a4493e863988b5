"""The built-in risk monitor: samples account and grid, has them judged, remembers what losses are measured from.

The strategy asks it every second (a backtest: with each bar) and acts on its verdict: a trip latches and engages what
`risk.action` says; what isn't known stops entries and never flattens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedgegrid_api.margin import cross_liquidation, isolated_liquidation, maintenance_margin
from hedgegrid_api.tiers import Tier
from hedgegrid_api.trading import MarginType
from naut_hedgegrid.domain.values import ZERO, AccountState, Leg
from naut_hedgegrid.grid.funding import FundingTerms, guard_bps
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.grid.records import Totals
from naut_hedgegrid.risk.baselines import Baselines
from naut_hedgegrid.risk.formulas import NO_LIQUIDATION, liquidation_distance_percent, margin_ratio
from naut_hedgegrid.risk.limits import Limits, Rule
from naut_hedgegrid.risk.monitor import Bounds, Breach, RiskJudge, Sample, Verdict
from naut_hedgegrid.strategies.hedge_grid_v1.figures import RiskFigure

BASELINES = "risk"
"""Name of what losses are measured from in the store."""
_MOVED = Decimal("0.01")
"""A liquidation price is looked for again when the mark price has moved by so much: its brackets may be others."""
_CALM = Decimal("0.005")
"""How far around a mark price a calm range reaches at the most, as a fraction of it."""
_NOTHING_KNOWN = Sample(None, None, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class _CalmRange:
    """Mark prices at which nothing would trip and no peak would rise, as long as nothing is booked."""

    totals: Totals
    low: Decimal
    high: Decimal
    until: int


class RiskMonitor:
    """What `attach_kill_switch` takes, for the limits of the group `risk`."""

    def __init__(self, tiers: Sequence[Tier], margin_type: MarginType, leverage: int) -> None:
        """`tiers` are the venue's maintenance margin brackets."""
        self.trips: dict[Rule, int] = dict.fromkeys(Rule, 0)
        """Since the process started."""
        self._tiers = tiers
        self._isolated = margin_type is MarginType.ISOLATED
        self._leverage = leverage
        self._judge = RiskJudge(Limits(), Baselines())
        self._stored = self._judge.baselines
        self._basis: tuple[object, ...] = ()
        self._basis_mark = ZERO
        self._liquidation: tuple[Decimal | None, ...] = ()
        self._calm: _CalmRange | None = None
        self._last = _NOTHING_KNOWN

    def begin(self, stored: Mapping[str, Any], limits: Limits) -> None:
        """Go on with what the store knows."""
        row = stored.get(BASELINES)
        baselines = Baselines() if row is None else Baselines.from_plain(row)
        self._judge = RiskJudge(limits, baselines)
        self._stored = self._judge.baselines
        self._calm = None

    @property
    def limits(self) -> Limits:
        """The limits that act."""
        return self._judge.limits

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on."""
        if limits != self._judge.limits:
            self._judge.set_limits(limits)
            self._calm = None

    def restart(self, now: int) -> None:
        """A release was accepted: losses are measured from the present. `now` is market time, ns."""
        self._judge.restart(now)
        self._calm = None

    def sample(self, ledger: Ledger, account: AccountState | None, mark: Decimal | None, now: int) -> Verdict:
        """Take a sample at a mark price and have it judged; `now` is market time, ns."""
        self._last = self._figures(ledger, account, mark)
        return self._judge.sample(self._last, now)

    def calm(self, totals: Totals, mark: Decimal, now: int) -> bool:
        """Whether a sample at this mark price would say what the last one said, and leave everything as it is.

        Only where the account changes by nothing but what the ledger books (the backtest): between two bookings all
        figures are functions of the mark price, so that most bars need no sample.
        """
        calm = self._calm
        return calm is not None and calm.totals is totals and calm.low < mark < calm.high and now < calm.until

    def note_calm(self, ledger: Ledger, account: AccountState | None, mark: Decimal) -> None:
        """The last sample, at this mark price, was fine: find how far the price may move until one has to be taken."""
        self._calm = None
        bounds = self._judge.bounds
        if bounds is None or account is None:
            return
        sample = self._last
        equity, pnl = sample.equity, sample.net_pnl
        if equity is None or pnl is None or sample.funding_bps is None:
            return
        low, high = mark * (1 - _CALM), mark * (1 + _CALM)
        long, short = ledger.positions[Leg.LONG], ledger.positions[Leg.SHORT]
        slope = long - short
        if slope:
            up, down = (bounds.peak - equity) / slope, (bounds.least_equity - equity) / slope
            loss = (bounds.least_pnl - pnl) / slope
            if slope > 0:
                low, high = max(low, mark + down, mark + loss), min(high, mark + up)
            else:
                low, high = max(low, mark + up), min(high, mark + down, mark + loss)
        elif not (bounds.least_equity < equity <= bounds.peak and pnl > bounds.least_pnl):
            return
        if low < mark < high and self._thin_enough(ledger, account, bounds, equity - slope * mark, low, high):
            self._calm = _CalmRange(ledger.totals, low, high, bounds.until)

    def _thin_enough(
        self, ledger: Ledger, account: AccountState, bounds: Bounds, base: Decimal, low: Decimal, high: Decimal
    ) -> bool:
        """Position, margin ratio and liquidation distance are fine from `low` to `high`. The maintenance margin only
        grows with the price, and equity, `base` + slope·price, is least at one of the ends."""
        long, short = ledger.positions[Leg.LONG], ledger.positions[Leg.SHORT]
        if not long and not short:
            return True
        tiers = self._tiers
        margin = maintenance_margin(long * high, tiers) + maintenance_margin(short * high, tiers)
        equity = base + (long - short) * (low if long > short else high)
        if (long + short) * high >= bounds.most_position or equity <= 0 or margin >= bounds.most_margin * equity:
            return False
        distances = [self._distance(account, ledger, low), self._distance(account, ledger, high)]
        if any(distance is None or distance <= bounds.least_distance for distance in distances):
            return False
        return all(price is None or not low <= price <= high for price in self._liquidation)

    def changed_baselines(self) -> dict[str, str | int | None] | None:
        """What has to be stored, JSON-ready; None where nothing has changed since the last call."""
        baselines = self._judge.baselines
        if baselines is self._stored:
            return None
        self._stored = baselines
        return baselines.plain()

    def tripped(self, breach: Breach) -> None:
        """A limit has tripped and is latched."""
        self.trips[breach.rule] += 1

    def figures(self) -> dict[str, RiskFigure]:
        """Every rule's figure beside its limit, by the rule's name."""
        return {
            rule.value: RiskFigure(reading.observed, reading.limit, self.trips[rule])
            for rule, reading in self._judge.readings().items()
        }

    def _figures(self, ledger: Ledger, account: AccountState | None, mark: Decimal | None) -> Sample:
        if account is None or mark is None:
            return _NOTHING_KNOWN
        positions, entries = ledger.positions, ledger.entry_prices
        long, short = positions[Leg.LONG], positions[Leg.SHORT]
        long_value, short_value = long * mark, short * mark
        has_position = bool(long or short)
        unrealized = self._unrealized(long_value, short_value, long, short, entries)
        totals = ledger.totals
        own = None if unrealized is None else totals.realized - totals.fees + totals.funding + unrealized
        venue = account.unrealized_pnl if account.unrealized_pnl is not None else unrealized
        equity = None if venue is None else account.wallet + venue
        terms = FundingTerms(account.funding_rate, account.next_funding_ts, account.funding_interval_hours)
        return Sample(
            equity,
            account.transfers,
            own,
            long_value + short_value,
            margin_ratio(account.maintenance_margin, equity, has_position=has_position),
            guard_bps(terms, long_value, short_value),
            self._distance(account, ledger, mark) if has_position else NO_LIQUIDATION,
            has_position,
        )

    @staticmethod
    def _unrealized(
        long_value: Decimal,
        short_value: Decimal,
        long: Decimal,
        short: Decimal,
        entries: Mapping[Leg, Decimal | None],
    ) -> Decimal | None:
        total = ZERO
        if long:
            entry = entries[Leg.LONG]
            if entry is None:
                return None
            total += long_value - long * entry
        if short:
            entry = entries[Leg.SHORT]
            if entry is None:
                return None
            total += short * entry - short_value
        return total

    def _distance(self, account: AccountState, ledger: Ledger, mark: Decimal) -> Decimal | None:
        """To the venue's liquidation price where it gives one, else to the formula's (isolated: of the nearer leg)."""
        if account.liquidation_price is not None:
            self._basis, self._liquidation = (), (account.liquidation_price,)
            return liquidation_distance_percent(mark, account.liquidation_price)
        positions, entries = ledger.positions, ledger.entry_prices
        long, short = positions[Leg.LONG], positions[Leg.SHORT]
        basis = (account.wallet, long, entries[Leg.LONG], short, entries[Leg.SHORT])
        if basis != self._basis or abs(mark - self._basis_mark) > _MOVED * mark:
            self._basis, self._basis_mark = basis, mark
            self._liquidation = self._prices(account.wallet, ledger, mark)
        nearest = NO_LIQUIDATION
        for price in self._liquidation:
            distance = liquidation_distance_percent(mark, price)
            if distance is not None and distance < nearest:
                nearest = distance
        return nearest

    def _prices(self, wallet: Decimal, ledger: Ledger, mark: Decimal) -> tuple[Decimal | None, ...]:
        held = {leg: (ledger.positions[leg], ledger.entry_prices[leg] or ZERO) for leg in Leg}
        if not self._isolated:
            return (cross_liquidation(wallet, *held[Leg.LONG], *held[Leg.SHORT], self._tiers, mark),)
        return tuple(
            isolated_liquidation(leg.sign, quantity, entry, quantity * entry / self._leverage, self._tiers)
            for leg, (quantity, entry) in held.items()
            if quantity
        )
