"""`make audit`, against a stand-in for the OSV database on loopback."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.kube.access import CHECKOUT

type Json = dict[str, Any]

LOCKED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
WEAK = "aiohttp"
VULNERABILITY: Json = {
    "id": "OSV-0",
    "modified": "2026-01-01T00:00:00Z",
    "details": "made up",
    "affected": [{"package": {"name": WEAK, "ecosystem": "PyPI"}, "versions": ["1"]}],
}


@dataclass
class Database:
    """What it was asked for, and what it says of one package."""

    url: str
    asked: set[tuple[str, str]] = field(default_factory=set)
    knows: list[Json] = field(default_factory=list)
    broken: bool = False


@pytest.fixture
def database() -> Iterator[Database]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = query["package"]["name"], query["version"]
            found.asked.add((name, version))
            body = json.dumps({"vulns": found.knows} if name == WEAK and found.knows else {}).encode()
            self.send_response(503 if found.broken else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base class calls it
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Database(f"http://127.0.0.1:{server.server_port}/v1/query")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def audit(database: Database) -> subprocess.CompletedProcess[str]:
    flags = f"--vulnerability-service osv --osv-url {database.url} --progress-spinner off"
    return subprocess.run(
        ["make", "audit", f"AUDIT={flags}"], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )


def test_it_asks_for_all_that_is_locked_and_finds_nothing(database: Database) -> None:
    done = audit(database)
    assert done.returncode == 0, done.stderr
    locked = {
        (name.lower().replace("_", "-"), version)
        for lock in ("operator", "strategy")
        for name, version in LOCKED.findall((CHECKOUT / "requirements" / f"{lock}.txt").read_text())
    }
    assert len(locked) > 30
    assert database.asked == locked


def test_a_known_vulnerability_fails_and_is_named(database: Database) -> None:
    database.knows = [VULNERABILITY]
    done = audit(database)
    assert done.returncode != 0
    assert "OSV-0" in done.stdout
    assert WEAK in done.stdout


def test_a_database_that_does_not_answer_is_no_clean_bill(database: Database) -> None:
    database.broken = True
    assert audit(database).returncode != 0
