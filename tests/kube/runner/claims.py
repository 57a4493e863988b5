"""PersistentVolumeClaims: each gets a folder that outlives pods and goes when the claim is deleted.

There is no volume controller: claim and volume are bound here. Claims of another storage class than ours stay Pending.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.kube.apiclient import ApiClient, Json
from tests.kube.runner.background import Background, persistently, unless_gone
from tests.kube.runner.informer import Informer, key_of

STORAGE_CLASS = "standard"
PROVISIONER = "hedgegrid.io/pod-runner"
BOUND_BY = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/provisioned-by": PROVISIONER}


class Claims:
    """All claims of the cluster and their folders."""

    def __init__(
        self, client: ApiClient, folder: Path, background: Background, bound: Callable[[str, str], None]
    ) -> None:
        self._client = client
        self._folder = folder
        self._background = background
        self._bound = bound
        self.informer = Informer(client, "/api/v1/persistentvolumeclaims", self._changed, self._gone)

    async def prepare(self) -> None:
        """Make the storage class, the cluster's default."""
        body = {
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "volumeBindingMode": "Immediate",
        }
        await self._client.create("/apis/storage.k8s.io/v1/storageclasses", body)

    def folder_of(self, namespace: str, name: str) -> Path | None:
        """The folder of a bound claim, None while it is not bound."""
        claim = self.informer.items.get((namespace, name))
        if not claim or claim["status"].get("phase") != "Bound":
            return None
        return self._path(claim)

    def _path(self, claim: Json) -> Path:
        namespace, name = key_of(claim)
        return self._folder / f"{namespace}_{name}_{claim['metadata']['uid']}"

    def _changed(self, claim: Json) -> None:
        if claim["status"].get("phase") == "Bound":
            self._bound(*key_of(claim))
        elif claim["spec"].get("storageClassName") in {None, "", STORAGE_CLASS} and not claim["spec"].get("volumeName"):
            self._background.start(self._bind(claim))

    def _gone(self, claim: Json) -> None:
        shutil.rmtree(self._path(claim), ignore_errors=True)
        self._background.start(self._delete_volume(f"/api/v1/persistentvolumes/{_volume_name(claim)}"))

    async def _delete_volume(self, path: str) -> None:
        # A bound volume is protected from deletion.
        released = {"status": {"phase": "Released"}}
        await unless_gone(persistently(lambda: self._client.patch(f"{path}/status", released)))
        await unless_gone(persistently(lambda: self._client.delete(path)))

    async def _bind(self, claim: Json) -> None:
        namespace, name = key_of(claim)
        folder, volume = self._path(claim), _volume_name(claim)
        folder.mkdir(parents=True, exist_ok=True)
        capacity = {"storage": claim["spec"]["resources"]["requests"]["storage"]}
        modes = claim["spec"]["accessModes"]
        body = {
            "metadata": {"name": volume, "annotations": BOUND_BY},
            "spec": {
                "capacity": capacity,
                "accessModes": modes,
                "claimRef": _reference(claim),
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": claim["spec"].get("storageClassName") or "",
                "hostPath": {"path": str(folder)},
            },
        }
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        same = {"uid": claim["metadata"]["uid"]}
        steps: list[tuple[str, Json]] = [
            (f"/api/v1/persistentvolumes/{volume}/status", {"status": {"phase": "Bound"}}),
            (path, {"metadata": same | {"annotations": BOUND_BY}, "spec": {"volumeName": volume}}),
            (
                f"{path}/status",
                {"metadata": same, "status": {"phase": "Bound", "capacity": capacity, "accessModes": modes}},
            ),
        ]
        await unless_gone(persistently(lambda: self._client.create("/api/v1/persistentvolumes", body)))
        for target, change in steps:
            await unless_gone(persistently(partial(self._client.patch, target, change)))


def _volume_name(claim: Json) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _reference(claim: Json) -> Json:
    namespace, name = key_of(claim)
    uid = claim["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": uid}
