"""The exporter: documented names, labels, Prometheus' conventions, and NaN for what isn't known."""

import math
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hedgegrid_api import __version__
from hedgegrid_api.types import LegState
from naut_hedgegrid.ops.catalogue import CATALOGUE, Definition, Kind
from naut_hedgegrid.ops.figures import Snapshot
from naut_hedgegrid.ops.metrics import Exporter
from naut_hedgegrid.strategies.hedge_grid_v1.distribution import Distribution, Observed
from tests.strategy.asgi import Client

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
FURTHER = {
    "throttle": (),
    "kill_switch_state": ("leg", "state"),
    "risk_tripped": ("rule",),
    "risk_trips_total": ("rule",),
    "risk_limit": ("rule",),
    "risk_observed": ("rule",),
    "orders_total": ("role", "outcome"),
    "order_rejects_total": ("reason",),
    "fills_total": ("leg", "liquidity"),
    "fees_usdt_total": (),
    "funding_paid_usdt": (),
    "mark_price": (),
    "equity_usdt": (),
    "drawdown_ratio": (),
    "liquidation_distance_ratio": (),
    "account_balance_usdt": (),
    "data_age_seconds": (),
    "order_latency_seconds": (),
    "callback_errors_total": (),
    "own_watch_age_seconds": (),
    "regime": ("regime",),
    "condition": ("type", "status", "reason"),
    "info": ("version", "mode"),
    "unprotected_quantity": ("leg",),
    "fill_to_take_profit_seconds": (),
    "round_trips_total": ("leg",),
    "round_trip_profit_usdt": ("leg",),
    "markout_bps": ("leg", "seconds"),
}
"""By name, with the labels beside those that every metric has."""
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def exported(exporter: Exporter) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels, as Prometheus' own library reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exporter.text())
        for sample in family.samples
    }


def unknown(exporter: Exporter) -> bool:
    """No figure is shown."""
    return all(math.isnan(value) for (name, _), value in exported(exporter).items() if name != "hedgegrid_info")


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset({"instrument": "BTC", **labels}.items())


def histogram(*values: float) -> Observed:
    distribution = Distribution((-1.0, 0.0, 2.5))
    for value in values:
        distribution.observe(value)
    return distribution.observed()


SNAPSHOT: Snapshot = {
    "margin_ratio": {(): 0.25},
    "maker_ratio": {(): math.nan},
    "throttle": {(): 0.5},
    "kill_switch_state": {
        (leg, state.value): float(state is held)
        for leg, held in (("LONG", LegState.FLAT), ("SHORT", LegState.RELEASED))
        for state in LegState
    },
    "unprotected_quantity": {("LONG",): 0.003, ("SHORT",): 0.0},
    "callback_errors_total": {(): 2.0},
    "order_rejects_total": {("-2019",): 3.0},
    "risk_limit": {("drawdown",): 20.0},
}


def test_the_documented_gauges_and_all_others_with_their_labels() -> None:
    found = {definition.name: definition for definition in CATALOGUE}
    assert set(found) == DOCUMENTED | set(FURTHER)
    assert {found[name].kind for name in DOCUMENTED} == {Kind.GAUGE}
    assert {name: found[name].labels for name in FURTHER} == FURTHER


def test_names_follow_the_conventions_of_prometheus() -> None:
    for definition in CATALOGUE:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", definition.name)
        assert (definition.kind is Kind.COUNTER) == definition.name.endswith("_total"), definition.name
        assert definition.text.strip() == definition.text, definition.name
    assert "used/available" in next(it.text for it in CATALOGUE if it.name == "margin_ratio")


def test_nothing_is_known_before_the_first_snapshot_nor_after_a_failed_one() -> None:
    exporter = Exporter("BTC")
    assert unknown(exporter)
    exporter.show(SNAPSHOT)
    assert exported(exporter)[key("hedgegrid_margin_ratio")] == 0.25
    exporter.show(None)
    assert unknown(exporter)


def test_values_of_a_snapshot() -> None:
    exporter = Exporter("BTC")
    exporter.show(SNAPSHOT)
    found = exported(exporter)
    assert math.isnan(found[key("hedgegrid_maker_ratio")])
    assert math.isnan(found[key("hedgegrid_uptime_seconds")]), "not in the snapshot"
    assert math.isnan(found[key("hedgegrid_round_trips_total", leg="LONG")]), "not in the snapshot"
    assert found[key("hedgegrid_throttle")] == 0.5
    assert found[key("hedgegrid_unprotected_quantity", leg="LONG")] == 0.003
    assert found[key("hedgegrid_callback_errors_total")] == 2
    assert found[key("hedgegrid_order_rejects_total", reason="-2019")] == 3
    assert found[key("hedgegrid_risk_limit", rule="drawdown")] == 20


