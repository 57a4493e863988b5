"""The verdict on the account, sample by sample (ladder.md, Risk; F14, F21 to F23, F37, F44).

One sample may be wrong. So a limit trips only when several in a row have found it reached, and the peak rises only to
what so many have seen, or a single print too high would be a drawdown for ever. A sample where a figure is unknown says
nothing of its rule: it doesn't confirm, or missing data would flatten; nor does it start the count anew, or data that
are missing now and then would switch the limit off. Until the figure is known again, entries stop.
"""

from collections import deque
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from naut_hedgegrid.domain.values import ZERO
from naut_hedgegrid.risk.baselines import DAY, Baselines
from naut_hedgegrid.risk.formulas import LARGEST_RATIO, drawdown_percent
from naut_hedgegrid.risk.limits import Limits, Rule

AT_ONCE: Final = Decimal("0.95")
"""A margin ratio from here on trips without confirmation: there is no time for one."""
_BOUNDLESS: Final = Decimal("Infinity")


class Sample(NamedTuple):
    """The figures at one moment, quote currency unless said otherwise; None where unknown."""

    equity: Decimal | None
    """The account's margin balance."""
    transfers: Decimal | None
    """Sum of the account's deposits and withdrawals."""
    net_pnl: Decimal | None
    """Of this grid: closed trades less commissions plus funding plus unrealized."""
    position: Decimal | None
    """LONG + SHORT at the mark price."""
    margin_ratio: Decimal | None
    """`formulas.margin_ratio`."""
    funding_bps: Decimal | None
    """`grid.funding.guard_bps`."""
    liquidation_distance: Decimal | None
    """`formulas.liquidation_distance_percent`."""
    has_position: bool | None


class Breach(NamedTuple):
    """A limit that has tripped."""

    rule: Rule
    observed: Decimal
    limit: Decimal


class Verdict(NamedTuple):
    """What a sample says."""

    tripped: tuple[Breach, ...]
    """Limits that this sample and enough before it have found reached."""
    unknown: tuple[Rule, ...]
    """Rules that have a limit, but no figure: entries stop, nothing is flattened."""
    settled: bool
    """Since the start enough samples gave a verdict, that is, knew the figure of every limit; until then the gate is
    held."""


class Bounds(NamedTuple):
    """Between these a sample is fine and leaves the baselines as they are."""

    least_equity: Decimal
    """Exclusive, like all of them but `peak`."""
    peak: Decimal
    """Inclusive."""
    least_pnl: Decimal
    most_position: Decimal
    most_margin: Decimal
    least_distance: Decimal
    until: int
    """Market time, ns."""


class Reading(NamedTuple):
    """A rule's figure beside its limit, in the limit's unit."""

    observed: Decimal | None
    """None where unknown."""
    limit: Decimal | None
    """None where none is set."""
    nearness: Decimal | None
    """0 for far away, 1 for reached; None without figure or limit."""


_FINE: Final = Verdict((), (), settled=True)


