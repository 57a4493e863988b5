"""What stands for Prometheus' discovery at an API server: which targets there are, whoever keeps them."""

from typing import Any

import pytest

from tests.kube.discovery import without_discovery

type Json = dict[str, Any]

PORTS = [{"name": "api", "containerPort": 8080, "protocol": "TCP"}, {"containerPort": 9090, "protocol": "TCP"}]


def pod(name: str, namespace: str, address: str | None = "127.0.0.9") -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app.kubernetes.io/name": "x"}},
        "spec": {"nodeName": "node", "containers": [{"name": "main", "image": "x", "ports": PORTS}]},
        "status": {"phase": "Running"} | ({"podIP": address} if address else {}),
    }


def service(name: str, namespace: str, selector: Json | None, *targets: int | str) -> Json:
    ports = [{"name": f"to-{target}", "targetPort": target, "protocol": "TCP"} for target in targets]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector, "ports": ports}}


PODS = [pod("one", "a"), pod("two", "b"), pod("starting", "a", None)]
TAKES_ALL = {"app.kubernetes.io/name": "x"}


def found(asked: Json, *services: Json) -> list[tuple[str, dict[str, str]]]:
    """Address and labels of each target of one job."""
    configuration = {"scrape_configs": [{"job_name": "it", "kubernetes_sd_configs": [asked], "relabel_configs": []}]}
    (job,) = without_discovery(configuration, services, PODS)["scrape_configs"]
    assert job.keys() == {"job_name", "static_configs", "relabel_configs"}
    short = "__meta_kubernetes_"
    return [
        (address, {name.removeprefix(short): value for name, value in group["labels"].items()})
        for group in job["static_configs"]
        for address in group["targets"]
    ]


def test_each_port_of_a_pod_with_an_address_is_a_target() -> None:
    targets = found({"role": "pod", "namespaces": {"names": ["a"]}})
    assert [address for address, _ in targets] == ["127.0.0.9:8080", "127.0.0.9:9090"]
    assert {labels["pod_name"] for _, labels in targets} == {"one"}
    assert [labels["pod_container_port_name"] for _, labels in targets] == ["api", ""]
    assert targets[0][1]["pod_label_app_kubernetes_io_name"] == "x"
    assert targets[0][1]["pod_labelpresent_app_kubernetes_io_name"] == "true"
    assert {labels["pod_name"] for _, labels in found({"role": "pod"})} == {"one", "two"}


def test_behind_a_service_are_the_pods_of_its_namespace_that_it_selects() -> None:
    services = (
        service("both", "a", TAKES_ALL, "api", 9090),
        service("others", "a", {"app.kubernetes.io/name": "y"}, "api"),
        service("nobody's", "a", None, "api"),
        service("elsewhere", "b", TAKES_ALL, "missing"),
    )
    targets = found({"role": "endpointslice"}, *services)
    assert [(address, labels["service_name"], labels["endpointslice_port_name"]) for address, labels in targets] == [
        ("127.0.0.9:8080", "both", "to-api"),
        ("127.0.0.9:9090", "both", "to-9090"),
    ]
    assert {labels["pod_name"] for _, labels in targets} == {"one"}


@pytest.mark.parametrize("asked", [{"role": "node"}, {"role": "pod", "selectors": [{"role": "pod", "label": "a=b"}]}])
def test_what_isnt_known_is_no_answer(asked: Json) -> None:
    with pytest.raises(ValueError, match="only roles pod and endpointslice"):
        found(asked)