def test_each_leg_is_in_exactly_one_state() -> None:
    exporter = Exporter("BTC")
    exporter.show(SNAPSHOT)
    found = exported(exporter)
    for leg, state in (("LONG", LegState.FLAT), ("SHORT", LegState.RELEASED)):
        ones = [s for s in LegState if found[key("hedgegrid_kill_switch_state", leg=leg, state=s.value)] == 1]
        assert ones == [state]


def test_a_histogram_counts_up_to_each_bound() -> None:
    exporter = Exporter("BTC")
    exporter.show({"order_latency_seconds": {(): histogram(-3, 0, 0.5, 2.5, 7)}})
    text = exporter.text()
    buckets = re.findall(r'order_latency_seconds_bucket\{instrument="BTC",le="([^"]+)"\} (\S+)', text)
    assert buckets == [("-1.0", "1"), ("0.0", "2"), ("2.5", "4"), ("+Inf", "5")]


def test_a_histogram_has_a_sum_only_where_it_can_but_grow() -> None:
    exporter = Exporter("BTC")
    exporter.show({"order_latency_seconds": {(): Observed((0.5, 1.0), (1, 1, 0), 0.75)}})
    found = exported(exporter)
    assert found[key("hedgegrid_order_latency_seconds_sum")] == 0.75
    assert found[key("hedgegrid_order_latency_seconds_count")] == 2
    exporter.show({"markout_bps": {("LONG", "1"): histogram(-3, 0.5)}})
    names = {name for name, _ in exported(exporter)}
    assert "hedgegrid_markout_bps_bucket" in names
    assert not {"hedgegrid_markout_bps_sum", "hedgegrid_markout_bps_count"} & names


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.0"), (0.1, "0.1"), (1e-9, "1e-09"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)
def test_numbers_are_written_exactly(value: float, text: str) -> None:
    exporter = Exporter("BTC")
    exporter.show({"liquidation_distance_ratio": {(): value}})
    assert f'hedgegrid_liquidation_distance_ratio{{instrument="BTC"}} {text}\n' in exporter.text()
    found = exported(exporter)[key("hedgegrid_liquidation_distance_ratio")]
    assert found == value or math.isnan(value)


def test_labels_may_hold_anything() -> None:
    odd = 'a "b" \\ c\nd'
    exporter = Exporter(odd)
    exporter.show({"order_rejects_total": {(odd,): 1.0}})
    labels = [dict(labels) for name, labels in exported(exporter) if name == "hedgegrid_order_rejects_total"]
    assert labels == [{"instrument": odd, "reason": odd}]


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [("GET", "/metrics", 200), ("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("GET", "/", 404)],
)
def test_only_a_scrape_is_answered(verb: str, path: str, status: int) -> None:
    client = Client(Exporter("BTC").app)
    reply = client.ask(verb, path)
    client.close()
    assert reply.status == status
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (b"hedgegrid_info" in reply.body) == ((verb, status) == ("GET", 200))


def test_labels_of_a_pod_stand_on_every_metric() -> None:
    exporter = Exporter("BTC", {"grid_namespace": "desk", "grid": "btc"})
    for _, labels in exported(exporter):
        assert {("instrument", "BTC"), ("grid_namespace", "desk"), ("grid", "btc")} <= labels


def test_the_version_and_the_mode_are_labels() -> None:
    assert exported(Exporter("BTC"))[key("hedgegrid_info", version=__version__, mode="sim")] == 1


def test_the_text_is_what_prometheus_reads() -> None:
    exporter = Exporter("BTC")
    exporter.show({**SNAPSHOT, "fill_to_take_profit_seconds": {(): histogram(0.5)}})
    text = exporter.text()
    assert 'hedgegrid_margin_ratio{instrument="BTC"} 0.25' in text
    assert 'hedgegrid_maker_ratio{instrument="BTC"} NaN' in text
    families = {family.name: family.type for family in text_string_to_metric_families(text)}
    for definition in CATALOGUE:
        assert families[definition.exported.removesuffix("_total")] == definition.kind


def row(definition: Definition) -> str:
    """A metric's line of the table in docs/operations.md."""
    labels = f"{{{','.join(definition.labels)}}}" if definition.labels else ""
    return f"| `{definition.name}{labels}` | {definition.kind} | {definition.text} |"


def test_the_page_lists_every_metric_as_it_is_exported() -> None:
    # The operator's stand in a table of their own, below.
    lines = PAGE.read_text().partition("## The operator's metrics")[0].splitlines()
    listed = [line for line in lines if re.match(r"\| `[a-z0-9_{},]+` \| (gauge|counter|histogram) \|", line)]
    assert listed == [row(definition) for definition in CATALOGUE]
