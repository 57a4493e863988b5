"""Who may do what over HTTP: every role on every route, keys that are rotated, keys that never show up in a log."""

import logging
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.ops.api import control_api
from naut_hedgegrid.ops.auth import ApiKeys, KeyFolder
from naut_hedgegrid.ops.manager import OperationsError, OperationsManager
from tests.strategy.ops_support import INSTRUMENT, STILL, alone, served

KEYS = {name: f"{name}-secret" for name in ("viewer", "trader", "admin", "operator")}
OPEN = ("/livez", "/readyz", "/docs", "/openapi.json")
READ = ("/health", "/status", "/ladders", "/orders", "/history", "/fills", "/control", "/nowhere")
TRADE: tuple[tuple[str, Any], ...] = (("/throttle", {"throttle": 0.9}), ("/flatten", {"side": "long"}))
MANAGE: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/resume", {"id": "op-of-nobody"}),
    ("PUT", "/control", {"uid": "uid-1", "generation": 1}),
    ("GET", "/audit", None),
)
"""By verb, path and body."""
ROLES = {
    None: (401, 401, 401),
    "wrong": (401, 401, 401),
    "viewer": (200, 403, 403),
    "trader": (200, 200, 403),
    "admin": (200, 200, 200),
    "operator": (200, 200, 200),
}


"""By key: status for reading, trading and managing."""


def test_the_matrix_has_every_route(tmp_path: Path) -> None:
    guard: Any = control_api(alone(tmp_path), ApiKeys.single("k"))
    routes = {(verb, route.path) for route in guard._app.routes for verb in route.methods - {"HEAD"}}
    listed = {("GET", path) for path in (*OPEN, *READ)} | {("POST", path) for path, _ in TRADE}
    listed |= {(verb, path) for verb, path, _ in MANAGE}
    assert listed - {("GET", "/nowhere")} == routes - {("GET", "/docs/oauth2-redirect")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, key in KEYS.items():
        (keys / name).write_text(f"{key}\n")
    return keys


async def test_every_role_on_every_route(tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(tmp_path, keys=KeyFolder(folder), sim=STILL) as pod:
        for name, (read, trade, manage) in ROLES.items():
            key = KEYS.get(name, name) if name else None
            for path in OPEN:
                assert (await pod.ask("GET", path, key=key)).status == 200, (name, path)
            for path in READ:
                expected = 404 if (path, read) == ("/nowhere", 200) else read
                answer = await pod.ask("GET", path, key=key)
                assert answer.status == expected, (name, path)
            for path, body in TRADE:
                assert (await pod.ask("POST", path, body, key=key)).status == trade, (name, path)
            for verb, path, body in MANAGE:
                expected = 404 if (path, manage) == ("/resume", 200) else manage
                assert (await pod.ask(verb, path, body, key=key)).status == expected, (name, path)
    assert not [key for key in KEYS.values() if key in caplog.text]


async def test_a_refusal_says_what_to_do_and_does_nothing(tmp_path: Path, folder: Path) -> None:
    async with served(tmp_path, keys=KeyFolder(folder), sim=STILL) as pod:
        nobody = await pod.ask("POST", "/flatten", raw="{not even JSON")
        assert nobody.status == 401
        assert nobody.json == {"detail": "no key was sent: send a valid one in the header X-API-Key"}
        assert "X-API-Key" in nobody.headers["www-authenticate"]
        viewer = await pod.ask("POST", "/flatten", {"side": "both"}, key=KEYS["viewer"])
        assert viewer.status == 403
        assert viewer.json == {"detail": "the key 'viewer' has the role viewer; POST /flatten needs trader"}
        trader = await pod.ask("PUT", "/control", {"uid": "uid-1", "generation": 1}, key=KEYS["trader"])
        assert trader.json == {"detail": "the key 'trader' has the role trader; PUT /control needs admin"}
        report = await pod.get("/control", key=KEYS["viewer"])
        assert (report["latches"], report["uid"]) == ([], None)


async def test_a_rotated_key_counts_at_once_and_the_former_one_while_it_is_listed(tmp_path: Path, folder: Path) -> None:
    async with served(tmp_path, keys=KeyFolder(folder), start=False) as pod:
        (folder / "operator").write_text("fresh\noperator-secret\n")
        for key in ("fresh", "operator-secret"):
            assert (await pod.ask("GET", "/control", key=key)).status == 200
        (folder / "operator").write_text("fresh\n")
        assert (await pod.ask("GET", "/control", key="operator-secret")).status == 401
        assert (await pod.ask("GET", "/control", key="fresh")).status == 200


async def test_metrics_ask_for_no_key(tmp_path: Path, folder: Path) -> None:
    async with served(tmp_path, keys=KeyFolder(folder), start=False) as pod:
        assert 'hedgegrid_throttle{instrument="BTCUSDT-PERP.BINANCE"}' in await pod.scrape()


def test_without_a_key_only_loopback_is_served(tmp_path: Path) -> None:
    strategy = alone(tmp_path)
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        manager = OperationsManager(strategy, INSTRUMENT, 0, 0, host=host)
        with pytest.raises(OperationsError, match=r"without an API key.*--api-keys-dir.*127.0.0.1"):
            manager.start()
        assert not manager.running
