"""Backtests of the real month: where the time goes, with orders and fills beside it, so that like is compared to like.

Every measurement runs in a process of its own, several times; of each part the least CPU counts, since whatever else
runs on the machine only adds to it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.kube.cluster import CHECKOUT

DATA = Path(os.environ.get("HEDGEGRID_DATA", CHECKOUT.parent / "shared" / "data")) / "btc-perp-1m-2022-01.csv.gz"
WORKLOADS = {"25 bps, 5 + 5 rungs": (25, 5), "12 bps, 10 + 10 rungs": (12, 10)}
REPLACED = {"seconds": 41.9, "bars_per_second": 1_075, "orders": 16_949, "rss": 519_000_000}
"""The system that this one replaces, on the same month, 25 bps, 5 + 5 rungs."""


@dataclass(frozen=True)
class Workload:
    """CPU seconds of each part, and what was done."""

    imports: float
    reading: float
    """From the file to columns."""
    engine: float
    """The engine alone on these bars, with a strategy that does nothing."""
    callbacks: float
    """Ours: strategy, books, curve; without the commands."""
    commands: float
    """Handing orders and cancels to the engine."""
    matching: float
    """What the engine takes beyond its floor: the orders' lives, the account's margins."""
    writing: float
    """All files and the figures."""
    total: float
    """From the configuration to the last file, without the imports."""
    bars: int
    orders: int
    fills: int
    entries: int
    resting: float
    """Orders at work, on average."""
    rss: int
    """Bytes at most."""

    @property
    def per_order(self) -> float:
        """µs of each order beyond the engine's floor: all of the run but the engine alone."""
        return (self.callbacks + self.commands + self.matching) / self.orders * 1e6


@dataclass(frozen=True)
class Backtests:
    """What was measured."""

    workloads: dict[str, Workload]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {name: asdict(it) | {"microseconds_per_order": it.per_order} for name, it in self.workloads.items()}

    def page(self) -> str:
        """In Markdown."""
        if not self.workloads:
            return f"Not measured: there is no {DATA.name} (HEDGEGRID_DATA names its folder)."
        found = list(self.workloads.values())
        rows = [
            ("reading: file to columns", [_seconds(it.reading) for it in found]),
            ("engine alone, same bars", [_seconds(it.engine) for it in found]),
            ("our callbacks", [_seconds(it.callbacks) for it in found]),
            ("order commands", [_seconds(it.commands) for it in found]),
            ("engine's part of the orders", [_seconds(it.matching) for it in found]),
            ("writing", [_seconds(it.writing) for it in found]),
            ("**whole run, files included**", [f"**{_seconds(it.total)}**" for it in found]),
            ("imports before it", [_seconds(it.imports) for it in found]),
            ("orders, fills, entries", [f"{it.orders:,}, {it.fills:,}, {it.entries:,}" for it in found]),
            ("orders at work, on average", [f"{it.resting:.0f}" for it in found]),
            ("beyond the engine's floor, an order", [f"{it.per_order:.0f} µs" for it in found]),
            ("bars a second of CPU", [f"{it.bars / it.total:,.0f}" for it in found]),
            ("RSS", [f"{it.rss / 1e6:.0f} MB" for it in found]),
        ]
        heads = [f"| CPU | {' | '.join(self.workloads)} |", f"|---|{'---|' * len(found)}"]
        lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
        return "\n".join([*heads, *lines, "", _against(found[0])])


def measure(times: int, say: Callable[[str], None]) -> Backtests:
    """Each measurement so many times."""
    if not DATA.exists():
        return Backtests({})
    workloads: dict[str, Workload] = {}
    with tempfile.TemporaryDirectory(prefix="hedgegrid-bench-") as folder:
        for name, (step, levels) in WORKLOADS.items():
            say(f"A month of minutes, {name}, {times} times:")
            workloads[name] = _workload(_arguments(Path(folder), step, levels), times)
    return Backtests(workloads)


def _workload(arguments: list[str], times: int) -> Workload:
    whole = [_child("whole", arguments) for _ in range(times)]
    least = {name: min(run[name] for run in whole) for name in ("imports", "reading", "run", "writing", "total")}
    engine = min(_child("empty", arguments)["engine"] for _ in range(times))
    share = _child("shares", arguments)
    callbacks, commands = share["callbacks"] * least["run"], share["commands"] * least["run"]
    done = whole[0]
    return Workload(
        imports=least["imports"],
        reading=least["reading"],
        engine=engine,
        callbacks=callbacks,
        commands=commands,
        matching=max(0.0, least["run"] - engine - callbacks - commands),
        writing=least["writing"],
        total=least["total"],
        **{name: done[name] for name in ("bars", "orders", "fills", "entries", "resting")},
        rss=max(run["rss"] for run in whole),
    )


def _child(mode: str, arguments: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.backtest_child", mode, *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def _arguments(folder: Path, step: int, levels: int) -> list[str]:
    """No cap is reached, nothing trips, the venue's limit of orders is out of the way."""
    strategy = {
        "grid": {
            "stepBps": step,
            "levelsLong": levels,
            "levelsShort": levels,
            "baseQty": "0.002",
            "recenterTriggerBps": 200,
            "maxInventoryQuote": "1000000",
        },
        "exits": {"takeProfitSteps": 2},
        "placement": {"policy": "symmetric"},
        "execution": {"barSeconds": 60, "staleDataSeconds": 120},
    }
    venue = {
        "instrument": "BTCUSDT-PERP.BINANCE",
        "startingBalance": "1000000",
        "filters": {"maxOrders": 10_000},
    }
    paths = folder / f"strategy-{step}.yaml", folder / "venue.yaml"
    for path, content in zip(paths, (strategy, venue), strict=True):
        path.write_text(yaml.safe_dump(content))
    return [
        *("--strategy-config", str(paths[0]), "--venue-config", str(paths[1])),
        *("--data", str(DATA), "--out", str(folder / "out")),
    ]


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _against(ours: Workload) -> str:
    seconds, rate, orders, rss = (REPLACED[name] for name in ("seconds", "bars_per_second", "orders", "rss"))
    before = f"{seconds} s for the first of them ({rate:,} bars/s, {orders:,} orders, {rss / 1e6:.0f} MB)"
    return (
        f"The system that this one replaces took {before}: **{seconds / ours.total:.0f} times** as long, with "
        f"{orders / ours.orders:.1f} times the orders, since it armed a rung again while its lot was open, and "
        f"{rss / ours.rss:.1f} times the memory. Ours keeps the account's margins."
    )
