"""A small API server on loopback, over TLS, that holds one HedgeGrid and does what a test tells it."""

import json
import queue
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from naut_hedgegrid.ops.apiserver import Place
from tests.kube.certificates import Authority

type Json = dict[str, Any]
type Trick = Callable[["Handler"], None]

UID = "uid-1"
OBJECT = "/apis/hedgegrid.io/v1alpha1/namespaces/trading/hedgegrids/btc"
MISSING = {
    "kind": "Status",
    "code": 404,
    "reason": "NotFound",
    "message": 'hedgegrids.hedgegrid.io "btc" not found',
    "details": {"name": "btc", "group": "hedgegrid.io", "kind": "hedgegrids"},
}


@dataclass(frozen=True)
class Request:
    """What arrived."""

    path: str
    query: dict[str, str]
    token: str

    @property
    def watch(self) -> bool:
        return "watch" in self.query


@dataclass
class State:
    """The object, who watches it, and what happens to the coming requests."""

    found: Json | None
    requests: list[Request] = field(default_factory=list)
    watches: list["queue.Queue[Json | None]"] = field(default_factory=list)
    reads: list[Trick] = field(default_factory=list)
    """For the coming reads, in their order; then the object is told as it is."""
    streams: list[Trick] = field(default_factory=list)
    """For the coming watches, in their order; then events are told as they happen."""
    always: Trick | None = None
    """For every request."""


class FakeApiServer:
    """Its object has generation 1 and version 100 at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cluster"
        self.folder.mkdir()
        self.give_token("token-1")
        self.state = State(an_object(1, 100))
        self._keys = folder / "keys"
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start("one")

    @property
    def place(self) -> Place:
        return Place("127.0.0.1", self.port, self.folder, "trading", "btc")

    def give_token(self, token: str) -> None:
        (self.folder / "token").write_text(token + "\n")

    def start(self, authority: str, *, trusted: bool = True) -> None:
        """Listen, at the same port again, with a certificate of an authority that the pod is told or not."""
        signer = Authority(self._keys / authority)
        if trusted:
            (self.folder / "ca.crt").write_bytes(signer.certificate.read_bytes())
        pair = signer.server("server", ["127.0.0.1"], [])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        server = _Server(("127.0.0.1", self.port), Handler)
        server.context = context
        server.state = self.state
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more; who watches is cut off."""
        server, self._server = self._server, None
        if server is not None:
            self.cut()
            server.shutdown()
            server.server_close()

    def cut(self) -> None:
        """End every watch."""
        for watch in list(self.state.watches):
            watch.put(None)

    def show(self, *, silently: bool = False, **spec: Any) -> int:
        """Change the spec; the new generation. Silently: those who watch aren't told."""
        before = self.state.found or an_object(0, 99)
        about = before["metadata"]
        found = an_object(about["generation"] + 1, int(about["resourceVersion"]) + 1)
        found["spec"] = before["spec"] | spec
        self.state.found = found
        if not silently:
            self.tell("MODIFIED", found)
        return about["generation"] + 1

    def remove(self) -> None:
        """The object goes."""
        found, self.state.found = self.state.found, None
        self.tell("DELETED", found or {})

    def tell(self, kind: str, item: Json) -> None:
        """Send an event to those who watch."""
        for watch in list(self.state.watches):
            watch.put({"type": kind, "object": item})

    def reads(self) -> int:
        """Reads so far."""
        return sum(not request.watch for request in self.state.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    context: ssl.SSLContext
    state: State

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what this is about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *arguments: Any) -> None:
        """Tests fail by themselves."""

    def do_GET(self) -> None:
        state, split = self.server.state, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        request = Request(split.path, query, self.headers["Authorization"].removeprefix("Bearer "))
        state.requests.append(request)
        tricks = state.streams if request.watch else state.reads
        trick = tricks.pop(0) if tricks else state.always
        with suppress(OSError):
            if trick is not None:
                trick(self)
            elif request.watch:
                self._stream(float(query["timeoutSeconds"]))
            else:
                self.answer(200, state.found) if state.found else self.answer(404, MISSING)

    def answer(self, status: int, body: Any) -> None:
        """A whole answer; bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self) -> None:
        """The head of a watch's answer."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, content: bytes) -> None:
        """A piece of it; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def event(self, kind: str, item: Any) -> None:
        self.send(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def _stream(self, seconds: float) -> None:
        events: queue.Queue[Json | None] = queue.Queue()
        self.server.state.watches.append(events)
        try:
            self.begin()
            while True:
                try:
                    event = events.get(timeout=seconds)
                except queue.Empty:
                    break
                if event is None:
                    self.close_connection = True
                    return
                self.send(json.dumps(event).encode() + b"\n")
            self.send(b"")
        finally:
            self.server.state.watches.remove(events)


def an_object(generation: int, version: int, uid: str = UID, **spec: Any) -> Json:
    """A HedgeGrid."""
    about = {"name": "btc", "uid": uid, "generation": generation, "resourceVersion": str(version)}
    return {"kind": "HedgeGrid", "metadata": about, "spec": spec}
