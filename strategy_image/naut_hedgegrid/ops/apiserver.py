"""The Kubernetes API server as a pod sees it: one object read, and watched, over one connection.

Token and certificate authority are read again before each request, so a rotation needs no restart. Everything that
comes in has a bound in size and in time; what isn't understood is an `ApiServerError`.
"""

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from hedgegrid_api.asked import group, whole
from hedgegrid_api.text import shown
from hedgegrid_api.types import GROUP, PLURAL, VERSION

REQUEST_SECONDS = 10.0
"""A connection and an answer are waited for so long."""
LARGEST = 8 * 2**20
"""Bytes of an object: several times what etcd takes."""
_CHUNK = 65536
_GONE = 410
_MISSING = 404
_KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A cut connection is noticed after 25 s, though nobody sends anything."""

type Json = Mapping[str, Any]


class ApiServerError(Exception):
    """The API server can't be reached, refuses, or answers what can't be understood."""


class ExpiredError(ApiServerError):
    """The version that the watch was to go on from is too old: the object has to be read again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API server and the object are."""

    host: str
    port: int
    folder: Path
    """With `token` and `ca.crt`."""
    namespace: str
    name: str

    @property
    def objects(self) -> str:
        """Path of the collection."""
        return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(self.namespace, safe='')}/{PLURAL}"


class _Connection(http.client.HTTPSConnection):
    """Notices when it is cut."""

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class ApiServer:
    """One connection. Its methods are called by one thread; `close` by any."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._authority = b""
        self._connection: _Connection | None = None
        self._closed = False

    def read(self) -> Json | None:
        """The object by a consistent read, None where the API server says that there is none of that name.

        Raises:
            ApiServerError: nothing is known.
        """
        place = self._place
        answer = self._request(f"{place.objects}/{quote(place.name, safe='')}", REQUEST_SECONDS)
        deadline = time.monotonic() + REQUEST_SECONDS
        found = self._body(answer, deadline)
        if answer.status == _MISSING and _names(found, place.name):
            return None
        if answer.status != http.client.OK:
            raise _refused(answer.status, found)
        return found

    def watch(self, version: str, seconds: float) -> Iterator[tuple[str, Json]]:
        """Type and object of each event after a version, until the API server ends it after about `seconds`.

        Raises:
            ExpiredError: the version is too old.
            ApiServerError: the watch failed, or was silent for longer than that.
        """
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={self._place.name}",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        patience = seconds + REQUEST_SECONDS / 2
        deadline = time.monotonic() + patience
        answer = self._request(f"{self._place.objects}?{urlencode(query)}", patience)
        if answer.status != http.client.OK:
            raise _refused(answer.status, self._body(answer, deadline))
        ended = False
        try:
            for line in _lines(self._chunks(answer, deadline)):
                event = _parsed(line)
                kind, item = str(event.get("type")), group(event, "object")
                if kind == "ERROR":
                    raise _refused(whole(item.get("code")), item)
                yield kind, item
            ended = True
        finally:
            if not ended:
                # What is still to come on this connection would be taken for the answer of the next request.
                self.hang_up()

    def _body(self, answer: http.client.HTTPResponse, deadline: float) -> Json:
        text = bytearray()
        for chunk in self._chunks(answer, deadline):
            text += chunk
            if len(text) > LARGEST:
                raise ApiServerError(f"an answer of more than {LARGEST} bytes")
        return _parsed(bytes(text))

    def _chunks(self, answer: http.client.HTTPResponse, deadline: float) -> Iterator[bytes]:
        """The body as it comes. One that drips, never to end, is as silent as one that sends nothing."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                _wait_at_most(self._connection, left)
                chunk = answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _failed(error) from error
            if not chunk:
                return
            yield chunk
        raise ApiServerError("an answer that doesn't end in time")

    def hang_up(self) -> None:
        """End the connection; the next request makes a new one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.sock is not None:
            # This wakes a thread that waits for bytes; an error: it was closed from the other side.
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()

    def close(self) -> None:
        """End whatever is under way, for good."""
        self._closed = True
        self.hang_up()

    def _request(self, path: str, seconds: float) -> http.client.HTTPResponse:
        used = self._connection is not None and self._connection.sock is not None
        try:
            return self._sent(path, seconds)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            self.hang_up()
            if not used:
                raise _failed(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed(error) from error
        # The other side had closed the connection since the last request: that is no trouble.
        try:
            return self._sent(path, seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed(error) from error

    def _sent(self, path: str, seconds: float) -> http.client.HTTPResponse:
        where = self._place.folder / "token"
        token = where.read_text().strip()
        if not token.isascii() or not token.isprintable():
            # Said here: the message of the library would show it.
            raise ApiServerError(f"{where} holds no token")
        connection = self._ready()
        if connection.sock is None:
            connection.connect()
        _wait_at_most(connection, seconds)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return connection.getresponse()

    def _ready(self) -> _Connection:
        if self._closed:
            raise ApiServerError("it was closed")
        authority = (self._place.folder / "ca.crt").read_bytes()
        if self._connection is not None and authority == self._authority:
            return self._connection
        self.hang_up()
        context = ssl.create_default_context(cadata=authority.decode("ascii"))
        # Authorities of many a cluster lack what the strict reading of RFC 5280 asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        place = self._place
        self._connection = _Connection(place.host, place.port, timeout=REQUEST_SECONDS, context=context)
        self._authority = authority
        return self._connection


def _wait_at_most(connection: _Connection | None, seconds: float) -> None:
    sock = connection.sock if connection is not None else None
    if sock is not None:
        sock.settimeout(seconds)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = bytearray()
    for chunk in chunks:
        *lines, last = chunk.split(b"\n")
        for line in lines:
            yield bytes(rest + line)
            rest.clear()
        rest += last
        if len(rest) > LARGEST:
            raise ApiServerError(f"an event of more than {LARGEST} bytes")


def _parsed(text: bytes) -> Json:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ApiServerError(f"an answer that is no JSON object: {shown(text[:120].decode(errors='replace'), 80)}")
    return cast("Json", found)


def _names(status: Json, name: str) -> bool:
    """Whether a 404 is about the object. One about its whole kind (not served, not yet served) says nothing of it."""
    return status.get("reason") == "NotFound" and group(status, "details").get("name") == name


def _refused(code: int, status: Json) -> ApiServerError:
    kind = ExpiredError if code == _GONE else ApiServerError
    return kind(f"the API server answers {code}: {shown(str(status.get('message', '')), 200)}")


def _failed(error: Exception) -> ApiServerError:
    return ApiServerError(shown(str(error) or type(error).__name__, 200))
