"""One moment's figures of a grid in the terms of the catalogue. Taken on the strategy's loop; NaN where unknown."""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

from hedgegrid_api.control import LegReports, Trip
from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg, Regime, Role
from naut_hedgegrid.ops.catalogue import DOCUMENTED, LIQUIDITY, Series
from naut_hedgegrid.risk.limits import Rule
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Observed
from naut_hedgegrid.strategies.hedge_grid_v1.snapshots import ROLE_NAMES
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.strategies.hedge_grid_v1.telemetry import Counts, Outcome

type Values = Mapping[Series, float | Observed]
"""By the values of the metric's own labels."""
type Snapshot = Mapping[str, Values]
"""By the metric's name in the catalogue; what isn't there is unknown."""

_KEYS = {"open_orders": "open_orders_count"}
"""Keys of `get_operational_metrics` that differ from the gauge's name."""


def snapshot_of(strategy: HedgeGridV1) -> Snapshot:
    """The figures of now. Called on the strategy's loop."""
    metrics = strategy.get_operational_metrics()
    found: dict[str, Values] = {it.name: {(): metrics[_KEYS.get(it.name, it.name)]} for it in DOCUMENTED}
    found.update(_state(strategy))
    found.update(_account(strategy))
    found.update(_risk(strategy))
    counts = strategy.counts()
    if counts is not None:
        found.update(_counted(counts))
    return found


def _state(strategy: HedgeGridV1) -> Iterator[tuple[str, Values]]:
    report = strategy.report()
    yield "throttle", {(): report.throttle.effective}
    yield "kill_switch_state", dict(_states(report.kill_switch.legs))
    yield "condition", {(told.type, str(told.status), told.reason): 1.0 for told in report.conditions}
    yield "risk_tripped", {(rule.value,): float(_stands(report.trip, rule)) for rule in Rule}
    regime = strategy.regime
    if regime is not None:
        yield "regime", {(it.value,): float(it is regime) for it in Regime}
    yield "data_age_seconds", {(): math.nan if strategy.data_age is None else strategy.data_age}
    yield "own_watch_age_seconds", {(): math.nan if strategy.own_object.age is None else strategy.own_object.age}
    yield "callback_errors_total", {(): float(strategy.errors)}


def _stands(trip: Trip | None, rule: Rule) -> bool:
    return trip is not None and trip.reason == rule.field


def _states(legs: LegReports) -> Iterator[tuple[Series, float]]:
    for leg, report in ((Leg.LONG, legs.long), (Leg.SHORT, legs.short)):
        for state in LegState:
            yield (leg.value, state.value), float(report.state is state)


def _account(strategy: HedgeGridV1) -> Iterator[tuple[str, Values]]:
    figures = strategy.figures()
    yield "mark_price", {(): _number(figures.mark)}
    yield "equity_usdt", {(): _number(figures.equity)}
    yield "account_balance_usdt", {(): _number(figures.wallet)}
    yield "drawdown_ratio", {(): _number(figures.drawdown)}
    yield "liquidation_distance_ratio", {(): _number(figures.liquidation_distance)}
    yield "fees_usdt_total", {(): _number(figures.fees)}
    yield "funding_paid_usdt", {(): _number(figures.funding_paid)}
    yield "unprotected_quantity", {(leg.value,): _number(strategy.unprotected(leg)) for leg in Leg}


def _risk(strategy: HedgeGridV1) -> Iterator[tuple[str, Values]]:
    rules = strategy.risk_figures()
    yield "risk_limit", {(rule,): _number(it.limit) for rule, it in rules.items()}
    yield "risk_observed", {(rule,): _number(it.observed) for rule, it in rules.items()}
    yield "risk_trips_total", {(rule,): float(it.trips) for rule, it in rules.items()}


def _counted(counts: Counts) -> Iterator[tuple[str, Values]]:
    yield (
        "orders_total",
        {
            (ROLE_NAMES[role], outcome.value): float(counts.orders.get((role, outcome), 0))
            for role in Role
            for outcome in Outcome
        },
    )
    yield "order_rejects_total", {(reason,): float(number) for reason, number in counts.rejects.items()}
    yield (
        "fills_total",
        {
            (leg.value, word): float(counts.fills.get((leg, maker), 0))
            for leg in Leg
            for maker, word in LIQUIDITY.items()
        },
    )
    yield "round_trips_total", {(leg.value,): float(counts.round_trips.get(leg, 0)) for leg in Leg}
    yield "round_trip_profit_usdt", {(leg.value,): float(profit) for leg, profit in counts.round_trip_profit.items()}
    yield "order_latency_seconds", {(): counts.order_latency}
    yield "fill_to_take_profit_seconds", {(): counts.protection}
    yield "markout_bps", {(leg.value, str(seconds)): seen for (leg, seconds), seen in counts.markout.items()}


def _number(value: Decimal | None) -> float:
    return math.nan if value is None else float(value)
