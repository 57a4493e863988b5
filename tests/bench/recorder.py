"""Notes when `PUT /control` reaches an ASGI app: a line `<wall clock, ns> <generation>` in a file.

The clock is read when the server has parsed the head of the request, the line is written after the answer has gone.
"""

import json
import os
import time
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

VARIABLE = "BENCH_RECORD"
"""Environment variable with the file's path."""


class Recorder:
    """In front of another app, which it doesn't touch."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._app = app
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT":
            await self._app(scope, receive, send)
            return
        arrived, body = time.time_ns(), bytearray()

        async def noting() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self._app(scope, noting, send)
        os.write(self._file, f"{arrived} {json.loads(body)['generation']}\n".encode())


class Records:
    """What a recorder has written so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def arrival(self, generation: int) -> int | None:
        """When a document of this generation first arrived, ns since the epoch; None while it hasn't."""
        if not self._path.exists():
            return None
        lines = [line.split() for line in self._path.read_text().splitlines()]
        return next((int(arrived) for arrived, found in lines if int(found) == generation), None)
