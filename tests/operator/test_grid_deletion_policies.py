"""What each deletion policy does at the venue before the object goes, and what it leaves. (F16)"""

from typing import Any

import pytest

from tests.kube import wait_until
from tests.operator.deletion_parts import (
    closed_once,
    entries,
    exits,
    last_words,
    only_entries_went,
    operations,
    positions,
    trading,
)
from tests.operator.grid_parts import Field, Grid, condition, kill_of

KEEP = {"deletion": {"policy": "CancelOrders"}}
LEAVE = {"deletion": {"policy": "Orphan"}}


def crashed(grid: Grid) -> None:
    """The pod is gone without having cancelled anything."""
    first = grid.pod.uid
    grid.pod.freeze()  # killed only, its container would be started again meanwhile
    grid.cluster.api.delete("v1", "Pod", f"{grid.child}-0", grid.namespace, grace=0)
    wait_until(lambda: grid.pod.uid != first, 30, "the pod to be gone")
    grid.pod.heal()


def test_cancel_orders_takes_the_entries_and_keeps_positions_with_their_exits(field: Field) -> None:
    grid = trading(field, **KEEP, sim={"latencyMs": 300})
    grid.delete()
    # Each cancel takes its time, and until the last of them the grid isn't said to be halted.
    status = grid.wait(lambda seen: kill_of(seen).get("state") == "Halted", "Halted")["status"]
    assert entries(grid) == []
    assert {leg["source"] for leg in kill_of(status)["legs"].values()} == {"deletion"}
    told = last_words(grid)
    only_entries_went(grid)
    assert "entries were verified gone; what stays at the venue: LONG 0." in told
    assert f"{len(exits(grid))} exits that rest there with no pod behind them" in told
    assert "no entry is open, exits stay" in grid.wait_event("KillHalted")


def test_orphan_stops_the_pod_and_verifies_nothing(field: Field) -> None:
    grid = trading(field, **LEAVE)
    grid.delete()
    told = last_words(grid)
    only_entries_went(grid)
    assert "nothing was verified; last reported: LONG 0." in told


def test_a_policy_that_becomes_stronger_acts_at_once(field: Field) -> None:
    grid = trading(field, **KEEP)
    grid.pod.refuse()
    grid.delete()
    assert "the entries are cancelled before the object goes" in grid.wait_event("Deleting")
    grid.patch(deletion={"policy": "Flatten"})
    grid.pod.heal()
    assert "both legs were verified flat" in last_words(grid)
    closed_once(grid)
    assert len(operations(grid)) == 1


def test_a_policy_that_becomes_weaker_is_followed_too(field: Field) -> None:
    grid = trading(field)
    field.cluster.hold_pending(field.namespace)
    crashed(grid)
    grid.delete()
    assert "the grid is flattened before the object goes" in grid.wait_event("Deleting")
    grid.patch(deletion={"policy": "CancelOrders"})
    field.cluster.release(field.namespace)
    assert "entries were verified gone" in last_words(grid)
    only_entries_went(grid)


def test_a_pod_that_is_gone_is_brought_back_to_cancel_what_it_left(field: Field) -> None:
    grid = trading(field, **KEEP)
    field.operator.kill()
    # Killed without a chance to cancel anything, and not started again.
    field.cluster.api.delete("apps/v1", "StatefulSet", grid.child, field.namespace, "Orphan")
    field.cluster.hold_pending(field.namespace)
    crashed(grid)
    grid.delete()
    field.cluster.release(field.namespace)
    field.start()
    assert "entries were verified gone" in last_words(grid)
    only_entries_went(grid)


@pytest.mark.parametrize(
    ("deletion", "missed"),
    [
        pytest.param({"policy": "CancelOrders"}, "before its entries were verified gone", id="CancelOrders"),
        pytest.param({"policy": "Flatten"}, "without being flat", id="Flatten"),
    ],
)
def test_after_its_time_it_blocks_says_so_and_can_be_let_go(field: Field, deletion: Any, missed: str) -> None:
    grid = trading(field, deletion={**deletion, "timeoutSeconds": 1})
    grid.pod.freeze()
    grid.delete()
    told = grid.wait_event("DeletionBlocked")
    assert "last reported: LONG 0." in told
    assert "hedgegrid.io/release: orphan" in told
    found = grid.wait(lambda seen: "not done in the time" in condition(seen, "Ready").get("message", ""), "its story")
    assert condition(found["status"], "Ready")["reason"] == "Deleting"
    assert field.metric("hedgegrid_operator_deletion_pending_seconds")
    if deletion["policy"] == "Flatten":
        grid.annotate(release="orphan")
    else:
        grid.patch(deletion={"onTimeout": "Orphan"})
    grid.gone()
    assert missed in grid.wait_event("Deleted")
    assert all(positions(grid).values())
