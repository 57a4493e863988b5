"""A strategy's process alone: what it costs while little happens, and how fast it answers while much does.

No cluster: `run_sim` as a pod runs it, on a synthetic market. Idle, it is asked what operator and Prometheus ask.
"""

import http.client
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.samples import Distribution
from tests.strategy.ops_support import Process, strategy_values

IDLE = {"ticksPerSecond": 10, "annualVolatility": 0.6, "seed": 1}
BUSY = {"ticksPerSecond": 100, "annualVolatility": 10, "seed": 7}
CONTROL_SECONDS, SCRAPE_SECONDS = 5, 15
"""Intervals of the operator's reads and of Prometheus' scrapes."""
SYNC = "for comparison: the disk takes 4 KiB (fsync)"
ROUTES = (
    "/readyz",
    "/health",
    "/status",
    "/ladders",
    "/orders",
    "/control",
    "/history",
    "/fills",
    "/audit",
)


@dataclass(frozen=True)
class Load:
    """What the process took over a while."""

    seconds: float
    cpu: float
    """Share of a core."""
    rss: int
    """Bytes at the end."""


@dataclass(frozen=True)
class Pod:
    """What was measured."""

    idle: Load
    busy: Load
    """While it answered all requests below."""
    answers: dict[str, Distribution]
    """By request, ms from sending to the last byte of the answer."""
    fills: int
    """While it was busy."""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def rows(self) -> list[str]:
        """Lines of a Markdown table."""
        return [
            f"| {name} | {row.n} | {row.p50:.2f} | {row.p99:.2f} | {row.max:.1f} |"
            for name, row in sorted(self.answers.items(), key=lambda item: -item[1].p99)
        ]

    def page(self) -> str:
        """In Markdown."""
        return "\n".join(
            [
                "| | CPU, share of a core | RSS, MiB | over |",
                "|---|---|---|---|",
                _load("idle: 10 ticks/s, read by an operator every 5 s, scraped every 15 s", self.idle),
                _load(f"busy: 100 ticks/s, {self.fills} fills, all requests below", self.busy),
                "",
                "| while busy, one request after the other | n | p50, ms | p99, ms | largest, ms |",
                "|---|---|---|---|---|",
                *self.rows(),
            ]
        )


def measure(seconds: float, requests: int, say: Callable[[str], None]) -> Pod:
    """`seconds` of an idle pod; `requests` of each kind to a busy one."""
    with tempfile.TemporaryDirectory(prefix="hedgegrid-bench-") as folder:
        say(f"A pod at 10 ticks/s, for {seconds:g} s:")
        with _started(Path(folder) / "idle", IDLE) as pod:
            idle = _idle(pod, seconds)
        say(f"A pod at 100 ticks/s, {requests} requests to each of {len(ROUTES) + 2} addresses:")
        with _started(Path(folder) / "busy", BUSY) as pod:
            return _busy(pod, requests, idle)


class _Caller:
    """One kept connection."""

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        self._connection = http.client.HTTPConnection(url.hostname or "", url.port)

    def ask(self, path: str, verb: str = "GET", body: str | None = None) -> int:
        """Nanoseconds from sending to the last byte."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        began = time.perf_counter_ns()
        self._connection.request(verb, path, body, headers)
        response = self._connection.getresponse()
        text = response.read()
        took = time.perf_counter_ns() - began
        if response.status != 200:
            raise RuntimeError(f"{verb} {path}: {response.status} {text!r}")
        return took

    def close(self) -> None:
        self._connection.close()


def _started(folder: Path, market: dict[str, Any]) -> Process:
    folder.mkdir()
    pod = Process(folder, sim=market, strategy=strategy_values()).start().running()
    api = _Caller(pod.address)
    deadline = time.monotonic() + 20
    while pod.ask("GET", "/readyz").status != 200:
        if time.monotonic() > deadline:
            raise TimeoutError("the pod is not ready after 20 s")
        time.sleep(0.05)
    api.close()
    return pod


def _idle(pod: Process, seconds: float) -> Load:
    api, metrics = _Caller(pod.address), _Caller(_metrics(pod))
    time.sleep(3)  # what belongs to the start
    began, cpu = time.monotonic(), _cpu(pod)
    asked = scraped = began
    while (now := time.monotonic()) - began < seconds:
        if now - asked >= CONTROL_SECONDS:
            asked = now
            api.ask("/control")
        if now - scraped >= SCRAPE_SECONDS:
            scraped = now
            metrics.ask("/metrics")
        time.sleep(0.25)
    return _load_since(pod, began, cpu)


def _busy(pod: Process, requests: int, idle: Load) -> Pod:
    api, metrics = _Caller(pod.address), _Caller(_metrics(pod))
    took: dict[str, list[int]] = {}
    began, cpu = time.monotonic(), _cpu(pod)
    for turn in range(requests):
        for path in ROUTES:
            took.setdefault(f"GET {path}", []).append(api.ask(path))
        throttle = f'{{"throttle": {1 if turn % 2 else 0.9}}}'
        took.setdefault("POST /throttle", []).append(api.ask("/throttle", "POST", throttle))
        took.setdefault("GET /metrics", []).append(metrics.ask("/metrics"))
        took.setdefault(SYNC, []).append(_synced(pod.folder / "sync"))
    busy = _load_since(pod, began, cpu)
    return Pod(idle, busy, {name: Distribution.of(times) for name, times in took.items()}, pod.venue().last_trade_id)


def _synced(path: Path) -> int:
    """Nanoseconds that the disk takes to have 4 KiB: no command that is stored first can be faster."""
    with path.open("wb") as file:
        file.write(bytes(4096))
        file.flush()
        began = time.perf_counter_ns()
        os.fsync(file.fileno())
        return time.perf_counter_ns() - began


def _metrics(pod: Process) -> str:
    line = pod.line("running")
    assert line is not None
    return str(line["metrics"]).removesuffix("/metrics")


def _load_since(pod: Process, began: float, cpu: float) -> Load:
    seconds = time.monotonic() - began
    return Load(seconds, (_cpu(pod) - cpu) / seconds, _rss(pod))


def _cpu(pod: Process) -> float:
    """Seconds of user and system time so far."""
    fields = _proc(pod, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pod: Process) -> int:
    return int(_proc(pod, "statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _proc(pod: Process, name: str) -> str:
    assert pod.popen is not None
    return Path(f"/proc/{pod.popen.pid}/{name}").read_text()


def _load(name: str, load: Load) -> str:
    return f"| {name} | {load.cpu * 100:.1f} % | {load.rss / 2**20:.0f} | {load.seconds:.0f} s |"
