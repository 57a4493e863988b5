"""The StatefulSet: one pod, replaced only when the operator deletes it, with the store's volume.

`spec.pod` adds to the pod and never overrides what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hedgegrid_api.v1alpha1 import HedgeGridSpec, Image
from hedgegrid_operator.desired.config_map import STRATEGY_KEY, VENUE_KEY
from hedgegrid_operator.desired.kept import CONFIG_VOLUME, packed, revision_of_template
from hedgegrid_operator.desired.naming import (
    api_secret_name,
    child_name,
    config_map_name,
    labels,
    shared_labels,
    tls_secret_name,
)
from hedgegrid_operator.desired.own_watch import CLUSTER_DIR, CLUSTER_VOLUME, cluster_volume
from hedgegrid_operator.desired.service import API_PORT, METRICS_PORT
from hedgegrid_operator.objects import REVISION_ANNOTATION, UID_LABEL, GridRef, Json

CONTAINER = "strategy"
_CONFIG_DIR = "/etc/hedgegrid/config"
_KEYS_DIR = "/etc/hedgegrid/api"
_TLS_DIR = "/etc/hedgegrid/tls"
_STORE_DIR = "/var/lib/hedgegrid"
_GRACE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class ImageDefaults:
    """The operator's settings for what a spec leaves open."""

    repository: str
    tag: str
    pull_policy: str
    digest: str = ""
    """Of `repository`; outranks the tag."""
    pull_secrets: tuple[str, ...] = ()
    user: int | None = 10001
    """User and group; None: the cluster assigns them."""


def stateful_set(grid: GridRef, spec: HedgeGridSpec, config_hash: str, defaults: ImageDefaults) -> Json:
    """The manifest; its annotation and its template's carry the template's hash, the revision."""
    template = _template(grid, spec, config_hash, defaults)
    revision, keeps = revision_of_template(template), packed(template)
    template["metadata"]["annotations"][REVISION_ANNOTATION] = revision
    name = child_name(grid.name)
    claims = [] if spec.storage.ephemeral else [_claim(grid, spec)]
    return {
        "metadata": {
            "name": name,
            "namespace": grid.namespace,
            "labels": labels(grid),
            "annotations": {REVISION_ANNOTATION: revision, **keeps},
        },
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": {UID_LABEL: grid.uid}},
            # The controller would replace the pod by itself; only the operator knows when it may go.
            "updateStrategy": {"type": "OnDelete"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "template": template,
            "volumeClaimTemplates": claims,
        },
    }


def revision_of(manifest: Json) -> str:
    """Revision of a StatefulSet's manifest."""
    return str(manifest["metadata"]["annotations"][REVISION_ANNOTATION])


def image_of(image: Image, defaults: ImageDefaults) -> str:
    """Reference of the image: the object's fields, else the operator's; a digest outranks a tag."""
    repository = image.repository or defaults.repository
    # The operator's digest is of its own repository, and a tag in the object asks for another image.
    digest = image.digest or ("" if image.repository or image.tag else defaults.digest)
    if digest:
        return f"{repository}@{digest}"
    return f"{repository}:{image.tag or defaults.tag}"


