"""What the API reads from the strategy, as plain data. Called on the strategy's loop."""

from decimal import Decimal

from hedgegrid_api.control import LegReport
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.ops.answers import (
    Health,
    Ladders,
    LegStatus,
    OpenOrder,
    Orders,
    Positions,
    Profit,
    Readiness,
    Status,
)
from naut_hedgegrid.strategies.hedge_grid_v1.figures import Figures
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1


def health(strategy: HedgeGridV1) -> Health:
    """Does the node run?"""
    last_bar = strategy.get_operational_metrics()["last_bar_timestamp"]
    return Health(running=strategy.running, last_bar_timestamp=last_bar)


def readiness(strategy: HedgeGridV1) -> Readiness:
    """Can the grid trade?"""
    reason = None
    if not strategy.running:
        reason = "the node is not running"
    elif strategy.figures().quantity[Leg.LONG] is None:
        reason = "the venue's orders and positions are not adopted yet"
    elif not strategy.ready:
        reason = "no quote has come yet"
    elif not strategy.data_fresh:
        reason = "the market data are stale: entries are stopped until fresh data come"
    return Readiness(ready=reason is None, reason=reason)


def status(strategy: HedgeGridV1) -> Status:
    """Positions, profit and controls."""
    figures, report = strategy.figures(), strategy.report()
    legs = report.kill_switch.legs
    return Status(
        running=strategy.running,
        positions=Positions(
            long=_leg(strategy, figures, Leg.LONG, legs.long), short=_leg(strategy, figures, Leg.SHORT, legs.short)
        ),
        margin_ratio=_number(figures.margin_ratio),
        open_orders=report.telemetry.open_orders,
        pnl=Profit(
            realized=_number(figures.realized), unrealized=_number(figures.unrealized), total=_number(figures.total)
        ),
        ready=readiness(strategy).ready,
        synced=report.synced,
        throttle=report.throttle.effective,
        kill_switch=report.kill_switch.effective,
        callback_errors=strategy.errors,
        mark_price=_number(figures.mark),
        data_age_seconds=strategy.data_age,
        equity=_number(figures.equity),
        account_balance=_number(figures.wallet),
        drawdown=_number(figures.drawdown),
        liquidation_distance=_number(figures.liquidation_distance),
        funding_rate=_number(figures.funding_rate),
        regime=strategy.regime,
        latches=report.latches,
        trip=report.trip,
    )


def ladders(strategy: HedgeGridV1) -> Ladders:
    """Both ladders as last computed."""
    return Ladders.model_validate(strategy.get_ladders_snapshot())


def orders(strategy: HedgeGridV1) -> Orders:
    """Orders that aren't terminal."""
    return Orders(orders=[OpenOrder.model_validate(order) for order in strategy.orders()])


def _leg(strategy: HedgeGridV1, figures: Figures, leg: Leg, report: LegReport) -> LegStatus:
    return LegStatus(
        inventory_usdt=_number(figures.notional[leg]),
        quantity=_number(figures.quantity[leg]),
        entry_price=_number(figures.entry_price[leg]),
        unprotected_quantity=_number(strategy.unprotected(leg)),
        state=report.state,
    )


def _number(value: Decimal | None) -> float | None:
    return float(value) if value is not None and value.is_finite() else None
