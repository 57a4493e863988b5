"""Operators come, go and stand still: one writes at any time, nothing is undone, and nothing happens without need.

The pods are played by the farm. HEDGEGRID_TEST_SHIPPED_TIMES=1 lets the operators run with the Lease times that ship.
"""

import json
import os

import pytest

from tests.farm.server import Fault
from tests.kube import wait_until
from tests.kube.api_proxy import Answer, ApiProxy, Call, watches, writes
from tests.kube.installation import Operator
from tests.operator.fleet_parts import LEASE, SHIPPED, Fleet
from tests.operator.grid_parts import API, condition, kill_of

pytestmark = pytest.mark.timeout(600)
BOTH = "flattenBoth"
TIMES = SHIPPED if os.environ.get("HEDGEGRID_TEST_SHIPPED_TIMES") else {}


@pytest.fixture
def operator(fleet: Fleet) -> Operator:
    """The only one; it leads."""
    return fleet.lead(fleet.operator("first", **TIMES))


def standby(fleet: Fleet, proxy: ApiProxy | None = None) -> Operator:
    """A second one, ready to take over."""
    found = fleet.operator("second", proxy, **TIMES)
    found.start()
    wait_until(lambda: found.probe("/readyz") == "ok", 60, "the second to stand by")
    assert not found.leading
    return found


def epochs(fleet: Fleet) -> set[int]:
    """What the pods hold."""
    return {held["epoch"] for held in fleet.farm.held().values() if held}


def test_a_leader_that_stood_still_ends_without_a_write(fleet: Fleet, proxy: ApiProxy) -> None:
    """F31: it has work under way, wakes up when its Lease is another's, and sends nothing to the API server."""
    first = fleet.lead(fleet.operator("first", proxy, **TIMES))
    second = standby(fleet)
    name, other, dead = fleet.take(3)
    fleet.farm.afflict([dead], Fault.SILENT)
    fleet.grids[dead].patch(killSwitch="haltEntries")
    begun = len(proxy.calls)
    proxy.freeze(writes)
    fleet.grids[name].patch(throttle=0.5)
    wait_until(lambda: any(map(writes, proxy.calls[begun:])), 30, "a write under way")
    first.process.freeze()
    second.wait_leading(60)
    # The write that was under way is lost, as with a connection that broke: what comes now is new.
    proxy.cut()
    proxy.heal()
    fleet.patch([name, other], killSwitch=BOTH)
    fleet.wait_held([name, other])
    fleet.grids[dead].patch(killSwitch="none")
    fleet.farm.afflict([dead], Fault.NONE)
    fleet.wait_held([dead], "killSwitch", "none")
    fleet.wait_all("Ready", "Flat", [name, other])
    fleet.wait_fenced(second)
    thawed = len(proxy.calls)
    first.process.thaw()
    assert first.process.wait(60) == 1
    assert "holds the Lease" in first.process.log()
    assert [call for call in proxy.calls[thawed:] if writes(call)] == []
    assert epochs(fleet) == {second.epoch}
    fleet.wait_held([dead], "killSwitch", "none")
    assert second.leading


def test_the_next_one_takes_over_from_one_that_was_killed(fleet: Fleet, operator: Operator) -> None:
    """F31: with a kill patched in between, in nobody's hands."""
    second = standby(fleet)
    (name,) = fleet.take(1)
    epoch = operator.epoch
    operator.kill()
    fleet.grids[name].patch(killSwitch=BOTH)
    # With the times that ship: 15 s of the Lease, and 5 s for everything else.
    second.wait_leading(20 if TIMES else 40)
    fleet.wait_held([name])
    assert second.epoch > epoch
    fleet.wait_fenced(second)


def test_one_that_is_stopped_hands_over_at_once(fleet: Fleet) -> None:
    """F31: the Lease would run for ten minutes."""
    first = fleet.lead(fleet.operator("first", HEDGEGRID_OPERATOR_LEASE_DURATION="600"))
    second = standby(fleet)
    dead, name = fleet.take(2)
    fleet.farm.afflict([dead], Fault.SILENT)
    fleet.grids[dead].patch(killSwitch=BOTH)
    fleet.grids[dead].wait(lambda seen: kill_of(seen).get("state") == "Requested", "a kill under way")
    assert first.stop() == 0
    second.wait_leading(60)
    fleet.grids[name].patch(killSwitch=BOTH)
    fleet.farm.afflict([dead], Fault.NONE)
    fleet.wait_held([dead, name])


def test_on_its_return_nothing_happens_if_nothing_changed(fleet: Fleet, proxy: ApiProxy) -> None:
    """F19: the pods get the new leader's epoch, and neither they nor any object changes otherwise.

    A pod that is slow to answer would be news, and a hundred handshakes at once make the farm slow on a busy machine.
    """
    times = TIMES | {"HEDGEGRID_OPERATOR_POD_TIMEOUT": "30"}
    first = fleet.lead(fleet.operator("first", **times))
    fleet.wait_fenced(first)
    fleet.wait_all("ControlSynced", "Applied")
    fleet.wait_all("ControlReachable", "Contacted")
    first.kill()
    statuses, before, held = fleet.statuses(), fleet.versions(), fleet.farm.held()
    operations, documents = fleet.farm.counts()["operations"], len(fleet.farm.arrivals())
    again = fleet.lead(fleet.operator("again", proxy, **times))
    fleet.wait_fenced(again)
    wait_until(lambda: resynced(proxy, 3), 60, "three LISTs")
    assert fleet.statuses() == statuses
    assert fleet.versions() == before
    assert [call.path for call in proxy.calls if writes(call) and call.path.endswith("/status")] == []
    assert [call.path for call in proxy.calls if writes(call) and "/events" in call.path] == []
    unlike = {"epoch", "by"}
    assert stripped(fleet.farm.held(), unlike) == stripped(held, unlike)
    assert fleet.farm.counts()["operations"] == operations
    assert len(fleet.farm.arrivals()) - documents == len(fleet.grids)


