"""F50: a pod that stood still, and wakes up with a kill in its sockets, a book that has moved and quotes that are old.

HEDGEGRID_TEST_FROZEN=90 lets it stand still for so many seconds.
"""

import os
from datetime import UTC, datetime

import pytest

from tests.kube import wait_until
from tests.operator.grid_parts import POSITIONS_STAY, Field, kill_of, moment

FROZEN = float(os.environ.get("HEDGEGRID_TEST_FROZEN", "7"))


@pytest.mark.parametrize("switch", ["haltEntries", "flattenBoth"])
def test_a_pod_that_stood_still_opens_nothing_once_it_has_taken_the_kill(field: Field, switch: str) -> None:
    quick = {"execution": {"barSeconds": 1, "staleDataSeconds": 5}}
    grid = field.running(**(POSITIONS_STAY | quick))
    grid.wait_positions()
    boot = grid.call("GET", "/control")[1]["bootID"]
    grid.pod.freeze()
    asked = datetime.now(UTC)
    grid.patch(killSwitch=switch)

    pending = "hedgegrid_operator_kill_pending_seconds"
    wait_until(lambda: field.metric_of(grid, pending) > FROZEN, FROZEN + 60, "the kill to be pending for long")
    assert kill_of((grid.get() or {})["status"])["state"] == "Requested"
    grid.pod.thaw()
    grid.wait_phase("Halted" if switch == "haltEntries" else "Flat")
    # The pod's own watch may have been first.
    status = grid.wait(lambda seen: "deliveredTime" in kill_of(seen), "the kill to be delivered")["status"]
    delivered = moment(kill_of(status)["deliveredTime"])
    assert delivered > asked
    grid.nothing_opened_since(delivered)
    assert grid.call("GET", "/control")[1]["bootID"] == boot
