"""Requests straight into an ASGI app, in the caller's thread: bytes in, bytes out, no server and no client between."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One caller of an app, on an event loop of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def ask(
        self,
        verb: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str | bytes] | None = None,
        query: str | bytes = b"",
    ) -> Reply:
        """One request; a list of bodies comes in pieces without a length."""
        return self._runner.run(self._ask(verb, path, body, headers or {}, query))

    async def _ask(
        self,
        verb: str,
        path: str,
        body: bytes | Sequence[bytes],
        headers: Mapping[str, str | bytes],
        query: str | bytes,
    ) -> Reply:
        pieces = [body] if isinstance(body, bytes) else list(body)
        sent: list[Message] = []

        async def receive() -> Message:
            if not pieces:
                return {"type": "http.disconnect"}
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": verb,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(errors="replace"),
            "root_path": "",
            "query_string": query.encode() if isinstance(query, str) else query,
            "headers": [(name.lower().encode("latin-1"), _bytes(value)) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }
        await self.app(scope, receive, send)
        start = sent[0]
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return Reply(int(start["status"]), told, b"".join(message.get("body", b"") for message in sent[1:]))


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
