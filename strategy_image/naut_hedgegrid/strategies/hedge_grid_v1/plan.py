"""What each leg's ladder is laid out by now: throttle, regime and placement, funding (rules R5, R7, R8)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from naut_hedgegrid.domain.grid import ExitSteps
from naut_hedgegrid.domain.values import AccountState, Leg, Regime
from naut_hedgegrid.grid.bars import Bar
from naut_hedgegrid.grid.funding import FundingTerms, factor_changes_at, funding_factor
from naut_hedgegrid.grid.placement import placed
from naut_hedgegrid.grid.records import Totals
from naut_hedgegrid.grid.regime import RegimeTracker
from naut_hedgegrid.strategies.hedge_grid_v1.entries import Terms
from naut_hedgegrid.strategies.hedge_grid_v1.settings import CoreSettings

REGIME = "regime"
"""Name of the regime's state in the store."""
_ONE = Decimal(1)


class Plan:
    """Terms and exit steps of both legs."""

    def __init__(self, settings: CoreSettings, note: Callable[[str, object], None]) -> None:
        """`note` has a value stored."""
        self.terms: dict[Leg, Terms] = {leg: Terms() for leg in Leg}
        self.steps: dict[Leg, ExitSteps] = {}
        """Exits of lots that are opened from now on."""
        self.factors: dict[Leg, Decimal | None] = dict.fromkeys(Leg, _ONE)
        """Funding factor of each leg's entries; None while its cost is unknown."""
        self.throttle = _ONE
        self._terms: FundingTerms | None = None
        self._factors_until = 0
        self._totals: Totals | None = None
        self._settings = settings
        self._note = note
        self._tracker: RegimeTracker | None = None
        if (regime := settings.regime) is not None:
            self._tracker = RegimeTracker(
                regime.ema_fast, regime.ema_slow, regime.adx_length, regime.adx_threshold, regime.hysteresis_bps
            )
        self._lay_out()

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on with what the store knows of the market."""
        state = stored.get(REGIME)
        if self._tracker is not None and state is not None:
            self._tracker.restore(state)
            self._lay_out()

    @property
    def regime(self) -> Regime | None:
        """The effective regime; None where the grid doesn't look at it."""
        return None if self._tracker is None else self._tracker.effective

    def on_bar(self, bar: Bar) -> bool:
        """A bar has closed; whether the regime has changed."""
        tracker = self._tracker
        if tracker is None:
            return False
        before = tracker.effective
        tracker.update(float(bar.high), float(bar.low), float(bar.close))
        if self._settings.keeps_state:
            self._note(REGIME, tracker.state())
        if tracker.effective is before:
            return False
        self._lay_out()
        return True

    def funding_known(self, totals: Totals, now: int) -> bool:
        """Whether the factors still hold: nothing was booked since they were computed, settlements included, and none
        has come within the window. (Where the market comes in quotes the account is looked at with every bar.)"""
        return totals is self._totals and now < self._factors_until and not self._settings.keeps_state

    def on_account(self, account: AccountState | None, totals: Totals, now: int) -> bool:
        """The coming settlements as the venue has them; whether a factor has changed."""
        self._totals = totals
        terms = FundingTerms(None, None, None)
        if account is not None:
            terms = FundingTerms(account.funding_rate, account.next_funding_ts, account.funding_interval_hours)
        if terms == self._terms and now < self._factors_until:
            return False
        self._terms, self._factors_until = terms, factor_changes_at(terms, self._settings.funding.window_minutes, now)
        factors = {leg: funding_factor(leg, terms, self._settings.funding, now) for leg in Leg}
        if factors == self.factors:
            return False
        self.factors = factors
        self._lay_out()
        return True

    def set_throttle(self, throttle: Decimal) -> None:
        """The throttle that acts."""
        if throttle != self.throttle:
            self.throttle = throttle
            self._lay_out()

    def _lay_out(self) -> None:
        """Terms anew; one that is equal stays the same object, so that it can be told by identity."""
        settings = self._settings
        regime = self.regime or Regime.SIDEWAYS
        terms = dict(self.terms)
        for leg in Leg:
            here = placed(settings.placement, regime, leg, settings.grid.levels[leg], settings.grid.take_profit_steps)
            self.steps[leg] = ExitSteps(here.take_profit_steps, settings.grid.stop_loss_steps)
            factor = self.factors[leg]
            now = Terms(self.throttle * here.factor * (_ONE if factor is None else factor), here.levels)
            if now != terms[leg]:
                terms[leg] = now
        self.terms = terms
