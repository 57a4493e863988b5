"""The release's monitors and rules, and a grid's own ones, as a real Prometheus Operator and a Prometheus take them.

Configuration and rules are the Prometheus Operator's, relabeling above all. Debian's Prometheus can't ask an API server
for targets: what its discovery would find among all Services and pods of the cluster is written in (discovery.py).
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.chart_parts import CHART, NAMESPACE, RELEASE
from tests.chart.release_parts import GRIDS, PATIENCE, Release, make_namespaces
from tests.kube import Cluster, wait_until
from tests.kube.debian import PackageUnavailable, program
from tests.kube.discovery import without_discovery
from tests.kube.helm import Helm
from tests.kube.prometheus import Prometheus
from tests.kube.prometheus_operator import PrometheusOperator

pytestmark = pytest.mark.timeout(900)

MONITORING = "monitoring"
OF_ALL, OF_DESK = {"release": "prometheus"}, {"team": "desk"}
"""Labels by which a Prometheus chooses: the chart's monitors and rules, and those of the grid `own`."""
GRIDS_JOB = f"podMonitor/{NAMESPACE}/{RELEASE}-grids/0"
OPERATORS_JOB = f"serviceMonitor/{NAMESPACE}/{RELEASE}/0"
OWN_JOB = f"serviceMonitor/{GRIDS}/hedgegrid-own/0"


@pytest.fixture(scope="module")
def release(release_helm: Helm, cluster: Cluster, prometheus_operator: PrometheusOperator) -> Release:
    """Two operators, a grid, and a grid with monitoring of its own, in a cluster with a Prometheus Operator."""
    assert prometheus_operator.process.running
    try:
        program("prometheus", "prometheus")
    except PackageUnavailable as reason:
        pytest.skip(str(reason))
    make_namespaces(cluster, NAMESPACE, GRIDS)
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MONITORING}})
    made = Release(release_helm, cluster)
    of_all: dict[str, Any] = {"enabled": True, "labels": OF_ALL}
    often = of_all | {"interval": "1s"}
    made.deploy("install", monitoring={"podMonitor": often, "serviceMonitor": often, "prometheusRule": of_all})
    made.create("plain")
    own: dict[str, Any] = {"enabled": True, "labels": OF_DESK}
    made.create("own", monitoring={"serviceMonitor": own | {"intervalSeconds": 1}, "prometheusRule": own})
    return made


@pytest.fixture(scope="module")
def main(release: Release, prometheus_operator: PrometheusOperator) -> Prometheus:
    """The Prometheus for all grids."""
    return watching(release, prometheus_operator, "main", OF_ALL, {GRIDS_JOB, OPERATORS_JOB})


@pytest.fixture(scope="module")
def desk(release: Release, prometheus_operator: PrometheusOperator) -> Prometheus:
    """Another one, for the grid that names it."""
    return watching(release, prometheus_operator, "desk", OF_DESK, {OWN_JOB})


def watching(
    release: Release, operator: PrometheusOperator, name: str, labels: dict[str, str], jobs: set[str]
) -> Prometheus:
    """A Prometheus with what is written for one that chooses by `labels`, once all of its targets are up."""
    operator.ask_for(MONITORING, name, labels)
    configuration = operator.configuration(MONITORING, name, jobs)
    folder = release.cluster.folder / f"{name}-rules"
    folder.mkdir()
    for file, text in operator.rules(MONITORING, name).items():
        (folder / file).write_text(text)
    services, pods = (release.api.list("v1", kind) for kind in ("Service", "Pod"))
    found = Prometheus(
        release.cluster,
        without_discovery(configuration, services, pods),
        name=name,
        rules=sorted(folder.iterdir()),
    )
    found.wait_ready()
    try:
        wait_until(lambda: _up(found) and not _troubles(found), PATIENCE, f"all targets of {name} to be up", every=0.2)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; up: {_up(found)}, trouble: {_troubles(found)}") from None
    return found


