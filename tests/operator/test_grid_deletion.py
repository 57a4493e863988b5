"""An object goes when its grid is flat, not before, and takes everything with it but the volume of its store."""

from typing import Any

import pytest

from tests.kube import wait_until
from tests.operator.grid_parts import CHILD_COUNT, Field, Grid, condition


@pytest.fixture
def grid(field: Field) -> Grid:
    """A grid that trades and has a position on both legs."""
    return field.with_positions()


def went_flat(grid: Grid) -> str:
    """The object is gone, all children with it, and the venue is flat; the last Event."""
    grid.gone()
    assert grid.venue().flat
    assert grid.venue().last_trade_id > 0
    assert grid.all_children() == []
    return grid.wait_event("Deleted")


def test_flat_first_then_gone(grid: Grid) -> None:
    grid.delete()
    last = went_flat(grid)
    claim = f"data-{grid.child}-0"
    assert claim in last
    found = grid.cluster.api.get("v1", "PersistentVolumeClaim", claim, grid.namespace)
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    assert "deletion" in grid.wait_event("KillFlat")


@pytest.mark.parametrize("propagation", ["Foreground", "Orphan"])
def test_during_a_restart_of_the_operator(field: Field, grid: Grid, propagation: str) -> None:
    field.operator.kill()
    pod = grid.pod.uid
    grid.delete(propagation)
    # Nothing goes while nobody is there to see it off: not even what a cascade would take.
    found = grid.get()
    assert found is not None
    assert found["metadata"]["deletionTimestamp"]
    field.start()
    went_flat(grid)
    assert pod is not None


def test_the_pod_that_is_gone_is_brought_back_to_flatten(field: Field, grid: Grid) -> None:
    api = field.cluster.api
    field.operator.kill()
    api.delete("apps/v1", "StatefulSet", grid.child, field.namespace)
    wait_until(lambda: grid.pod.uid is None, 30, "the pod to be gone")
    assert not grid.venue().flat
    grid.delete()
    api.delete("v1", "Secret", f"{grid.child}-api", field.namespace)
    field.start()
    went_flat(grid)


def test_the_operator_restarted_after_flat_does_not_begin_again(field: Field, grid: Grid) -> None:
    grid.delete()
    wait_until(lambda: _ending(grid.pod.get()), 30, "the pod to end")
    pod = grid.pod.uid
    field.operator.kill()
    field.start()
    went_flat(grid)
    assert pod is None or pod in grid.events("PodCreated")[-1]["note"]


def _ending(pod: dict[str, Any] | None) -> bool:
    return pod is None or "deletionTimestamp" in pod["metadata"]


def test_a_deletion_that_does_not_get_flat_blocks_until_it_is_let_go(field: Field, grid: Grid) -> None:
    grid.pod.freeze()
    grid.patch(deletion={"timeoutSeconds": 1})
    grid.delete()
    assert "hedgegrid.io/release" in grid.wait_event("DeletionBlocked")
    remedy = "hedgegrid.io/release"
    found = grid.wait(lambda seen: remedy in condition(seen, "Ready").get("message", ""), "the way out in the status")
    assert condition(found["status"], "Ready")["reason"] == "Deleting"
    grid.annotate(release="orphan")
    grid.gone()
    assert "without being flat" in grid.wait_event("Deleted")
    assert not grid.venue().flat


def test_a_deletion_may_give_up_after_its_time(field: Field, grid: Grid) -> None:
    grid.wait(lambda seen: "0" not in [seen["telemetry"][leg]["quantity"] for leg in ("long", "short")], "positions")
    grid.pod.freeze()
    grid.patch(deletion={"timeoutSeconds": 1, "onTimeout": "Orphan"})
    grid.delete()
    grid.gone()
    last = grid.wait_event("Deleted")
    assert "without being flat" in last
    assert "LONG 0." in last


def test_an_object_that_never_ran_goes_at_once_and_flattens_nobody(field: Field, grid: Grid) -> None:
    other = field.create(account={"name": grid.name})
    other.wait_condition("Accepted", "DuplicateTarget")
    other.delete()
    other.gone()
    assert not grid.venue().flat
    assert grid.wait_condition("Ready", "Trading")


def test_what_an_object_without_finalizer_left_behind_is_removed(field: Field, grid: Grid) -> None:
    remove = {"metadata": {"finalizers": None}}
    field.operator.kill()
    field.cluster.api.patch("hedgegrid.io/v1alpha1", "HedgeGrid", grid.name, field.namespace, remove)
    grid.delete()
    grid.gone()
    assert len(grid.all_children()) == CHILD_COUNT
    field.start()
    wait_until(lambda: grid.all_children() == [], 40, "everything to be removed")
    assert "look at the venue" in grid.wait_event("Orphaned")
