"""Dashboards and alerts on a real Prometheus that scrapes real pods and a real operator, while things go wrong."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kube import Cluster, wait_until
from tests.kube.debian import PackageUnavailable
from tests.kube.prometheus import Prometheus
from tests.kube.scraping import INTERVAL_SECONDS, of_operator, of_pod
from tests.monitoring.dashboards import ALL
from tests.monitoring.dashboards.model import Dashboard
from tests.monitoring.names import exported
from tests.monitoring.places import RULES
from tests.operator.grid_parts import POSITIONS_STAY, Field, Grid, merged

pytestmark = pytest.mark.timeout(600)

STEP_SECONDS = 2.0
SEEN_SECONDS = 90.0
BRIEF: dict[str, Any] = {"sim": {"latencyMs": 300}}
"""Orders take their time, so post-only ones come too late and are refused."""
TIMID: dict[str, Any] = {"risk": {"maxPositionQuote": "1", "confirmations": 1}}
"""The first fill is more than the limit."""
STUCK: dict[str, Any] = {**POSITIONS_STAY, "escalation": {"afterSeconds": 5, "action": "RestartPod"}}


@dataclass(frozen=True)
class Watched:
    """A fleet in trouble, and the Prometheus that has seen it."""

    prometheus: Prometheus
    namespace: str
    grids: dict[str, Grid]
    start: float

    def wait_seen(self, expression: str) -> None:
        """Wait until Prometheus has an answer."""
        wait_until(lambda: self.prometheus.now(expression), SEEN_SECONDS, expression, every=0.2)

    def points(self, expression: str) -> int:
        """How many points a question has since the beginning."""
        found = self.prometheus.over(expression, self.start, time.time(), STEP_SECONDS)
        return sum(len(points) for _, points in found)


@pytest.fixture(scope="module")
def watched(own_cluster: Cluster, shared_field: Field) -> Iterator[Watched]:
    """Everything that a panel needs to have something to show has happened."""
    field = shared_field
    began = time.time()
    try:
        prometheus = Prometheus(own_cluster, name=f"prometheus-{field.namespace}", rules=sorted(RULES.iterdir()))
    except PackageUnavailable as reason:
        pytest.skip(str(reason))
    try:
        prometheus.wait_ready()
        grids = {
            name: field.create(name, **spec)
            for name, spec in (
                ("calm", merged(POSITIONS_STAY, BRIEF)),
                ("lively", {}),
                ("timid", TIMID),
                ("stuck", STUCK),
            )
        }
        targets = [of_pod(_address(grid), grid.namespace, name) for name, grid in grids.items()]
        prometheus.scrape([*targets, of_operator(field.operator.address or "", field.operator.pod_name)])
        found = Watched(prometheus, field.namespace, grids, began)
        _bring_about(found)
        yield found
    finally:
        prometheus.stop()


def _address(grid: Grid) -> str:
    return wait_until(lambda: grid.pod.address, SEEN_SECONDS, f"an address of {grid.name}")


def _bring_about(found: Watched) -> None:
    """One trouble after another, each until Prometheus has seen it."""
    found.wait_seen('hedgegrid_risk_tripped{grid="timid"} == 1')
    found.wait_seen('hedgegrid_order_rejects_total{grid="calm"} > 0')
    # A change that waits until the grid is flat.
    calm, stuck = found.grids["calm"], found.grids["stuck"]
    calm.wait_positions()
    calm.patch(grid={"stepBps": 4})
    found.wait_seen('hedgegrid_operator_rollout_waiting_seconds{grid="calm"} > 0')
    # A kill that is stored at once, and one that isn't: its pod is restarted for it, and its deletion waits.
    found.grids["lively"].patch(killSwitch="haltEntries")
    found.wait_seen("hedgegrid_operator_kill_delivery_seconds_count > 0")
    stuck.wait_positions()
    stuck.pod.freeze()
    stuck.patch(killSwitch="flattenBoth")
    found.wait_seen('hedgegrid_operator_kill_escalations_total{grid="stuck"} > 0')
    stuck.delete()
    found.wait_seen('hedgegrid_operator_deletion_pending_seconds{grid="stuck"} > 0')
    found.wait_seen('ALERTS{alertname="HedgeGridKillNotDelivered", alertstate="firing"}')
    found.wait_seen('hedgegrid_markout_bps_bucket{grid="lively", seconds="10", le="+Inf"} > 0')
    found.grids["lively"].patch(killSwitch="none")
    found.wait_seen('rate(hedgegrid_fill_to_take_profit_seconds_count{grid="lively"}[20s]) > 0')


def filled(question: str, namespace: str, grid: str) -> str:
    """A panel's question as Grafana would ask it."""
    values = {
        "$__rate_interval": f"{20 * INTERVAL_SECONDS}s",
        "$__range": "10m",
        "$namespace": namespace,
        "$grid": grid,
    }
    for name, value in values.items():
        question = question.replace(name, value)
    assert "$" not in question, question
    return question


def unanswered(dashboard: Dashboard, found: Watched) -> list[str]:
    """Questions to which there was never an answer, whichever grid was chosen."""
    return [
        f"{panel.title}: {query.expr}"
        for panel in dashboard.panels
        for query in panel.queries
        if not any(found.points(filled(query.expr, found.namespace, grid)) for grid in found.grids)
    ]


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_panel_is_without_data(watched: Watched, name: str) -> None:
    assert unanswered(ALL[name], watched) == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_there_is_something_to_choose(watched: Watched, name: str) -> None:
    for variable in ALL[name].variables:
        series, label = variable.query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        assert watched.points(f"count by ({label}) ({series.replace('$namespace', watched.namespace)})"), variable


def test_all_metrics_arrive_under_their_names(watched: Watched) -> None:
    names = set(watched.prometheus.ask("label/__name__/values"))
    assert exported() - names == set()


def test_our_labels_do_not_collide_with_those_of_the_target(watched: Watched) -> None:
    labels = set(watched.prometheus.ask("labels"))
    assert {"grid", "grid_namespace", "namespace", "pod", "container", "endpoint"} <= labels
    assert {label for label in labels if label.startswith("exported_")} == set()
    # The operator's word and the pod's are about the same grid.
    assert watched.prometheus.now(
        'hedgegrid_info{grid="lively"} and on (grid_namespace, grid) hedgegrid_operator_condition{type="Ready"}'
    )


def test_the_rules_can_be_evaluated_and_fire_for_what_has_happened(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert {("HedgeGridRiskTrip", "timid"), ("HedgeGridKillNotDelivered", "stuck")} <= watched.prometheus.firing()


def test_an_operator_that_is_gone_is_missed(watched: Watched, shared_field: Field) -> None:
    shared_field.operator.kill()
    watched.wait_seen('ALERTS{alertname="HedgeGridOperatorDown"}')
    assert watched.prometheus.now('hedgegrid_info{grid="lively"}')
