"""What Prometheus' discovery would find in a cluster, for a Prometheus that can't ask an API server. Pure.

As Prometheus' `discovery/kubernetes` does it, with its label names; behind a Service are the pods that its selector
takes, since no controller here makes EndpointSlices. What relabeling keeps of all this is left to Prometheus.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

type Json = dict[str, Any]

_PREFIX = "__meta_kubernetes_"


def without_discovery(configuration: Json, services: Sequence[Json], pods: Sequence[Json]) -> Json:
    """prometheus.yml with targets in the place of each `kubernetes_sd_configs`, and all else as it is.

    Raises ValueError for a way of asking that isn't known here.
    """
    jobs: list[Json] = []
    for job in configuration["scrape_configs"]:
        groups = [group for asked in job["kubernetes_sd_configs"] for group in _found(asked, services, pods)]
        kept = {name: value for name, value in job.items() if name != "kubernetes_sd_configs"}
        jobs.append(kept | {"static_configs": groups})
    return configuration | {"scrape_configs": jobs}


def _found(asked: Json, services: Sequence[Json], pods: Sequence[Json]) -> Iterator[Json]:
    unknown = asked.keys() - {"role", "namespaces"}
    if unknown or asked["role"] not in {"pod", "endpointslice"}:
        raise ValueError(f"only roles pod and endpointslice, and namespaces, are known here, not {asked}")
    places = asked.get("namespaces", {}).get("names", [])
    here = [pod for pod in pods if _within(pod, places) and pod["status"].get("podIP")]
    if asked["role"] == "pod":
        for pod in here:
            yield from _of_pod(pod)
        return
    for service in services:
        if _within(service, places):
            for pod in here:
                if _takes(service, pod):
                    yield from _behind(service, pod)


def _within(found: Json, places: Sequence[str]) -> bool:
    return not places or found["metadata"]["namespace"] in places


def _takes(service: Json, pod: Json) -> bool:
    selector = service["spec"].get("selector") or {}
    same_place = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(selector) and same_place and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _of_pod(pod: Json) -> Iterator[Json]:
    """Role `pod`: a target for each port of each container."""
    for container, port in _ports(pod):
        yield _target(pod, port["containerPort"], _pod_labels(pod) | _port_labels(container, port))


def _behind(service: Json, pod: Json) -> Iterator[Json]:
    """Role `endpointslice`: a target for each port of the Service."""
    for served in service["spec"]["ports"]:
        for container, port in _ports(pod):
            if served["targetPort"] in {port.get("name"), port["containerPort"]}:
                labels = {
                    "endpointslice_address_type": "IPv4",
                    "endpointslice_port": str(port["containerPort"]),
                    "endpointslice_port_name": served.get("name", ""),
                    "endpointslice_port_protocol": served["protocol"],
                    "endpointslice_address_target_kind": "Pod",
                    "endpointslice_address_target_name": pod["metadata"]["name"],
                }
                described = _object_labels("service", service) | _pod_labels(pod) | _port_labels(container, port)
                yield _target(pod, port["containerPort"], labels | described)


def _ports(pod: Json) -> Iterator[tuple[Json, Json]]:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            yield container, port


def _pod_labels(pod: Json) -> dict[str, str]:
    status = pod["status"]
    ready = next((it["status"] for it in status.get("conditions", []) if it["type"] == "Ready"), "Unknown")
    return _object_labels("pod", pod) | {
        "pod_ip": status["podIP"],
        "pod_node_name": pod["spec"]["nodeName"],
        "pod_phase": status["phase"],
        "pod_ready": ready.lower(),
        "pod_uid": pod["metadata"]["uid"],
    }


def _port_labels(container: Json, port: Json) -> dict[str, str]:
    return {
        "pod_container_image": container["image"],
        "pod_container_name": container["name"],
        "pod_container_port_name": port.get("name", ""),
        "pod_container_port_number": str(port["containerPort"]),
        "pod_container_port_protocol": port["protocol"],
    }


def _object_labels(kind: str, found: Json) -> dict[str, str]:
    about = found["metadata"]
    labels = {"namespace": about["namespace"], f"{kind}_name": about["name"]}
    for part in ("label", "annotation"):
        for name, value in (about.get(f"{part}s") or {}).items():
            plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
            labels |= {f"{kind}_{part}_{plain}": value, f"{kind}_{part}present_{plain}": "true"}
    return labels


def _target(pod: Json, port: int, labels: dict[str, str]) -> Json:
    named = {f"{_PREFIX}{name}": value for name, value in labels.items()}
    return {"targets": [f"{pod['status']['podIP']}:{port}"], "labels": named}
