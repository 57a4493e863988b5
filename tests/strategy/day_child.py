"""A process that lives through a day at full speed and says how large it is: `python -m tests.strategy.day_child DIR`.

One line of JSON for each two hours of the day, on stdout. Node, store, sampler, API and metrics are the real ones. The
sampler's clock is the market's; and what the engine is configured to forget every so many minutes of the wall clock, it
forgets every so many minutes of the market's.
"""

import asyncio
import gc
import json
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nautilus_trader.common import Cache
from nautilus_trader.live import LiveExecutionEngineConfig

from hedgegrid_api.files import StrategyFile, VenueFile
from naut_hedgegrid.engine.assembly import _execution_config
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.ops import OperationsManager, sampler
from naut_hedgegrid.store.sqlite import SqliteStore
from naut_hedgegrid.strategies.hedge_grid_v1 import custody
from naut_hedgegrid.strategies.hedge_grid_v1.clock import ReplayClock
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.strategies.hedge_grid_v1.telemetry import Outcome
from naut_hedgegrid.venues.instrument import instrument_of
from tests.strategy.ops_support import INSTRUMENT

START = 1_640_995_200 * 10**9
"""The bars' first moment."""
HOUR = 3_600 * 10**9
PURGE = 600 * 10**9


async def _day(folder: Path) -> None:
    config = StrategyFile.model_validate(json.loads((folder / "strategy.json").read_text()))
    file = VenueFile.model_validate(json.loads((folder / "venue.json").read_text()))
    store = SqliteStore(folder / "grid.sqlite", "0badcafe", INSTRUMENT)
    strategy = HedgeGridV1(
        config, instrument_of(file), "0badcafe", store, *store.load(), await_control=False, clock=ReplayClock()
    )
    strategy.attach_kill_switch(RiskMonitor(file.tiers, file.margin_type, file.leverage))
    strategy.port.bind()
    node = SimNode(file, strategy, folder / "venue.sqlite", on_error=lambda _, error: strategy.on_error(error))
    custody.SAMPLE_SECONDS = sampler.SAMPLE_SECONDS = 0.01
    sampler.time = SimpleNamespace(time=time.time, time_ns=lambda: strategy._clock.market() or START)
    ops = OperationsManager(strategy, INSTRUMENT, 0, 0)
    ops.start()
    await node.start()
    assert node._assembly is not None
    cache, engine = node._assembly.bridge.cache, _execution_config(0)
    ended = asyncio.create_task(node.wait_for_market_end())
    read = purged = 0
    while not ended.done():
        await asyncio.sleep(0.002)
        now = strategy._clock.market() - START
        if now - purged >= PURGE:
            purged = now
            _purge(cache, engine)
        if now - read >= 2 * HOUR:
            read += 2 * HOUR
            await asyncio.to_thread(_scrape, ops)
            print(json.dumps({"hours": read // HOUR, **_reading(strategy, cache, folder)}), flush=True)
    ops.stop()
    await ops.closed()
    await node.stop()
    store.close()


def _purge(cache: Cache, config: LiveExecutionEngineConfig) -> None:
    now = time.time_ns()
    if config.purge_closed_orders_interval_mins is not None:
        cache.purge_closed_orders(now, 0)
    if config.purge_closed_positions_interval_mins is not None:
        cache.purge_closed_positions(now, 0)
    if config.purge_account_events_interval_mins is not None:
        cache.purge_account_events(now, 0)


def _scrape(ops: OperationsManager) -> None:
    for port, path in ((ops.prometheus_port, "/metrics"), (ops.api_port, "/control"), (ops.api_port, "/history")):
        with urllib.request.urlopen(f"http://{ops.host}:{port}{path}", timeout=10) as answer:
            answer.read()


def _reading(strategy: HedgeGridV1, cache: Cache, folder: Path) -> dict[str, Any]:
    gc.collect()
    ledger, telemetry = strategy._core.ledger, strategy._telemetry
    assert telemetry is not None
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "rss": int(status["VmRSS"].split()[0]) * 1024,
        "threads": int(status["Threads"]),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "tasks": len(asyncio.all_tasks()),
        "objects": len(gc.get_objects()),
        "fills": ledger.totals.fills,
        "lots": sum(len(lots) for lots in ledger._lots.values()),
        "rejected": sum(count for (_, outcome), count in telemetry._orders.items() if outcome is Outcome.REJECTED),
        "errors": strategy.errors,
        "ledger": len(ledger.orders) + len(ledger.moving) + len(ledger.working._takes) + len(ledger.working._stops),
        "telemetry": sum(
            len(part) for part in (telemetry._live, telemetry._unanswered, telemetry._trips, telemetry._unprotected)
        ),
        "engine_orders": cache.orders_total_count(),
        "events": sum(position.event_count for position in cache.positions()),
        "snapshots": len(cache.position_snapshots()),
        "store": (folder / "grid.sqlite").stat().st_size,
        "wal": (folder / "grid.sqlite-wal").stat().st_size,
    }


if __name__ == "__main__":
    asyncio.run(_day(Path(sys.argv[1])))
