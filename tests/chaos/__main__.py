"""`python -m tests.chaos --minutes 3 --seed 7 --report chaos.json`: exit code 0 when nothing was wrong."""

import argparse
import secrets
import sys
from pathlib import Path

from tests.chaos.run import GRIDS, run
from tests.kube import Cluster


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long things break [3]")
    parser.add_argument("--seed", type=int, help="the schedule of faults; printed, by default another one each time")
    parser.add_argument("--grids", type=int, default=GRIDS, help=f"real strategy processes [{GRIDS}]")
    parser.add_argument("--report", type=Path, help="write the report as JSON")
    found = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if found.seed is None else found.seed
    with Cluster(network_faults=True) as cluster:
        report = run(
            cluster,
            seed=seed,
            minutes=found.minutes,
            grids=found.grids,
            say=lambda line: print(line, flush=True),
        )
    print(report.text())
    if found.report is not None:
        found.report.write_text(report.json())
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