def stripped(held: dict[str, dict[str, object] | None], fields: set[str]) -> dict[str, dict[str, object]]:
    return {
        name: {field: value for field, value in (document or {}).items() if field not in fields}
        for name, document in held.items()
    }


def lists(call: Call) -> bool:
    """LISTs of grids."""
    return call.method == "GET" and not call.watch and call.path.endswith("/hedgegrids")


def resynced(proxy: ApiProxy, times: int) -> bool:
    return sum(call.status == 200 for call in proxy.calls if lists(call)) >= times


def test_dead_pods_slow_no_other_and_are_never_said_to_hold_a_kill(fleet: Fleet, operator: Operator) -> None:
    """F20: a fifth of the fleet accepts connections and answers nothing."""
    dead, well = fleet.take(10), fleet.take(3)
    fleet.farm.afflict(dead, Fault.SILENT)
    documents = len(fleet.farm.arrivals())
    fleet.patch(dead, killSwitch=BOTH)
    fleet.patch(well, killSwitch=BOTH)
    fleet.wait_held(well)
    fleet.wait_all("ControlReachable", "Timeout", dead)
    for name in dead:
        kill = kill_of(fleet.grids[name].get()["status"])  # type: ignore[index]
        assert kill["state"] == "Requested"
        assert "deliveredTime" not in kill
        assert "flatTime" not in kill
    assert {arrival.pod for arrival in fleet.farm.arrivals(documents)}.isdisjoint(
        f"hedgegrid-{name}-0" for name in dead
    )
    fleet.farm.afflict(dead, Fault.NONE)
    fleet.wait_held(dead)
    fleet.wait_all("Ready", "Flat", [*dead, *well])


def test_a_new_leader_with_an_old_list_undoes_no_kill(fleet: Fleet, operator: Operator, proxy: ApiProxy) -> None:
    """F39: a cache in between shows it the objects as they were before the kill."""
    (name,) = fleet.take(1)
    pod = f"hedgegrid-{name}-0"
    old = fleet.cluster.api.request("GET", f"/apis/{API}/namespaces/{fleet.namespace}/hedgegrids")
    fleet.grids[name].patch(killSwitch=BOTH)
    fleet.wait_held([name])
    operator.kill()
    documents = len(fleet.farm.arrivals())
    proxy.freeze(watches)
    proxy.answer(Answer(200, json.dumps(old).encode()), lists)
    second = fleet.lead(fleet.operator("second", proxy, **TIMES))
    fleet.wait_fenced(second)
    fleet.wait_held([name])
    assert {arrival.kill_switch for arrival in fleet.farm.arrivals(documents) if arrival.pod == pod} == {BOTH}
    fleet.wait_all("Ready", "Flat", [name])


def test_a_deletion_begun_without_an_operator_is_carried_out(fleet: Fleet, operator: Operator) -> None:
    """F29: a framework's handlers would skip it."""
    (name,) = fleet.take(1)
    grid = fleet.grids.pop(name)
    operator.kill()
    grid.delete()
    documents = len(fleet.farm.arrivals())
    fleet.lead(fleet.operator("again", **TIMES))
    grid.gone(120)
    last = [arrival for arrival in fleet.farm.arrivals(documents) if arrival.pod == f"hedgegrid-{name}-0"]
    assert last
    wait_until(lambda: grid.all_children() == [], 60, "its children to be gone")


def test_a_lease_deleted_under_its_leader_costs_nothing(fleet: Fleet, operator: Operator) -> None:
    """F45."""
    (name,) = fleet.take(1)
    epoch = operator.epoch
    fleet.cluster.api.delete(*LEASE)
    fleet.grids[name].patch(killSwitch=BOTH)
    fleet.wait_held([name])
    wait_until(lambda: operator.epoch > epoch, 30, "a higher epoch")
    fleet.wait_all("Ready", "Flat", [name])
    assert operator.leading


def test_a_lower_epoch_in_the_lease_is_raised_above_the_pods(fleet: Fleet, operator: Operator) -> None:
    """F45, as after a restore of etcd: an epoch from before, and a start in this moment."""
    (name,) = fleet.take(1)
    fleet.wait_fenced(operator)
    epoch = operator.epoch
    operator.kill()
    fleet.cluster.api.delete(*LEASE)
    fleet.grids[name].patch(killSwitch=BOTH)
    second = fleet.lead(fleet.operator("second", **TIMES))
    fleet.wait_held([name])
    wait_until(lambda: second.epoch > epoch, 30, "a higher epoch")
    fleet.wait_fenced(second)
    fleet.wait_all("Ready", "Flat", [name])
    assert condition(fleet.objects()[name]["status"], "ControlSynced")["status"] == "True"
