"""Volumes as folders below the pod's own, and the folder for each mount path."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kube.apiclient import ApiClient, Json
from tests.kube.runner.atomic import File, write_files
from tests.kube.runner.claims import Claims
from tests.kube.runner.environment import Node, data_of, field_of
from tests.kube.runner.objects import Kind, Objects
from tests.kube.runner.problems import NotYetError, UnsupportedError
from tests.kube.runner.substitution import Substitution

CREATING = "ContainerCreating"
DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600
FROM_THE_API = {"configMap", "secret", "projected", "downwardAPI"}


@dataclass(frozen=True)
class Sources:
    """Where the content of volumes comes from."""

    client: ApiClient
    objects: Objects
    claims: Claims
    node: Node


def source_of(volume: Json) -> tuple[str, Json]:
    """The one key of a volume besides its name."""
    return next((key, value) for key, value in volume.items() if key != "name")


def folder_of(volume: Json, namespace: str, pod_folder: Path, claims: Claims) -> Path:
    """The folder of a volume, made where it isn't there; raises NotYetError for an unbound claim, UnsupportedError."""
    kind, source = source_of(volume)
    if kind == "persistentVolumeClaim":
        bound = claims.folder_of(namespace, source["claimName"])
        if bound is None:
            raise NotYetError(f'persistentvolumeclaim "{source["claimName"]}" is not bound', CREATING)
        return bound
    if kind == "hostPath":
        path = Path(source["path"])
        if source.get("type") == "DirectoryOrCreate":
            path.mkdir(parents=True, exist_ok=True)
        return path
    if kind == "emptyDir" or kind in FROM_THE_API:
        folder = pod_folder / "volumes" / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    raise UnsupportedError(f"the pod runner has no volumes of type {kind} (volume {volume['name']})")


def mount_folders(container: Json, folders: Mapping[str, Path]) -> dict[str, str]:
    """The folder or file for each mount path of a container; raises UnsupportedError."""
    mounts: dict[str, str] = {}
    for mount in container.get("volumeMounts", []):
        if "subPathExpr" in mount:
            raise UnsupportedError("the pod runner does not know subPathExpr")
        target = folders[mount["name"]] / mount.get("subPath", "")
        mounts[mount["mountPath"].rstrip("/") or "/"] = str(target)
    return mounts


def token_lives(volumes: list[Json]) -> list[float]:
    """Seconds for which the tokens in these volumes are asked for."""
    parts = [part for volume in volumes for part in volume.get("projected", {}).get("sources", [])]
    tokens = [part["serviceAccountToken"] for part in parts if "serviceAccountToken" in part]
    return [float(token.get("expirationSeconds", TOKEN_SECONDS)) for token in tokens]


def names_object(volume: Json, kind: Kind, name: str) -> bool:
    """Whether the content of the volume comes from this ConfigMap or Secret."""
    key = "configMap" if kind == "configmaps" else "secret"
    source_kind, source = source_of(volume)
    parts = source.get("sources", []) if source_kind == "projected" else [{source_kind: source}]
    return any(name in {part[key].get("name"), part[key].get("secretName")} for part in parts if key in part)


async def fill(volume: Json, folder: Path, pod: Json, sources: Sources, substitute: Substitution) -> None:
    """Write the content of a volume that comes from the API; every file changes at the same instant.

    Raises NotYetError for an object that isn't there and isn't optional.
    """
    kind, source = source_of(volume)
    if kind not in FROM_THE_API:
        return
    mode = source.get("defaultMode", DEFAULT_MODE)
    files: dict[str, File] = {}
    for part in source.get("sources", []) if kind == "projected" else [{kind: source}]:
        files |= await _part(part, pod, sources, substitute, mode)
    write_files(folder, files)


async def _part(part: Json, pod: Json, sources: Sources, substitute: Substitution, mode: int) -> dict[str, File]:
    kind, source = source_of(part)
    namespace = pod["metadata"]["namespace"]
    match kind:
        case "configMap":
            data = await data_of(sources.objects, "configmaps", namespace, source, CREATING)
            return _files({key: _substituted(value, substitute) for key, value in data.items()}, source, mode)
        case "secret":
            reference = {"name": source.get("name") or source.get("secretName"), "optional": source.get("optional")}
            return _files(await data_of(sources.objects, "secrets", namespace, reference, CREATING), source, mode)
        case "downwardAPI":
            return {item["path"]: _field(item, pod, sources.node, substitute, mode) for item in source.get("items", [])}
        case "serviceAccountToken":
            return {source["path"]: File(await _token(source, pod, sources.client), mode)}
        case _:
            raise UnsupportedError(f"the pod runner can't project {kind}")


def _files(data: Mapping[str, bytes], source: Json, mode: int) -> dict[str, File]:
    if not source.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    files: dict[str, File] = {}
    for item in source["items"]:
        if item["key"] in data:
            files[item["path"]] = File(data[item["key"]], item.get("mode") or mode)
        elif not source.get("optional"):
            raise NotYetError(f"references non-existent key: {item['key']}", CREATING)
    return files


def _substituted(value: bytes, substitute: Substitution) -> bytes:
    try:
        return substitute(value.decode()).encode()
    except UnicodeDecodeError:
        return value


def _field(item: Json, pod: Json, node: Node, substitute: Substitution, mode: int) -> File:
    if "fieldRef" not in item:
        raise UnsupportedError(f"the pod runner knows only fieldRef in downward API volumes ({item['path']})")
    value = field_of(pod, substitute.address, node, item["fieldRef"]["fieldPath"])
    return File(value.encode(), item.get("mode") or mode)


async def _token(source: Json, pod: Json, client: ApiClient) -> bytes:
    metadata = pod["metadata"]
    account = pod["spec"].get("serviceAccountName", "default")
    body = {
        "spec": {
            "audiences": [source["audience"]] if source.get("audience") else [],
            "expirationSeconds": source.get("expirationSeconds", TOKEN_SECONDS),
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]},
        }
    }
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
    return (await client.create(path, body))["status"]["token"].encode()
