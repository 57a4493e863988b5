"""Nothing secret in what a pod shows at log level DEBUG, and nothing in its log that isn't a line of JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.strategy.ops_support import LIVELY, Process, wait_until

KEYS = {role: f"canary-{role}-5f4dcc3b5aa765d61d8327deb882cf99" for role in ("viewer", "trader", "admin", "operator")}
HOSTILE = 'reason\n\x1b[2J\u202eevil\x9b1m{"level":"forged"}' + "x" * 200


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Process]:
    keys = tmp_path / "keys"
    keys.mkdir()
    for role, key in KEYS.items():
        (keys / role).write_text(key)
    with Process(tmp_path, sim=LIVELY) as process:
        yield process.start("--log-level", "DEBUG", "--api-keys-dir", str(keys)).running()


def test_keys_and_hostile_texts_stay_where_they_belong(run: Process) -> None:
    wait_until(lambda: run.ask("GET", "/readyz").status == 200, "it to be ready", 60)
    shown: list[str] = []
    routes = ("/status", "/control", "/history", "/fills", "/orders", "/ladders", "/audit", "/health", "/openapi.json")
    for key in (None, "wrong", *KEYS.values()):
        shown += [run.ask("GET", route, key=key).text for route in routes]
        body = {"side": "both", "reason": HOSTILE}
        shown.append(run.ask("POST", "/flatten", body, key=key).text)
        shown.append(run.ask("POST", "/throttle", {"throttle": "no"}, key=key).text)
        shown.append(
            run.ask("PUT", "/control", {"uid": key, "generation": "x", "by": {"reason": HOSTILE}}, key=key).text
        )
        shown.append(run.ask("GET", "/nowhere", key=key).text)
    shown.append(run.ask("GET", "/audit", key=KEYS["admin"]).text)
    assert HOSTILE[:6] in shown[-1]
    # What was audited is read back as it was, and the log has a line of JSON for each event, none of them forged.
    raw = run.log.read_text()
    assert all(line.isprintable() for line in raw.splitlines())
    assert "forged" not in {json.loads(line)["level"] for line in raw.splitlines()}
    command = Path(f"/proc/{run.popen.pid}/cmdline").read_text() if run.popen else ""
    environment = Path(f"/proc/{run.popen.pid}/environ").read_text() if run.popen else ""
    for key in KEYS.values():
        assert key not in raw + command + environment
        # A document that names a key as its uid is quoted back to who sent it, and to nobody else.
        assert all(key not in text for text in shown if '"uid"' not in text)
