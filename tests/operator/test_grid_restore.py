"""F45: what the operator relies on is lost, or comes back as it was before. Kills work all the same."""

from collections.abc import Iterator

import pytest

from tests.kube import Cluster, wait_until
from tests.kube.fixtures import UNAVAILABLE
from tests.kube.installation import NAMESPACE, install
from tests.operator.fleet_parts import Fleet
from tests.operator.grid_parts import Field, condition

pytestmark = pytest.mark.timeout(600)
BOTH = "flattenBoth"


def test_without_the_namespace_of_the_operator_a_kill_works_and_the_next_one_makes_new_keys(field: Field) -> None:
    """Lease, master key, authority and rights are gone; no pod is restarted for the new ones."""
    grid = field.running()
    before, boot = grid.pod.uid, grid.call("GET", "/control")[1]["bootID"]
    key = grid.key("operator")
    field.cluster.api.delete("v1", "Namespace", NAMESPACE)
    field.cluster.api.wait_gone("v1", "Namespace", NAMESPACE, timeout=120)
    grid.patch(killSwitch=BOTH)
    wait_until(lambda: grid.venue().flat, 60, "the venue to be flat")
    # The operator's own pod goes with its namespace, and comes back with it.
    field.operator.kill()
    install(field.cluster)
    field.start()
    grid.wait_condition("Ready", "Flat", "True")
    assert grid.key("operator") != key
    grid.patch(killSwitch="none")
    grid.wait_condition("Ready", "Trading", "True")
    assert (grid.pod.uid, grid.call("GET", "/control")[1]["bootID"]) == (before, boot)


@pytest.fixture
def fleet_of_its_own(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Two grids in a control plane that nobody else uses."""
    reason = request.config.stash.get(UNAVAILABLE, None)
    if reason:
        pytest.skip(reason)
    if request.config.getoption("--kube-context"):
        pytest.skip("needs a control plane of its own, whose store it replaces")
    with Cluster(pods_run=False, say=lambda _: None) as cluster:
        install(cluster)
        fleet = Fleet(cluster)
        fleet.lead(fleet.operator("operator"))
        fleet.grow(2)
        yield fleet
        fleet.close()


def test_after_a_restore_of_etcd_no_kill_is_undone_and_new_ones_work(fleet_of_its_own: Fleet) -> None:
    """Objects are older than what their pods hold: only what holds back further is taken, until a person has looked."""
    fleet = fleet_of_its_own
    trading, killed = fleet.grids["grid-0"], fleet.grids["grid-1"]
    operator = fleet.newest
    fleet.cluster.save_store()
    for throttle in (0.9, 0.8, 0.7, 0.6):
        generation = trading.patch(throttle=throttle)
    killed.patch(killSwitch=BOTH)
    fleet.wait_held(["grid-0"], "throttle", 0.6)
    fleet.wait_held(["grid-1"])
    fleet.cluster.restore_store()
    assert trading.generation < generation
    refused = trading.wait_condition("ControlSynced", "Rejected", "False")
    assert "was restored from an older copy" in refused["message"]
    assert f"change it {generation - trading.generation + 1} times" in refused["message"]
    killed.wait_condition("ControlSynced", "Rejected", "False")
    # The kill that the store has forgotten stands, the higher throttle isn't taken.
    held = fleet.farm.held()
    assert (held["grid-1"] or {})["killSwitch"] == BOTH
    assert (held["grid-0"] or {})["throttle"] == 0.6
    # A new kill works at once; its release, and everything else that allows more, when the generation is high enough.
    trading.patch(killSwitch=BOTH)
    fleet.wait_held(["grid-0"])
    trading.patch(killSwitch="none")
    again = 0.5
    while (now := trading.generation) <= generation:
        if now == generation:
            trading.wait(
                lambda seen: "then change it 1 times" in condition(seen, "ControlSynced").get("message", ""), "1 to go"
            )
        assert (fleet.farm.held()["grid-0"] or {})["killSwitch"] == BOTH
        again = round(again + 0.05, 2)
        trading.patch(throttle=again)
    fleet.wait_held(["grid-0"], "killSwitch", "none")
    fleet.wait_held(["grid-0"], "throttle", again)
    fleet.wait_all("Ready", "Trading", ["grid-0"])
    assert condition(fleet.objects()["grid-0"]["status"], "ControlSynced")["reason"] == "Applied"
    assert operator.process.running
