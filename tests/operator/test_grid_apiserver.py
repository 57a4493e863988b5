"""The API server dies, stands still, is slow or refuses: pods trade on, kills get through, all is as before afterwards.

The pods are played by the farm; HEDGEGRID_TEST_OUTAGE=150 stops the API server for so many seconds instead of a few,
and lets the operator run with the timings that it ships with.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from tests.farm.server import Fault
from tests.kube import Cluster, wait_until
from tests.kube.installation import Operator
from tests.operator.fleet_parts import SHIPPED, Fleet
from tests.operator.grid_parts import kill_of

pytestmark = pytest.mark.timeout(600)
BOTH = "flattenBoth"
OUTAGE = float(os.environ.get("HEDGEGRID_TEST_OUTAGE", "0"))


@pytest.fixture
def operator(fleet: Fleet) -> Operator:
    """The only one, that leads."""
    return fleet.lead(fleet.operator("operator", **(SHIPPED if OUTAGE else {})))


def killed(cluster: Cluster) -> Callable[[], None]:
    cluster.stop_apiserver(signal.SIGKILL)
    return cluster.start_apiserver


def paused(cluster: Cluster) -> Callable[[], None]:
    cluster.apiserver.freeze()
    return cluster.apiserver.thaw


@pytest.mark.parametrize("away", [killed, paused])
def test_an_api_server_that_goes_and_comes_back_changes_nothing(
    fleet: Fleet, operator: Operator, away: Callable[[Cluster], Callable[[], None]]
) -> None:
    """F30."""
    pods, children = fleet.pods(), Counter(kind for kind, _ in fleet.versions())
    known, at_return, *others = fleet.take(20)
    fleet.farm.afflict([known], Fault.SILENT)
    fleet.grids[known].patch(killSwitch=BOTH)
    fleet.grids[known].wait(lambda seen: kill_of(seen).get("state") == "Requested", "the kill in the status")
    come_back = away(fleet.cluster)
    try:
        fleet.farm.afflict([known], Fault.NONE)
        fleet.wait_held([known])
        wait_until(lambda: operator.probe("/readyz") != "ok", 120, "not ready")
        if OUTAGE:
            came = fleet.farm.counts()["reads"]
            wait_until(
                lambda: fleet.farm.counts()["reads"] - came > OUTAGE / 5 * len(fleet.grids) * 0.8,
                2 * OUTAGE,
                "the outage",
            )
        assert operator.probe("/healthz") == "ok"
    finally:
        come_back()
    fleet.grids[at_return].patch(killSwitch=BOTH)
    fleet.wait_held([at_return])
    wait_until(lambda: operator.probe("/readyz") == "ok", 120, "ready again")
    fleet.wait_all("Ready", "Flat", [known, at_return])
    # Other controls come through again, each to its pod of before, and of every child there is one.
    fleet.patch(others, throttle=0.5)
    fleet.wait_held(others, "throttle", 0.5)
    fleet.wait_all("Ready", "Trading", others)
    assert fleet.pods() == pods
    assert Counter(kind for kind, _ in fleet.versions()) == children
    assert fleet.farm.counts()["problems"] == 0
    assert operator.process.running
    assert "Traceback" not in operator.process.log()
