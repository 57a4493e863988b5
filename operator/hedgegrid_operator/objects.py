"""Kubernetes objects as plain data: where each kind lives, and how metadata is read from it."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json, to_json

from hedgegrid_api.types import GROUP, KIND, PLURAL, VERSION

type Json = dict[str, Any]
"""An object as the API server sends it: data of any shape."""

FIELD_MANAGER = "hedgegrid-operator"
UID_LABEL = "hedgegrid.io/uid"
FINALIZER = "hedgegrid.io/flatten"
REVISION_ANNOTATION = "hedgegrid.io/revision"
INSTALLATION_ANNOTATION = "hedgegrid.io/installation"
ROLLOUT_ANNOTATION = "hedgegrid.io/rollout"
TEMPLATE_ANNOTATION = "hedgegrid.io/template"
RELEASE_ANNOTATION = "hedgegrid.io/release"
MANIFEST_ANNOTATION = "hedgegrid.io/manifest"
EPOCH_ANNOTATION = "hedgegrid.io/epoch"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object and its address in the API."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """As it stands in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection (no name), an object or its subresource; no namespace means all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural]
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


HEDGE_GRID = Kind(GROUP, VERSION, KIND, PLURAL)
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
POD = Kind("", "v1", "Pod", "pods")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SECRET = Kind("", "v1", "Secret", "secrets")
SERVICE = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
SERVICE_MONITOR = Kind("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors")
PROMETHEUS_RULE = Kind("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
EVENT = Kind("events.k8s.io", "v1", "Event", "events")


@dataclass(frozen=True, slots=True)
class GridRef:
    """Which HedgeGrid: what logs, metrics and Events name it by."""

    namespace: str
    name: str
    uid: str

    def fields(self, **more: object) -> dict[str, object]:
        """Fields of a log line."""
        return {"grid": self.name, "namespace": self.namespace, "uid": self.uid, **more}


def metadata(obj: Json) -> Json:
    """`metadata` of an object, empty where absent."""
    return as_object(obj.get("metadata"))


def uid_of(obj: Json) -> str:
    """`metadata.uid`."""
    return str(metadata(obj).get("uid", ""))


def labels_of(obj: Json) -> Mapping[str, str]:
    """Labels, empty where absent."""
    return as_object(metadata(obj).get("labels"))


def annotations_of(obj: Json) -> Mapping[str, str]:
    """Annotations, empty where absent."""
    return as_object(metadata(obj).get("annotations"))


def resource_version(obj: Json) -> int:
    """`metadata.resourceVersion` as a number: a later state of the same object has a higher one."""
    text = str(metadata(obj).get("resourceVersion", ""))
    return int(text) if text.isdecimal() and len(text) <= 20 else 0


def section(obj: Json, *path: str) -> Json:
    """A nested object by its path, empty where any part of the path is absent."""
    found: Any = obj
    for part in path:
        found = as_object(found).get(part)
    return as_object(found)


def items(obj: Json, name: str) -> list[Json]:
    """A list of objects in an object, empty where absent; what is no object in it is left out."""
    found: Any = obj.get(name)
    listed: list[Any] = found if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType] — JSON
    return [as_object(item) for item in listed if isinstance(item, dict)]


def as_object(found: Any) -> Json:
    """The value itself if it is a JSON object, else an empty one."""
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType] — any JSON object


def parsed(text: bytes) -> Any:
    """JSON, by the quick parser, since kills wait meanwhile; by the other one what is too deep for that.

    Raises `ValueError`, `RecursionError`.
    """
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def compact(obj: Json) -> bytes:
    """An object as JSON text, keys in their order; texts that are no Unicode and what is too deep, too."""
    try:
        return to_json(obj)
    except ValueError:
        return json.dumps(obj, separators=(",", ":")).encode()


def packed(obj: Json) -> bytes:
    """An object as compressed text, the same for the same order of keys: a tenth of the memory, for what is kept."""
    return zlib.compress(compact(obj), level=1)


def unpacked(text: bytes) -> Json:
    """The object of such a text."""
    return as_object(parsed(zlib.decompress(text)))


def timestamp(moment: datetime) -> str:
    """A time as it stands in objects: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
