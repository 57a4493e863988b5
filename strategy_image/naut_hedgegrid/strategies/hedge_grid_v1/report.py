"""What the strategy says about itself: the control report, the documented metrics, ladders and orders."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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
from naut_hedgegrid.domain.values import AccountState, Leg, Role
from naut_hedgegrid.grid.bars import SECOND
from naut_hedgegrid.strategies.hedge_grid_v1.control import Controls
from naut_hedgegrid.strategies.hedge_grid_v1.core import GridCore
from naut_hedgegrid.strategies.hedge_grid_v1.flatten import FlattenLoop

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
_CENT = Decimal("0.00000001")


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

    @property
    def net(self) -> Decimal | None:
        """LONG less SHORT notional."""
        long, short = self.notional[Leg.LONG], self.notional[Leg.SHORT]
        return None if long is None or short is None else long - short

    @property
    def total(self) -> Decimal | None:
        """Realized plus unrealized."""
        return None if self.realized is None or self.unrealized is None else self.realized + self.unrealized


def figures(core: GridCore, account: AccountState | None) -> Figures:
    """The figures at the newest quote."""
    ledger = core.ledger
    mark = core.quote.mark if core.quote is not None else None
    known = core.started
    quantity: dict[Leg, Decimal | None] = {leg: ledger.positions[leg] if known else None for leg in Leg}
    notional: dict[Leg, Decimal | None] = {
        leg: None if q is None or mark is None else q * mark for leg, q in quantity.items()
    }
    funding = account.funding_paid if account is not None else None
    realized = None if funding is None else ledger.totals.realized - ledger.totals.fees + funding
    unrealized = _unrealized(quantity, ledger.entry_prices, mark)
    equity = None if account is None or unrealized is None else account.wallet + unrealized
    return Figures(
        mark=mark,
        quantity=quantity,
        entry_price=dict(ledger.entry_prices),
        notional=notional,
        realized=realized,
        unrealized=unrealized,
        equity=equity,
        margin_ratio=_margin_ratio(account, equity),
        funding_rate=account.funding_rate if account is not None else None,
        funding_1h=_funding_1h(account, notional),
    )


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


def conditions(core: GridCore, store_error: str | None) -> tuple[PodCondition, ...]:
    """Conditions of the pod: VenueReady, and Ready where the pod knows why the grid can't trade as configured."""
    venue = PodCondition(type="VenueReady", status=True, reason="Reconciled", message="orders and positions adopted")
    if not core.started:
        venue = PodCondition(type="VenueReady", status=False, reason="Connecting", message="the venue is not read yet")
    elif core.faults:
        reason, message = next(iter(core.faults.items()))
        venue = PodCondition(type="VenueReady", status=False, reason=reason, message=message)
    elif store_error is not None:
        venue = PodCondition(type="VenueReady", status=False, reason="StoreFailed", message=store_error)
    if not core.below_minimum():
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
        conditions=pod_conditions,
        telemetry=_telemetry(core, numbers),
    )


def operational_metrics(core: GridCore, numbers: Figures, uptime: float) -> dict[str, float]:
    """The documented metrics; NaN where unknown, last_bar_timestamp 0.0 before the first bar."""
    totals = core.ledger.totals
    entries = {leg: len(core.ledger.entries(leg)) for leg in Leg}
    return {
        "long_inventory_usdt": _number(numbers.notional[Leg.LONG]),
        "short_inventory_usdt": _number(numbers.notional[Leg.SHORT]),
        "net_inventory_usdt": _number(numbers.net),
        "active_rungs_long": float(entries[Leg.LONG]),
        "active_rungs_short": float(entries[Leg.SHORT]),
        "open_orders_count": float(len(core.ledger.orders)),
        "margin_ratio": _number(numbers.margin_ratio),
        "maker_ratio": _number(totals.maker_notional / totals.notional if totals.notional else None),
        "funding_rate_current": _number(numbers.funding_rate),
        "funding_cost_1h_projected_usdt": _number(numbers.funding_1h),
        "realized_pnl_usdt": _number(numbers.realized),
        "unrealized_pnl_usdt": _number(numbers.unrealized),
        "total_pnl_usdt": _number(numbers.total),
        "uptime_seconds": uptime,
        "last_bar_timestamp": core.last_bar.ts / SECOND if core.last_bar is not None else 0.0,
    }


def ladders_snapshot(core: GridCore) -> dict[str, Any]:
    """All rungs as last computed, occupied and dropped ones too; what rests is in `orders_snapshot`."""
    quote = core.quote
    if quote is None or core.ledger.ladder is None:
        return {"long_ladder": [], "short_ladder": [], "mid_price": 0.0}
    ladders = {
        leg: [{"price": float(r.price), "qty": float(r.quantity), "side": leg.value} for r in core.ladders[leg]]
        for leg in Leg
    }
    return {
        "timestamp": quote.ts,
        "mid_price": float(quote.mid),
        "long_ladder": ladders[Leg.LONG],
        "short_ladder": ladders[Leg.SHORT],
    }


def orders_snapshot(core: GridCore) -> list[dict[str, Any]]:
    """Orders of this grid that aren't terminal."""
    return [
        {
            "client_order_id": order.client_order_id,
            "leg": order.leg.value,
            "role": _ROLE_NAMES[order.role],
            "side": order.side.value,
            "price": None if order.price is None else str(order.price),
            "quantity": str(order.quantity),
            "filled": str(order.filled),
            "status": order.status.value,
        }
        for order in core.ledger.orders.values()
    ]


_ROLE_NAMES = {Role.ENTRY: "ENTRY", Role.TAKE_PROFIT: "TAKE_PROFIT", Role.FLATTEN: "FLATTEN"}


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
        last_bar_time=datetime.fromtimestamp(bar.ts / SECOND, UTC) if bar is not None else None,
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


def _margin_ratio(account: AccountState | None, equity: Decimal | None) -> Decimal | None:
    if account is None or account.maintenance_margin is None or equity is None or equity <= 0:
        return None
    return account.maintenance_margin / equity


def _funding_1h(account: AccountState | None, notional: dict[Leg, Decimal | None]) -> Decimal | None:
    long, short = notional[Leg.LONG], notional[Leg.SHORT]
    if account is None or account.funding_rate is None or not account.funding_interval_hours:
        return None
    if long is None or short is None:
        return None
    return account.funding_rate * (long - short) / account.funding_interval_hours


def _number(value: Decimal | None) -> float:
    return float("nan") if value is None else float(value)


def _money(value: Decimal | None) -> Decimal | None:
    """At most 8 digits after the point, and no trailing zeros."""
    if value is None:
        return None
    rounded = value.quantize(_CENT).normalize()
    return Decimal(0) if rounded == 0 else rounded
