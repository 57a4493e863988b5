"""What figures are worth nothing without: the machine, the versions, the day."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.kube.cluster import CHECKOUT

DISTRIBUTIONS = ("hedgegrid-operator", "nautilus_trader", "kopf", "aiohttp", "uvicorn", "uvloop")


def machine(kubernetes: str) -> dict[str, str]:
    """By name, in the order in which it is shown."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
        "Kubernetes": kubernetes,
        **{name: version(name) for name in DISTRIBUTIONS},
        "load before the run": f"{os.getloadavg()[0]:.1f}, own niceness {os.nice(0)}",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
