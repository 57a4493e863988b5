"""How the process that uses a cluster talks to the host that runs it: one JSON line there, one back, on a Unix socket.

Each call has its own connection, so calls from several threads don't wait for each other.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.kube.errors import HostError

SOCKET = "control"
LINE_LIMIT = 1 << 24

type Operation = Callable[..., Awaitable[Any]]


def call(folder: Path, operation: str, **arguments: Any) -> Any:
    """Have the host do `operation`; returns its JSON value.

    Raises TimeoutError where the operation waited in vain, HostError for other refusals and for a host that is gone.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(folder / SOCKET))
            connection.sendall(json.dumps({"do": operation, "with": arguments}).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
        except OSError as error:
            raise HostError(f"the host of this cluster is gone ({error}), asked for {operation}") from error
    if not line:
        raise HostError(f"the host of this cluster ended while it was asked for {operation}")
    answer = json.loads(line)
    match answer.get("error"):
        case None:
            return answer["value"]
        case "TimeoutError":
            raise TimeoutError(answer["message"])
        case _:
            raise HostError(answer["message"])


async def serve(folder: Path, operations: Mapping[str, Operation]) -> asyncio.Server:
    """Answer calls until the server is closed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(json.dumps(await _perform(operations, json.loads(line))).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return  # the caller was killed while it waited
        finally:
            writer.close()

    # Bound under another name, so that whoever finds the socket finds somebody listening.
    unready = folder / f"{SOCKET}.new"
    server = await asyncio.start_unix_server(answer, unready, limit=LINE_LIMIT)
    unready.rename(folder / SOCKET)
    return server


async def _perform(operations: Mapping[str, Operation], request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"value": await operations[request["do"]](**request["with"])}
    except TimeoutError as error:
        return {"error": "TimeoutError", "message": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller, who raises it
        return {"error": type(error).__name__, "message": f"{request['do']}: {error or type(error).__name__}"}
