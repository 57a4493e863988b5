"""The Prometheus exporter: gauges of one snapshot, taken on the strategy's loop. A scrape touches nothing but that."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, override

from prometheus_client import CollectorRegistry, make_asgi_app  # pyright: ignore[reportUnknownVariableType]  not annotated there
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1

DOCUMENTED: Mapping[str, str] = {
    "long_inventory_usdt": "Notional of the LONG leg at mark, USDT",
    "short_inventory_usdt": "Notional of the SHORT leg at mark, USDT",
    "net_inventory_usdt": "LONG less SHORT notional, USDT",
    "active_rungs_long": "Entries of the LONG leg that aren't terminal",
    "active_rungs_short": "Entries of the SHORT leg that aren't terminal",
    "open_orders": "All open orders of this grid",
    "margin_ratio": "Maintenance margin / margin balance (not used / available)",
    "maker_ratio": "Maker notional / all notional; NaN with no fill",
    "funding_rate_current": "Funding rate of the coming settlement",
    "funding_cost_1h_projected_usdt": "Funding that the positions would pay in an hour, USDT; above 0 we pay",
    "realized_pnl_usdt": "Closed trades less commissions plus funding received, USDT",
    "unrealized_pnl_usdt": "Profit of both legs at mark, USDT",
    "total_pnl_usdt": "Realized plus unrealized, USDT",
    "uptime_seconds": "Seconds since the strategy started",
    "last_bar_timestamp": "Close of the newest bar in market time, seconds since the epoch; 0 before the first",
}
"""The documented gauges, without `hedgegrid_`, and their help."""
_KEYS = {"open_orders": "open_orders_count"}
"""Keys of `get_operational_metrics` that differ from the gauge's name."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Figures of one moment; NaN where unknown."""

    figures: Mapping[str, float]
    """The documented metrics."""
    throttle: float
    """As it acts."""
    states: Mapping[Leg, LegState | None]
    """How far each leg's kill switch has got; None before the first snapshot."""
    unprotected: Mapping[Leg, float]
    """Quantity that no exit stands for."""
    errors: float
    """Exceptions in callbacks since the start."""


def snapshot_of(strategy: HedgeGridV1) -> Snapshot:
    """The figures of now. Called on the strategy's loop."""
    report = strategy.report()
    legs = report.kill_switch.legs
    unprotected = {leg: strategy.unprotected(leg) for leg in Leg}
    return Snapshot(
        figures=strategy.get_operational_metrics(),
        throttle=report.throttle.effective,
        states={Leg.LONG: legs.long.state, Leg.SHORT: legs.short.state},
        unprotected={leg: math.nan if value is None else float(value) for leg, value in unprotected.items()},
        errors=strategy.errors,
    )


_UNKNOWN = Snapshot({}, math.nan, dict.fromkeys(Leg), dict.fromkeys(Leg, math.nan), math.nan)


class Exporter(Collector):
    """Metrics of one grid, in a registry of its own."""

    def __init__(self, instrument_id: str, labels: Mapping[str, str] | None = None) -> None:
        """`labels` stand beside `instrument` on every metric."""
        base = {"instrument": instrument_id, **(labels or {})}
        self._names = list(base)
        self._values = list(base.values())
        self._snapshot = _UNKNOWN
        registry = CollectorRegistry()
        registry.register(self)
        self.app: ASGIApp = make_asgi_app(registry)

    def show(self, snapshot: Snapshot | None) -> None:
        """Export this snapshot from now on; None: nothing is known."""
        self._snapshot = snapshot or _UNKNOWN

    @override
    def collect(self) -> Iterator[Metric]:
        """The metrics of the snapshot."""
        shown = self._snapshot
        for name, text in DOCUMENTED.items():
            yield self._gauge(name, text, {(): shown.figures.get(_KEYS.get(name, name), math.nan)})
        yield self._gauge("throttle", "Factor on the quantity of entries, as it acts", {(): shown.throttle})
        states = {(leg, state): _flag(shown.states[leg], state) for leg in Leg for state in LegState}
        yield self._gauge("kill_switch_state", "1 for the state of the leg's kill switch", states, "leg", "state")
        unprotected = {(leg,): value for leg, value in shown.unprotected.items()}
        text = "Held quantity that no exit stands for, base currency"
        yield self._gauge("unprotected_quantity", text, unprotected, "leg")
        errors = CounterMetricFamily(
            "hedgegrid_callback_errors", "Exceptions in callbacks; any stops entries", labels=self._names
        )
        errors.add_metric(self._values, shown.errors)
        yield errors

    def _gauge(self, name: str, text: str, values: Mapping[Any, float], *labels: str) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(f"hedgegrid_{name}", text, labels=[*self._names, *labels])
        for own, value in values.items():
            gauge.add_metric([*self._values, *own], value)
        return gauge


def _flag(found: LegState | None, state: LegState) -> float:
    return math.nan if found is None else float(found is state)
