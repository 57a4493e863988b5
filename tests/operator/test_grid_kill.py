"""A kill gets through whatever else is wrong, is never said to be further than it is, and nothing opens after it.

"Nothing opened" is read from the venue's own order log, by time of arrival.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg
from tests.kube import wait_until
from tests.kube.installation import install
from tests.operator.grid_parts import Field, Grid, condition, kill_of, merged, moment

BOTH = "flattenBoth"


@pytest.fixture
def grid(field: Field) -> Grid:
    """A grid that trades and has a position on both legs."""
    return field.with_positions()


def is_flat(grid: Grid) -> dict[str, Any]:
    """The kill in the status once it says Flat; the venue agrees, and nothing opened since the pod had stored it."""
    status = grid.wait_phase("Flat")
    kill = kill_of(status)
    assert (kill["state"], kill["effective"]) == ("Flat", BOTH)
    assert grid.venue().flat
    grid.nothing_opened_since(moment(kill["deliveredTime"]))
    assert grid.venue().flat
    return kill


def not_said_too_early(grid: Grid, reason: str) -> None:
    """The status asks, says why it waits, and neither Delivered nor Flat."""
    found = grid.wait(
        lambda seen: (
            kill_of(seen).get("state") == "Requested" and condition(seen, "ControlReachable").get("reason") == reason
        ),
        f"Requested and {reason}",
    )
    kill = kill_of(found["status"])
    assert "deliveredTime" not in kill
    assert "flatTime" not in kill
    assert condition(found["status"], "Ready")["status"] == "False"


def test_with_the_pod_up(field: Field, grid: Grid) -> None:
    before, count = grid.pod.uid, sum(field.metric("hedgegrid_operator_kill_delivery_seconds_count").values())
    generation = grid.patch(killSwitch=BOTH)
    kill = is_flat(grid)
    assert kill["source"] == "spec"
    assert grid.pod.uid == before
    assert grid.wait_condition("Ready", "Flat", "True")
    for reason in ("KillRequested", "KillDelivered", "KillFlat"):
        assert grid.told(reason, f"generation {generation}") == 1
    assert sum(field.metric("hedgegrid_operator_kill_delivery_seconds_count").values()) == count + 1
    # Released, it trades again.
    grid.patch(killSwitch="none")
    grid.wait_condition("Ready", "Trading")
    wait_until(lambda: not grid.venue().flat, 30, "orders at the venue")
    assert grid.wait_event("KillReleased")


@pytest.mark.parametrize(
    ("switch", "flat", "stays"), [("flattenLong", Leg.LONG, Leg.SHORT), ("flattenShort", Leg.SHORT, Leg.LONG)]
)
def test_of_one_leg_leaves_the_other_trading(grid: Grid, switch: str, flat: Leg, stays: Leg) -> None:
    grid.patch(killSwitch=switch)
    status = grid.wait(lambda seen: kill_of(seen).get("state") == "Flat", "one leg to be flat")["status"]
    assert kill_of(status)["effective"] == switch
    venue = grid.venue()
    assert venue.positions[flat].quantity == 0
    assert [order for order in venue.open_orders if order.leg is flat] == []
    assert venue.positions[stays].quantity > 0
    assert [order for order in venue.open_orders if order.leg is stays]
    assert grid.wait_condition("Ready", "Flat", "True")


def test_halting_entries_keeps_positions_and_exits(grid: Grid) -> None:
    grid.patch(killSwitch="haltEntries")
    status = grid.wait_phase("Halted")
    venue = grid.venue()
    assert [order for order in venue.open_orders if order.side is order.leg.opening] == []
    assert all(position.quantity > 0 for position in venue.positions.values())
    grid.nothing_opened_since(moment(kill_of(status)["flatTime"]))


def test_with_the_pod_dead(grid: Grid) -> None:
    grid.cluster.hold_pending(grid.namespace)
    grid.cluster.api.delete("v1", "Pod", f"{grid.child}-0", grid.namespace, grace=0)
    wait_until(lambda: grid.pod.address is None, 30, "the pod to be gone")
    grid.patch(killSwitch=BOTH)
    not_said_too_early(grid, "NoPod")
    grid.cluster.release(grid.namespace)
    is_flat(grid)


def test_with_the_process_killed_at_the_same_moment(grid: Grid) -> None:
    grid.pod.kill()
    grid.patch(killSwitch=BOTH)
    is_flat(grid)


def test_with_the_pod_frozen(field: Field, grid: Grid) -> None:
    grid.pod.freeze()
    grid.patch(killSwitch=BOTH)
    not_said_too_early(grid, "Timeout")
    wait_until(lambda: field.metric_of(grid, "hedgegrid_operator_kill_pending_seconds") > 0, 20, "a gauge")
    assert grid.wait_event("PodUnreachable")
    grid.pod.thaw()
    is_flat(grid)
    assert field.metric_of(grid, "hedgegrid_operator_kill_delivery_failures_total") > 0
    assert field.metric_of(grid, "hedgegrid_operator_kill_pending_seconds") == 0


def test_with_the_pod_slow(grid: Grid) -> None:
    grid.pod.delay(1.0)
    grid.patch(killSwitch=BOTH)
    is_flat(grid)


def test_with_answers_that_never_arrive(grid: Grid) -> None:
    grid.pod.drop_answer()
    grid.patch(killSwitch=BOTH)
    not_said_too_early(grid, "ConnectionRefused")
    wait_until(lambda: grid.venue().flat, 30, "the venue to be flat")
    closings = [command.client_order_id for command in grid.commands() if command.kind == "market"]
    grid.pod.heal()
    kill = is_flat(grid)
    # Sent again and again, it was one engagement, and each position was closed once.
    assert [command.client_order_id for command in grid.commands() if command.kind == "market"] == closings
    assert len({leg["operationID"] for leg in kill["legs"].values()}) == 1


def test_with_the_pod_refusing_connections(grid: Grid) -> None:
    grid.pod.refuse()
    grid.patch(killSwitch=BOTH)
    not_said_too_early(grid, "ConnectionRefused")
    grid.pod.heal()
    is_flat(grid)


def test_with_the_pod_restarted_in_between(grid: Grid) -> None:
    grid.patch(killSwitch="haltEntries")
    grid.wait_phase("Halted")
    grid.pod.freeze()
    grid.patch(killSwitch=BOTH)
    not_said_too_early(grid, "Timeout")
    boot = grid.wait(lambda seen: seen["control"].get("bootID"), "a boot")["status"]["control"]["bootID"]
    grid.pod.kill()
    grid.pod.thaw()
    is_flat(grid)
    assert (grid.get() or {})["status"]["control"]["bootID"] != boot


def test_with_the_pod_pending_since_its_creation(field: Field) -> None:
    field.cluster.hold_pending(field.namespace, unschedulable=True)
    grid = field.create(killSwitch=BOTH)
    not_said_too_early(grid, "NoPod")
    grid.wait_condition("PodReady", "Unschedulable", "False")
    field.cluster.release(field.namespace)
    is_flat(grid)
    assert grid.commands() == []


def test_at_creation(field: Field) -> None:
    grid = field.create(killSwitch=BOTH)
    is_flat(grid)
    assert grid.commands() == []


def test_patched_while_the_operator_is_down(field: Field, grid: Grid) -> None:
    before = grid.pod.uid
    field.operator.kill()
    grid.patch(killSwitch=BOTH)
    field.start()
    kill = is_flat(grid)
    orders = len(grid.commands())
    # And once more with nothing to do: the same engagement, no order.
    field.operator.kill()
    field.start()
    wait_until(lambda: grid.call("GET", "/control")[1]["epoch"] > 1, 30, "the new leader's epoch")
    again = is_flat(grid)
    assert again["operationID"] == kill["operationID"]
    assert len(grid.commands()) == orders
    assert grid.pod.uid == before


@contextmanager
def storm(field: Field, grids: list[Grid]) -> Iterator[threading.Event]:
    """Throttles of many objects change without end."""
    stop, changed = threading.Event(), threading.Event()

    def change(mine: list[Grid]) -> None:
        round_ = 0
        while not stop.is_set():
            round_ += 1
            for grid in mine:
                grid.patch(throttle=0.3 + (round_ % 50) / 100)
            changed.set()

    threads = [threading.Thread(target=change, args=(grids[part::4],)) for part in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield changed
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_during_a_throttle_storm(field: Field, grid: Grid) -> None:
    # One pod that can be reached, one that can't, and a crowd of objects that have none.
    frozen = field.running()
    frozen.pod.freeze()
    crowd = [field.create(f"crowd-{number}", account={"name": grid.name}) for number in range(40)]
    crowd[-1].wait_condition("Accepted", "DuplicateTarget")
    with storm(field, [*crowd, frozen, grid]) as changed:
        assert changed.wait(30)
        grid.patch(killSwitch=BOTH)
        status = grid.wait(lambda seen: kill_of(seen).get("state") == "Flat", "Flat amid the storm")["status"]
    grid.nothing_opened_since(moment(kill_of(status)["deliveredTime"]))
    assert grid.venue().flat


@contextmanager
def without_right_to_write_status(field: Field) -> Iterator[None]:
    """The API server refuses every write of a status."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/hedgegrid-operator"
    role = field.cluster.api.request("GET", path)
    rules = [rule for rule in role["rules"] if "hedgegrids/status" not in rule["resources"]]
    field.cluster.api.request("PATCH", path, {"rules": rules}, "application/merge-patch+json")
    try:
        yield
    finally:
        install(field.cluster)


