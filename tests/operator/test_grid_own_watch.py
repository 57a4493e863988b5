"""F48: a kill works with the operator gone for good, or cut off from the pod: the pod watches its own HedgeGrid.

"Nothing opened" is read from the venue's own order log, by time of arrival.
"""

import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.kube import ApiError, wait_until
from tests.operator.grid_parts import API, POSITIONS_STAY, Field, Grid, condition, kill_of, moment

BOTH = "flattenBoth"


@pytest.fixture
def grid(field: Field) -> Grid:
    """A grid that trades and has a position on both legs."""
    return field.with_positions()


@pytest.fixture
def alone(field: Field, grid: Grid) -> Grid:
    """The same, whose operator is dead, for good."""
    field.operator.kill()
    return grid


def report(grid: Grid) -> dict[str, Any]:
    """What the pod says, asked without the operator."""
    status, found = grid.call("GET", "/control")
    assert status == 200
    return found


def told(grid: Grid, holds: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
    """The pod's report once something holds for it."""

    def found() -> dict[str, Any] | None:
        try:
            seen = report(grid)
        except OSError:
            return None  # it starts again
        return seen if holds(seen) else None

    try:
        return wait_until(found, 40, what)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; the pod's last words:\n{grid.pod.log()[-3000:]}") from None


def flat_by_itself(grid: Grid) -> dict[str, Any]:
    """The kill in the pod's report once it is flat; the venue agrees, and nothing opened since it was stored."""
    kill = told(grid, lambda seen: seen["killSwitch"]["state"] == "Flat", "the pod to be flat")["killSwitch"]
    assert grid.venue().flat
    grid.nothing_opened_since(moment(kill["legs"]["long"]["delivered"]))
    assert grid.venue().flat
    return kill


def stale(grid: Grid, seen: dict[str, Any], generation: int) -> dict[str, Any]:
    """A document of a generation that asks for nothing, from a leader that is newer than any."""
    asked = {"uid": grid.uid, "generation": generation, "epoch": (seen["epoch"] or 0) + 50, "throttle": 1}
    return {**asked, "killSwitch": "none", "rearm": seen["rearm"]}


def test_f48_a_kill_without_an_operator_is_flat_and_a_new_operator_releases_it(field: Field, alone: Grid) -> None:
    grid, held = alone, report(alone)
    generation = grid.patch(killSwitch=BOTH)
    kill = flat_by_itself(grid)
    after = report(grid)
    assert kill["source"] == "spec"
    # Only documents are applied: the other parts of the generation aren't there.
    assert (after["appliedGeneration"], after["dueGeneration"]) == (held["appliedGeneration"], generation)
    assert after["dueGeneration"] > after["appliedGeneration"]
    # A stale document can't undo it, whoever sends it; a restart doesn't, and doubles nothing.
    orders = len(grid.commands())
    status, refusal = grid.call("PUT", "/control", stale(grid, after, generation - 1))
    assert (status, refusal["reason"]) == (409, "generation")
    assert refusal["held"]["killSwitch"]["operationID"] == kill["operationID"]
    grid.pod.kill()
    told(grid, lambda seen: seen["bootID"] != after["bootID"] and seen["killSwitch"]["state"] == "Flat", "a restart")
    assert report(grid)["killSwitch"]["operationID"] == kill["operationID"]
    assert len(grid.commands()) == orders
    # A new operator brings the document: nothing new begins. Then it releases.
    field.start()
    shown = kill_of(grid.wait_phase("Flat"))
    assert (shown["operationID"], shown["source"]) == (kill["operationID"], "spec")
    assert report(grid)["dueGeneration"] is None
    assert len(grid.commands()) == orders
    grid.patch(killSwitch="none")
    grid.wait_condition("Ready", "Trading")
    wait_until(lambda: not grid.venue().flat, 30, "orders at the venue")


def test_f48_a_kill_with_the_operator_cut_off_from_the_pod_is_one_operation(grid: Grid) -> None:
    grid.pod.refuse()
    generation = grid.patch(killSwitch=BOTH)
    wait_until(lambda: grid.venue().flat, 40, "the venue to be flat")
    grid.wait(
        lambda seen: (
            kill_of(seen).get("state") == "Requested" and condition(seen, "ControlReachable").get("status") == "False"
        ),
        "the operator to say no more than it knows",
    )
    orders, healed = len(grid.commands()), datetime.now(UTC)
    grid.pod.heal()
    kill = kill_of(grid.wait_phase("Flat"))
    assert kill["state"] == "Flat"
    assert moment(kill["deliveredTime"]) < healed
    assert {leg["operationID"] for leg in kill["legs"].values()} == {kill["operationID"]}
    grid.nothing_opened_since(moment(kill["deliveredTime"]))
    assert len(grid.commands()) == orders
    for reason in ("KillRequested", "KillDelivered", "KillFlat"):
        assert grid.told(reason, f"generation {generation}") == 1
    grid.wait_condition("ControlSynced", "Applied", "True")


def test_f48_a_halt_and_a_lower_throttle_act_without_an_operator_and_nothing_is_weakened(
    field: Field, alone: Grid
) -> None:
    grid = alone
    grid.patch(throttle=0.5)
    told(grid, lambda seen: seen["throttle"]["effective"] == 0.5, "throttle 0.5")
    grid.patch(killSwitch="haltEntries", throttle=0.75)
    halted = told(grid, lambda seen: seen["killSwitch"]["state"] == "Halted", "a halt")
    assert (halted["throttle"]["effective"], halted["throttle"]["source"]) == (0.5, "spec")
    generation = grid.patch(killSwitch="none", throttle=1)
    # It hears of that, and waits for somebody who may weaken. (Entries of the new throttle were on their way.)
    grid.nothing_opened_since(max(moment(leg["reached"]) for leg in halted["killSwitch"]["legs"].values()))
    assert report(grid)["killSwitch"]["effective"] == "haltEntries"
    field.start()
    grid.wait(lambda status: status["control"]["appliedGeneration"] == generation, "the newest generation")
    grid.wait_condition("Ready", "Trading")
    assert report(grid)["throttle"]["effective"] == 1


def test_f48_a_deletion_without_an_operator_flattens_and_a_new_operator_finishes_it(field: Field) -> None:
    grid = field.running()
    grid.wait_positions()
    field.operator.kill()
    grid.delete()
    kill = flat_by_itself(grid)
    assert kill["source"] == "deletion"
    assert grid.get() is not None
    field.start()
    grid.gone()
    assert grid.all_children() == []


def test_an_object_that_is_gone_by_force_halts_entries_until_a_new_operator_takes_its_pod_away(field: Field) -> None:
    grid = field.running(**POSITIONS_STAY)
    grid.wait_positions()
    field.operator.kill()
    before = report(grid)
    api = field.cluster.api
    api.patch(API, "HedgeGrid", grid.name, grid.namespace, {"metadata": {"finalizers": None}})
    grid.delete()
    grid.gone()
    halted = told(grid, lambda seen: seen["killSwitch"]["state"] == "Halted", "a halt")
    assert (halted["killSwitch"]["effective"], halted["killSwitch"]["source"]) == ("haltEntries", "deletion")
    assert all(position.quantity for position in grid.venue().positions.values())
    status, refusal = grid.call("PUT", "/control", stale(grid, before, before["appliedGeneration"]))
    assert (status, refusal["reason"]) == (409, "generation")
    grid.nothing_opened_since(max(moment(leg["reached"]) for leg in halted["killSwitch"]["legs"].values()))
    field.start()
    wait_until(lambda: grid.all_children() == [], 60, "the children to be taken away")
    again = field.running(grid.name)
    assert again.uid != grid.uid
    assert report(again)["killSwitch"]["effective"] == "none"


def test_the_pod_tells_how_long_ago_it_heard_of_its_object(grid: Grid) -> None:
    with urllib.request.urlopen(f"http://{grid.pod.address}:9090/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (age,) = [line.rpartition(" ")[2] for line in lines if line.startswith("hedgegrid_own_watch_age_seconds{")]
    assert 0 <= float(age) < 120


def test_the_pods_account_reads_its_own_object_and_nothing_else(field: Field, grid: Grid) -> None:
    other = field.create("another", account={"name": grid.name})
    mine = field.cluster.api_for(grid.namespace, grid.child)
    own = f"/apis/{API}/namespaces/{grid.namespace}/hedgegrids"
    assert mine.request("GET", f"{own}/{grid.name}")["metadata"]["uid"] == grid.uid
    listed = mine.request("GET", f"{own}?fieldSelector=metadata.name%3D{grid.name}")
    assert [item["metadata"]["name"] for item in listed["items"]] == [grid.name]
    for method, path, body in (
        ("GET", f"{own}/{other.name}", None),
        ("GET", own, None),
        ("GET", f"/apis/{API}/hedgegrids?fieldSelector=metadata.name%3D{grid.name}", None),
        ("PATCH", f"{own}/{grid.name}", {"spec": {"throttle": 1}}),
        ("PATCH", f"{own}/{grid.name}/status", {"status": {}}),
        ("DELETE", f"{own}/{grid.name}", None),
        ("GET", f"/api/v1/namespaces/{grid.namespace}/secrets/{grid.child}-api", None),
        ("GET", f"/api/v1/namespaces/{grid.namespace}/pods", None),
    ):
        with pytest.raises(ApiError) as refused:
            mine.request(method, path, body, *(["application/merge-patch+json"] if method == "PATCH" else []))
        assert refused.value.status == 403, (method, path)
