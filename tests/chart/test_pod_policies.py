"""What the chart tells the operator about the strategy pods' own NetworkPolicies and the grids' own alerts."""

from hedgegrid_operator.settings import Settings, parse
from tests.chart.chart_parts import NAMESPACE, Json, environment, named, render
from tests.kube.helm import Helm


def told(helm: Helm, values: Json) -> tuple[Settings, Json]:
    """The operator's settings, and the labels of its pods."""
    objects = render(helm, values)
    labels: Json = named(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    return parse(["--namespace", NAMESPACE], environment(objects)), labels


def test_pods_get_their_policies_where_the_chart_makes_the_operators(helm: Helm) -> None:
    assert told(helm, {})[0].access is None
    wanted = {
        "enabled": True,
        "metricsNamespaces": ["monitoring"],
        "apiNamespaces": ["tools", "desk"],
        "apiServer": {"cidrs": ["10.0.0.0/8"], "ports": [6443]},
    }
    settings, labels = told(helm, {"networkPolicy": wanted})
    found = settings.access
    assert found is not None
    assert (found.metrics_namespaces, found.api_namespaces) == (("monitoring",), ("tools", "desk"))
    assert (found.api_server_cidrs, found.api_server_ports) == (("10.0.0.0/8",), (6443,))
    # Whoever the policy lets in has to be the operator.
    assert found.operator_labels["app.kubernetes.io/component"] == "operator"
    assert found.operator_labels.items() <= labels.items()


def test_pages_of_alerts_are_where_the_chart_says(helm: Helm) -> None:
    address = "https://example.com/runbooks"
    settings, _ = told(helm, {"monitoring": {"prometheusRule": {"runbookUrl": address}}})
    assert settings.runbook_url == address
