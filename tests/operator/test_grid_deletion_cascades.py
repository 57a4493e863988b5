"""Deletions in bad company: with the namespace, the CRD, the pod, the Secret; and the same name again. (F16, F49)"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kube import Cluster, wait_until
from tests.kube.installation import CRD, NAMESPACE, install
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
from tests.operator.grid_parts import POSITIONS_STAY, Field, Grid, condition, kill_of, merged

SLOW = {"sim": {"latencyMs": 300}}
"""A flatten takes a second or two."""
CRD_NAME = "hedgegrids.hedgegrid.io"


@pytest.fixture(scope="module")
def wide(own_cluster: Cluster) -> Iterator[Field]:
    """An operator that watches namespaces which tests may delete, beside its own."""
    found = Field(own_cluster)
    watched = ",".join([found.namespace, *(f"{found.namespace}-{letter}" for letter in "ab")])
    found.operator = found.new_operator("wide", HEDGEGRID_OPERATOR_WATCH_NAMESPACES=watched)
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def field(wide: Field) -> Iterator[Field]:
    """The same, with the operator running and the CRD as it ships."""
    if not wide.operator.process.running:
        wide.start()
    yield wide
    wide.cluster.release(wide.namespace)


def elsewhere(field: Field, letter: str, **spec: Any) -> Grid:
    """A grid with positions in a namespace of its own."""
    namespace = f"{field.namespace}-{letter}"
    api = field.cluster.api
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    api.wait("v1", "ServiceAccount", "default", namespace, lambda _: True)
    manifest = field.manifest(f"grid-{letter}", **merged(POSITIONS_STAY, spec))
    manifest["metadata"]["namespace"] = namespace
    made = api.create(manifest)
    grid = Grid(field.cluster, namespace, made["metadata"]["name"], made["metadata"]["uid"])
    grid.wait_condition("Ready", "Trading")
    grid.wait_positions()
    wait_until(lambda: entries(grid) and exits(grid), 30, "entries and exits")
    return grid


def told_beside_the_operator(grid: Grid, reason: str) -> str:
    """An Event about a grid in the operator's namespace."""

    def found() -> list[str]:
        listed = grid.cluster.api.list("events.k8s.io/v1", "Event", NAMESPACE)
        return [event["note"] for event in listed if (event["reason"], event["regarding"]["uid"]) == (reason, grid.uid)]

    note = wait_until(found, 30, f"Event {reason} in {NAMESPACE}")[-1]
    assert note.startswith(f"{grid.namespace}/{grid.name}: ")
    return note


def test_a_namespace_that_goes_takes_its_grid_flat(field: Field) -> None:
    grid = elsewhere(field, "a")
    # The file goes with the volume claim: opened now, it can be read to the end.
    with grid.audit() as audit:
        grid.cluster.api.delete("v1", "Namespace", grid.namespace)
        assert "both legs were verified flat" in told_beside_the_operator(grid, "Deleted")
        assert audit.snapshot().flat
    # Nothing of ours holds the namespace: its controller looks again only after half a pod's grace period.
    wait_until(lambda: not ((grid.get() or {}).get("metadata") or {}).get("finalizers"), 20, "the finalizer to go")
    assert grid.all_children() == []
    # An operator that starts in the minute before the object is deleted doesn't hold it again.
    assert (grid.get() or {}).get("metadata", {}).get("deletionTimestamp") is None
    field.operator.kill()
    field.start()
    wait_until(lambda: field.metric("hedgegrid_operator_reconcile_seconds_count"), 30, "it to have looked")
    assert "finalizers" not in (grid.get() or {}).get("metadata", {})
    assert grid.all_children() == []


def test_a_namespace_that_took_the_pod_first_is_held_until_it_is_let_go(field: Field) -> None:
    grid = elsewhere(field, "b")
    grid.wait(lambda seen: "0" not in [seen["telemetry"][leg]["quantity"] for leg in ("long", "short")], "positions")
    field.operator.kill()
    grid.cluster.hold_pending(grid.namespace)
    grid.pod.kill()
    grid.cluster.api.delete("v1", "Pod", f"{grid.child}-0", grid.namespace, grace=0)
    with grid.audit() as audit:
        grid.cluster.api.delete("v1", "Namespace", grid.namespace)
        wait_until(lambda: (grid.get() or {}).get("metadata", {}).get("deletionTimestamp"), 60, "its deletion")
        field.start()
        told = told_beside_the_operator(grid, "DeletionBlocked")
        assert "no pod can be made in it" in told
        assert "LONG 0." in told
        found = grid.wait(lambda seen: "being terminated" in condition(seen, "Ready").get("message", ""), "its story")
        assert condition(found["status"], "Ready")["status"] == "False"
        pending = field.metric("hedgegrid_operator_deletion_pending_seconds")
        assert [value for series, value in pending.items() if f'grid="{grid.name}"' in series]
        grid.annotate(release="orphan")
        grid.cluster.api.wait_gone("v1", "Namespace", grid.namespace, timeout=90)
        assert not audit.snapshot().flat
    assert "released without being flat; last reported: LONG 0." in told_beside_the_operator(grid, "Deleted")


def pod_killed(grid: Grid) -> None:
    grid.pod.kill()


def stateful_set_deleted(grid: Grid) -> None:
    grid.cluster.api.delete("apps/v1", "StatefulSet", grid.child, grid.namespace)


