"""The chart as Helm renders it, and sets of values that between them switch everything on and off."""

import json
import secrets
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests.kube.cluster import CHECKOUT
from tests.kube.helm import Helm

type Json = dict[str, Any]

CHART = CHECKOUT / "charts" / "hedgegrid-operator"
RELEASE = "hedgegrid-operator"
NAMESPACE = "hedgegrid-system"
OLDEST = "1.30.0"
DIGEST = f"sha256:{'0a' * 32}"
CUSTOM = ("monitoring.coreos.com/v1",)
"""API versions of kinds that come with somebody else's definitions."""

MATRIX: dict[str, Json] = {
    "defaults": {},
    "namespaced": {
        "watchNamespaces": ["grids", "more"],
        "crds": {"install": False},
        "rbac": {"aggregate": False},
        "priorityClass": {"create": False},
        "networkPolicy": {"enabled": True},
        "rearmPolicy": {"enabled": True},
        "monitoring": {"podMonitor": {"enabled": True}},
    },
    "openshift": {"runAsUser": None, "strategyPods": {"runAsUser": None}},
    "released": {
        "imageRegistry": "mirror.example/team",
        "image": {"digest": DIGEST},
        "strategyImage": {"digest": DIGEST, "pullSecrets": ["of-grids"]},
        "imagePullSecrets": ["of-operator"],
    },
    "one replica, nothing extra": {
        "replicas": 1,
        "podDisruptionBudget": {"enabled": False},
        "topologySpreadConstraints": [],
        "uninstallGuard": {"enabled": False},
        "crds": {"keep": False},
        "serviceAccount": {"create": False, "name": "theirs"},
        "rbac": {"create": False, "aggregate": False},
        "priorityClass": {"create": False, "name": "theirs"},
    },
    "everything": {
        "fullnameOverride": "hg",
        "nameOverride": "kills",
        "commonLabels": {"team": "risk"},
        "installation": "blue",
        "settings": {"resyncInterval": 5, "logLevel": "DEBUG"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podLabels": {"tier": "control"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "control", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "preference": {"matchExpressions": [{"key": "control", "operator": "Exists"}]}}
                ]
            }
        },
        "serviceAccount": {"annotations": {"note": "x"}},
        "metricsService": {"annotations": {"note": "x"}},
        "networkPolicy": {
            "enabled": True,
            "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
            "metricsNamespaces": ["monitoring"],
            "apiNamespaces": ["desk"],
        },
        "rearmPolicy": {"enabled": True},
        "tests": {"namespace": "smoke"},
        "monitoring": {
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "runbookUrl": "https://runbooks.example/hg/"},
            "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Trading"}},
        },
    },
}


def render(
    helm: Helm, values: Json | None = None, *, kubernetes: str = OLDEST, namespace: str = NAMESPACE
) -> list[Json]:
    """Every object of a release with these values, hooks included; raises `HelmFailed`."""
    return [
        found for found in yaml.safe_load_all(_text(helm, json.dumps(values or {}), kubernetes, namespace)) if found
    ]


@cache
def _text(helm: Helm, values: str, kubernetes: str, namespace: str) -> str:
    flags = ("--namespace", namespace, "--kube-version", kubernetes, "--values", "-")
    return helm("template", RELEASE, CHART, *flags, stdin=values)


def named(objects: list[Json], kind: str, ending: str = "") -> Json:
    """The one object of a kind whose name ends like this."""
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(ending)]
    return found


def pods(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """What each object's pods are, with the kind and name of the object."""
    for found in objects:
        label = f"{found['kind']} {found['metadata']['name']}"
        if found["kind"] == "Pod":
            yield label, found["spec"]
        elif found["kind"] in {"Deployment", "Job"}:
            yield label, found["spec"]["template"]["spec"]


def environment(objects: list[Json]) -> dict[str, str]:
    """The operator's variables that have a plain value."""
    (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def grid(name: str = "btc") -> Json:
    """A simulated grid that needs no volume, on an account of its own."""
    return {
        "apiVersion": "hedgegrid.io/v1alpha1",
        "kind": "HedgeGrid",
        "metadata": {"name": name},
        "spec": {
            "account": {"name": f"{name}-{secrets.token_hex(2)}"},
            "instrument": "BTCUSDT-PERP.BINANCE",
            "mode": "sim",
            "grid": {"stepBps": 8, "levelsLong": 5, "levelsShort": 5, "baseQty": "0.010", "maxInventoryQuote": "20000"},
            "execution": {"barSeconds": 1, "staleDataSeconds": 10},
            "sim": {"annualVolatility": 10, "ticksPerSecond": 20},
            "storage": {"ephemeral": True},
        },
    }
