"""`python -m tests.bench`: measure, print the page, and write it with its figures to docs/."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench import backtest, delivery, pod, startup
from tests.bench.fleet import measure as fleet
from tests.bench.fleet.report import PICTURE
from tests.bench.machine import machine
from tests.bench.report import Results
from tests.bench.rig import Rig
from tests.kube import ClusterUnavailable
from tests.kube.cluster import CHECKOUT

KILLS, STARTS = 200, 10
QUICK_KILLS, QUICK_STARTS = 20, 2
POD, QUICK_POD = (60.0, 500), (10.0, 50)
"""Seconds of an idle pod, requests of each kind to a busy one."""
BACKTESTS, QUICK_BACKTESTS = 3, 1
"""Runs of each measurement."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of ten; writes only where --output says")
    parser.add_argument("--output", type=Path, help="folder for benchmarks.md and benchmarks.json [docs]")
    parser.add_argument(
        "--pod", action="store_true", help="only a strategy's process, without a cluster; writes nothing"
    )
    parser.add_argument("--backtest", action="store_true", help="only backtests, without a cluster; writes nothing")
    parser.add_argument(
        "--fleet", action="store_true", help="only many grids with stub pods; writes benchmarks-fleet.*"
    )
    options = parser.parse_args()
    runs = QUICK_BACKTESTS if options.quick else BACKTESTS
    if options.backtest:
        print(backtest.measure(runs, _say).page())
        return 0
    if options.pod:
        print(pod.measure(*(QUICK_POD if options.quick else POD), _say).page())
        return 0
    output: Path | None = options.output or (None if options.quick else CHECKOUT / "docs")
    if options.fleet:
        return _fleet(fleet.QUICK if options.quick else fleet.FULL, output)
    kills, starts = (QUICK_KILLS, QUICK_STARTS) if options.quick else (KILLS, STARTS)
    try:
        alone = pod.measure(*(QUICK_POD if options.quick else POD), _say)
        tested = backtest.measure(runs, _say)
        results = _measure(kills, starts, alone, tested)
    except ClusterUnavailable as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: nothing is written.", file=sys.stderr)
        return 130
    print(results.page())
    if output is not None:
        (output / "benchmarks.md").write_text(results.page())
        (output / "benchmarks.json").write_text(results.json())
    return 0


def _fleet(plan: fleet.Plan, output: Path | None) -> int:
    found = fleet.measure(plan, _say)
    print(found.page())
    if output is not None:
        (output / "benchmarks-fleet.md").write_text(found.page())
        (output / "benchmarks-fleet.json").write_text(found.json())
        (output / PICTURE).write_text(found.picture())
    return 0


def _measure(kills: int, starts: int, alone: pod.Pod, tested: backtest.Backtests) -> Results:
    with tempfile.TemporaryDirectory(prefix="hedgegrid-bench-") as folder:
        rig = Rig(Path(folder))
        here = machine("")
        try:
            _say("Starting a cluster and the operator.")
            rig.start()
            here["Kubernetes"] = rig.cluster.version
            _say(f"{starts} grids, one after the other, from apply to ready:")
            started = startup.measure(rig, starts, _say)
            _say(f"{kills} kills of a trading grid, and {kills} bare deliveries, in turns:")
            bare, killed = delivery.measure(rig, kills, _say)
            return Results(here, bare, killed, started, rig.operator.process.rss_bytes(), alone, tested)
        finally:
            rig.cluster.stop()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
