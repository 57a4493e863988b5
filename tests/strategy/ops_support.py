"""A strategy with its operations on a real node, in the test's own loop or as a process of its own."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from hedgegrid_api.files import StrategyFile, VenueFile
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.ops import OperationsManager
from naut_hedgegrid.ops.auth import ApiKeys
from naut_hedgegrid.store.sqlite import SqliteStore
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.instrument import instrument_of
from naut_hedgegrid.venues.sim.audit import Audit, Snapshot

INSTRUMENT = "BTCUSDT-PERP.BINANCE"
LIVELY = {"ticksPerSecond": 200, "annualVolatility": 10, "seed": 7}
"""About 20 bps a second: fills within the first seconds."""
STILL = {"ticksPerSecond": 20, "annualVolatility": 0, "seed": 7}
"""The price stays where it is."""


def strategy_values(**grid: Any) -> dict[str, Any]:
    """5 + 5 rungs of 5 bps, take profit 1 step, bars of 1 s."""
    return {
        "grid": {
            "stepBps": 5,
            "levelsLong": 5,
            "levelsShort": 5,
            "baseQty": "0.010",
            "maxInventoryQuote": "5000",
            "recenterTriggerBps": 50,
            **grid,
        },
        "exits": {"takeProfitSteps": 1},
        "execution": {"barSeconds": 1, "staleDataSeconds": 10},
    }


def venue_values(sim: dict[str, Any]) -> dict[str, Any]:
    return {"instrument": INSTRUMENT, "startingBalance": "100000", "sim": sim}


async def until[T](condition: Callable[[], T], what: str, seconds: float = 20) -> T:
    """The first truthy value of a condition, without blocking the loop."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}; last seen: {value!r}")
        await asyncio.sleep(0.01)
    return value


def wait_until[T](condition: Callable[[], T], what: str, seconds: float = 20) -> T:
    """The first truthy value of a condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}; last seen: {value!r}")
        time.sleep(0.01)
    return value


def alone(folder: Path, *, await_control: bool = False, sim: dict[str, Any] | None = None) -> HedgeGridV1:
    """A strategy whose node hasn't been started."""
    venue = VenueFile.model_validate(venue_values(sim or LIVELY))
    store = SqliteStore(folder / "grid.sqlite", "0badcafe", INSTRUMENT)
    config = StrategyFile.model_validate(strategy_values())
    return HedgeGridV1(config, instrument_of(venue), "0badcafe", store, *store.load(), await_control=await_control)


@dataclass
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body; a NaN in it is an error."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} in JSON")

        return json.loads(self.text, parse_constant=refuse)


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


@dataclass
class Served:
    """A strategy, its node and its operations on the running loop."""

    strategy: HedgeGridV1
    node: SimNode
    ops: OperationsManager
    session: aiohttp.ClientSession
    book: Path

    async def ask(self, verb: str, path: str, body: Any = None, *, key: str | None = None, raw: str = "") -> Answer:
        """One request; `raw` is a body that is sent as it is."""
        headers = {"Content-Type": "application/json"} if body is not None or raw else {}
        if key is not None:
            headers["X-API-Key"] = key
        data = raw or (None if body is None else json.dumps(body))
        url = f"http://{self.ops.host}:{self.ops.api_port}{path}"
        async with self.session.request(verb, url, data=data, headers=headers) as response:
            return Answer(response.status, await response.text(), lower(response.headers))

    async def get(self, path: str, *, key: str | None = None) -> Any:
        answer = await self.ask("GET", path, key=key)
        assert answer.status == 200, answer
        return answer.json

    async def put(self, generation: int, **values: Any) -> Any:
        """PUT /control; the report."""
        answer = await self.ask("PUT", "/control", {"uid": "uid-1", "generation": generation, **values})
        assert answer.status == 200, answer
        return answer.json

    async def scrape(self) -> dict[str, float]:
        """The samples of /metrics by name and labels, the instrument's left out."""
        url = f"http://{self.ops.host}:{self.ops.prometheus_port}/metrics"
        async with self.session.get(url) as response:
            return samples(await response.text())

    def venue(self) -> Snapshot:
        """What the venue has."""
        with Audit(self.book) as audit:
            return audit.snapshot()

    def held(self) -> bool:
        """The strategy knows of an open position."""
        return any(self.strategy.port.call(self.strategy.figures).quantity.values())


