"""What a grid gets beside its pod where it is asked for: NetworkPolicy, ServiceMonitor, PrometheusRule."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.desired.build import Desired, desired
from hedgegrid_operator.desired.config_map import files
from hedgegrid_operator.desired.network_policy import Access
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.objects import (
    NETWORK_POLICY,
    PROMETHEUS_RULE,
    SERVICE,
    SERVICE_MONITOR,
    GridRef,
    Json,
    Kind,
)
from hedgegrid_operator.settings import parse
from tests.unit.operator_parts import SPEC, UID

ROOT = Path(__file__).parents[2]
REF = GridRef("trading", "btc", UID)
ACCESS = Access(
    operator_namespace="hedgegrid-system",
    operator_labels={"app.kubernetes.io/name": "hedgegrid-operator"},
    api_namespaces=("tools",),
    metrics_namespaces=("monitoring",),
    api_server_cidrs=(),
    api_server_ports=(443, 6443),
)
BOTH = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}


def built(access: Access | None = None, runbooks: str = "", **monitoring: Any) -> Desired:
    spec = HedgeGridSpec.model_validate({**SPEC, "monitoring": monitoring})
    return desired(REF, spec, files(spec), ImageDefaults("strategy", "1", "IfNotPresent"), access, runbooks)


def child(found: Desired, kind: Kind) -> Json:
    return next(manifest for had, manifest in (*found.others, *found.monitors) if had is kind)


def policy(**settings: Any) -> Json:
    changed = {name: settings.get(name, getattr(ACCESS, name)) for name in ACCESS.__slots__}
    return child(built(Access(**changed)), NETWORK_POLICY)["spec"]


def namespace(name: str) -> Json:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


# NetworkPolicy.


def test_no_policy_is_made_where_the_setting_does_not_say_so() -> None:
    assert NETWORK_POLICY not in built().kinds
    assert NETWORK_POLICY in built(ACCESS).kinds


def test_a_policy_is_about_the_grids_own_pod_and_closes_both_directions() -> None:
    found = policy()
    assert found["podSelector"] == {"matchLabels": {"hedgegrid.io/uid": UID}}
    assert found["policyTypes"] == ["Ingress", "Egress"]


def test_the_operator_and_named_namespaces_reach_the_api_and_prometheus_the_metrics_only() -> None:
    api, metrics = policy()["ingress"]
    operator = namespace("hedgegrid-system") | {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "hedgegrid-operator"}}
    }
    assert api == {"from": [operator, namespace("tools")], "ports": [{"protocol": "TCP", "port": 8080}]}
    assert metrics == {"from": [namespace("monitoring")], "ports": [{"protocol": "TCP", "port": 9090}]}


def test_nobody_scrapes_where_no_namespace_is_named_and_an_empty_list_never_means_everybody() -> None:
    ingress = policy(metrics_namespaces=(), api_namespaces=())["ingress"]
    assert [rule["ports"][0]["port"] for rule in ingress] == [8080]
    assert all(rule["from"] for rule in ingress)


def test_all_pods_of_the_operators_namespace_may_call_where_its_labels_are_not_named() -> None:
    (caller,) = policy(operator_labels={}, api_namespaces=())["ingress"][0]["from"]
    assert caller == namespace("hedgegrid-system")


def test_a_pod_reaches_dns_and_the_api_server() -> None:
    dns, server = policy()["egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {
        (protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)
    }
    assert server == {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]}
    _, named = policy(api_server_cidrs=("10.0.0.1/32", "fd00::/64"), api_server_ports=(16443,))["egress"]
    assert named == {
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}, {"ipBlock": {"cidr": "fd00::/64"}}],
        "ports": [{"protocol": "TCP", "port": 16443}],
    }


def test_the_settings_say_who_may_talk_to_whom() -> None:
    assert parse([], {}).access is None
    found = parse(
        [
            *("--network-policy", "on", "--namespace", "ops"),
            *("--network-policy-operator-labels", "app=operator, tier="),
            *("--network-policy-api-namespaces", "tools, desk"),
            *("--network-policy-metrics-namespaces", "monitoring"),
            *("--network-policy-api-server-cidrs", "10.0.0.0/8"),
            *("--network-policy-api-server-ports", "6443"),
        ],
        {},
    )
    assert found.access == Access(
        "ops", {"app": "operator", "tier": ""}, ("tools", "desk"), ("monitoring",), ("10.0.0.0/8",), (6443,)
    )


@pytest.mark.parametrize(
    ("flag", "text", "told"),
    [
        ("operator-labels", "app", "'app' isn't a label: write key=value"),
        ("operator-labels", "app=a b", "'app=a b' isn't a label"),
        ("api-namespaces", "Tools", "'Tools' can't be a namespace"),
        ("metrics-namespaces", "a_b", "'a_b' can't be a namespace"),
        ("api-server-cidrs", "10.0.0.1/8", "10.0.0.1/8 has host bits set; write networks like 10.0.0.0/8"),
        ("api-server-ports", "443,https", "'https' isn't a port: write numbers from 1 to 65535"),
        ("api-server-ports", "0", "'0' isn't a port"),
        ("api-server-ports", " ", "at least one port is needed"),
    ],
)
def test_a_setting_that_the_api_server_would_refuse_ends_the_start(
    flag: str, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No pod comes up without its policy, so a wrong one would stop every grid."""
    with pytest.raises(SystemExit):
        parse(["--network-policy", "on", f"--network-policy-{flag}", text], {})
    assert f"--network-policy-{flag}: {told}" in " ".join(capsys.readouterr().err.split())