def _template(grid: GridRef, spec: HedgeGridSpec, config_hash: str, defaults: ImageDefaults) -> Json:
    volumes: list[Json] = [
        {"name": CONFIG_VOLUME, "configMap": {"name": config_map_name(grid.name, config_hash)}},
        {"name": "hedgegrid-api", "secret": {"secretName": api_secret_name(grid.name), "defaultMode": 0o440}},
        {"name": "hedgegrid-tls", "secret": {"secretName": tls_secret_name(grid.name), "defaultMode": 0o440}},
        cluster_volume(),
        {"name": "hedgegrid-tmp", "emptyDir": {}},
    ]
    if spec.storage.ephemeral:
        volumes.append({"name": "data", "emptyDir": {}})
    taken = {volume["name"] for volume in volumes} | {"data"}
    pod: Json = {
        "serviceAccountName": child_name(grid.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": _pod_security(defaults.user),
        "containers": [_container(grid, spec, defaults)],
        "volumes": [*volumes, *(volume for volume in spec.pod.volumes if volume["name"] not in taken)],
    }
    pod |= _placement(spec)
    pull_secrets = [secret.name for secret in spec.image_pull_secrets] or defaults.pull_secrets
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    return {
        "metadata": {"labels": {**spec.pod.labels, **labels(grid)}, "annotations": dict(spec.pod.annotations)},
        "spec": pod,
    }


def _pod_security(user: int | None) -> Json:
    ids: Json = {} if user is None else {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    return {
        "runAsNonRoot": True,
        **ids,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(grid: GridRef, spec: HedgeGridSpec, defaults: ImageDefaults) -> Json:
    mounts: list[Json] = [
        {"name": CONFIG_VOLUME, "mountPath": _CONFIG_DIR, "readOnly": True},
        {"name": "hedgegrid-api", "mountPath": _KEYS_DIR, "readOnly": True},
        {"name": "hedgegrid-tls", "mountPath": _TLS_DIR, "readOnly": True},
        {"name": CLUSTER_VOLUME, "mountPath": CLUSTER_DIR, "readOnly": True},
        {"name": "hedgegrid-tmp", "mountPath": "/tmp"},  # noqa: S108 — a mount in the pod
        {"name": "data", "mountPath": _STORE_DIR},
    ]
    env: list[Json] = [
        {"name": "HEDGEGRID_UID", "value": grid.uid},
        {"name": "HEDGEGRID_NAME", "value": grid.name},
        {"name": "HEDGEGRID_NAMESPACE", "value": grid.namespace},
        # No argument: an image of the last release would end with an error over one that it doesn't know.
        {"name": "HEDGEGRID_CLUSTER_DIR", "value": CLUSTER_DIR},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    return {
        "name": CONTAINER,
        "image": image_of(spec.image, defaults),
        "imagePullPolicy": spec.image.pull_policy.value if spec.image.pull_policy else defaults.pull_policy,
        "command": ["python", "-m", "naut_hedgegrid.runners.run_sim"],
        "args": [
            *("--strategy-config", f"{_CONFIG_DIR}/{STRATEGY_KEY}"),
            *("--venue-config", f"{_CONFIG_DIR}/{VENUE_KEY}"),
            "--enable-ops",
            *("--host", "0.0.0.0"),  # noqa: S104 — in the pod's own network
            *("--api-port", str(API_PORT)),
            *("--prometheus-port", str(METRICS_PORT)),
            *("--store-dir", _STORE_DIR),
            *("--api-keys-dir", _KEYS_DIR),
            *("--tls-dir", _TLS_DIR),
            "--await-control",
        ],
        "env": _merged(env, spec.pod.env, "name"),
        "ports": [
            {"name": "api", "containerPort": API_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": _resources(spec),
        "volumeMounts": _merged(mounts, spec.pod.volume_mounts, "mountPath"),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A start may take a minute on a busy node; only a process that has answered once is restarted for silence.
        "startupProbe": _probe("/livez", period=1, timeout=5, failures=120),
        "livenessProbe": _probe("/livez", period=10, timeout=5, failures=6),
        "readinessProbe": _probe("/readyz", period=2, timeout=2, failures=3),
    }


def _placement(spec: HedgeGridSpec) -> Json:
    """Where the pod may run; only what the spec says, so that nothing else changes the template."""
    wanted = spec.pod.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"node_selector", "tolerations", "affinity", "priority_class_name"},
    )
    return {name: value for name, value in wanted.items() if value}


def _merged(ours: list[Json], theirs: list[Any], key: str) -> list[Json]:
    taken = {_same(item[key]) for item in ours}
    return [*ours, *(item for item in theirs if _same(item[key]) not in taken)]


def _same(text: str) -> str:
    """A name or a path without the slash at its end, which the kubelet doesn't see."""
    return text.rstrip("/")


def _resources(spec: HedgeGridSpec) -> Json:
    found: dict[str, Mapping[str, str | int]] = {
        "limits": spec.pod.resources.limits,
        "requests": spec.pod.resources.requests,
    }
    return {name: dict(values) for name, values in found.items() if values}


def _probe(path: str, *, period: int, timeout: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": "api", "scheme": "HTTPS"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _claim(grid: GridRef, spec: HedgeGridSpec) -> Json:
    claim: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": spec.storage.size}}}
    if spec.storage.storage_class_name:
        claim["storageClassName"] = spec.storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": shared_labels(grid)},
        "spec": claim,
    }
