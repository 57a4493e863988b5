"""ServiceMonitor and PrometheusRule as far as a grid's own ones use them; a field that isn't here is refused.

The whole definitions, and the operator that reads such objects, are the business of
tests/chart/test_prometheus_operator.py.
"""

from typing import Any

from tests.kube import ApiError, Cluster, wait_until

GROUP, VERSION = "monitoring.coreos.com", "v1"
API_VERSION = f"{GROUP}/{VERSION}"
MONITORED = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "intervalSeconds": 15},
    "prometheusRule": {"enabled": True, "labels": {"role": "alert-rules"}},
}
"""`spec.monitoring` of a grid that asks for both."""

type Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_DURATION: Schema = {"type": "string", "pattern": "^(0|(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"}


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "properties": fields}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


_RELABELINGS = _list(
    _object(
        action={"type": "string", "default": "replace", "enum": ["replace", "labeldrop"]},
        sourceLabels=_list(_TEXT),
        targetLabel=_TEXT,
        regex=_TEXT,
    )
)
_MONITOR = _object(
    jobLabel=_TEXT,
    selector=_object(matchLabels=_TEXTS),
    endpoints=_list(_object(port=_TEXT, interval=_DURATION, relabelings=_RELABELINGS, metricRelabelings=_RELABELINGS)),
)
_RULE = _object(
    alert=_TEXT,
    expr={"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
    labels=_TEXTS,
    annotations=_TEXTS,
    **{"for": _DURATION},
)
_RULES = _object(
    groups={
        **_list({**_object(name=_TEXT, rules=_list(_RULE)), "required": ["name"]}),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
)
_KINDS = {"ServiceMonitor": ("servicemonitors", _MONITOR), "PrometheusRule": ("prometheusrules", _RULES)}


def install_kinds(cluster: Cluster) -> None:
    """Make the definitions; returns when the API server serves both kinds."""
    for kind, (plural, spec) in _KINDS.items():
        schema = {"type": "object", "properties": {"spec": spec, "status": _object(seen=_TEXT)}}
        served = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        cluster.api.create(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{GROUP}"},
                "spec": {
                    "group": GROUP,
                    "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                    "versions": [served | {"subresources": {"status": {}}}],
                },
            }
        )
    wait_until(
        lambda: set(_served(cluster)) >= {plural for plural, _ in _KINDS.values()}, 30, "both kinds to be served"
    )


def remove_kinds(cluster: Cluster) -> None:
    """Delete the definitions, and with them every object; returns when the API server doesn't serve them."""
    for plural, _ in _KINDS.values():
        name = f"{plural}.{GROUP}"
        cluster.api.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
    wait_until(lambda: not _served(cluster), 60, "the kinds to go")


def _served(cluster: Cluster) -> list[str]:
    try:
        return [found["name"] for found in cluster.api.request("GET", f"/apis/{API_VERSION}")["resources"]]
    except ApiError as error:
        if error.status != 404:
            raise
        return []
