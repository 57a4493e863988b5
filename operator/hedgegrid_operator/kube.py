"""The API server, as much of it as the operator uses: a thin client over one pooled HTTP session."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, Self, TypedDict, cast

import aiohttp
from kubernetes.aio.config import ConfigException
from pydantic import TypeAdapter, ValidationError

from hedgegrid_api.text import shown
from hedgegrid_operator.credentials import Credentials, CredentialSource
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import FIELD_MANAGER, Json, Kind, as_object, items, metadata, parsed

log = logging.getLogger(__name__)

_PAGE = 100
"""Objects in one answer of a LIST: parsing more at once would hold up the kill lane."""
_TOKEN_AGE = 60.0
"""Seconds after which the token is read again, as kubelets rotate it in its file."""
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_TOLD_MAX = 1024
"""Characters of an error that are repeated: the API server may quote a whole object."""
_JSON = "application/json"
_MANAGED = {"fieldManager": FIELD_MANAGER}
_WRITES = frozenset({"create", "patch", "delete"})
_METHODS = {"get": "GET", "list": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, by the verb that a role would have to allow."""

    verb: str
    kind: Kind
    path: str
    body: Json | None = None
    _: KW_ONLY
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    content: str = _JSON
    accept: str = _JSON
    part: str | None = None
    """Subresource."""

    @property
    def resource(self) -> str:
        """As a role names it."""
        return f"{self.kind.plural}/{self.part}" if self.part else self.kind.plural


class _Metadata(TypedDict, total=False):
    """What LISTs of metadata are read for. Most of an object's metadata is who changed which field."""

    name: str
    namespace: str
    uid: str
    resourceVersion: str
    generation: int
    labels: dict[str, str]
    deletionTimestamp: str


class _Item(TypedDict):
    metadata: _Metadata


_ListMetadata = TypedDict("_ListMetadata", {"resourceVersion": str, "continue": str}, total=False)


class _MetadataList(TypedDict):
    kind: Literal["PartialObjectMetadataList"]
    metadata: _ListMetadata
    items: list[_Item]


_PAGES = TypeAdapter(_MetadataList)

_GROUP = Kind("", "v1", "APIGroup", "apigroups")
"""What lookups of kinds are counted as."""
_UNTYPED = "failed to create typed patch object"


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{shown(message or reason, _TOLD_MAX)} ({status} {shown(reason, 64)})")
        self.status = status
        """HTTP status."""
        self.reason = reason
        """Like NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Expired."""
        self.retry_after = retry_after
        """Seconds that the server asks us to wait at least."""

    @property
    def passing(self) -> bool:
        """Whether the server is there, but too busy or in trouble: the same request may succeed later."""
        return not self.refused and (self.status == 429 or self.status >= 500)

    @property
    def refused(self) -> bool:
        """Whether the request itself isn't accepted: asked for again as it is, it is refused again.

        Server-Side Apply answers 500 for a field that its schema doesn't know.
        """
        return self.status in {400, 403, 422} or (self.status == 500 and _UNTYPED in str(self))


def terminating(error: ApiError, namespace: str) -> bool:
    """Whether something was refused because its namespace is being terminated."""
    return error.status == 403 and f"namespace {namespace} because it is being terminated" in str(error)


class ApiUnreachableError(Exception):
    """No answer from the API server."""


class NotServedError(ApiUnreachableError):
    """The API server doesn't know the kind: not yet, or not any more."""


class NotLeadingError(ApiUnreachableError):
    """A write that wasn't sent: the Lease isn't ours, or wasn't renewed in time."""

    @classmethod
    def of(cls, what: str, path: str) -> Self:
        """The error about a write to a path."""
        return cls(f"{what} {path} isn't sent: the Lease isn't held")