def samples(text: str) -> dict[str, float]:
    """Prometheus text → value by name with labels."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@asynccontextmanager
async def served(
    folder: Path,
    *,
    keys: ApiKeys | None = None,
    uid: str | None = None,
    labels: dict[str, str] | None = None,
    await_control: bool = False,
    sim: dict[str, Any] | None = None,
    start: bool = True,
) -> AsyncIterator[Served]:
    """Everything started (or all but the node); stopped in the order of a process."""
    venue = VenueFile.model_validate(venue_values(sim or LIVELY))
    store = SqliteStore(folder / "grid.sqlite", "0badcafe", INSTRUMENT)
    config = StrategyFile.model_validate(strategy_values())
    strategy = HedgeGridV1(config, instrument_of(venue), "0badcafe", store, *store.load(), await_control=await_control)
    book = folder / "venue.sqlite"
    node = SimNode(venue, strategy, book, on_error=lambda _, error: strategy.on_error(error))
    ops = OperationsManager(strategy, INSTRUMENT, 0, 0, keys=keys, uid=uid, labels=labels)
    ops.start()
    try:
        async with aiohttp.ClientSession() as session:
            here = Served(strategy, node, ops, session, book)
            if start:
                await node.start()
                await until(lambda: strategy.ready, "the strategy to be ready")
            yield here
    finally:
        ops.stop()
        await ops.closed()
        await node.stop()
        store.close()
        # Engine objects must not be left to a collection on the store's next thread.
        del node
        gc.collect()


class Process:
    """`run_sim` as a process. Its log is read from a file; its venue from the book's."""

    def __init__(self, folder: Path, *, sim: dict[str, Any], strategy: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.log = folder / "log"
        self._strategy = folder / "strategy.yaml"
        self._venue = folder / "venue.yaml"
        self._strategy.write_text(yaml.safe_dump(strategy or strategy_values()))
        self.market(sim)
        self.popen: subprocess.Popen[bytes] | None = None

    def market(self, sim: dict[str, Any]) -> None:
        """The market of the next start."""
        self._venue.write_text(yaml.safe_dump(venue_values(sim)))

    def start(self, *arguments: str, ops: bool = True, env: dict[str, str] | None = None) -> Self:
        """Start it on free ports."""
        command = [sys.executable, "-m", "naut_hedgegrid.runners.run_sim"]
        command += ["--strategy-config", str(self._strategy), "--venue-config", str(self._venue)]
        command += ["--store-dir", str(self.store), *arguments]
        if ops:
            command += ["--enable-ops", "--api-port", "0", "--prometheus-port", "0"]
        with self.log.open("wb") as log:
            clean = {name: value for name, value in os.environ.items() if not name.startswith("HEDGEGRID_")}
            self.popen = subprocess.Popen(command, stderr=log, stdout=log, env={**clean, **(env or {})})
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def lines(self) -> list[dict[str, Any]]:
        """Log lines; each has to be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def line(self, message: str) -> dict[str, Any] | None:
        return next((line for line in self.lines() if message in line["message"]), None)

    def running(self) -> Self:
        """Wait until the panel says where everything is."""
        assert self.popen is not None
        popen = self.popen

        def panel() -> dict[str, Any] | None:
            if popen.poll() is not None:
                raise AssertionError(f"it ended with {popen.returncode}: {self.log.read_text()}")
            return self.line("running") if self.log.read_text().endswith("\n") else None

        found = wait_until(panel, "the panel")
        self.address = found.get("control_api", "").removesuffix("/docs")
        return self

    def ask(self, verb: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        """One request."""
        request = urllib.request.Request(self.address + path, method=verb)
        if key is not None:
            request.add_header("X-API-Key", key)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return Answer(response.status, response.read().decode(), lower(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), lower(error.headers))

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def ended(self, seconds: float = 20) -> int:
        """Its exit status."""
        assert self.popen is not None
        return self.popen.wait(seconds)

    @property
    def book(self) -> Path:
        return next(self.store.glob("*.venue.sqlite"))

    def venue(self) -> Snapshot:
        with Audit(self.book) as audit:
            return audit.snapshot()

    def commands(self) -> list[Any]:
        """The venue's order log."""
        with Audit(self.book) as audit:
            return audit.order_log()

    def openings(self, after_wall_ns: int) -> list[Any]:
        """Opening orders that the venue took after a moment."""
        with Audit(self.book) as audit:
            return audit.openings(after_wall_ns)
