"""The control report: how far the controls have got, what stands in the way, the figures."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from hedgegrid_api.control import (
    ControlReport,
    KillSwitchReport,
    LegReport,
    LegReports,
    LegTelemetry,
    PnL,
    PodCondition,
    Telemetry,
    ThrottleReport,
)
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, switch_of
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.grid.bars import SECOND
from naut_hedgegrid.strategies.hedge_grid_v1.control import Controls
from naut_hedgegrid.strategies.hedge_grid_v1.core import GridCore
from naut_hedgegrid.strategies.hedge_grid_v1.figures import Figures
from naut_hedgegrid.strategies.hedge_grid_v1.flatten import FlattenLoop
from naut_hedgegrid.strategies.hedge_grid_v1.health import STORE_FAILED

_PROGRESS = (
    LegState.REQUESTED,
    LegState.DELIVERED,
    LegState.FAILED,
    LegState.FLATTENING,
    LegState.HALTED,
    LegState.DUST,
    LegState.FLAT,
)
"""From the least finished to the most finished engagement."""
FINISHED = frozenset({LegState.HALTED, LegState.DUST, LegState.FLAT})
"""States in which a leg is as it was asked to be."""
RISK_TRIP = "RiskTrip"
"""Reason of the latch of a trip: it says nothing of the venue."""
_CENT = Decimal("0.00000001")


def leg_state(core: GridCore, controls: Controls, leg: Leg, monotonic: float) -> LegState:
    """How far the engagement of a leg has got."""
    engagement = controls.engagements.get(leg)
    if engagement is None:
        return LegState.RELEASED
    stored = LegState.REQUESTED if engagement.delivered is None else LegState.DELIVERED
    if engagement.level is LegLevel.HALTED:
        return LegState.HALTED if core.started and not core.ledger.entries(leg) else stored
    loop = core.loops.get(leg)
    if loop is None:
        return stored
    return _flatten_state(loop, monotonic, stored)


def _flatten_state(loop: FlattenLoop, monotonic: float, stored: LegState) -> LegState:
    if loop.done:
        return LegState.FLAT if loop.dust is None else LegState.DUST
    if loop.failed(monotonic):
        return LegState.FAILED
    return LegState.FLATTENING if stored is LegState.DELIVERED else stored


def conditions(core: GridCore, controls: Controls, store_error: str | None) -> tuple[PodCondition, ...]:
    """Conditions of the pod: VenueReady, and Ready where the pod knows why the grid can't trade as configured."""
    latched = next((latch for latch in controls.latches if latch.reason not in (None, RISK_TRIP)), None)
    venue = PodCondition(type="VenueReady", status=True, reason="Reconciled", message="orders and positions adopted")
    if store_error is not None:
        venue = PodCondition(type="VenueReady", status=False, reason=STORE_FAILED, message=store_error)
    elif not core.started:
        venue = PodCondition(type="VenueReady", status=False, reason="Connecting", message="the venue is not read yet")
    elif (fault := core.gates.first_fault) is not None:
        venue = PodCondition(type="VenueReady", status=False, reason=fault[0], message=fault[1])
    elif latched is not None:
        remedy = f"; release it by rearm or POST /resume with id {latched.id}"
        venue = PodCondition(
            type="VenueReady", status=False, reason=latched.reason or "", message=(latched.message or "") + remedy
        )
    elif waiting := ", ".join(leg for leg in Leg if core.gates.unknown[leg]):
        message = f"what funding would cost isn't known: new entries of {waiting} wait"
        venue = PodCondition(type="VenueReady", status=False, reason="FundingUnknown", message=message)
    if not core.entries.below_minimum:
        return (venue,)
    message = "every rung is below the venue's smallest quantity or notional: raise baseQty, qtyScale or throttle"
    return (venue, PodCondition(type="Ready", status=False, reason="BelowMinNotional", message=message))


@dataclass(frozen=True, slots=True)
class Identity:
    """What names this process in a report."""

    boot_id: str
    synced: bool
    """A document came since the start."""
    configured_throttle: float
    """Counts where there is no document."""


