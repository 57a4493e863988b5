"""F17, F49: a changed pod template rolls by update.strategy, with every exit kept; a lost pod comes back as it was."""

from typing import Any

from tests.kube import wait_until
from tests.operator.grid_parts import POSITIONS_STAY, Field, Grid, condition, kill_of, moment
from tests.operator.rollout_parts import Exits, another_pod, container, drained, evict, restart, revision

BLUE: dict[str, Any] = {"pod": {"env": [{"name": "COLOUR", "value": "blue"}]}}


def with_positions(field: Field, **spec: Any) -> Grid:
    """A grid of this test's own, which has a position and exits on both legs."""
    grid = field.running(**(POSITIONS_STAY | spec))
    grid.wait_positions()
    # What a fill is closed by is on its way a moment later.
    wait_until(lambda: sum(order.side is not order.leg.opening for order in grid.venue().open_orders) >= 2, 60, "exits")
    return grid


def test_immediate_restarts_at_once_with_every_exit_kept_and_lets_a_drain_pass(field: Field) -> None:
    grid = with_positions(field, update={"strategy": "Immediate"})
    first, exits = grid.pod.uid, Exits(grid)
    grid.patch(**BLUE)
    second = another_pod(grid, first)
    assert {"name": "COLOUR", "value": "blue"} in container(grid)["env"]
    grid.wait_condition("Ready", "Trading")
    exits.were_kept()
    drained(grid, second)
    third = another_pod(grid, second)
    assert third != first
    grid.wait_condition("Ready", "Trading")
    exits.were_kept()


def test_a_drain_waits_for_a_grid_that_has_a_position_and_passes_once_it_is_flat(field: Field) -> None:
    """F52: the eviction API itself refuses, whoever asks."""
    grid = with_positions(field)
    first = grid.pod.uid
    found = field.cluster.api.wait(
        "policy/v1", "PodDisruptionBudget", grid.child, field.namespace, lambda seen: "status" in seen
    )
    assert found["spec"]["minAvailable"] == 1
    assert [evict(grid) for _ in range(3)] == [429, 429, 429]
    # A pod that can't be asked may have a position: refused, too.
    grid.pod.freeze()
    grid.wait(lambda seen: condition(seen, "ControlReachable")["status"] == "False", "the pod to be out of reach")
    assert evict(grid) == 429
    grid.pod.thaw()
    assert grid.pod.uid == first
    grid.patch(killSwitch="flattenBoth")
    grid.wait_phase("Flat")
    drained(grid, first)
    another_pod(grid, first)
    assert kill_of(grid.wait_phase("Flat"))["state"] == "Flat"


def test_manual_waits_for_the_annotation_that_the_condition_names(field: Field) -> None:
    grid = with_positions(field, update={"strategy": "Manual"})
    first, old, exits = grid.pod.uid, revision(grid), Exits(grid)
    assert evict(grid) == 429
    # The configuration changes: its hash is asked for.
    grid.patch(grid={"levelsLong": 4})
    told = grid.wait_condition("Progressing", "WaitingForAnnotation")["message"]
    waits = (grid.get() or {})["status"]["rollout"]
    assert f"hedgegrid.io/rollout: {waits['approval']}" in told
    assert f"hedgegrid-{grid.name}-{waits['approval']}" in {
        found["metadata"]["name"] for found in grid.children(kind="ConfigMap")
    }
    assert told in {event["note"] for event in grid.events("WaitingForAnnotation")} | {
        grid.wait_event("WaitingForAnnotation")
    }
    grid.annotate(rollout="something-else")
    # A lost pod comes back as it was.
    field.cluster.api.delete("v1", "Pod", f"{grid.child}-0", field.namespace, grace=5)
    second = another_pod(grid, first)
    assert revision(grid) == old
    exits.were_kept()
    grid.annotate(rollout=waits["approval"])
    third = another_pod(grid, second)
    assert revision(grid) == waits["revision"] != old
    exits.were_kept()
    # Only the pod changes: the annotation of the last time doesn't let it pass.
    grid.patch(**BLUE)
    grid.wait(lambda seen: (seen.get("rollout") or {}).get("revision") not in {None, waits["revision"]}, "the next one")
    waits = (grid.get() or {})["status"]["rollout"]
    assert waits["approval"] == waits["revision"]
    assert grid.pod.uid == third
    grid.annotate(rollout=waits["approval"])
    another_pod(grid, third)
    grid.wait_condition("Progressing", "Idle")
    assert "rollout" not in (grid.get() or {})["status"]
    exits.were_kept()


