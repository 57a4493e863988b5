"""A grid's own ServiceMonitor, PrometheusRule and NetworkPolicy: made where they are asked for and can be made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kube import ApiError, Cluster, wait_until
from tests.operator.grid_parts import Field, Grid, Json, condition
from tests.operator.monitoring_kinds import API_VERSION, MONITORED, install_kinds, remove_kinds

KINDS = ("ServiceMonitor", "PrometheusRule")
POLICY = "networking.k8s.io/v1"
WAIT = 60.0


@pytest.fixture(scope="module")
def shared_field(own_cluster: Cluster) -> Iterator[Field]:
    """An operator that makes NetworkPolicies, in a cluster that other files don't see."""
    found = Field(own_cluster, HEDGEGRID_OPERATOR_NETWORK_POLICY="on")
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def kinds(field: Field) -> None:
    """The cluster has both kinds."""
    if not _served(field):
        install_kinds(field.cluster)


def _served(field: Field) -> bool:
    groups = field.cluster.api.request("GET", "/apis")["groups"]
    return any(group["name"] == "monitoring.coreos.com" for group in groups)


def monitors(grid: Grid) -> dict[str, Json]:
    """The grid's own ones by kind."""
    found = {kind: grid.children(api_version=API_VERSION, kind=kind) for kind in KINDS}
    return {kind: children[0] for kind, children in found.items() if children}


def lies(grid: Grid) -> dict[str, Any]:
    """Kind, name and version of the grid's own ones."""
    return {
        kind: (child["metadata"]["name"], child["metadata"]["resourceVersion"])
        for kind, child in monitors(grid).items()
    }


def trading(grid: Grid) -> bool:
    return condition((grid.get() or {})["status"], "Ready")["reason"] == "Trading"


def test_a_grid_trades_without_the_kinds_and_gets_its_own_ones_when_they_appear(field: Field) -> None:
    if _served(field):
        remove_kinds(field.cluster)
    grid = field.running(monitoring=MONITORED)
    told = grid.wait_condition("Monitoring", "KindsMissing", "False")
    assert "install the CRDs of the Prometheus Operator" in told["message"]
    assert "monitoring.coreos.com/v1" in grid.wait_event("MonitoringUnavailable")
    process, pod = field.operator.process.pid, grid.pod.uid
    install_kinds(field.cluster)
    assert grid.wait_condition("Monitoring", "Made", "True")["message"].startswith("ServiceMonitor and PrometheusRule")
    assert set(monitors(grid)) == set(KINDS)
    assert (field.operator.process.pid, grid.pod.uid) == (process, pod), "without a restart"
    assert len(grid.events("MonitoringUnavailable")) == 1, "said once"
    assert trading(grid)


@pytest.mark.usefixtures("kinds")
def test_they_say_what_the_spec_says_and_are_put_back(field: Field) -> None:
    grid = field.running(monitoring=MONITORED)
    grid.wait_condition("Monitoring", "Made")
    found, api = monitors(grid), field.cluster.api
    assert found["ServiceMonitor"]["spec"]["endpoints"][0]["interval"] == "15s"
    assert found["ServiceMonitor"]["metadata"]["labels"]["release"] == "prometheus"
    assert found["PrometheusRule"]["metadata"]["labels"]["role"] == "alert-rules"
    expressions = [rule["expr"] for group in found["PrometheusRule"]["spec"]["groups"] for rule in group["rules"]]
    assert all(f'grid_namespace="{field.namespace}",grid="{grid.name}"' in expression for expression in expressions)
    api.patch(API_VERSION, "ServiceMonitor", grid.child, field.namespace, {"spec": {"jobLabel": "taken"}})
    api.delete(API_VERSION, "PrometheusRule", grid.child, field.namespace)
    wait_until(
        lambda: (
            monitors(grid).get("ServiceMonitor", {}).get("spec", {}).get("jobLabel") != "taken"
            and "PrometheusRule" in monitors(grid)
        ),
        WAIT,
        "both to be put back",
    )
    # Whoever reads them writes its status into them; that is nobody's change.
    before = lies(grid)
    api.patch(API_VERSION, "ServiceMonitor", grid.child, field.namespace, {"status": {"seen": "yes"}}, "status")
    grid.patch(monitoring={"prometheusRule": {"labels": {"role": "others"}}})
    wait_until(lambda: lies(grid)["PrometheusRule"] != before["PrometheusRule"], WAIT, "other labels")
    assert (monitors(grid)["ServiceMonitor"].get("status") or {}) == {"seen": "yes"}


@pytest.mark.usefixtures("kinds")
def test_what_is_taken_back_goes_also_when_no_operator_ran_meanwhile(field: Field) -> None:
    grid = field.running(monitoring=MONITORED)
    grid.wait_condition("Monitoring", "Made")
    pod = grid.pod.uid
    grid.patch(monitoring={"serviceMonitor": {"enabled": False}})
    wait_until(lambda: set(monitors(grid)) == {"PrometheusRule"}, WAIT, "the ServiceMonitor to go")
    field.operator.stop()
    grid.patch(monitoring=None)
    field.start()
    wait_until(lambda: not monitors(grid), WAIT, "the PrometheusRule to go")
    grid.wait(lambda seen: not condition(seen, "Monitoring"), "nothing to be told")
    assert grid.pod.uid == pod