def test_behind_a_status_that_cannot_be_written(field: Field, grid: Grid) -> None:
    with without_right_to_write_status(field):
        grid.patch(throttle=0.5)

        def refused() -> float:
            requests = field.metric("hedgegrid_operator_api_requests_total")
            return sum(count for series, count in requests.items() if "status" in series and '"403"' in series)

        wait_until(refused, 30, "a refused status")
        grid.patch(killSwitch=BOTH)
        wait_until(lambda: grid.venue().flat, 30, "the venue to be flat")
        assert kill_of((grid.get() or {})["status"]).get("state") == "Released"
    is_flat(grid)


def document(grid: Grid, **change: Any) -> dict[str, Any]:
    """The document that the operator would send now, with fields changed."""
    report = grid.call("GET", "/control")[1]
    base = {
        "uid": grid.uid,
        "generation": report["appliedGeneration"],
        "epoch": report["epoch"],
        "killSwitch": report["killSwitch"]["desired"],
        "throttle": report["throttle"]["desired"],
        "rearm": report["rearm"],
    }
    return merged(base, change)


def test_the_same_generation_twice_is_one_engagement(grid: Grid) -> None:
    grid.patch(killSwitch=BOTH)
    kill = is_flat(grid)
    orders = len(grid.commands())
    for _ in range(3):
        status, report = grid.call("PUT", "/control", document(grid))
        assert status == 200
        assert report["killSwitch"]["operationID"] == kill["operationID"]
    assert len(grid.commands()) == orders


