"""Command line, identity and log lines of the runners."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.runners.identity import Identity, IdentityError
from naut_hedgegrid.runners.logs import JsonFormatter
from naut_hedgegrid.runners.options import Options, parse

FILES = ["--strategy-config", "s.yaml", "--venue-config", "v.yaml"]


def options(*arguments: str, **environ: str) -> Options:
    return parse("run", "about", [*FILES, *arguments], environ)


def test_operations_are_off_and_on_loopback_by_default() -> None:
    found = options()
    assert (found.enable_ops, found.host, found.api_port, found.prometheus_port) == (False, "127.0.0.1", 8080, 9090)
    assert (found.api_key, found.api_keys_dir, found.await_control) == (None, None, False)


def test_the_documented_flags() -> None:
    found = options("--enable-ops", "--prometheus-port", "1", "--api-port", "2", "--api-key", "K", "--await-control")
    assert (found.enable_ops, found.prometheus_port, found.api_port, found.api_key) == (True, 1, 2, "K")
    assert found.await_control


def test_the_key_of_the_environment_counts_where_no_other_is_given() -> None:
    assert options(HEDGEGRID_API_KEY="E").api_key == "E"
    assert options("--api-key", "K", HEDGEGRID_API_KEY="E").api_key == "K"
    found = options("--api-keys-dir", "keys", HEDGEGRID_API_KEY="E")
    assert (found.api_key, found.api_keys_dir) == (None, Path("keys"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--api-port", "70000"], "70000"),
        (["--prometheus-port", "-1"], "-1"),
        (["--api-key", "K", "--api-keys-dir", "D"], "not allowed with"),
        (["--await-control"], "--enable-ops"),
        (["--log-level", "LOUD"], "LOUD"),
    ],
)
def test_wrong_options_exit_with_2_and_a_message(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        options(*arguments)
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_a_pod_is_its_object() -> None:
    uid = "8f14e45f-ceea-467a-9575-6a4e3e0a1b2c"
    found = Identity.of({"HEDGEGRID_UID": uid, "HEDGEGRID_NAME": "btc", "HEDGEGRID_NAMESPACE": "desk"})
    assert found.owner("BTCUSDT-PERP.BINANCE") == "8f14e45f"
    assert found.store(Path("/data")) == Path(f"/data/{uid}.sqlite")
    assert found.book(Path("/data")) == Path(f"/data/{uid}.venue.sqlite")
    assert found.metric_labels == {"grid_namespace": "desk", "grid": "btc"}
    assert found.log_fields == {"grid": "btc", "namespace": "desk", "uid": uid}


def test_by_hand_the_instrument_makes_the_owner() -> None:
    found = Identity.of({"HEDGEGRID_UID": ""})
    assert found.owner("A") == Identity().owner("A") != found.owner("B")
    assert len(found.owner("A")) == 8
    assert found.store(Path("d")) == Path("d/sim.sqlite")
    assert (found.metric_labels, found.log_fields) == ({}, {})


@pytest.mark.parametrize("uid", ["../etc", "a b", "x" * 65, "-a"])
def test_a_uid_that_can_not_name_a_file_is_refused(uid: str) -> None:
    with pytest.raises(IdentityError, match="HEDGEGRID_UID"):
        Identity.of({"HEDGEGRID_UID": uid})


def record(message: str, *args: Any, **options: Any) -> logging.LogRecord:
    return logging.getLogger("hedgegrid.test").makeRecord(
        "hedgegrid.test", logging.INFO, __file__, 1, message, args, None, **options
    )


def test_a_log_line_is_one_line_of_json() -> None:
    formatter = JsonFormatter({"grid": "btc", "uid": "u"})
    line = formatter.format(record("two\nlines, %s", "é", extra={"operation": "flatten"}))
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed.pop("time").endswith("+00:00")
    assert parsed == {
        "level": "INFO",
        "logger": "hedgegrid.test",
        "message": "two\nlines, é",
        "grid": "btc",
        "uid": "u",
        "operation": "flatten",
    }


def test_an_exception_is_told_in_the_line() -> None:
    failed = record("failed")
    try:
        int("seven")
    except ValueError:
        failed.exc_info = sys.exc_info()
    parsed = json.loads(JsonFormatter({}).format(failed))
    assert "ValueError: invalid literal" in parsed["exception"]
