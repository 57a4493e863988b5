"""What holds legs back until a person releases it: trips of risk limits, and what the grid itself asks for.

Each is a latch of source `risk`. It goes to the disk before it acts, or acts from memory where the disk doesn't answer.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from hedgegrid_api.control import Latch, Trip
from hedgegrid_api.risk import Risk, RiskAction
from hedgegrid_api.types import LegLevel, Source
from naut_hedgegrid.domain.values import AccountState
from naut_hedgegrid.grid.bars import Bar
from naut_hedgegrid.risk.limits import Limits
from naut_hedgegrid.risk.monitor import Breach, Verdict
from naut_hedgegrid.strategies.hedge_grid_v1 import control
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Action
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock
from naut_hedgegrid.strategies.hedge_grid_v1.control import Controls
from naut_hedgegrid.strategies.hedge_grid_v1.core import GridCore, LatchRequest
from naut_hedgegrid.strategies.hedge_grid_v1.report import RISK_TRIP
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import BASELINES, RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.switchboard import Switchboard, new_operation_id

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 1.0
"""Risk is sampled so often, where the market doesn't come in bars."""
RISK_UNKNOWN = "RiskUnknown"


class Custody:
    """Has risk judged, and latches."""

    def __init__(
        self,
        core: GridCore,
        switchboard: Switchboard,
        clock: Clock,
        configured: Risk,
        act: Callable[[], None],
        *,
        keeps_state: bool,
    ) -> None:
        """`configured` are the limits until a document brings others; `act` has the core act on changed controls."""
        self.monitor: RiskMonitor | None = None
        self.settled = True
        """Since the start enough samples gave a verdict; entries are held until then. True where nobody watches."""
        self._core = core
        self._switchboard = switchboard
        self._clock = clock
        self._configured = configured
        self._act = act
        self._keeps_state = keeps_state
        self._verdict: Verdict | None = None
        self._sampled = clock.monotonic()

    def watch(self, monitor: RiskMonitor, stored: Mapping[str, Any]) -> None:
        """Ask this monitor from now on; `stored` is what the store knows."""
        self.monitor, self.settled = monitor, False
        monitor.begin(stored, self._limits())

    def on_controls(self) -> None:
        """The controls have changed, and with them perhaps the limits."""
        if self.monitor is not None:
            self.monitor.set_limits(self._limits())

    def on_released(self, before: Controls, after: Controls) -> None:
        """What was released may be lost again: losses are measured from the present."""
        if self.monitor is not None and control.released(before, after):
            self.monitor.restart(self._clock.market())

    def on_timer(self) -> list[Action]:
        """Time has passed: take a sample where it is time for one."""
        now = self._clock.monotonic()
        if self.monitor is None or now - self._sampled < SAMPLE_SECONDS:
            return []
        self._sampled = now
        core = self._core
        account = core.account() if core.started else None
        mark = core.quote.mark if core.quote is not None else None
        return self._judged(self.monitor, account, mark, self._clock.market())

    def on_bar(self, bar: Bar) -> tuple[list[Action], AccountState | None]:
        """A bar has closed, where the market comes in bars: take a sample, unless it could only say what the last one
        said. With the account's figures where they were asked for."""
        monitor, core = self.monitor, self._core
        if monitor is None or monitor.calm(core.ledger.totals, bar.close, bar.ts):
            return [], None
        account = core.account()
        actions = self._judged(monitor, account, bar.close, bar.ts)
        monitor.note_calm(core.ledger, account, bar.close)
        return actions, account

    def latch(self, requests: list[LatchRequest]) -> None:
        """Hold legs back as the grid asks."""
        for request in requests:
            standing = {(latch.reason, latch.leg) for latch in self._switchboard.controls.latches}
            leg = control.BOTH if len(request.legs) > 1 else next(iter(request.legs)).value
            if (request.reason, leg) in standing:
                continue
            log.error("held back until it is released: %s: %s", request.reason, request.message)
            self._put(f"latch-{secrets.token_hex(6)}", leg, LegLevel.HALTED, request.reason, request.message)

    def _limits(self) -> Limits:
        """Those of the newest document that had any, else of the configuration."""
        document = self._switchboard.controls.document
        return Limits.of(self._configured if document is None or document.risk is None else document.risk)

    def _judged(
        self, monitor: RiskMonitor, account: AccountState | None, mark: Decimal | None, now: int
    ) -> list[Action]:
        """Have risk judged at a mark price, and act on the verdict."""
        verdict = monitor.sample(self._core.ledger, account, mark, now)
        if self._keeps_state and (baselines := monitor.changed_baselines()) is not None:
            self._core.ledger.note(BASELINES, baselines)
        if verdict is self._verdict:
            return []
        self._verdict = verdict
        if verdict.settled and not self.settled:
            self.settled = True
            self._act()
        unknown = ", ".join(rule.field for rule in verdict.unknown) if self.settled else ""
        message = f"figures of {unknown} are unknown: entries stop until they are known" if unknown else None
        actions = self._core.fault(RISK_UNKNOWN, message)
        standing = any(latch.reason == RISK_TRIP for latch in self._switchboard.controls.latches)
        if verdict.tripped and not standing:
            self._trip(monitor, verdict.tripped[0])
        return actions

    def _trip(self, monitor: RiskMonitor, breach: Breach) -> None:
        """Latch a trip and engage what `risk.action` says."""
        monitor.tripped(breach)
        flatten = monitor.limits.action is RiskAction.FLATTEN_BOTH
        level = LegLevel.FLAT if flatten else LegLevel.HALTED
        field, ident = breach.rule.field, f"trip-{secrets.token_hex(6)}"
        message = f"risk.{field} is reached: {breach.observed:.8g}, the limit is {breach.limit:.8g}"
        log.error("tripped: %s; %s", message, "both legs are flattened" if flatten else "entries are stopped")
        trip = Trip(id=ident, reason=field, observed=breach.observed, limit=breach.limit, time=self._clock.wall())
        self._put(ident, control.BOTH, level, RISK_TRIP, message, trip)

    def _put(self, ident: str, leg: str, level: LegLevel, reason: str, message: str, trip: Trip | None = None) -> None:
        now = self._clock.wall()
        latch = Latch(id=ident, source=Source.RISK, leg=leg, level=level, since=now, reason=reason, message=message)
        after = control.with_risk_latch(self._switchboard.controls, latch, trip, now, new_operation_id)
        self._switchboard.put_later(after, self._act)
