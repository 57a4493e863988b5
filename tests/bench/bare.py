"""The least that a delivery can cost: a watch on the API server, and one call over TLS for each new generation.

    python -m tests.bench.bare endpoint ADDRESS FILE PAIR    answers PUT /control on a free port, written to FILE
    python -m tests.bench.bare watch KUBECONFIG NAMESPACE NAME URL CA

PAIR.crt and PAIR.key are its certificate, CA is what the watch trusts. The same web server as the pod's, the same HTTP
client and event loop as the operator's, and one connection that is kept.
"""

import json
import os
import socket
import ssl
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


def endpoint(address: str, port_file: Path, pair: Path) -> None:
    """Serve until a signal comes."""
    app = Recorder(answer, Path(os.environ[VARIABLE]))
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        ws="none",
        ssl_certfile=pair.with_suffix(".crt"),
        ssl_keyfile=pair.with_suffix(".key"),
    )
    with socket.create_server((address, 0)) as listener:
        new = port_file.with_suffix(".new")
        new.write_text(str(listener.getsockname()[1]))
        new.rename(port_file)
        uvicorn.Server(config).run([listener])


async def watch(kubeconfig: Path, namespace: str, name: str, url: str, authority: Path) -> None:
    """Send the newest generation of one object to the endpoint, until the API server is gone."""
    api, tls = Api.of(kubeconfig), ssl.create_default_context(cafile=authority)
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
                async with session.put(url, json=document, ssl=tls) as answered:
                    await answered.read()


def main() -> None:
    """The command line."""
    match sys.argv[1:]:
        case ["endpoint", address, port_file, pair]:
            endpoint(address, Path(port_file), Path(pair))
        case ["watch", kubeconfig, namespace, name, url, authority]:
            uvloop.run(watch(Path(kubeconfig), namespace, name, url, Path(authority)))
        case other:
            raise SystemExit(f"not known: {' '.join(other)}\n{__doc__}")


if __name__ == "__main__":
    main()
