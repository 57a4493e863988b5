"""The strategy as shipped, started with a recorder in front of its control API.

Stands for `python` in the image of the bench's pods: called as `python -m naut_hedgegrid.runners.run_sim …`.
"""

import os
import sys
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from naut_hedgegrid.ops import manager
from naut_hedgegrid.runners import run_sim
from tests.bench.recorder import VARIABLE, Recorder
from tests.kube.cluster import CHECKOUT

PROGRAM = "naut_hedgegrid.runners.run_sim"


def image(folder: Path) -> Path:
    """Make the folder of programs that stands for the image."""
    folder.mkdir()
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{CHECKOUT}" exec "{sys.executable}" -m tests.bench.recorded_pod "$@"\n')
    python.chmod(0o700)
    return folder


def main() -> int:
    """The command line of `python`."""
    flag, program, *arguments = sys.argv[1:]
    if (flag, program) != ("-m", PROGRAM):
        raise SystemExit(f"only -m {PROGRAM} is known here, not {flag} {program}")
    shipped = manager.control_api

    def recorded(*details: Any) -> ASGIApp:
        return Recorder(shipped(*details), Path(os.environ[VARIABLE]))

    manager.control_api = recorded
    sys.argv = [program, *arguments]
    return run_sim.main()


if __name__ == "__main__":
    sys.exit(main())