def control_report(
    identity: Identity,
    core: GridCore,
    controls: Controls,
    numbers: Figures,
    *,
    monotonic: float,
    last_error: str | None,
    pod_conditions: tuple[PodCondition, ...],
) -> ControlReport:
    """The pod's whole state."""
    legs = {leg: _leg_report(core, controls, leg, monotonic, last_error) for leg in Leg}
    document = controls.document
    effective, source = controls.throttle(identity.configured_throttle)
    engaged = [report for report in legs.values() if report.state is not LegState.RELEASED]
    least = min(engaged, key=lambda report: _PROGRESS.index(report.state), default=None)
    newest = max(controls.engagements.values(), key=lambda e: e.since, default=None)
    return ControlReport(
        boot_id=identity.boot_id,
        uid=document.uid if document is not None else None,
        applied_generation=document.generation if document is not None else None,
        due_generation=controls.own.generation if controls.own is not None else None,
        epoch=document.epoch if document is not None else None,
        rearm=controls.rearm,
        synced=identity.synced,
        throttle=ThrottleReport(
            desired=document.throttle if document is not None else identity.configured_throttle,
            effective=effective,
            source=source,
        ),
        kill_switch=KillSwitchReport(
            desired=document.kill_switch if document is not None else KillSwitch.NONE,
            effective=switch_of(controls.level(Leg.LONG), controls.level(Leg.SHORT)),
            state=least.state if least is not None else LegState.RELEASED,
            source=least.source if least is not None else None,
            operation_id=newest.operation_id if newest is not None else None,
            legs=LegReports(long=legs[Leg.LONG], short=legs[Leg.SHORT]),
        ),
        latches=controls.latches,
        trip=controls.trip,
        conditions=pod_conditions,
        telemetry=_telemetry(core, numbers),
    )


def _leg_report(core: GridCore, controls: Controls, leg: Leg, monotonic: float, last_error: str | None) -> LegReport:
    engagement = controls.engagements.get(leg)
    loop = core.loops.get(leg)
    known = core.started
    return LegReport(
        level=controls.level(leg),
        source=controls.source(leg),
        state=leg_state(core, controls, leg, monotonic),
        operation_id=engagement.operation_id if engagement is not None else None,
        quantity=_money(core.ledger.positions[leg]) if known else None,
        open_orders=len(core.ledger.of_leg(leg)) if known else None,
        dust=_money(loop.dust) if loop is not None else None,
        attempts=loop.attempts if loop is not None else 0,
        last_error=(loop.last_error if loop is not None and loop.last_error else last_error),
        since=engagement.since if engagement is not None else None,
        delivered=engagement.delivered if engagement is not None else None,
        reached=engagement.reached if engagement is not None else None,
    )


def _telemetry(core: GridCore, numbers: Figures) -> Telemetry:
    bar = core.last_bar
    return Telemetry(
        long=LegTelemetry(
            quantity=_money(numbers.quantity[Leg.LONG]), entry_price=_money(numbers.entry_price[Leg.LONG])
        ),
        short=LegTelemetry(
            quantity=_money(numbers.quantity[Leg.SHORT]), entry_price=_money(numbers.entry_price[Leg.SHORT])
        ),
        net_quote=_money(numbers.net),
        open_orders=len(core.ledger.orders) if core.started else None,
        pnl=PnL(
            realized=_money(numbers.realized),
            unrealized=_money(numbers.unrealized),
            total=_money(numbers.total),
        ),
        margin_ratio=None if numbers.margin_ratio is None else float(numbers.margin_ratio),
        equity=_money(numbers.equity),
        funding_rate=None if numbers.funding_rate is None else float(numbers.funding_rate),
        regime=core.plan.regime,
        last_bar_time=datetime.fromtimestamp(bar.ts / SECOND, UTC) if bar is not None else None,
    )


def _money(value: Decimal | None) -> Decimal | None:
    """At most 8 digits after the point, and no trailing zeros."""
    if value is None:
        return None
    rounded = value.quantize(_CENT).normalize()
    return Decimal(0) if rounded == 0 else rounded