def _guarded(may_write: Callable[[], bool]) -> type[aiohttp.ClientRequest]:
    """Requests that ask once they have a connection: waiting for one, or making one, may have taken long.

    aiohttp sends some requests a second time by itself when their connection breaks: that asks as well.
    """

    class Guarded(aiohttp.ClientRequest):
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            if self.method != "GET" and not may_write():
                raise NotLeadingError.of(self.method, self.url.path)
            return await super().send(conn)

    return Guarded


class Kube:
    """Requests to the API server. Every method raises `ApiError` or `ApiUnreachableError`.

    `may_write` is asked right before each write is sent, and again each time it is sent: work that a pause of the
    process has interrupted anywhere doesn't go on writing for a leader that has been replaced meanwhile.
    """

    def __init__(
        self, source: CredentialSource, metrics: Metrics, timeout: float, *, may_write: Callable[[], bool]
    ) -> None:
        self._may_write = may_write
        self._source = source
        self._metrics = metrics
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._credentials = Credentials("")
        self._loaded = 0.0
        self._loading = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._credentials = await self._source.load()
        self._loaded = asyncio.get_running_loop().time()
        connector = aiohttp.TCPConnector(ssl=self._credentials.ssl_context(), limit=64, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            base_url=self._credentials.server,
            connector=connector,
            timeout=self._timeout,
            request_class=_guarded(self._may_write),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def get(self, kind: Kind, namespace: str, name: str, *, metadata_only: bool = False) -> Json | None:
        """The object as it is now (a consistent read), None where there is none."""
        accept = _METADATA if metadata_only else _JSON
        try:
            return await self._request(_Call("get", kind, kind.path(namespace, name), accept=accept))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def pages(
        self,
        kind: Kind,
        namespace: str | None,
        selector: str = "",
        *,
        fields: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[tuple[list[Json], int]]:
        """All objects (or those that selectors of labels and fields pick), page by page, each with the resource version
        of the whole list.
        """
        query = {"limit": str(_PAGE)} | ({"labelSelector": selector} if selector else {})
        query |= {"fieldSelector": fields} if fields else {}
        accept = _METADATA_LIST if metadata_only else _JSON
        while True:
            page = await self._request(_Call("list", kind, kind.path(namespace), query=query, accept=accept))
            about = metadata(page)
            yield items(page, "items"), int(about.get("resourceVersion") or 0)
            if not about.get("continue"):
                return
            query = {**query, "continue": about["continue"]}

    async def resources(self, group: str, version: str) -> frozenset[str]:
        """Plural names of what the API server offers of a version of a group; empty where it hasn't got that."""
        groups = items(await self._request(_Call("get", _GROUP, "/apis")), "groups")
        versions = {str(found.get("groupVersion")) for entry in groups for found in items(entry, "versions")}
        if f"{group}/{version}" not in versions:
            return frozenset()
        try:
            listed = await self._request(_Call("get", _GROUP, f"/apis/{group}/{version}"))
        except NotServedError:
            return frozenset()  # it comes or goes at this moment
        return frozenset(str(found.get("name")) for found in items(listed, "resources"))

    async def create(self, kind: Kind, namespace: str, manifest: Json, *, dry_run: bool = False) -> Json:
        """A new object; `ApiError` with status 409 where its name is taken. `dry_run`: nothing is made."""
        query = {**_MANAGED, "dryRun": "All"} if dry_run else _MANAGED
        return await self._request(_Call("create", kind, kind.path(namespace), manifest, query=query))

    async def apply(self, kind: Kind, manifest: Json, subresource: str | None = None) -> Json:
        """Forced Server-Side Apply of a manifest; returns the object as it is then."""
        about = metadata(manifest)
        path = kind.path(about["namespace"], about["name"], subresource)
        body: Json = {"apiVersion": kind.api_version, "kind": kind.kind, **manifest}
        query = {**_MANAGED, "force": "true"}
        return await self._request(
            _Call("patch", kind, path, body, query=query, content="application/apply-patch+yaml", part=subresource)
        )

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """Merge patch; with `metadata.resourceVersion` in it, only of the object in that version (409 else)."""
        path = kind.path(namespace, name)
        return await self._request(
            _Call("patch", kind, path, patch, query=_MANAGED, content="application/merge-patch+json")
        )

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str | None = None, *, foreground: bool = False
    ) -> bool:
        """Delete an object; False where there is none (or another's uid).

        What depends on it goes in the background, or, in the foreground, before it.
        """
        options: Json = {"propagationPolicy": "Foreground" if foreground else "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._request(_Call("delete", kind, kind.path(namespace, name), options))
        except ApiError as error:
            if error.status == 404 or (error.status == 409 and uid):
                return False
            raise
        return True

    async def _request(self, call: _Call) -> Json:
        if self._credentials.rotates:
            await self._refresh(_TOKEN_AGE)
        sent = self._credentials
        status, answer, wait = await self._exchange(call)
        if status == 401:
            await self._refresh(0.0, sent)
            status, answer, wait = await self._exchange(call)
        if not answer.get("kind") and (status < 300 or status == 404):
            # Not of the API server, or before it serves our kind: nothing is concluded, least of all that one is gone.
            told = f"{call.verb} {call.path}: {answer.get('message') or 'an object without a kind'} ({status})"
            error = NotServedError if status == 404 else ApiUnreachableError
            raise error(shown(sent.hidden(told), _TOLD_MAX))
        if status >= 300:
            raise ApiError(status, str(answer.get("reason", "")), sent.hidden(str(answer.get("message", ""))), wait)
        return answer

    async def _exchange(self, call: _Call) -> tuple[int, Json, float]:
        """Status, answer, and the seconds to wait that it asks for."""
        if self._session is None:
            raise RuntimeError("the client isn't open")
        if call.verb in _WRITES and not self._may_write():
            raise NotLeadingError.of(call.verb, call.path)
        headers = {"Accept": call.accept, "Content-Type": call.content}
        if self._credentials.authorization:
            headers["Authorization"] = self._credentials.authorization
        body = None if call.body is None else json.dumps(call.body)
        method, code = _METHODS[call.verb], "none"
        try:
            async with self._session.request(
                method, call.path, params=call.query, data=body, headers=headers, allow_redirects=False
            ) as response:
                code = str(response.status)
                payload = await response.read()
                listed = _listed(payload) if call.accept == _METADATA_LIST else None
                return response.status, listed or _decoded(payload), _seconds(response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachableError(f"{method} {call.path}: {error or type(error).__name__}") from error
        finally:
            self._metrics.api_requests.labels(call.verb, call.resource, code).inc()

    async def _refresh(self, age: float, refused: Credentials | None = None) -> None:
        """Load a token again when it is older than `age` seconds, or still the one that was refused."""
        loop = asyncio.get_running_loop()
        if self._credentials.authorization is None or loop.time() - self._loaded <= age:
            return
        async with self._loading:
            if loop.time() - self._loaded <= age or (refused is not None and self._credentials is not refused):
                return
            self._loaded = loop.time()
            try:
                self._credentials = await self._source.load()
            except (OSError, ConfigException) as error:
                log.warning("credentials can't be read again, the old ones stay in use: %s", error)


def _listed(payload: bytes) -> Json | None:
    """A page of a LIST of metadata, with what is read of it; None where it is another answer."""
    try:
        return cast("Json", _PAGES.validate_json(payload))
    except ValidationError:
        return None


def _decoded(payload: bytes) -> Json:
    """The answer's JSON object. Of one that is none, a proxy's page, nothing is repeated: it may show our token."""
    try:
        found = as_object(parsed(payload))
    except (ValueError, RecursionError):
        found = {}
    return found or {"message": f"not an answer of the Kubernetes API ({len(payload)} bytes)"}


def _seconds(headers: Mapping[str, str]) -> float:
    """The header Retry-After; the API server only writes whole seconds."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0
