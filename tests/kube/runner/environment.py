"""The environment of a container: its variables, their sources, and what every container gets."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kube.apiclient import Json
from tests.kube.runner.objects import Kind, Objects
from tests.kube.runner.problems import NotYetError, UnsupportedError
from tests.kube.runner.substitution import Substitution, expand

CONFIG_ERROR = "CreateContainerConfigError"


@dataclass(frozen=True)
class Node:
    """What a pod may ask about the node it is on."""

    name: str
    address: str


def field_of(pod: Json, address: str, node: Node, path: str) -> str:
    """The value of a downward API `fieldPath`; raises UnsupportedError for one that isn't known here."""
    metadata, spec = pod["metadata"], pod["spec"]
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": node.name,
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": node.address,
        "status.hostIPs": node.address,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path in known:
        return known[path]
    for group in ("labels", "annotations"):
        items: dict[str, str] = metadata.get(group, {})
        if path == f"metadata.{group}":
            return "\n".join(f'{key}="{value}"' for key, value in sorted(items.items()))
        if path.startswith(f"metadata.{group}['") and path.endswith("']"):
            return items.get(path[len(f"metadata.{group}['") : -2], "")
    raise UnsupportedError(f"the pod runner does not know the field {path}")


def base_environment(pod: Json, folder: Path, programs: Path, server: str) -> dict[str, str]:
    """What a container has before its own variables: nothing of this machine's user but where programs are."""
    host, _, port = server.removeprefix("https://").partition(":")
    return {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "HOSTNAME": pod["metadata"]["name"],
        "LANG": "C.UTF-8",
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
    }


async def resolve(
    container: Json, pod: Json, objects: Objects, node: Node, base: Mapping[str, str], substitute: Substitution
) -> dict[str, str]:
    """All variables of a container, `envFrom` before `env`, later ones over earlier ones.

    Raises NotYetError for a ConfigMap, Secret or key that isn't there and isn't optional, UnsupportedError.
    """
    namespace = pod["metadata"]["namespace"]
    variables = dict(base)
    for source in container.get("envFrom", []):
        for key, reference in source.items():
            if key != "prefix":
                kind = _kind(key)
                data = await data_of(objects, kind, namespace, reference, CONFIG_ERROR)
                for name, value in data.items():
                    variables[source.get("prefix", "") + name] = _text(kind, value, substitute)
    for entry in container.get("env", []):
        value = await _value(entry, pod, objects, node, variables, substitute)
        if value is not None:
            variables[entry["name"]] = value
    return variables


async def data_of(objects: Objects, kind: Kind, namespace: str, reference: Json, reason: str) -> dict[str, bytes]:
    """All keys of the ConfigMap or Secret that `reference` names; nothing where it is optional and missing."""
    found = await objects.get(kind, namespace, reference["name"])
    if found is None:
        if reference.get("optional"):
            return {}
        raise NotYetError(f'{kind.removesuffix("s")} "{reference["name"]}" not found', reason)
    plain: dict[str, str] = found.get("data") or {}
    if kind == "secrets":
        return {key: base64.b64decode(value) for key, value in plain.items()}
    encoded: dict[str, str] = found.get("binaryData") or {}
    texts = {key: value.encode() for key, value in plain.items()}
    return texts | {key: base64.b64decode(value) for key, value in encoded.items()}


async def _value(
    entry: Json, pod: Json, objects: Objects, node: Node, variables: Mapping[str, str], substitute: Substitution
) -> str | None:
    if "valueFrom" not in entry:
        return substitute(expand(entry.get("value", ""), variables))
    ((source, reference),) = entry["valueFrom"].items()
    if source == "fieldRef":
        return field_of(pod, substitute.address, node, reference["fieldPath"])
    kind = _kind(source)
    data = await data_of(objects, kind, pod["metadata"]["namespace"], reference, CONFIG_ERROR)
    if reference["key"] not in data:
        if reference.get("optional"):
            return None
        raise NotYetError(f"couldn't find key {reference['key']} in {kind} {reference['name']}", CONFIG_ERROR)
    return _text(kind, data[reference["key"]], substitute)


def _text(kind: Kind, value: bytes, substitute: Substitution) -> str:
    text = value.decode(errors="surrogateescape")
    return text if kind == "secrets" else substitute(text)


def _kind(source: str) -> Kind:
    match source:
        case "configMapRef" | "configMapKeyRef":
            return "configmaps"
        case "secretRef" | "secretKeyRef":
            return "secrets"
        case _:
            raise UnsupportedError(f"the pod runner does not know the variable source {source}")
