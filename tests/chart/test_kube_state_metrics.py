"""The example's configuration in a real kube-state-metrics, and the alert that rests on it in a real Prometheus.

No operator and no pod is there: what a grid asks for is seen by them all the same.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.chart.chart_parts import CHART, grid
from tests.kube import Cluster, wait_until
from tests.kube.cluster import CHECKOUT
from tests.kube.debian import PackageUnavailable, program
from tests.kube.installation import CRD, wait_served
from tests.kube.kube_state_metrics import KubeStateMetrics
from tests.kube.prometheus import Prometheus

pytestmark = pytest.mark.timeout(900)

EXAMPLE = CHECKOUT / "examples" / "monitoring" / "kube-state-metrics.yaml"
API = "hedgegrid.io/v1alpha1"
NAMESPACE, MONITORING, ACCOUNT = "desk", "monitoring", "kube-state-metrics"
ALERT = "HedgeGridKillUnconfirmed"
PATIENCE = 60.0
RULES_OF_ITS_CHART = [
    {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list", "watch"]}
]
"""What its Helm chart adds where `customResourceState.enabled` is."""


@pytest.fixture(scope="module")
def kube_state_metrics(cluster: Cluster, kube_state_metrics_folder: Path) -> KubeStateMetrics:
    """With the example's configuration, and its rights alone."""
    values = yaml.safe_load(EXAMPLE.read_text())
    api = cluster.api
    cluster.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / CRD))
    wait_served(cluster)
    for name in (NAMESPACE, MONITORING):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    rbac = "rbac.authorization.k8s.io"
    rules = values["rbac"]["extraRules"] + RULES_OF_ITS_CHART
    about = {"name": ACCOUNT, "namespace": MONITORING}
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about})
    api.create({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": ACCOUNT}, "rules": rules})
    api.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount"} | about],
        }
    )
    make(cluster, "calm", throttle=0.5, rearm=3)
    make(cluster, "killed", killSwitch="flattenBoth")
    kubeconfig = cluster.kubeconfig_for(MONITORING, ACCOUNT)
    config = values["customResourceState"]["config"]
    return KubeStateMetrics(cluster, kube_state_metrics_folder, kubeconfig, config)


@pytest.fixture(scope="module")
def prometheus(cluster: Cluster, kube_state_metrics: KubeStateMetrics) -> Prometheus:
    """With the chart's rules; it scrapes kube-state-metrics."""
    try:
        program("prometheus", "prometheus")
    except PackageUnavailable as reason:
        pytest.skip(str(reason))
    made = Prometheus(cluster, rules=sorted((CHART / "files" / "rules").iterdir()))
    made.wait_ready()
    made.scrape([{"targets": [kube_state_metrics.address], "labels": {"job": ACCOUNT}}])
    return made


def make(cluster: Cluster, name: str, **spec: Any) -> None:
    made = grid(name)
    made["metadata"]["namespace"] = NAMESPACE
    made["spec"] |= spec
    cluster.api.create(made)


def samples(text: str) -> dict[tuple[str, str, str], float]:
    """Value by the metric's name, the grid, and the kill switch where there is one; all of one namespace."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels["grid_namespace"] == NAMESPACE
            found[sample.name, sample.labels["grid"], sample.labels.get("kill_switch", "")] = sample.value
    return found


def alerts(prometheus: Prometheus) -> set[tuple[str, str]]:
    """Grid and kill switch of the alerts whose condition holds."""
    found = [it["labels"] for it in prometheus.ask("alerts")["alerts"]]
    return {(labels["grid"], labels["kill_switch"]) for labels in found if labels["alertname"] == ALERT}


def test_it_tells_what_each_object_asks_for(kube_state_metrics: KubeStateMetrics) -> None:
    expected = {
        ("hedgegrid_spec_kill_switch", "calm", "none"): 1.0,
        ("hedgegrid_spec_kill_switch", "killed", "flattenBoth"): 1.0,
        ("hedgegrid_spec_throttle", "calm", ""): 0.5,
        ("hedgegrid_spec_throttle", "killed", ""): 1.0,
        ("hedgegrid_spec_rearm", "calm", ""): 3.0,
        ("hedgegrid_spec_rearm", "killed", ""): 0.0,
    }
    try:
        wait_until(lambda: samples(kube_state_metrics.metrics()) == expected, PATIENCE, "what the objects ask for")
    except TimeoutError as error:
        words = "\n".join(kube_state_metrics.process.log().splitlines()[-10:])
        raise TimeoutError(
            f"{error}; it shows {samples(kube_state_metrics.metrics())}; its last words:\n{words}"
        ) from None


def test_a_kill_that_nobody_carries_out_raises_the_alert(cluster: Cluster, prometheus: Prometheus) -> None:
    def hold(*expected: tuple[str, str]) -> None:
        what = f"{ALERT} for {expected}"
        wait_until(lambda: alerts(prometheus) == set(expected), PATIENCE, what, every=0.2)

    hold(("killed", "flattenBoth"))
    cluster.api.patch(API, "HedgeGrid", "calm", NAMESPACE, {"spec": {"killSwitch": "haltEntries"}})
    hold(("killed", "flattenBoth"), ("calm", "haltEntries"))
    cluster.api.patch(API, "HedgeGrid", "killed", NAMESPACE, {"spec": {"killSwitch": "none"}})
    hold(("calm", "haltEntries"))