def _up(prometheus: Prometheus) -> list[str]:
    return [target["scrapeUrl"] for target in prometheus.targets() if target["health"] == "up"]


def _troubles(prometheus: Prometheus) -> dict[str, str]:
    return {it["scrapeUrl"]: it["lastError"] for it in prometheus.targets() if it["health"] != "up"}


def targets(prometheus: Prometheus) -> list[tuple[str, ...]]:
    """Of each target: where and what it is by the scrape's labels, and by ours."""
    names = ("namespace", "pod", "container", "endpoint", "grid_namespace", "grid")
    return sorted(tuple(target["labels"].get(name, "") for name in names) for target in prometheus.targets())


def grid_target(name: str) -> tuple[str, ...]:
    return (GRIDS, f"hedgegrid-{name}-0", "strategy", "metrics", GRIDS, name)


def alerts(prometheus: Prometheus) -> list[str]:
    """Names of the alerts that it has rules for, once each was evaluated without an error."""

    def evaluated() -> list[dict[str, Any]] | None:
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return None if any(rule["health"] == "unknown" for rule in rules) else rules

    rules = wait_until(evaluated, PATIENCE, "all rules to be evaluated", every=0.2)
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    return sorted(rule["name"] for rule in rules)


def shipped(*files: Path) -> list[str]:
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return sorted(rule["alert"] for group in groups for rule in group["rules"])


def test_every_grid_and_every_operator_is_scraped_once_and_up(release: Release, main: Prometheus) -> None:
    operators = [pod["metadata"]["name"] for pod in release.api.list("v1", "Pod", NAMESPACE)]
    of_operators = [(NAMESPACE, pod, "operator", "metrics", "", "") for pod in operators]
    assert len(operators) == 2
    assert targets(main) == sorted([grid_target("own"), grid_target("plain"), *of_operators])


def test_our_labels_are_not_those_of_the_scrape(main: Prometheus, desk: Prometheus) -> None:
    # What the operator says of a grid and what its pod says meet under the same names.
    both = 'hedgegrid_operator_condition{type="Ready"} == 1 and on (grid_namespace, grid) hedgegrid_info'
    met = wait_until(lambda: main.now(both), PATIENCE, both, every=0.2)
    assert sorted((labels["grid_namespace"], labels["grid"]) for labels, _ in met) == [(GRIDS, "own"), (GRIDS, "plain")]
    for prometheus in (main, desk):
        assert [name for name in prometheus.ask("labels") if name.startswith("exported_")] == []


def test_the_rules_of_the_release_are_taken_as_they_are(main: Prometheus) -> None:
    assert alerts(main) == shipped(*(CHART / "files" / "rules").iterdir())


def test_a_grid_of_its_own_is_scraped_by_the_prometheus_it_names_and_has_its_alerts(desk: Prometheus) -> None:
    assert targets(desk) == [grid_target("own")]
    assert alerts(desk) == shipped(CHART / "files" / "rules" / "hedgegrid.yaml")


def test_a_prometheus_that_takes_both_scrapes_such_a_grid_twice(
    release: Release, prometheus_operator: PrometheusOperator
) -> None:
    greedy = watching(release, prometheus_operator, "greedy", {}, {GRIDS_JOB, OPERATORS_JOB, OWN_JOB})
    twice = greedy.now('count by (grid_namespace, grid) (up{grid!=""}) > 1')  # as docs/monitoring.md says
    assert twice == [({"grid_namespace": GRIDS, "grid": "own"}, 2)]
    jobs = [labels["job"] for labels, _ in greedy.now('up{grid="own"}')]
    assert sorted(jobs) == ["hedgegrid", f"{NAMESPACE}/{RELEASE}-grids"]
    assert set(alerts(greedy)) == set(shipped(*(CHART / "files" / "rules").iterdir())), "no rule fails of that"