def test_after_max_wait_the_pod_restarts_with_its_exits_kept_counted_across_a_restart_of_the_operator(
    field: Field,
) -> None:
    grid = with_positions(field, update={"maxWaitSeconds": 25})
    first, exits = grid.pod.uid, Exits(grid)
    grid.patch(**BLUE)
    message = grid.wait_condition("Progressing", "WaitingForFlat")["message"]
    waits = (grid.get() or {})["status"]["rollout"]
    assert f"since {waits['since']}" in message
    assert "it is restarted so at" in message
    restart(field)
    second = another_pod(grid, first)
    exits.were_kept()
    found = grid.pod.get()
    assert found is not None
    assert (second, {"name": "COLOUR", "value": "blue"} in container(grid)["env"]) == (grid.pod.uid, True)
    started, since = (moment(text) for text in (found["metadata"]["creationTimestamp"], waits["since"]))
    assert (started - since).total_seconds() >= 25
    # Nothing waits any more.
    grid.wait(lambda seen: "rollout" not in seen, "the end of the rollout")


def test_an_operator_that_has_just_started_puts_the_running_revision_back(field: Field) -> None:
    """F49: template changed, operator gone, StatefulSet and pod tampered with: the old revision comes back."""
    grid = with_positions(field)
    api, first, old, exits = field.cluster.api, grid.pod.uid, revision(grid), Exits(grid)
    config = {found["metadata"]["name"] for found in grid.children(kind="ConfigMap")}
    grid.patch(grid={"levelsShort": 4}, **BLUE)
    message = grid.wait_condition("Progressing", "WaitingForFlat")["message"]
    field.operator.kill()
    change = [{"name": "strategy", "image": "somebody/else:1"}]
    path = api.path("apps/v1", "StatefulSet", grid.child, field.namespace)
    tampered = {"spec": {"template": {"spec": {"containers": change}}}}
    api.request("PATCH", path, tampered, "application/strategic-merge-patch+json")
    field.start()
    api.wait("apps/v1", "StatefulSet", grid.child, field.namespace, lambda seen: _image(seen) != "somebody/else:1")
    # Started anew, it goes on waiting where it was, and nothing that the running revision needs is taken away.
    assert grid.wait_condition("Progressing", "WaitingForFlat")["message"] == message
    api.delete("v1", "Pod", f"{grid.child}-0", field.namespace, grace=5)
    second = another_pod(grid, first)
    assert (revision(grid), container(grid)["image"]) == (
        old,
        _image(api.get("apps/v1", "StatefulSet", grid.child, field.namespace)),
    )
    assert {"name": "COLOUR", "value": "blue"} not in container(grid)["env"]
    assert config < {found["metadata"]["name"] for found in grid.children(kind="ConfigMap")}
    exits.were_kept()
    # The StatefulSet itself taken away: as it was, too; so is the configuration.
    api.delete("v1", "ConfigMap", next(iter(config)), field.namespace)
    api.delete("apps/v1", "StatefulSet", grid.child, field.namespace)
    another_pod(grid, second)
    assert revision(grid) == old
    assert (grid.get() or {})["status"]["rollout"]["since"] in message
    exits.were_kept()
    grid.patch(killSwitch="flattenBoth")
    wait_until(lambda: revision(grid) not in {"", old}, 90, "the rollout")
    wait_until(lambda: len(grid.children(kind="ConfigMap")) == 1, 60, "the old ConfigMap to go")
    assert {found["metadata"]["name"] for found in grid.children(kind="ConfigMap")}.isdisjoint(config)


def _image(stateful_set: Any) -> str:
    return str(stateful_set["spec"]["template"]["spec"]["containers"][0]["image"])


def test_an_operator_upgrade_whose_template_differs_rolls_by_the_same_rule(field: Field) -> None:
    grid = with_positions(field)
    first, old, exits = grid.pod.uid, revision(grid), Exits(grid)
    field.operator.stop()
    newer = field.new_operator("newer", HEDGEGRID_OPERATOR_STRATEGY_TAG="next")
    newer.start()
    newer.wait_leading()
    assert "until both legs are flat" in grid.wait_condition("Progressing", "WaitingForFlat")["message"]
    assert (grid.pod.uid, revision(grid)) == (first, old)
    field.cluster.api.delete("v1", "Pod", f"{grid.child}-0", field.namespace, grace=5)
    second = another_pod(grid, first)
    assert (revision(grid), container(grid)["image"].endswith(":next")) == (old, False)
    exits.were_kept()
    grid.patch(killSwitch="flattenBoth")
    grid.wait_phase("Flat")
    another_pod(grid, second)
    assert container(grid)["image"].endswith(":next")
    assert kill_of(grid.wait_phase("Flat"))["state"] == "Flat"
