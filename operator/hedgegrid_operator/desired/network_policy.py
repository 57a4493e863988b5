"""The NetworkPolicy: who may talk to the pod, and with whom it may talk.

What a node does, the kubelet's probes and `kubectl port-forward`, isn't subject to policies. Mode sim has no venue to
reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.desired.service import API_PORT, METRICS_PORT
from hedgegrid_operator.objects import UID_LABEL, GridRef, Json

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Every namespace has it, and nobody can change it."""
_DNS_PORTS = (53, 5353)
"""A policy sees the port behind a Service: OpenShift's DNS listens on the second."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may talk to whom, from the operator's settings."""

    operator_namespace: str
    operator_labels: Mapping[str, str]
    """Of the operator's pods; empty: every pod of its namespace."""
    api_namespaces: tuple[str, ...]
    """Whose pods may call the API of grids, too."""
    metrics_namespaces: tuple[str, ...]
    """Whose pods may scrape; empty: nobody's."""
    api_server_cidrs: tuple[str, ...]
    """Where the API server is; empty: anywhere."""
    api_server_ports: tuple[int, ...]


def network_policy(grid: GridRef, access: Access) -> Json:
    """The manifest."""
    operator: Json = _pods_of(access.operator_namespace)
    if access.operator_labels:
        operator["podSelector"] = {"matchLabels": dict(access.operator_labels)}
    callers = [operator, *map(_pods_of, access.api_namespaces)]
    ingress: list[Json] = [{"from": callers, "ports": [_tcp(API_PORT)]}]
    if access.metrics_namespaces:
        ingress.append({"from": [*map(_pods_of, access.metrics_namespaces)], "ports": [_tcp(METRICS_PORT)]})
    dns = {"ports": [{"protocol": protocol, "port": port} for port in _DNS_PORTS for protocol in ("UDP", "TCP")]}
    api_server: Json = {"ports": [*map(_tcp, access.api_server_ports)]}
    if access.api_server_cidrs:
        api_server["to"] = [{"ipBlock": {"cidr": cidr}} for cidr in access.api_server_cidrs]
    return {
        "metadata": {"name": child_name(grid.name), "namespace": grid.namespace, "labels": labels(grid)},
        "spec": {
            "podSelector": {"matchLabels": {UID_LABEL: grid.uid}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [dns, api_server],
        },
    }


def _pods_of(namespace: str) -> Json:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: namespace}}}


def _tcp(port: int) -> Json:
    return {"protocol": "TCP", "port": port}
