"""The least that a delivery can cost: a watch on the API server, and one HTTP call for each new generation.

    python -m tests.bench.bare endpoint ADDRESS FILE    answers PUT /control on a free port, which it writes to FILE
    python -m tests.bench.bare watch KUBECONFIG NAMESPACE NAME URL

The same web server as the pod's, the same HTTP client and event loop as the operator's.
"""

import json
import os
import socket
import sys
from pathlib import Path

import aiohttp
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from tests.bench.recorder import VARIABLE, Recorder
from tests.kube.api import Api

GRIDS = "/apis/hedgegrid.io/v1alpha1/namespaces/{namespace}/hedgegrids"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Take a document and say so."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


def endpoint(address: str, port_file: Path) -> None:
    """Serve until a signal comes."""
    app = Recorder(answer, Path(os.environ[VARIABLE]))
    config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, ws="none")
    with socket.create_server((address, 0)) as listener:
        new = port_file.with_suffix(".new")
        new.write_text(str(listener.getsockname()[1]))
        new.rename(port_file)
        uvicorn.Server(config).run([listener])


async def watch(kubeconfig: Path, namespace: str, name: str, url: str) -> None:
    """Send the newest generation of one object to the endpoint, until the API server is gone."""
    api = Api.of(kubeconfig)
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(ssl=api.context)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        query = {"watch": "1", "fieldSelector": f"metadata.name={name}"}
        known = 0
        async with session.get(api.server + GRIDS.format(namespace=namespace), params=query) as events:
            async for line in events.content:
                grid = json.loads(line)["object"]
                generation = grid["metadata"]["generation"]
                if generation <= known:
                    continue
                known = generation
                document = {"uid": grid["metadata"]["uid"], "generation": generation, **grid["spec"]}
                async with session.put(url, json=document) as answered:
                    await answered.read()


def main() -> None:
    """The command line."""
    match sys.argv[1:]:
        case ["endpoint", address, port_file]:
            endpoint(address, Path(port_file))
        case ["watch", kubeconfig, namespace, name, url]:
            uvloop.run(watch(Path(kubeconfig), namespace, name, url))
        case other:
            raise SystemExit(f"not known: {' '.join(other)}\n{__doc__}")


if __name__ == "__main__":
    main()
