"""One operator acts at any time, the next one takes over, and none is needed for what already stands."""

import signal

from tests.kube import wait_until
from tests.operator.grid_parts import Field, kill_of, moment

BOTH = "flattenBoth"


def test_of_two_operators_one_acts_and_the_other_takes_over(field: Field) -> None:
    grid = field.running()
    second = field.new_operator("second")
    second.start()
    wait_until(lambda: second.probe("/readyz") == "ok", 30, "the second to stand by")
    assert not second.leading
    epoch = grid.call("GET", "/control")[1]["epoch"]
    field.operator.kill()
    # In nobody's hands for a moment: the object says it, and the next leader reads it.
    grid.patch(killSwitch=BOTH)
    second.wait_leading()
    status = grid.wait_phase("Flat")
    assert grid.call("GET", "/control")[1]["epoch"] > epoch
    grid.nothing_opened_since(moment(kill_of(status)["deliveredTime"]))


def test_a_leader_that_was_paused_finds_itself_replaced_and_ends(field: Field) -> None:
    grid = field.running()
    first = field.operator.process
    second = field.new_operator("second")
    second.start()
    first.freeze()
    second.wait_leading()
    grid.patch(killSwitch=BOTH)
    grid.wait_phase("Flat")
    generation = grid.patch(killSwitch="haltEntries")
    first.thaw()
    assert first.wait(30) == 1
    assert "holds the Lease" in first.log()
    assert "Traceback" not in first.log()
    status = grid.wait_phase("Halted")
    assert status["control"]["appliedGeneration"] == generation
    assert second.leading


def test_a_stopped_operator_hands_over_at_once(field: Field) -> None:
    grid = field.running()
    second = field.new_operator("second", HEDGEGRID_OPERATOR_LEASE_DURATION="600")
    assert field.operator.stop() == 0
    assert field.operator.holder is None
    second.start()
    second.wait_leading()
    grid.patch(throttle=0.5)
    grid.wait(lambda seen: seen["control"]["throttle"]["effective"] == 0.5, "the new leader's throttle")


def test_pods_trade_on_without_an_operator_and_nothing_happens_on_its_return(field: Field) -> None:
    grid = field.running()
    pod, boot = grid.pod.uid, grid.call("GET", "/control")[1]["bootID"]
    field.operator.kill()
    fills = grid.venue().last_trade_id
    wait_until(lambda: grid.venue().last_trade_id > fills, 60, "fills without an operator")
    field.start()
    wait_until(lambda: grid.call("GET", "/control")[1]["epoch"] > 1, 30, "the new leader's epoch")
    report = grid.call("GET", "/control")[1]
    assert (grid.pod.uid, report["bootID"], report["killSwitch"]["state"]) == (pod, boot, "Released")
    assert len(grid.events("Accepted")) == 1


def test_while_the_api_server_is_away_a_known_kill_goes_on_being_delivered(field: Field) -> None:
    grid = field.running()
    grid.pod.freeze()
    grid.patch(killSwitch=BOTH)
    grid.wait(lambda seen: kill_of(seen).get("state") == "Requested", "the kill in the status")
    field.cluster.stop_apiserver(signal.SIGKILL)
    try:
        grid.pod.thaw()
        wait_until(lambda: grid.venue().flat, 30, "the venue to be flat")
        assert field.operator.probe("/healthz") == "ok"
        wait_until(lambda: field.operator.probe("/readyz") != "ok", 30, "not ready")
    finally:
        field.cluster.start_apiserver()
    status = grid.wait_phase("Flat")
    grid.nothing_opened_since(moment(kill_of(status)["deliveredTime"]))
    wait_until(lambda: field.operator.probe("/readyz") == "ok", 30, "ready again")
