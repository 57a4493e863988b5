"""Plain data for people and programs: the documented metrics, the ladders, the orders. JSON-ready."""

import math
from decimal import Decimal
from typing import Any

from naut_hedgegrid.domain.grid import OrderStatus
from naut_hedgegrid.domain.values import Leg, Role
from naut_hedgegrid.grid.bars import SECOND
from naut_hedgegrid.strategies.hedge_grid_v1.core import GridCore
from naut_hedgegrid.strategies.hedge_grid_v1.figures import Figures

ROLE_NAMES = {
    Role.ENTRY: "ENTRY",
    Role.TAKE_PROFIT: "TAKE_PROFIT",
    Role.STOP_LOSS: "STOP_LOSS",
    Role.FLATTEN: "FLATTEN",
}
"""What an order is for, as people and programs read it."""


def operational_metrics(core: GridCore, numbers: Figures, uptime: float) -> dict[str, float]:
    """The documented metrics; NaN where unknown, last_bar_timestamp 0.0 before the first bar."""
    totals = core.ledger.totals
    known = core.started
    return {
        "long_inventory_usdt": _number(numbers.notional[Leg.LONG]),
        "short_inventory_usdt": _number(numbers.notional[Leg.SHORT]),
        "net_inventory_usdt": _number(numbers.net),
        "active_rungs_long": float(len(core.ledger.entries(Leg.LONG))) if known else math.nan,
        "active_rungs_short": float(len(core.ledger.entries(Leg.SHORT))) if known else math.nan,
        "open_orders_count": float(len(core.ledger.orders)) if known else math.nan,
        "margin_ratio": _number(numbers.margin_ratio),
        "maker_ratio": _number(totals.maker_notional / totals.notional if known and totals.notional else None),
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
    quote, mid = core.quote, core.mid
    if quote is None or mid is None or core.ledger.ladder is None:
        return {"long_ladder": [], "short_ladder": [], "mid_price": 0.0}
    ladders = {
        leg: [{"price": float(r.price), "qty": float(r.quantity), "side": leg.value} for r in core.entries.ladders[leg]]
        for leg in Leg
    }
    return {
        "timestamp": quote.ts,
        "mid_price": float(mid),
        "long_ladder": ladders[Leg.LONG],
        "short_ladder": ladders[Leg.SHORT],
    }


def orders_snapshot(core: GridCore) -> list[dict[str, Any]]:
    """Orders of this grid that aren't terminal."""
    return [
        {
            "client_order_id": order.client_order_id,
            "leg": order.leg.value,
            "role": ROLE_NAMES[order.role],
            "side": order.side.value,
            "price": None if order.price is None else str(order.price),
            "quantity": str(order.quantity),
            "filled": str(order.filled),
            "status": order.status.value,
        }
        for order in core.ledger.orders.values()
    ]


def flatten_answer(core: GridCore, legs: tuple[Leg, ...]) -> dict[str, Any]:
    """What a flatten of these legs begins with: orders to be cancelled, positions to be closed."""
    ledger = core.ledger
    resting = [order for leg in legs for order in ledger.of_leg(leg) if order.role is not Role.FLATTEN]
    orders = [order for order in resting if order.status is not OrderStatus.CANCELING]
    positions = [
        {"leg": leg.value, "side": leg.closing.value, "quantity": str(ledger.positions[leg])}
        for leg in legs
        if ledger.positions[leg]
    ]
    return {"cancelled_orders": len(orders), "closing_positions": positions}


def _number(value: Decimal | None) -> float:
    return math.nan if value is None else float(value)
