"""A thin synchronous client of the API server for tests: JSON objects in, JSON objects out. Threads may share it."""

import base64
import json
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import urllib3
import yaml

from tests.kube.errors import ApiError, HostError
from tests.kube.waiting import wait_until

type Json = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Api:
    """One identity's view of a cluster."""

    def __init__(self, server: str, context: ssl.SSLContext, token: str | None = None) -> None:
        self.server = server
        self.context = context
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(ssl_context=context, maxsize=16, timeout=30.0, retries=False)
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    @classmethod
    def of(cls, kubeconfig: Path) -> Self:
        """From the current context of a kubeconfig with a client certificate or a token."""
        config = yaml.safe_load(kubeconfig.read_text())
        chosen = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == chosen["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == chosen["user"])
        authority = cluster.get("certificate-authority-data")  # none behind a proxy of plain HTTP
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile() as pair:  # the ssl module reads keys from files only
                pair.write(base64.b64decode(user["client-certificate-data"]))
                pair.write(base64.b64decode(user["client-key-data"]))
                pair.flush()
                context.load_cert_chain(pair.name)
        elif "token" not in user:
            raise HostError(
                f"{kubeconfig} has neither a client certificate nor a token, but {', '.join(user) or 'nothing'}"
            )
        return cls(cluster["server"], context, user.get("token"))

    def request(
        self, method: str, path: str, body: Json | None = None, content_type: str = "application/json", **query: str
    ) -> Json:
        """Any request; raises ApiError for an answer of 400 and above."""
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers | {"Content-Type": content_type}
        answer = self._pool.request(method, url, body=None if body is None else json.dumps(body), headers=headers)
        text = answer.data.decode()
        content: Json = json.loads(text) if text.startswith("{") else {"text": text}
        if answer.status >= 400:
            raise ApiError(answer.status, content.get("reason", ""), content.get("message", text))
        return content

    def create(self, item: Json) -> Json:
        """Create an object from its manifest."""
        return self.request("POST", self._collection(item["apiVersion"], item["kind"], _namespace(item)), item)

    def apply(self, item: Json, manager: str = "tests", *, force: bool = True) -> Json:
        """Server-Side Apply of a manifest."""
        path = self.path(item["apiVersion"], item["kind"], item["metadata"]["name"], _namespace(item))
        return self.request("PATCH", path, item, APPLY_PATCH, fieldManager=manager, force=str(force).lower())

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Json | None:
        """The object, None where there is none."""
        try:
            return self.request("GET", self.path(api_version, kind, name, namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Json]:
        """All objects of a kind, of one namespace or of all."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        query = {"labelSelector": selector} if selector else {}
        items: list[Json] = self.request("GET", self._collection(api_version, kind, namespace), **query)["items"]
        return items

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        body: Json,
        subresource: str | None = None,
    ) -> Json:
        """JSON merge patch of an object or of one of its subresources."""
        path = self.path(api_version, kind, name, namespace) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, body, MERGE_PATCH)

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        propagation: str | None = None,
        grace: int | None = None,
    ) -> None:
        """Delete an object; one that isn't there is no error. `propagation`: Background, Foreground or Orphan."""
        body: Json = {}
        if propagation:
            body["propagationPolicy"] = propagation
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", self.path(api_version, kind, name, namespace), body)
        except ApiError as error:
            if error.status != 404:
                raise

    def wait(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        until: Callable[[Json], object],
        timeout: float = 30,
    ) -> Json:
        """The object, once it is there and `until` says so; raises TimeoutError with the object as last seen."""
        seen: Json | None = None

        def look() -> Json | None:
            nonlocal seen
            seen = self.get(api_version, kind, name, namespace)
            return seen if seen and until(seen) else None

        try:
            return wait_until(look, timeout, f"{kind} {name}")
        except TimeoutError as error:
            shown = json.dumps((seen or {}).get("status", seen), indent=1)
            raise TimeoutError(f"{error}; its status was {shown}") from None

    def wait_gone(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, timeout: float = 30
    ) -> None:
        """Return when there is no such object; raises TimeoutError."""
        wait_until(lambda: self.get(api_version, kind, name, namespace) is None, timeout, f"{kind} {name} to be gone")

    def watch(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Iterator[tuple[str, Json]]:
        """Types and objects of one object's events, first as it is now if it exists, until the server ends the watch.

        Raises urllib3.exceptions.HTTPError when the connection breaks.
        """
        query = urlencode({"watch": "1", "fieldSelector": f"metadata.name={name}"})
        url = f"{self.server}{self._collection(api_version, kind, namespace)}?{query}"
        answer = self._pool.request(
            "GET", url, headers=self._headers, preload_content=False, timeout=urllib3.Timeout(connect=5, read=None)
        )
        for line in answer:
            event = json.loads(line)
            yield event["type"], event["object"]

    def path(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> str:
        """The URL path of an object."""
        return f"{self._collection(api_version, kind, namespace)}/{name}"

    def _collection(self, api_version: str, kind: str, namespace: str | None) -> str:
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if (api_version, kind) not in self._plurals:
            for resource in self.request("GET", root)["resources"]:
                if "/" not in resource["name"]:
                    self._plurals[api_version, resource["kind"]] = resource["name"], resource["namespaced"]
        if (api_version, kind) not in self._plurals:
            raise ApiError(404, "NotFound", f"the server has no {kind} in {api_version}")
        plural, namespaced = self._plurals[api_version, kind]
        return f"{root}/namespaces/{namespace}/{plural}" if namespaced and namespace else f"{root}/{plural}"


def _namespace(item: Json) -> str | None:
    namespace: str | None = item["metadata"].get("namespace")
    return namespace