def test_an_older_generation_undoes_nothing_with_whatever_epoch(grid: Grid) -> None:
    grid.patch(killSwitch=BOTH)
    kill = is_flat(grid)
    held = grid.call("GET", "/control")[1]
    for epoch in (held["epoch"], held["epoch"] + 100):
        older = document(grid, generation=held["appliedGeneration"] - 1, epoch=epoch, killSwitch="none")
        status, refusal = grid.call("PUT", "/control", older)
        assert (status, refusal["reason"]) == (409, "generation")
        assert refusal["held"]["killSwitch"]["operationID"] == kill["operationID"]
    stale = document(grid, epoch=held["epoch"] - 1, killSwitch="none")
    status, refusal = grid.call("PUT", "/control", stale)
    assert (status, refusal["reason"]) == (409, "epoch")
    another = document(grid, uid="another-object", generation=99, killSwitch="none")
    status, refusal = grid.call("PUT", "/control", another)
    assert (status, refusal["reason"]) == (409, "uid")
    is_flat(grid)


def test_what_a_person_halted_through_the_api_is_shown_and_released_by_a_rearm(grid: Grid) -> None:
    status, _ = grid.call("POST", "/flatten", {"side": "long", "reason": "a test"}, key="trader")
    assert status == 200
    grid.wait_condition("Ready", "EngagedByAPI", "False")
    shown = grid.wait(lambda seen: seen["control"].get("latches"), "the latch in the status")["status"]
    assert [latch["source"] for latch in shown["control"]["latches"]] == ["api"]
    # Another generation of the spec doesn't undo it.
    grid.patch(throttle=0.9)
    grid.wait(lambda seen: seen["control"]["throttle"]["effective"] == 0.9, "the throttle")
    assert grid.call("GET", "/control")[1]["killSwitch"]["legs"]["long"]["level"] == "flat"
    grid.patch(rearm=1)
    grid.wait_condition("Ready", "Trading", "True")
    assert (grid.get() or {})["status"]["control"]["rearm"] == 1


def test_a_leader_whose_lease_was_lost_gets_its_kill_through(field: Field, grid: Grid) -> None:
    grid.call("PUT", "/control", document(grid, epoch=50))
    field.cluster.api.delete("coordination.k8s.io/v1", "Lease", "hedgegrid-operator", "hedgegrid-system")
    grid.patch(killSwitch=BOTH)
    is_flat(grid)
    assert grid.call("GET", "/control")[1]["epoch"] > 50
