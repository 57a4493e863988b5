"""What a fleet costs while nothing happens, and what a new start of the operator takes."""

import time
from dataclasses import dataclass

from tests.bench.fleet.kills import kill, release
from tests.bench.fleet.rig import WAIT_SECONDS, FleetRig
from tests.kube import wait_until

QUIET_SECONDS = 20.0
"""After the last change: what it caused has come to its end."""


@dataclass(frozen=True)
class Idle:
    """An operator at rest."""

    grids: int
    cpu: float
    """Share of a core."""
    rss: int
    """Bytes."""
    requests: dict[str, float]
    """To the API server, for each grid in 10 minutes, by verb and resource."""
    handshakes: int
    """New connections to pods meanwhile."""


@dataclass(frozen=True)
class Restart:
    """A new start with a fleet there."""

    leading: float
    """Seconds from the start of the process until it leads and has seen everything."""
    confirmed: float
    """Seconds from the start until every pod holds a document of the new epoch."""
    kill: float
    """Seconds from the patch of a kill in between until its pod had it."""


def idle(rig: FleetRig, seconds: float) -> Idle:
    """Measure for so long."""
    time.sleep(QUIET_SECONDS)
    before, requests, handshakes = rig.usage(), _requests(rig), rig.farm.counts()["handshakes"]
    began = time.monotonic()
    time.sleep(seconds)
    took, after = time.monotonic() - began, rig.usage()
    done = {name: (count - requests.get(name, 0)) / rig.size * 600 / took for name, count in _requests(rig).items()}
    return Idle(
        grids=rig.size,
        cpu=(after.cpu - before.cpu) / took,
        rss=after.rss,
        requests={name: round(rate, 3) for name, rate in sorted(done.items()) if rate},
        handshakes=rig.farm.counts()["handshakes"] - handshakes,
    )


def _requests(rig: FleetRig) -> dict[str, float]:
    """Requests so far by verb and resource."""
    found: dict[str, float] = {}
    for series, count in rig.metric("hedgegrid_operator_api_requests_total").items():
        labels = dict(item.split("=") for item in series.strip("{}").replace('"', "").split(","))
        name = f"{labels['verb']} {labels['resource']}"
        found[name] = found.get(name, 0) + count
    return found


def restarted(rig: FleetRig) -> Restart:
    """End the operator by SIGTERM and start another one; while it catches up a kill is patched."""
    old = max(rig.epochs())
    rig.operator.stop()
    began = time.monotonic()
    rig.operator.start()
    wait_until(lambda: rig.operator.probe("/readyz") == "ok", WAIT_SECONDS, "the new operator to lead")
    leading = time.monotonic() - began
    told = kill(rig, rig.size - 1)
    wait_until(lambda: min(rig.epochs()) > old, WAIT_SECONDS, "documents of the new epoch")
    took = time.monotonic() - began
    release(rig, rig.size - 1)
    return Restart(leading, took, told / 1e9)
