"""Lets a request through to the routes if its key allows it, before anything of its body is read."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from naut_hedgegrid.ops.auth import ApiKeys, Caller, Role
from naut_hedgegrid.ops.bodies import LARGEST_BODY, TOO_LARGE

HEADER = "X-API-Key"
NOBODY = Caller("anybody on this machine", Role.ADMIN)
"""The caller where no key is configured; the API then listens on loopback only."""

_NAME = HEADER.lower().encode()


class Guard:
    """ASGI middleware; leaves the caller in the request's state."""

    def __init__(
        self, app: ASGIApp, keys: ApiKeys | None, required: Mapping[tuple[str, str], Role], public: frozenset[str]
    ) -> None:
        """`required` says what the routes ask for by method and path; other GETs ask for a viewer, the rest for an
        admin. `public` paths ask for no key."""
        self._app = app
        self._keys = keys
        self._required = required
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if self._keys is None or path in self._public:
            caller = NOBODY
        else:
            presented = next((value for name, value in scope["headers"] if name == _NAME), None)
            known = self._keys.caller(presented) if presented is not None else None
            if known is None:
                found = "no key was sent" if presented is None else "the key is not valid"
                await _refuse(send, 401, f"{found}: send a valid one in the header {HEADER}")
                return
            needed = self._required.get((method, path), Role.VIEWER if method == "GET" else Role.ADMIN)
            if known.role < needed:
                roles = f"the key {known.name!r} has the role {known.role.name.lower()}"
                await _refuse(send, 403, f"{roles}; {method} {path} needs {needed.name.lower()}")
                return
            caller = known
        if _announced(scope) > LARGEST_BODY:
            await _refuse(send, 413, TOO_LARGE)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)


def _announced(scope: Scope) -> int:
    """Bytes of the body, as its header has it; one that comes in pieces is measured when it is read."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(length) if length.isdigit() and len(length) < 20 else 0


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", f'ApiKey header="{HEADER}"'.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