@pytest.mark.usefixtures("kinds")
def test_a_new_operator_leaves_alone_what_stands(field: Field) -> None:
    grid = field.running(monitoring=MONITORED)
    grid.wait_condition("Monitoring", "Made")
    before = lies(grid)
    field.operator.stop()
    field.start()
    generation = grid.patch(throttle=0.5)
    grid.wait(lambda seen: (seen.get("control") or {}).get("appliedGeneration") == generation, "the throttle")
    wait_until(lambda: field.metric("hedgegrid_operator_reconcile_seconds_count"), WAIT, "a look at the grid")
    assert lies(grid) == before
    requests = field.metric("hedgegrid_operator_api_requests_total")
    assert not [series for series in requests if 'verb="patch"' in series and "monitor" in series]


@pytest.mark.usefixtures("kinds")
def test_a_name_that_is_taken_keeps_nothing_from_the_grid(field: Field) -> None:
    api = field.cluster.api
    about = {"name": "hedgegrid-watched", "namespace": field.namespace}
    api.create({"apiVersion": API_VERSION, "kind": "ServiceMonitor", "metadata": about, "spec": {"jobLabel": "theirs"}})
    grid = field.running("watched", monitoring=MONITORED)
    told = grid.wait_condition("Monitoring", "NameTaken", "False")
    assert "ServiceMonitor hedgegrid-watched exists and isn't this grid's" in told["message"]
    assert set(monitors(grid)) == {"PrometheusRule"}
    found = api.get(API_VERSION, "ServiceMonitor", grid.child, field.namespace) or {}
    assert found["spec"] == {"jobLabel": "theirs"}
    api.delete(API_VERSION, "ServiceMonitor", grid.child, field.namespace)
    grid.wait_condition("Monitoring", "Made", "True")


@pytest.mark.usefixtures("kinds")
def test_they_go_with_the_grid_however_it_goes(field: Field) -> None:
    grid, forced = field.running(monitoring=MONITORED), field.running(monitoring=MONITORED)
    for found in (grid, forced):
        found.wait_condition("Monitoring", "Made")
    grid.delete()
    grid.gone()
    assert monitors(grid) == {}
    field.cluster.api.patch(
        "hedgegrid.io/v1alpha1", "HedgeGrid", forced.name, field.namespace, {"metadata": {"finalizers": None}}
    )
    forced.delete()
    wait_until(lambda: not monitors(forced), WAIT, "what the sweep finds to go")


@pytest.mark.usefixtures("kinds")
def test_a_grid_is_deleted_where_the_kinds_went_first(field: Field) -> None:
    grid = field.running(monitoring=MONITORED)
    grid.wait_condition("Monitoring", "Made")
    remove_kinds(field.cluster)
    grid.wait_condition("Monitoring", "KindsMissing")
    assert trading(grid)
    grid.delete()
    grid.gone()
    with pytest.raises(ApiError):
        monitors(grid)


# NetworkPolicy.


@contextmanager
def without_policies(field: Field) -> Iterator[None]:
    """Another operator leads, whose setting is off."""
    field.operator.stop()
    other = field.new_operator("open", HEDGEGRID_OPERATOR_NETWORK_POLICY="off")
    other.start()
    other.wait_leading()
    try:
        yield
    finally:
        other.stop()
        field.start()


def test_a_policy_is_made_put_back_and_taken_away_with_the_setting(field: Field) -> None:
    grid = field.running()
    api, pod = field.cluster.api, grid.pod.uid
    found = api.get(POLICY, "NetworkPolicy", grid.child, field.namespace) or {}
    assert found["spec"]["podSelector"]["matchLabels"] == {"hedgegrid.io/uid": grid.uid}
    ports = [rule["ports"][0]["port"] for rule in found["spec"]["ingress"]]
    assert ports == [8080], "no namespace of a Prometheus is named"
    api.patch(POLICY, "NetworkPolicy", grid.child, field.namespace, {"spec": {"ingress": [{}]}})
    api.wait(POLICY, "NetworkPolicy", grid.child, field.namespace, lambda seen: seen["spec"]["ingress"] != [{}])
    api.delete(POLICY, "NetworkPolicy", grid.child, field.namespace)
    api.wait(POLICY, "NetworkPolicy", grid.child, field.namespace, lambda _: True)
    with without_policies(field):
        api.wait_gone(POLICY, "NetworkPolicy", grid.child, field.namespace)
    api.wait(POLICY, "NetworkPolicy", grid.child, field.namespace, lambda _: True)
    assert (grid.pod.uid, trading(grid)) == (pod, True)
    grid.delete()
    grid.gone()
    assert api.get(POLICY, "NetworkPolicy", grid.child, field.namespace) is None
