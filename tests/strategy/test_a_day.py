"""A day of lively trading leaves no growth in memory, open files, tasks or store, beyond what is to be kept."""

import json
import math
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

MIB = 2**20
BAR_SECONDS = 120
WARM = 8
"""Hours after which everything that is bounded has been filled."""
RSS_GROWTH = 12 * MIB
"""From then to the end; about 2 KiB of it for each fill of the leg that never gets flat (see below)."""


def write_files(folder: Path) -> None:
    """Waves of ±60 bps. After seven hours the market falls by 3 %: the lots that LONG then holds wait for ever."""
    lines = ["open_time,open,high,low,close,volume,close_time"]
    for row in range(86_400 // BAR_SECONDS + 1):
        centre = 50_000 if row < 210 else 48_500
        waves = [math.sin((4 * row + tick) / 3) * 0.004 + math.sin((4 * row + tick) / 41) * 0.002 for tick in range(4)]
        prices = [round(centre * (1 + wave), 1) for wave in waves]
        start = 1_640_995_200_000 + 1_000 * BAR_SECONDS * row
        figures = [prices[0], max(prices), min(prices), prices[-1], 1]
        lines.append(f"{start},{','.join(map(str, figures))},{start + 1_000 * BAR_SECONDS - 1}")
    (folder / "bars.csv").write_text("\n".join(lines) + "\n")
    grid = {"stepBps": 10, "levelsLong": 8, "levelsShort": 8, "baseQty": "0.010", "maxInventoryQuote": "20000"}
    strategy = {
        "grid": {**grid, "recenterTriggerBps": 100},
        "exits": {"takeProfitSteps": 1},
        "execution": {"barSeconds": BAR_SECONDS, "staleDataSeconds": 2 * BAR_SECONDS},
        "risk": {"confirmations": 1},
    }
    sim = {"market": "replay", "replay": {"path": str(folder / "bars.csv"), "speed": 1_000_000}}
    venue = {"instrument": "BTCUSDT-PERP.BINANCE", "startingBalance": "100000", "sim": sim}
    (folder / "strategy.json").write_text(json.dumps(strategy))
    (folder / "venue.json").write_text(json.dumps(venue))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("day")


@pytest.fixture(scope="module")
def day(folder: Path) -> list[dict[str, Any]]:
    """The readings of a day, one for two hours."""
    write_files(folder)
    command = [sys.executable, "-m", "tests.strategy.day_child", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    readings = [json.loads(line) for line in done.stdout.splitlines()]
    print(*readings, sep="\n")
    assert [reading["hours"] for reading in readings] == list(range(2, 25, 2))
    return readings


def at(day: list[dict[str, Any]], hours: int) -> dict[str, Any]:
    return next(reading for reading in day if reading["hours"] == hours)


def test_the_day_is_lively_and_nothing_goes_wrong_in_it(day: list[dict[str, Any]]) -> None:
    assert at(day, 24)["fills"] > 1_500
    assert at(day, 24)["errors"] == 0
    assert at(day, 24)["rejected"] == 0


def test_a_day_leaves_no_growth_in_memory_files_threads_or_tasks(day: list[dict[str, Any]]) -> None:
    warm, end = at(day, WARM), at(day, 24)
    assert end["rss"] - warm["rss"] < RSS_GROWTH
    assert end["files"] <= warm["files"]
    assert end["threads"] <= warm["threads"]
    assert end["tasks"] <= warm["tasks"] + 1
    assert end["objects"] < warm["objects"] + 3_000


def test_what_the_strategy_and_the_engine_keep_of_orders_is_bounded_by_what_is_open(day: list[dict[str, Any]]) -> None:
    for reading in day:
        most = 3 * (16 + 2 * reading["lots"])
        assert reading["ledger"] <= most, reading
        assert reading["telemetry"] <= most, reading
        assert reading["engine_orders"] <= 150, reading


def test_the_engine_forgets_the_earlier_lives_of_a_leg_that_was_flat(day: list[dict[str, Any]]) -> None:
    """It keeps a snapshot of each, until it is told to forget the position; the fills of a leg that has never been flat
    it keeps until the next start, 1.7 KiB each (30,000 of them: 50 MiB)."""
    assert max(reading["snapshots"] for reading in day) < 60
    assert at(day, 24)["snapshots"] < 30
    assert at(day, 24)["events"] <= at(day, 24)["fills"]


def test_the_store_grows_by_what_it_is_to_keep_and_its_log_not_at_all(day: list[dict[str, Any]], folder: Path) -> None:
    end = at(day, 24)
    assert max(reading["wal"] for reading in day) < 4.5 * MIB
    with closing(sqlite3.connect(f"{(folder / 'grid.sqlite').as_uri()}?mode=ro", uri=True)) as db:
        kept = dict(db.execute("select resolution, count(*) from history group by 1"))
        rows = sum(db.execute(f"select count(*) from {table}").fetchone()[0] for table in ("lots", "orders"))
        free, pages = (db.execute(f"pragma {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    assert kept["10s"] <= 8_640
    assert kept["1m"] <= 1_441
    assert kept["1h"] <= 25
    assert kept["1d"] <= 2
    assert rows < 100
    assert free < pages / 4
    assert end["store"] < 400 * (end["fills"] + sum(kept.values())) + 0.25 * MIB
