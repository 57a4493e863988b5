"""The exporter: documented names, labels, and NaN for what isn't known."""

import math
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.ops.metrics import Exporter, Snapshot

DOCUMENTED = {
    "long_inventory_usdt",
    "short_inventory_usdt",
    "net_inventory_usdt",
    "active_rungs_long",
    "active_rungs_short",
    "open_orders",
    "margin_ratio",
    "maker_ratio",
    "funding_rate_current",
    "funding_cost_1h_projected_usdt",
    "realized_pnl_usdt",
    "unrealized_pnl_usdt",
    "total_pnl_usdt",
    "uptime_seconds",
    "last_bar_timestamp",
}


def exported(exporter: Exporter) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in exporter.collect()
        for sample in metric.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset({"instrument": "BTC", **labels}.items())


def snapshot(figures: Mapping[str, float]) -> Snapshot:
    return Snapshot(
        figures=figures,
        throttle=0.5,
        states={Leg.LONG: LegState.FLAT, Leg.SHORT: LegState.RELEASED},
        unprotected={Leg.LONG: 0.003, Leg.SHORT: 0.0},
        errors=2,
    )


def test_the_fifteen_documented_gauges_and_ours() -> None:
    names = {name for name, _ in exported(Exporter("BTC"))}
    assert names == {f"hedgegrid_{name}" for name in DOCUMENTED} | {
        "hedgegrid_throttle",
        "hedgegrid_kill_switch_state",
        "hedgegrid_unprotected_quantity",
        "hedgegrid_callback_errors_total",
    }


def test_nothing_is_known_before_the_first_snapshot_nor_after_a_failed_one() -> None:
    exporter = Exporter("BTC")
    assert all(math.isnan(value) for value in exported(exporter).values())
    exporter.show(snapshot({"margin_ratio": 0.1}))
    assert exported(exporter)[key("hedgegrid_margin_ratio")] == 0.1
    exporter.show(None)
    assert all(math.isnan(value) for value in exported(exporter).values())


def test_values_of_a_snapshot() -> None:
    exporter = Exporter("BTC")
    exporter.show(snapshot({"open_orders_count": 7.0, "maker_ratio": math.nan, "long_inventory_usdt": 1.5}))
    found = exported(exporter)
    assert found[key("hedgegrid_open_orders")] == 7
    assert found[key("hedgegrid_long_inventory_usdt")] == 1.5
    assert math.isnan(found[key("hedgegrid_maker_ratio")])
    assert math.isnan(found[key("hedgegrid_uptime_seconds")])
    assert found[key("hedgegrid_throttle")] == 0.5
    assert found[key("hedgegrid_unprotected_quantity", leg="LONG")] == 0.003
    assert found[key("hedgegrid_callback_errors_total")] == 2


def test_each_leg_is_in_exactly_one_state() -> None:
    exporter = Exporter("BTC")
    exporter.show(snapshot({}))
    found = exported(exporter)
    for leg, state in ((Leg.LONG, LegState.FLAT), (Leg.SHORT, LegState.RELEASED)):
        ones = [s for s in LegState if found[key("hedgegrid_kill_switch_state", leg=leg.value, state=s.value)] == 1]
        assert ones == [state]


def test_labels_of_a_pod_stand_on_every_metric() -> None:
    exporter = Exporter("BTC", {"grid_namespace": "desk", "grid": "btc"})
    for _, labels in exported(exporter):
        assert {("instrument", "BTC"), ("grid_namespace", "desk"), ("grid", "btc")} <= labels


def test_the_text_is_what_prometheus_reads() -> None:
    exporter = Exporter("BTC")
    exporter.show(snapshot({"margin_ratio": 0.25}))
    registry = CollectorRegistry()
    registry.register(exporter)
    text = generate_latest(registry).decode()
    assert "# TYPE hedgegrid_margin_ratio gauge" in text
    assert 'hedgegrid_margin_ratio{instrument="BTC"} 0.25' in text
    assert 'hedgegrid_maker_ratio{instrument="BTC"} NaN' in text
    assert "# TYPE hedgegrid_callback_errors_total counter" in text