class RiskJudge:
    """Judges samples. Remembers how often in a row a limit was found reached."""

    __slots__ = (
        "_baselines",
        "_calm",
        "_counts",
        "_day_end",
        "_given",
        "_highs",
        "_kept",
        "_last",
        "_least_distance",
        "_least_equity",
        "_least_pnl",
        "_limits",
        "_most_funding",
        "_most_margin",
        "_most_position",
        "_peak",
        "_risen",
        "_settled",
        "_transfers",
    )

    def __init__(self, limits: Limits, baselines: Baselines) -> None:
        self._limits = limits
        self._baselines = baselines
        self._counts = dict.fromkeys(Rule, 0)
        self._given = 0
        self._settled = False
        self._calm = False
        self._risen = False
        self._last: Sample | None = None
        self._highs: deque[Decimal] = deque(maxlen=limits.confirmations)
        self._prepare()

    @property
    def baselines(self) -> Baselines:
        """What has to be stored: another object whenever it has changed."""
        if self._risen:
            self._baselines, self._risen = self._baselines.higher(self._peak), False
        return self._baselines

    @property
    def limits(self) -> Limits:
        """The present limits."""
        return self._limits

    @property
    def bounds(self) -> Bounds | None:
        """What is fine as things are; None where the next sample has to be looked at whatever it says."""
        if not self._calm or self._highs:
            return None
        return Bounds(
            self._least_equity,
            self._peak,
            self._least_pnl,
            self._most_position,
            self._most_margin,
            self._least_distance,
            self._day_end,
        )

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on; what was counted stays."""
        self._limits = limits
        self._highs = deque(self._highs, maxlen=limits.confirmations)
        self._calm = False
        self._prepare()

    def restart(self, now: int) -> None:
        """A rearm or resume was accepted: what is lost counts from the present, nothing is counted as reached."""
        last = self._last
        known = (last.equity, last.transfers, last.net_pnl) if last is not None else (None, None, None)
        self._baselines = self.baselines.restarted(*known, now)
        self._counts = dict.fromkeys(Rule, 0)
        self._highs.clear()
        self._calm = False
        self._prepare()

    def sample(self, sample: Sample, now: int) -> Verdict:
        """Judge a sample taken at market time `now`, ns."""
        if self._calm and self._is_fine(sample, now):
            self._last = sample
            return _FINE
        return self._judged(_known(sample), now)

    def readings(self) -> dict[Rule, Reading]:
        """Every rule's figure in the last sample, for metrics."""
        observed = self._observed(self._last) if self._last is not None else dict.fromkeys(Rule)
        limits = self._limits.by_rule()
        return {
            rule: Reading(found, limits[rule], _nearness(rule, found, limits[rule])) for rule, found in observed.items()
        }

    def _is_fine(self, sample: Sample, now: int) -> bool:
        """Everything is known, far from its limit, and leaves the baselines as they are, but for the peak. This is what
        most samples are, so they are compared with bounds worked out beforehand."""
        equity, transfers, net_pnl, position, margin, funding, distance, _ = sample
        if (
            equity is None
            or transfers is None
            or net_pnl is None
            or position is None
            or margin is None
            or funding is None
            or distance is None
        ):
            return False
        try:
            fine = (
                equity > self._least_equity
                and net_pnl > self._least_pnl
                and position < self._most_position
                and margin < self._most_margin
                and funding < self._most_funding
                and distance > self._least_distance
                and transfers == self._transfers
                and now < self._day_end
            )
        except InvalidOperation:  # a NaN can't be compared
            return False
        if fine and (equity > self._peak or self._highs):
            self._rise(equity)
        return fine

    def _judged(self, sample: Sample, now: int) -> Verdict:
        self._last = sample
        self._remember(sample, now)
        observed, limits = self._observed(sample), self._limits
        tripped, unknown = list[Breach](), list[Rule]()
        for rule, limit in limits.by_rule().items():
            found = observed[rule]
            if limit is None:
                self._counts[rule] = 0
            elif found is None:
                unknown.append(rule)
            elif not _reached(rule, found, limit):
                self._counts[rule] = 0
            else:
                self._counts[rule] += 1
                if self._counts[rule] >= limits.confirmations or (rule is Rule.MARGIN_RATIO and found >= AT_ONCE):
                    tripped.append(Breach(rule, found, limit))
        self._given += not unknown
        self._settled = self._settled or self._given >= limits.confirmations
        self._calm = self._settled and not unknown and self._baselines.complete and not any(self._counts.values())
        return Verdict(tuple(tripped), tuple(unknown), self._settled)

    def _remember(self, sample: Sample, now: int) -> None:
        before = self.baselines
        after = before.seen(sample.equity, sample.transfers, sample.net_pnl, now)
        if after is not before:
            if after.transfers != before.transfers:
                self._highs.clear()
            self._baselines = after
            self._prepare()
        if sample.equity is not None and sample.transfers is not None:
            self._rise(sample.equity)

    def _rise(self, equity: Decimal) -> None:
        """The peak goes up to what `confirmations` samples in a row have exceeded."""
        if equity <= self._peak:
            self._highs.clear()
            return
        self._highs.append(equity)
        if len(self._highs) == self._limits.confirmations:
            self._peak = min(self._highs)
            self._least_equity = self._peak * self._kept
            self._risen = True

    def _observed(self, sample: Sample) -> dict[Rule, Decimal | None]:
        base = self.baselines
        equity = sample.equity if sample.transfers is not None else None
        lost = sample.equity is not None and sample.equity <= 0 and sample.has_position
        return {
            Rule.DRAWDOWN: drawdown_percent(base.peak, equity),
            Rule.LOSS: _fallen(base.loss_base, sample.net_pnl),
            Rule.DAILY_LOSS: _fallen(base.day_base, sample.net_pnl),
            Rule.POSITION: sample.position,
            Rule.MARGIN_RATIO: LARGEST_RATIO if lost else sample.margin_ratio,
            Rule.FUNDING_COST: sample.funding_bps,
            Rule.LIQUIDATION_DISTANCE: sample.liquidation_distance,
        }

    def _prepare(self) -> None:
        """Bounds of what is fine, from limits and baselines."""
        limits, base = self._limits, self.baselines
        allowed = limits.max_drawdown_percent
        self._kept = ZERO if allowed is None else 1 - allowed / 100
        self._peak = _BOUNDLESS if base.peak is None else base.peak
        self._least_equity = ZERO if base.peak is None else base.peak * self._kept
        self._transfers = base.transfers
        self._day_end = 0 if base.day is None else (base.day + 1) * DAY
        floors = ((base.loss_base, limits.max_loss_quote), (base.day_base, limits.daily_loss_quote))
        self._least_pnl = max(
            (start - loss for start, loss in floors if start is not None and loss is not None), default=-_BOUNDLESS
        )
        self._most_position = _or_boundless(limits.max_position_quote)
        self._most_margin = _or_boundless(limits.max_margin_ratio)
        self._most_funding = _or_boundless(limits.max_funding_cost_bps)
        nearest = limits.min_liquidation_distance_percent
        self._least_distance = -_BOUNDLESS if nearest is None else nearest


def _known(sample: Sample) -> Sample:
    """NaN is one more way to say unknown."""
    return Sample._make(None if isinstance(figure, Decimal) and figure.is_nan() else figure for figure in sample)


def _or_boundless(limit: Decimal | None) -> Decimal:
    return _BOUNDLESS if limit is None else limit


def _fallen(start: Decimal | None, now: Decimal | None) -> Decimal | None:
    return None if start is None or now is None else start - now


def _reached(rule: Rule, found: Decimal, limit: Decimal) -> bool:
    return found <= limit if rule is Rule.LIQUIDATION_DISTANCE else found >= limit


def _nearness(rule: Rule, found: Decimal | None, limit: Decimal | None) -> Decimal | None:
    if found is None or limit is None:
        return None
    if rule is not Rule.LIQUIDATION_DISTANCE:
        return max(ZERO, found / limit)
    if not found.is_finite():
        return ZERO
    return min(limit / found, LARGEST_RATIO) if found else LARGEST_RATIO