@pytest.mark.parametrize("taken", [pod_killed, stateful_set_deleted])
def test_what_is_taken_away_in_the_middle_of_a_flatten(field: Field, taken: Callable[[Grid], None]) -> None:
    grid = trading(field, **SLOW)
    grid.delete()
    grid.wait(lambda seen: kill_of(seen).get("state") == "Flattening", "a flatten under way")
    taken(grid)
    last_words(grid)
    closed_once(grid)
    assert len(operations(grid)) == 1


def test_the_volume_claim_deleted_in_the_middle_of_a_flatten(field: Field) -> None:
    grid = trading(field, **SLOW)
    with grid.audit() as audit:
        grid.delete()
        grid.wait(lambda seen: kill_of(seen).get("state") == "Flattening", "a flatten under way")
        grid.cluster.api.delete("v1", "PersistentVolumeClaim", f"data-{grid.child}-0", grid.namespace)
        grid.gone()
        assert audit.snapshot().flat
    assert grid.all_children() == []


def test_a_folder_of_manifests_deleted_with_the_secret_in_it(field: Field, tmp_path: Path) -> None:
    grid = trading(field)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{grid.child}-api", "namespace": grid.namespace},
    }
    (tmp_path / "1-secret.json").write_text(json.dumps(secret))
    (tmp_path / "2-grid.json").write_text(json.dumps(field.manifest(grid.name)))
    pod = grid.pod.uid
    field.cluster.kubectl("delete", "-f", str(tmp_path), "--wait=false", "--cascade=foreground")
    last_words(grid)
    closed_once(grid)
    made = [event["note"] for event in grid.events("PodCreated")]
    assert len(made) == 1
    assert str(pod) in made[0]


def test_a_kill_and_a_deletion_at_the_same_time_are_one_engagement(field: Field) -> None:
    grid = trading(field)
    grid.patch(killSwitch="flattenBoth")
    grid.delete()
    last_words(grid)
    closed_once(grid)
    assert len(operations(grid)) <= 1


def test_a_deletion_does_not_wait_for_a_rollout(field: Field) -> None:
    grid = trading(field)
    pod = grid.pod.uid
    grid.patch(grid={"levelsLong": 3})
    grid.wait_condition("Progressing", "WaitingForFlat")
    grid.delete()
    last_words(grid)
    closed_once(grid)
    assert {str(pod) in event["note"] for event in grid.events("PodCreated")} == {True}


def test_an_object_deleted_before_it_was_ever_seen_leaves_nothing(field: Field) -> None:
    field.operator.kill()
    grid = field.create()
    grid.delete()
    grid.gone()
    field.start()
    assert grid.all_children() == []


def test_the_same_name_again_at_once_is_another_grid(field: Field) -> None:
    old = trading(field, deletion={"policy": "Orphan"})
    old.annotate(release="orphan")
    old.delete()
    old.gone()
    # Its pod may still be ending: a name that is taken is waited for.
    new = field.create(old.name, **POSITIONS_STAY)
    new.wait_condition("Ready", "Trading")
    assert old.all_children() == []
    only_entries_went(old)
    first = wait_until(new.commands, 30, "its first orders")[0]
    assert first.wall_ns > max(command.wall_ns for command in old.commands())
    assert {child["metadata"]["labels"]["hedgegrid.io/uid"] for child in new.children(kind="Pod")} == {new.uid}


def changed_crd(change: Callable[[Any], None]) -> Any:
    """The CRD with its schema changed."""
    found = yaml.safe_load(CRD.read_text())
    change(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])
    return found


def newer(spec: Any) -> None:
    """A schema that knows a field and a policy more."""
    spec["grid"]["properties"]["shape"] = {"type": "string"}
    spec["deletion"]["properties"]["policy"]["enum"].append("AskFirst")


def test_an_object_of_another_schema_is_deleted_by_what_can_be_read_of_it(field: Field) -> None:
    cluster = field.cluster
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(changed_crd(newer)))
    try:
        grid = trading(field)

        def taken() -> bool:
            grid.patch(grid={"shape": "fan"}, deletion={"policy": "AskFirst"})
            return (grid.get() or {})["spec"]["grid"].get("shape") == "fan"

        wait_until(taken, 30, "the newer schema to be served")
        grid.wait_condition("Accepted", "InvalidSpec")
        field.operator.kill()
        grid.delete()
        field.start()
        waits = grid.wait(
            lambda seen: "AskFirst isn't known" in condition(seen, "Ready").get("message", ""), "its story"
        )
        assert kill_of(waits["status"])["effective"] == "haltEntries"
        wait_until(lambda: not entries(grid), 20, "the entries to go")
        assert all(positions(grid).values())
        grid.patch(deletion={"policy": "Flatten"})
        last_words(grid)
        closed_once(grid)
    finally:
        install(cluster)


def test_the_crd_deleted_with_grids_there_takes_them_flat_and_may_come_back(field: Field) -> None:
    cluster = field.cluster
    grids = [trading(field), field.running()]
    try:
        cluster.api.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRD_NAME)
        cluster.api.wait_gone("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRD_NAME, timeout=90)
    finally:
        install(cluster)
    for grid in grids:
        closed_once(grid)
        assert grid.all_children() == []
    assert field.running().venue().last_trade_id >= 0
