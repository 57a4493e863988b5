"""HedgeGrids at a real API server, with strict field validation as kubectl asks for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes

from hedgegrid_api.types import GROUP, PLURAL, VERSION
from tests.kube.installation import wait_served

MANIFEST = Path(__file__).parents[2] / "crds" / "hedgegrids.hedgegrid.io.yaml"
"""The CustomResourceDefinition that ships."""

_MERGE_PATCH = "application/merge-patch+json"


class RefusedError(Exception):
    """The API server's refusal; its text is the message that kubectl prints."""


class Grids:
    """The HedgeGrids of one namespace. `dry` runs everything of the API server but the storage."""

    def __init__(self, kubeconfig: Path, namespace: str, group: str = GROUP) -> None:
        self.namespace = namespace
        self._api = kubernetes.client.CustomObjectsApi(kubernetes.config.new_client_from_config(str(kubeconfig)))
        self._where = (group, VERSION, namespace, PLURAL)

    def create(self, grid: dict[str, Any], *, dry: bool) -> dict[str, Any]:
        """Create; the object as the API server has it."""
        return self._ask(self._api.create_namespaced_custom_object, grid, **_options(dry))

    def patch(self, name: str, change: dict[str, Any], *, dry: bool) -> dict[str, Any]:
        """Merge patch, as `kubectl patch --type merge`; the object as the API server has it."""
        return self._ask(
            self._api.patch_namespaced_custom_object, name, change, _content_type=_MERGE_PATCH, **_options(dry)
        )

    def patch_status(self, name: str, status: dict[str, Any]) -> dict[str, Any]:
        """Merge patch of the status subresource."""
        return self._ask(
            self._api.patch_namespaced_custom_object_status,
            name,
            {"status": status},
            _content_type=_MERGE_PATCH,
            **_options(dry=False),
        )

    def get(self, name: str) -> dict[str, Any]:
        """The stored object."""
        return self._ask(self._api.get_namespaced_custom_object, name)

    def delete(self, name: str) -> None:
        """Delete."""
        self._ask(self._api.delete_namespaced_custom_object, name)

    def _ask(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*self._where, *arguments, **options)
        except kubernetes.client.ApiException as error:
            raise RefusedError(_message(error.body or "")) from error


def _options(dry: bool) -> dict[str, str]:
    return {"field_validation": "Strict"} | ({"dry_run": "All"} if dry else {})


@contextmanager
def grids_of_own_namespace(cluster: Any) -> Iterator[Grids]:
    """A namespace with the contract in force; gone afterwards."""
    cluster.kubectl("apply", "-f", str(MANIFEST))
    wait_served(cluster)
    namespace = f"schema-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", namespace)
    try:
        yield Grids(cluster.kubeconfig, namespace)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def _message(body: str) -> str:
    """The API server's message; a kind that isn't served yet is answered in plain text."""
    try:
        return json.loads(body)["message"]
    except json.JSONDecodeError:
        return body
