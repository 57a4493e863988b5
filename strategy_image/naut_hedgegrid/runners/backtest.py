"""`python -m naut_hedgegrid.runners.backtest`: a grid on recorded bars."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "python -m naut_hedgegrid.runners.backtest"
ABOUT = (
    "Runs the strategy on recorded bars and writes what came of it: summary.json, fills.csv, orders.csv, equity.csv, "
    "funding.csv and report.html. Ends with status 0; 1 when the run failed; 2 when it was asked for something that "
    "can't be."
)
FILL_RULES = ("touch", "through")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is run, and where its files go."""

    strategy_config: Path
    venue_config: Path
    data: Path
    funding: Path | None
    fill: str
    """One of `FILL_RULES`."""
    out: Path


def parse(arguments: Sequence[str]) -> Options:
    """Options from the command line; exits with status 2 and a message on a wrong one."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=ABOUT)
    add = parser.add_argument
    add("--strategy-config", type=Path, required=True, metavar="FILE", help="strategy file: grid, exits, execution")
    add("--venue-config", type=Path, required=True, metavar="FILE", help="venue file: instrument, filters, fees, money")
    add(
        "--data",
        type=Path,
        required=True,
        metavar="BARS.csv[.gz]",
        help="timestamp,open,high,low,close,volume with the bars' closes, or klines as Binance publishes them",
    )
    add(
        "--funding",
        type=Path,
        metavar="RATES.csv",
        help="timestamp,rate: what was settled and when [the venue file's rate]",
    )
    add(
        "--fill",
        choices=FILL_RULES,
        default="through",
        help="a resting order fills when the price touches it, or went one tick beyond it [%(default)s]",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the files; made where there is none")
    return Options(**vars(parser.parse_args(arguments)))


def main() -> int:
    """Run it; the exit status."""
    options = parse(sys.argv[1:])
    # Not before: a question for --help shall not wait for the engine.
    from naut_hedgegrid.runners.backtest_job import FAILED, MISUSED, job  # noqa: PLC0415

    try:
        job(options, sys.stdout, sys.stderr)
    except MISUSED as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except FAILED as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing is written\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
