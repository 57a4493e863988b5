"""The host's asynchronous client of the API server: JSON objects in, JSON objects out."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.kube.certificates import KeyPair
from tests.kube.errors import ApiError

type Json = dict[str, Any]

CALL_TIMEOUT = aiohttp.ClientTimeout(total=10)
WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5)

READY_POLL_SECONDS = 0.02

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

# What a call raises while the API server is stopped, paused or restarting.
UNREACHABLE = (aiohttp.ClientError, TimeoutError, ConnectionError)


class ApiClient:
    """Authenticates with a client certificate."""

    def __init__(self, server: str, authority: Path, user: KeyPair) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(user.certificate, user.key)
        self._server = server
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str) -> Json:
        """GET; raises ApiError."""
        return await self._call("GET", path, query=query)

    async def create(self, path: str, body: Json) -> Json:
        """POST; raises ApiError."""
        return await self._call("POST", path, body)

    async def patch(self, path: str, body: Json, content_type: str = MERGE_PATCH) -> Json:
        """PATCH; raises ApiError."""
        return await self._call("PATCH", path, body, content_type)

    async def delete(self, path: str, body: Json | None = None) -> Json:
        """DELETE; raises ApiError."""
        return await self._call("DELETE", path, body or {})

    async def watch(self, path: str, resource_version: str) -> AsyncIterator[tuple[str, Json]]:
        """Types and objects of events after `resource_version`, until the server ends the watch; raises ApiError."""
        query = {"watch": "1", "resourceVersion": resource_version, "allowWatchBookmarks": "false"}
        async with self._session.get(self._server + path, params=query, timeout=WATCH_TIMEOUT) as answer:
            await _check(answer)
            pending = bytearray()
            async for block in answer.content.iter_any():
                pending += block
                *lines, rest = pending.split(b"\n")
                pending = bytearray(rest)
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _error(event["object"])
                    yield event["type"], event["object"]

    async def until_ready(self, path: str, seconds: float) -> None:
        """Wait until a GET of `path` succeeds; raises TimeoutError with what was seen last."""
        last: Exception | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        await self.get(path)
                    except (*UNREACHABLE, ApiError) as error:
                        last = error
                        await asyncio.sleep(READY_POLL_SECONDS)
                    else:
                        return
        except TimeoutError:
            raise TimeoutError(f"waited {seconds:g} s for {path}; last seen: {last!r}") from last

    async def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Json:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        request = self._session.request(
            method, self._server + path, data=data, headers=headers, params=query, timeout=CALL_TIMEOUT
        )
        async with request as answer:
            await _check(answer)
            text = await answer.text()
            return json.loads(text) if answer.content_type == "application/json" else {"text": text}


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status < 400:
        return
    text = await answer.text()
    try:
        status = json.loads(text)
    except json.JSONDecodeError:
        raise ApiError(answer.status, answer.reason or "", text) from None
    raise _error(status)


def _error(status: Json) -> ApiError:
    return ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