# ServiceMonitor.


def test_nothing_of_the_prometheus_operators_is_made_unless_it_is_asked_for() -> None:
    assert built().monitors == ()
    assert [kind for kind, _ in built(**BOTH).monitors] == [SERVICE_MONITOR, PROMETHEUS_RULE]
    assert [kind for kind, _ in built(prometheusRule={"enabled": True}).monitors] == [PROMETHEUS_RULE]


def test_a_service_monitor_scrapes_the_grids_own_service_by_the_name_of_its_port() -> None:
    found = built(serviceMonitor={"enabled": True, "labels": {"release": "prometheus"}, "intervalSeconds": 20})
    monitor, service = child(found, SERVICE_MONITOR), child(found, SERVICE)
    assert (monitor["metadata"]["name"], monitor["metadata"]["namespace"]) == ("hedgegrid-btc", "trading")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["metadata"]["labels"]["hedgegrid.io/uid"] == UID
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["interval"] == "20s"
    assert monitor["spec"]["jobLabel"] in service["metadata"]["labels"]


def test_without_an_interval_prometheus_own_counts() -> None:
    (endpoint,) = child(built(**BOTH), SERVICE_MONITOR)["spec"]["endpoints"]
    assert "interval" not in endpoint


def test_the_targets_labels_are_the_grids_and_none_of_a_pods_collides() -> None:
    """`up` carries them; what the pod itself writes under these names is dropped, so nothing is `exported_…`."""
    (endpoint,) = child(built(**BOTH), SERVICE_MONITOR)["spec"]["endpoints"]
    assert {rule["targetLabel"] for rule in endpoint["relabelings"]} == {"grid", "grid_namespace"}
    (dropped,) = endpoint["metricRelabelings"]
    assert dropped["action"] == "labeldrop"
    for label in ("exported_grid", "exported_grid_namespace"):
        assert re.fullmatch(dropped["regex"], label)
    assert "honorLabels" not in endpoint
    (source,) = next(rule["sourceLabels"] for rule in endpoint["relabelings"] if rule["targetLabel"] == "grid")
    label = source.removeprefix("__meta_kubernetes_service_label_")
    labels = child(built(**BOTH), SERVICE)["metadata"]["labels"]
    assert {re.sub(r"[^a-zA-Z0-9_]", "_", key): value for key, value in labels.items()}[label] == "btc"


# PrometheusRule.


def rules(found: Desired) -> list[Json]:
    return [rule for group in child(found, PROMETHEUS_RULE)["spec"]["groups"] for rule in group["rules"]]


def test_the_alerts_of_a_grid_are_the_charts_about_grids_for_this_one_alone() -> None:
    text = (ROOT / "charts/hedgegrid-operator/files/rules/hedgegrid.yaml").read_text()
    chart = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    found = rules(built(**BOTH))
    assert [rule["alert"] for rule in found] == [rule["alert"] for rule in chart]
    assert len(found) > 5
    this_grid = 'grid_namespace="trading",grid="btc"'
    for own, every in zip(found, chart, strict=True):
        assert {**own, "expr": every["expr"]} == every
        metrics = re.findall(r"hedgegrid_\w+", every["expr"])
        assert metrics
        assert own["expr"].count(this_grid) == len(metrics), own["alert"]
        # Taken out again, nothing else has changed.
        plain = own["expr"].replace(f"{{{this_grid}}}", "").replace(f"{{{this_grid},", "{")
        assert plain == every["expr"]


def test_an_own_rule_has_the_labels_that_its_prometheus_selects_by() -> None:
    found = child(built(prometheusRule={"enabled": True, "labels": {"role": "alert-rules"}}), PROMETHEUS_RULE)
    assert found["metadata"]["labels"]["role"] == "alert-rules"
    assert found["metadata"]["labels"]["hedgegrid.io/uid"] == UID


def test_runbooks_are_where_the_setting_says() -> None:
    first = rules(built(**BOTH))[0]
    assert first["annotations"]["runbook_url"] == f"docs/runbooks/{first['alert']}.md"
    found = rules(built(runbooks="https://example.com/runbooks/", **BOTH))[0]
    assert found["annotations"]["runbook_url"] == f"https://example.com/runbooks/{first['alert']}.md"
