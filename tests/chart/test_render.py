"""What the chart renders: linted, valid in each supported Kubernetes, restricted, with the rights that are tested."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hedgegrid_api import __version__
from hedgegrid_operator.settings import Settings, parse
from tests.chart.chart_parts import (
    CHART,
    DIGEST,
    MATRIX,
    NAMESPACE,
    RELEASE,
    Json,
    environment,
    named,
    pods,
    render,
)
from tests.kube.cluster import CHECKOUT
from tests.kube.helm import Helm
from tests.kube.installation import rbac

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
OTHERS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
"""Kinds that aren't Kubernetes' own."""


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_lint_finds_nothing(helm: Helm, values: Json, tmp_path: Any) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    told = helm("lint", "--strict", "--kube-version", "1.30.0", "--values", file, CHART)
    assert "0 chart(s) failed" in told
    assert "WARNING" not in told


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_the_oldest_helm_renders_the_same(helm: Helm, oldest_helm_binary: Path, values: Json, tmp_path: Path) -> None:
    assert render(Helm(oldest_helm_binary, tmp_path), values) == render(helm, values)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_in_every_supported_kubernetes(helm: Helm, version: str) -> None:
    objects = [found for values in MATRIX.values() for found in render(helm, values) if found["kind"] not in OTHERS]
    # What is the same with several values is looked at once.
    for found in {_key(found): found for found in objects}.values():
        kubernetes_validate.validate(found, version, strict=True)


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    with pytest.raises(Exception, match=r"requires kubeVersion: >=1\.30\.0-0"):
        render(helm, kubernetes="1.29.9")


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_no_two_objects_share_a_name_and_all_carry_the_labels(helm: Helm, values: Json) -> None:
    objects = render(helm, values)
    keys = [(found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in objects]
    assert len(set(keys)) == len(keys)
    for found in objects:
        if found["kind"] == "CustomResourceDefinition":
            continue
        labels = found["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == values.get("nameOverride", "hedgegrid-operator")
        assert labels["app.kubernetes.io/instance"] == RELEASE
        assert labels["app.kubernetes.io/version"] == __version__
        assert labels["helm.sh/chart"] == f"hedgegrid-operator-{__version__}"
        assert labels.get("team") == values.get("commonLabels", {}).get("team")


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_pods_are_restricted(helm: Helm, values: Json) -> None:
    """Non-root, nothing writable but an emptyDir, no privilege, limits of memory, no token but the explicit one."""
    for where, pod in pods(render(helm, values)):
        about = pod["securityContext"]
        assert about["runAsNonRoot"] is True, where
        assert about["seccompProfile"] == {"type": "RuntimeDefault"}, where
        users = {about.get(name) for name in ("runAsUser", "runAsGroup", "fsGroup")}
        assert users == {values.get("runAsUser", 10001)}, where
        assert pod["automountServiceAccountToken"] is False, where
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), where
        assert {kind for volume in pod["volumes"] for kind in volume} <= {"name", "projected", "emptyDir"}, where
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, where
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), where
            assert "memory" in resources["limits"], where
            assert "cpu" not in resources["limits"], f"{where}: a throttled operator holds up kills"


def test_an_operator_is_probed_where_it_answers_and_silence_alone_ends_none_at_its_start(helm: Helm) -> None:
    (container,) = named(render(helm), "Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": 8081}
    assert environment(render(helm))["HEDGEGRID_OPERATOR_HEALTH_PORT"] == "8081"
    paths = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/healthz", "port": "health"},
        "liveness": {"path": "/healthz", "port": "health"},
        "readiness": {"path": "/readyz", "port": "health"},
    }
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 60


def test_two_operators_stand_apart_and_evictions_take_one_at_a_time(helm: Helm) -> None:
    objects = render(helm)
    operator = named(objects, "Deployment")
    labels = operator["spec"]["template"]["metadata"]["labels"]
    assert operator["spec"]["replicas"] == 2
    assert operator["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = operator["spec"]["template"]["spec"]
    assert {item["topologyKey"] for item in pod["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    selectors = [item["labelSelector"]["matchLabels"] for item in pod["topologySpreadConstraints"]]
    budget = named(objects, "PodDisruptionBudget")["spec"]
    selectors += [budget["selector"]["matchLabels"], operator["spec"]["selector"]["matchLabels"]]
    selectors.append(named(objects, "Service", "-metrics")["spec"]["selector"])
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert budget["maxUnavailable"] == 1
    assert pod["priorityClassName"] == named(objects, "PriorityClass")["metadata"]["name"]
    hooks = [found for found in objects if "helm.sh/hook" in found["metadata"].get("annotations", {})]
    assert {"Job", "Pod"} <= {found["kind"] for found in hooks}
    for found in hooks:
        assert not selectors[0].items() <= found["metadata"]["labels"].items(), (
            "a selector takes a hook for an operator"
        )


def _key(found: Json) -> str:
    return json.dumps({**found, "metadata": {**found["metadata"], "labels": None}}, sort_keys=True)


RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize("namespaces", [[], ["one", "two"]], ids=["cluster-wide", "namespaced"])
def test_the_rights_are_the_ones_that_tests_run_the_operator_with(helm: Helm, namespaces: list[str]) -> None:
    objects = render(helm, {"watchNamespaces": namespaces, "rbac": {"aggregate": False}})
    rendered = [
        found
        for found in objects
        if found["kind"] in RIGHTS and "helm.sh/hook" not in found["metadata"].get("annotations", {})
    ]
    assert sorted(map(_key, rendered)) == sorted(map(_key, rbac(namespaces)))


def test_rights_follow_names_of_release_account_and_namespace(helm: Helm) -> None:
    values = {"fullnameOverride": "hg", "serviceAccount": {"name": "robot"}}
    objects = render(helm, values, namespace="elsewhere")
    own = named([found for found in objects if found["metadata"].get("namespace") == "elsewhere"], "Role", "hg")
    names = {name for rule in own["rules"] for name in rule.get("resourceNames", [])}
    told = environment(objects)
    assert names == {
        told["HEDGEGRID_OPERATOR_LEASE_NAME"],
        told["HEDGEGRID_OPERATOR_KEYS_SECRET"],
        told["HEDGEGRID_OPERATOR_CA_SECRET"],
    }
    subject = [{"kind": "ServiceAccount", "name": "robot", "namespace": "elsewhere"}]
    assert named(objects, "ClusterRoleBinding", "hg")["subjects"] == subject
    assert named(objects, "RoleBinding", "hg")["subjects"] == subject
    assert named(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "robot"
    assert named(objects, "ServiceAccount", "robot")["metadata"]["namespace"] == "elsewhere"


def test_an_operator_of_single_namespaces_has_nothing_cluster_wide(helm: Helm) -> None:
    values = {key: value for key, value in MATRIX["namespaced"].items() if key != "rearmPolicy"}
    kinds = {found["kind"] for found in render(helm, values) if "namespace" not in found["metadata"]}
    assert kinds == set()


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_the_operator_understands_every_variable_that_it_gets(helm: Helm, values: Json) -> None:
    told = environment(render(helm, values))
    known = {f"HEDGEGRID_OPERATOR_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert {name for name in told if name.startswith("HEDGEGRID_OPERATOR_")} - known == set()
    found = parse([], told)
    assert [name for name in found.namespaces if name] == values.get("watchNamespaces", [])
    assert found.strategy_user == ("" if "strategyPods" in values else "10001")
    assert found.installation == values.get("installation", "")
    assert found.resync_interval == values.get("settings", {}).get("resyncInterval", 12)
    assert found.strategy_tag == __version__


def test_images_come_by_digest_from_a_mirror_with_pull_secrets(helm: Helm) -> None:
    objects = render(helm, MATRIX["released"])
    for _, pod in pods(objects):
        assert pod["containers"][0]["image"] == f"mirror.example/team/hedgegrid-operator@{DIGEST}"
        assert pod["imagePullSecrets"] == [{"name": "of-operator"}]
    found = parse([], environment(objects)).image_defaults
    assert (found.repository, found.digest) == ("mirror.example/team/hedgegrid-strategy", DIGEST)
    assert found.pull_secrets == ("of-grids",)
    (container,) = named(render(helm), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"hedgegrid-operator:{__version__}"


def test_the_definition_is_the_generated_one_and_kept(helm: Helm) -> None:
    source = yaml.safe_load((CHECKOUT / "crds" / "hedgegrids.hedgegrid.io.yaml").read_text())
    kept = named(render(helm), "CustomResourceDefinition")
    assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert kept == source
    assert named(render(helm, {"crds": {"keep": False}}), "CustomResourceDefinition") == source


def test_network_policies_let_kills_through(helm: Helm) -> None:
    (policy,) = [found for found in render(helm, MATRIX["everything"]) if found["kind"] == "NetworkPolicy"]
    spec = policy["spec"]
    for _, pod in _labelled(render(helm, MATRIX["everything"])):
        assert spec["podSelector"]["matchLabels"].items() <= pod.items()
    ports = [[port["port"] for port in rule["ports"]] for rule in spec["egress"]]
    assert ports == [[53, 53, 5353, 5353], [6443], [8080]]
    assert spec["egress"][1]["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    (to,) = spec["egress"][2]["to"]
    assert to["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "strategy"
    assert to["namespaceSelector"] == {}
    (scrape,) = spec["ingress"]
    assert scrape["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    (narrow,) = [found for found in render(helm, MATRIX["namespaced"]) if found["kind"] == "NetworkPolicy"]
    assert narrow["spec"]["ingress"] == []
    (to,) = narrow["spec"]["egress"][2]["to"]
    assert to["namespaceSelector"]["matchExpressions"][0]["values"] == ["grids", "more"]


def _labelled(objects: list[Json]) -> list[tuple[str, Json]]:
    found = [(one["kind"], one["metadata"]["labels"]) for one in objects if one["kind"] == "Pod"]
    templates = [(one["kind"], one["spec"]["template"]) for one in objects if one["kind"] in {"Deployment", "Job"}]
    return found + [(kind, template["metadata"]["labels"]) for kind, template in templates]


def test_one_monitor_finds_all_grids_and_names_them_as_the_operator_does(helm: Helm) -> None:
    objects = render(helm, MATRIX["everything"])
    monitor = named(objects, "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    targets = {rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"]}
    assert set(targets) == {"grid_namespace", "grid"}
    # What the pods say of themselves doesn't stand beside it under another name.
    (dropped,) = endpoint["metricRelabelings"]
    assert (dropped["action"], dropped["regex"]) == ("labeldrop", "exported_grid|exported_grid_namespace")
    narrow = named(render(helm, MATRIX["namespaced"]), "PodMonitor")
    assert narrow["spec"]["namespaceSelector"] == {"matchNames": ["grids", "more"]}
    service = named(objects, "Service", "-metrics")
    monitored = named(objects, "ServiceMonitor")["spec"]
    assert monitored["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [item["port"] for item in monitored["endpoints"]] == [port["name"] for port in service["spec"]["ports"]]


def test_rules_and_dashboards_are_shipped_as_they_are(helm: Helm) -> None:
    objects = render(helm, MATRIX["everything"])
    files = sorted((CHART / "files" / "rules").glob("*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    shipped = named(objects, "PrometheusRule")["spec"]["groups"] or []
    assert [group["name"] for group in shipped] == [group["name"] for group in groups]
    text = json.dumps(groups).replace('"docs/runbooks/', '"https://runbooks.example/hg/')
    assert json.dumps(shipped, sort_keys=True) == json.dumps(json.loads(text), sort_keys=True)
    for file in sorted((CHART / "files" / "dashboards").glob("*.json")):
        shown = named(objects, "ConfigMap", f"-dashboard-{file.stem}")
        assert json.loads(shown["data"][file.name]) == json.loads(file.read_text())
        assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_chart_has_the_version_of_the_code() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == __version__


def test_notes_name_the_next_command(helm: Helm) -> None:
    told = helm("install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client")
    notes = told.partition("NOTES:")[2]
    assert f"kubectl -n {NAMESPACE} rollout status deployment/hedgegrid-operator" in notes
    assert f"helm -n {NAMESPACE} test {RELEASE} --logs" in notes
    assert re.search(r"kubectl -n \S+ apply -f - <<'EOF'\n +apiVersion: hedgegrid.io/v1alpha1", notes)
    assert "killSwitch" in notes
