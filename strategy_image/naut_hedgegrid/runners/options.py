"""Command line of the runners."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

API_KEY_VARIABLE = "HEDGEGRID_API_KEY"
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a strategy runs."""

    strategy_config: Path
    venue_config: Path
    store_dir: Path
    enable_ops: bool
    host: str
    api_port: int
    prometheus_port: int
    api_key: str | None
    """From the command line or the environment."""
    api_keys_dir: Path | None
    tls_dir: Path | None
    await_control: bool
    log_level: str


def parse(program: str, about: str, arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Options:
    """Options from the command line; exits with status 2 and a message on a wrong one."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    add = parser.add_argument
    add("--strategy-config", type=Path, required=True, metavar="FILE", help="strategy file: grid, exits, execution")
    add(
        "--venue-config", type=Path, required=True, metavar="FILE", help="venue file: instrument, filters, fees, market"
    )
    add(
        "--store-dir",
        type=Path,
        default=Path("hedgegrid-data"),
        metavar="DIR",
        help="folder of what outlives the process: the strategy's store and the simulated venue's book [%(default)s]",
    )
    add("--enable-ops", action="store_true", help="serve the control API and the metrics")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="address of both; others than loopback ask for keys")
    add("--api-port", type=_port, default=8080, metavar="PORT", help="port of the control API, 0: any [%(default)s]")
    add("--prometheus-port", type=_port, default=9090, metavar="PORT", help="port of /metrics, 0: any [%(default)s]")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--api-key",
        default=None,
        metavar="KEY",
        help=f"one API key for everything; a command line is visible to others, so prefer --api-keys-dir or "
        f"${API_KEY_VARIABLE}",
    )
    keys.add_argument(
        "--api-keys-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder with the API keys, one a line in files named by role: viewer, trader, admin, operator",
    )
    add(
        "--tls-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder with tls.crt and tls.key: the control API speaks TLS, and reads them again when they change",
    )
    add(
        "--await-control",
        action="store_true",
        help="add no order before the first PUT /control of this start, as in a pod",
    )
    add("--log-level", default="INFO", choices=_LOG_LEVELS, help="least severe messages to log [%(default)s]")
    found = parser.parse_args(arguments)
    if found.await_control and not found.enable_ops:
        parser.error("--await-control needs --enable-ops, or nothing could ever be traded")
    if found.api_key is None and found.api_keys_dir is None:
        found.api_key = environ.get(API_KEY_VARIABLE)
    return Options(**vars(found))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535 are")
    return int(text)
