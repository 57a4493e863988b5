"""What the status of a grid says, and which Events its changes are told by."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.control import ControlReport, Latch, LegTelemetry, PodCondition, Telemetry, Trip
from hedgegrid_api.status import HedgeGridStatus, Phase
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Source
from hedgegrid_operator.admit import Reason, Verdict
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.client import Failure
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.events import notes
from hedgegrid_operator.facts import Doing, Facts, Progress
from hedgegrid_operator.observed import PodState, PodView, controls_of
from hedgegrid_operator.status import build, condition, loud, verified_by_status, written
from tests.unit.operator_parts import NOW, UID, grid, leg, report

BOTH, HALT = KillSwitch.FLATTEN_BOTH, KillSwitch.HALT_ENTRIES
VALID = Verdict(Reason.VALID, "fine")
POD = PodView("pod-1", UID, "hedgegrid-btc-0", "default", 7, "127.0.0.9", "rev", "image:1", False, PodState.READY, "")
STARTING = PodView("pod-1", UID, "hedgegrid-btc-0", "default", 7, None, "rev", "image:1", False, PodState.STARTING, "")
DELETED = {"deletionTimestamp": "2026-03-01T11:59:00Z"}
FLATTEN = (LegLevel.FLAT, LegLevel.FLAT)


def facts(
    held: ControlReport | None = None,
    *,
    pod: PodView | None = POD,
    link: Link | None = None,
    previous: HedgeGridStatus | None = None,
    verdict: Verdict = VALID,
    doing: Doing = Doing.IDLE,
    later: float = 0,
    deletion: str | None = None,
    released: bool = False,
    **fields: Any,
) -> Facts:
    found = link or Link()
    found.report = held
    controls = controls_of(grid(**fields))
    return Facts(
        now=NOW + timedelta(seconds=later),
        controls=controls,
        previous=previous or HedgeGridStatus(),
        verdict=verdict,
        progress=Progress(doing, "as told"),
        document=plan.document(controls, epoch=1, rearm_latches=(), report=held),
        link=found,
        pod=pod,
        config_hash="abc",
        deletion=deletion,
        released=released,
    )


def failing(failure: Failure = Failure.TIMEOUT) -> Link:
    found = Link()
    found.failed(failure, "no answer within 2 s", NOW)
    return found


def told(status: HedgeGridStatus, kind: str) -> tuple[str, str]:
    found = condition(status, kind)
    assert found is not None
    return found.status, found.reason


VENUE_DOWN = (PodCondition(type="VenueReady", status=False, reason="Disconnected", message="no stream"),)
API_HALT = leg(LegLevel.HALTED, source=Source.API)


@pytest.mark.parametrize(
    ("found", "phase", "ready"),
    [
        pytest.param(facts(pod=None), Phase.PENDING, ("False", "NotReachable"), id="no pod"),
        pytest.param(facts(pod=STARTING), Phase.STARTING, ("False", "NotReachable"), id="the pod starts"),
        pytest.param(facts(report(synced=False)), Phase.STARTING, ("False", "NotSynced"), id="it has no document yet"),
        pytest.param(facts(report()), Phase.RUNNING, ("True", "Trading"), id="it trades"),
        pytest.param(facts(report(), generation=2), Phase.RUNNING, ("False", "NotSynced"), id="a newer generation"),
        pytest.param(facts(report(conditions=VENUE_DOWN)), Phase.DEGRADED, ("False", "Disconnected"), id="venue down"),
        pytest.param(facts(report(), link=failing()), Phase.DEGRADED, ("False", "NotReachable"), id="out of reach"),
        pytest.param(
            facts(report(HALT), killSwitch="haltEntries"), Phase.HALTED, ("True", "Halted"), id="halted as asked"
        ),
        pytest.param(facts(report(BOTH), killSwitch="flattenBoth"), Phase.FLAT, ("True", "Flat"), id="flat as asked"),
        pytest.param(
            facts(report(KillSwitch.FLATTEN_LONG), killSwitch="flattenLong"),
            Phase.RUNNING,
            ("True", "Flat"),
            id="one leg flat as asked, the other one trades",
        ),
        pytest.param(
            facts(report(), generation=2, killSwitch="flattenBoth"),
            Phase.FLATTENING,
            ("False", "NotSynced"),
            id="a kill that the pod doesn't hold yet",
        ),
        pytest.param(
            facts(report(BOTH, long=leg(LegLevel.FLAT, LegState.FLATTENING)), killSwitch="flattenBoth"),
            Phase.FLATTENING,
            ("False", "Flattening"),
            id="being closed",
        ),
        pytest.param(
            facts(report(BOTH, long=leg(LegLevel.FLAT, LegState.FAILED)), killSwitch="flattenBoth"),
            Phase.FLATTENING,
            ("False", "FlattenFailed"),
            id="not closed in time",
        ),
        pytest.param(
            facts(report(BOTH, long=leg(LegLevel.FLAT, LegState.DUST, quantity="0.0004")), killSwitch="flattenBoth"),
            Phase.FLAT,
            ("False", "Dust"),
            id="dust",
        ),
        pytest.param(
            facts(report(long=API_HALT, short=API_HALT)),
            Phase.HALTED,
            ("False", "EngagedByAPI"),
            id="halted by a person",
        ),
        pytest.param(
            facts(verdict=Verdict(Reason.DUPLICATE_TARGET, "another"), pod=None),
            Phase.REJECTED,
            ("False", "DuplicateTarget"),
            id="refused",
        ),
        pytest.param(
            facts(report(), doing=Doing.WAITING_FOR_FLAT), Phase.RUNNING, ("False", "WaitingForFlat"), id="held rollout"
        ),
        pytest.param(
            facts(report(), deletion="waiting", metadata=DELETED), Phase.DELETING, ("False", "Deleting"), id="deleted"
        ),
    ],
)
def test_phase_and_ready(found: Facts, phase: Phase, ready: tuple[str, str]) -> None:
    status = build(found)
    assert status.phase is phase
    assert told(status, "Ready") == ready


def test_a_kill_is_requested_until_the_pod_has_stored_it_and_flat_only_by_its_word() -> None:
    flat_by_chance = report()
    requested = build(facts(flat_by_chance, generation=2, killSwitch="flattenBoth"))
    assert requested.control is not None
    assert requested.control.kill_switch is not None
    assert requested.control.kill_switch.state is LegState.REQUESTED
    assert requested.control.kill_switch.delivered_time is None
    assert told(requested, "KillSwitchEngaged") == ("True", "Requested")
    stored = report(BOTH, long=leg(LegLevel.FLAT, LegState.DELIVERED), applied_generation=2)
    delivered = build(facts(stored, generation=2, killSwitch="flattenBoth", previous=requested, later=1))
    assert told(delivered, "KillSwitchEngaged") == ("True", "Delivered")
    flat = build(facts(report(BOTH, applied_generation=2), generation=2, killSwitch="flattenBoth", later=2))
    assert told(flat, "KillSwitchEngaged") == ("True", "Flat")


def test_a_kill_without_a_pod_says_why_it_waits() -> None:
    status = build(facts(pod=None, killSwitch="flattenBoth"))
    engaged = condition(status, "KillSwitchEngaged")
    assert engaged is not None
    assert (engaged.reason, "there is no pod" in engaged.message) == ("Requested", True)


@pytest.mark.parametrize("failure", list(Failure))
def test_why_a_pod_is_out_of_reach_is_told(failure: Failure) -> None:
    assert told(build(facts(link=failing(failure))), "ControlReachable") == ("False", failure.value)


@pytest.mark.parametrize("state", list(PodState))
def test_how_the_pod_is_is_told(state: PodState) -> None:
    pod = PodView("u", UID, "n", "default", 1, "127.0.0.9", "r", "i", False, state, "because")
    expected = "True" if state is PodState.READY else "False"
    assert told(build(facts(pod=pod)), "PodReady") == (expected, state.value)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (facts(report()), ("True", "Applied")),
        (facts(report(), generation=2), ("False", "Pending")),
        (facts(report(synced=False)), ("False", "StaleBoot")),
        (facts(report(), link=Link(refusal="generation 9 is held")), ("False", "Rejected")),
    ],
)
def test_whether_the_pod_holds_the_document_is_told(found: Facts, expected: tuple[str, str]) -> None:
    assert told(build(found), "ControlSynced") == expected


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = build(facts(report()))
    second = build(facts(report(), previous=first, later=60, generation=2))
    times = {kind: [condition(found, kind) for found in (first, second)] for kind in ("PodReady", "ControlSynced")}
    old, new = times["PodReady"]
    assert old is not None
    assert new is not None
    assert old.last_transition_time == new.last_transition_time
    assert new.observed_generation == 2
    old, new = times["ControlSynced"]
    assert old is not None
    assert new is not None
    assert new.last_transition_time == NOW + timedelta(seconds=60)


def test_figures_alone_are_no_reason_to_write_and_a_leg_is() -> None:
    def status(quantity: str, equity: str, orders: int) -> HedgeGridStatus:
        figures = Telemetry(long=LegTelemetry(quantity=quantity), equity=equity, open_orders=orders)
        return build(facts(report(telemetry=figures)))

    base = loud(status("0.002", "10000", 8))
    assert loud(status("0.002", "10001", 8)) == base
    assert loud(status("0.004", "10000", 8)) != base
    assert loud(status("0.002", "10000", 9)) != base


def test_what_is_not_known_is_absent() -> None:
    text = str(written(build(facts(pod=None))))
    assert "None" not in text
    assert "nan" not in text.lower()


def test_a_pod_that_goes_because_it_is_flat_leaves_flat_in_the_status() -> None:
    deletion = {"metadata": DELETED, "generation": 2}
    flat = leg(LegLevel.FLAT, source=Source.DELETION)
    held = report(long=flat, short=flat, applied_generation=2)
    before = build(facts(held, deletion="removing", released=True, **deletion))
    assert verified_by_status(before, 2, FLATTEN)
    # The deletion stands, whatever generation it brings; what the switch asked for may have been taken back.
    assert verified_by_status(before, 3, FLATTEN)
    asked = build(facts(report(BOTH, applied_generation=2), generation=2))
    assert verified_by_status(asked, 2, FLATTEN)
    assert not verified_by_status(asked, 3, FLATTEN)
    after = build(facts(pod=None, previous=before, deletion="removing", released=True, **deletion))
    assert verified_by_status(after, 2, FLATTEN)
    waiting = build(facts(pod=None, previous=before, deletion="waiting", **deletion))
    assert not verified_by_status(waiting, 2, FLATTEN)


def test_a_deletion_that_keeps_positions_is_done_when_no_entry_is_left_and_one_that_flattens_is_not() -> None:
    halted = leg(LegLevel.HALTED, source=Source.DELETION, quantity="0.004")
    held = report(long=halted, short=halted, applied_generation=2)
    controls = controls_of(grid(metadata=DELETED, generation=2, deletion={"policy": "CancelOrders"}))
    document = plan.document(controls, epoch=1, rearm_latches=(), report=held)
    status = build(replace(facts(held, deletion="removing"), controls=controls, document=document))
    assert verified_by_status(status, 2, (LegLevel.HALTED, LegLevel.HALTED))
    assert not verified_by_status(status, 2, FLATTEN)


def reasons(before: HedgeGridStatus, after: HedgeGridStatus, later: float = 0) -> list[str]:
    return [note.reason for note in notes(before, after, by="kubectl", now=NOW + timedelta(seconds=later))]


def test_the_story_of_a_kill_is_told_once() -> None:
    trading = build(facts(report()))
    asked = build(facts(report(), generation=2, killSwitch="flattenBoth", previous=trading))
    assert reasons(trading, asked) == ["KillRequested"]
    assert reasons(asked, asked) == []
    flat = build(facts(report(BOTH, applied_generation=2), generation=2, killSwitch="flattenBoth", previous=asked))
    assert reasons(asked, flat) == ["KillDelivered", "KillFlat"]
    assert reasons(flat, flat) == []
    released = build(facts(report(applied_generation=3), generation=3, previous=flat))
    assert reasons(flat, released) == ["KillReleased"]


def test_a_kill_that_was_quicker_than_the_status_is_told_whole() -> None:
    trading = build(facts(report()))
    flat = build(facts(report(BOTH, applied_generation=2), generation=2, killSwitch="flattenBoth", previous=trading))
    assert reasons(trading, flat) == ["KillRequested", "KillDelivered", "KillFlat"]


def test_a_pod_out_of_reach_is_told_when_it_was_in_reach_or_has_had_time_to_start() -> None:
    trading = build(facts(report()))
    lost = build(facts(report(), link=failing(), previous=trading))
    assert reasons(trading, lost) == ["PodUnreachable"]
    back = build(facts(report(), previous=lost))
    assert reasons(lost, back) == ["PodReachable"]
    new = build(facts(link=failing(Failure.CONNECTION_REFUSED)))
    assert "PodUnreachable" not in reasons(HedgeGridStatus(), new)
    assert "PodUnreachable" in reasons(new, new, later=60)


RISK_FLAT = leg(LegLevel.FLAT, source=Source.RISK)
TRIP_LATCH = Latch(
    id="trip-1", source=Source.RISK, leg="BOTH", level=LegLevel.FLAT, since=NOW, reason="RiskTrip", message="tripped"
)
TRIP = Trip(id="trip-1", reason="maxDrawdownPercent", observed=Decimal("20.1300"), limit=Decimal(20), time=NOW)


def tripped(**more: Any) -> ControlReport:
    """A pod that its risk monitor has flattened."""
    return report(**{"long": RISK_FLAT, "short": RISK_FLAT, "latches": (TRIP_LATCH,), "trip": TRIP, "rearm": 3} | more)


def test_a_trip_says_rule_figures_time_and_remedy() -> None:
    status = build(facts(tripped(), rearm=3))
    assert told(status, "KillSwitchEngaged") == ("True", "RiskTrip")
    assert told(status, "Ready") == ("False", "RiskTrip")
    assert status.phase is Phase.FLAT
    assert status.control is not None
    assert status.control.trip == TRIP
    why = (
        "risk.maxDrawdownPercent was exceeded at 2026-03-01T12:00:00Z: 20.13, the limit is 20; it stands until it is "
        "released: raise spec.rearm to 4, or POST /resume with the id trip-1"
    )
    engaged, ready = condition(status, "KillSwitchEngaged"), condition(status, "Ready")
    assert engaged is not None
    assert ready is not None
    assert engaged.message == f"flattenBoth by risk: the venue shows no order and no position; {why}"
    assert ready.message == why


def test_a_trip_stands_in_the_way_of_ready_whatever_else_holds_the_grid_back() -> None:
    held = tripped(long=leg(LegLevel.FLAT), short=leg(LegLevel.FLAT), desired=KillSwitch.FLATTEN_BOTH)
    status = build(facts(held, killSwitch="flattenBoth"))
    assert told(status, "KillSwitchEngaged") == ("True", "Flat")
    assert told(status, "Ready") == ("False", "RiskTrip")


def test_a_figure_that_is_not_known_is_told_as_such() -> None:
    found = build(facts(tripped(trip=TRIP.model_copy(update={"observed": None}))))
    ready = condition(found, "Ready")
    assert ready is not None
    assert ": unknown, the limit is 20;" in ready.message


def test_a_flatten_of_risk_that_fails_is_a_failed_flatten() -> None:
    stuck = leg(LegLevel.FLAT, LegState.FAILED, source=Source.RISK, last_error="no margin")
    assert told(build(facts(tripped(long=stuck))), "KillSwitchEngaged") == ("True", "FlattenFailed")


def test_what_else_risk_holds_back_says_why() -> None:
    """The third closing of the breaker (R18), an unexplained position (R20)."""
    halted, why = leg(LegLevel.HALTED, source=Source.RISK), "a position that no fill of ours explains"
    latch = TRIP_LATCH.model_copy(update={"reason": "ForeignPosition", "message": why})
    status = build(facts(tripped(long=halted, short=halted, latches=(latch,), trip=None)))
    assert told(status, "Ready") == ("False", "RiskTrip")
    ready = condition(status, "Ready")
    assert ready is not None
    assert ready.message.startswith(f"{why}; it stands until it is released: raise spec.rearm to 4, ")


def test_a_trip_is_an_event_of_its_own_once() -> None:
    trading = build(facts(report()))
    stopped = build(facts(tripped(), previous=trading))
    found = {note.reason: note for note in notes(trading, stopped, by="kubectl", now=NOW)}
    assert list(found) == ["RiskTrip", "KillRequested", "KillDelivered", "KillFlat"]
    assert found["RiskTrip"].warning
    assert found["RiskTrip"].text.startswith("risk.maxDrawdownPercent was exceeded at 2026-03-01T12:00:00Z: 20.13, ")
    assert found["KillRequested"].text == "flattenBoth is asked for by risk"
    assert reasons(stopped, stopped) == []
    released = build(facts(report(rearm=4), previous=stopped))
    assert reasons(stopped, released) == ["KillReleased"]
    assert released.control is not None
    assert (released.control.trip, released.control.latches) == (None, ())


def test_a_pod_that_has_lost_its_store_does_not_make_status_forget_what_stands() -> None:
    """F38: latches, the trip and the highest rearm consumed go back to the pod with its document."""
    stopped = build(facts(tripped(), rearm=3))
    anew = report(boot_id="boot-2", synced=False, applied_generation=None)
    waiting = build(facts(anew, rearm=3, previous=stopped))
    assert waiting.control is not None
    assert (waiting.control.latches, waiting.control.trip, waiting.control.rearm) == ((TRIP_LATCH,), TRIP, 3)
    again = tripped(boot_id="boot-2", trip=None, rearm=0)
    taken = build(facts(again, rearm=3, previous=waiting))
    assert taken.control is not None
    assert (taken.control.latches, taken.control.trip, taken.control.rearm) == ((TRIP_LATCH,), TRIP, 3)


def test_an_old_rearm_does_not_release_what_came_after_it_when_the_store_is_lost() -> None:
    status = build(facts(report(synced=False), rearm=3, previous=build(facts(tripped(), rearm=3))))
    link = Link(report=report(synced=False))
    link.notice(controls_of({**grid(rearm=3), "status": written(status)}))
    assert link.rearm_latches == ()
    link.notice(controls_of({**grid(rearm=4), "status": written(status)}))
    assert link.rearm_latches == ("trip-1",)


def test_a_refused_object_and_a_held_rollout_are_told() -> None:
    refused = build(facts(verdict=Verdict(Reason.DUPLICATE_TARGET, "another has it"), pod=None))
    assert reasons(HedgeGridStatus(), refused) == ["DuplicateTarget"]
    trading = build(facts(report()))
    held = build(facts(report(), doing=Doing.WAITING_FOR_FLAT, previous=trading))
    assert reasons(trading, held) == ["WaitingForFlat"]
    assert reasons(held, held) == []


def test_a_new_leader_says_nothing_about_a_pod_before_its_first_answer() -> None:
    """F19: what the status says about this very pod stands until then."""
    told = build(facts(report()))
    assert facts(None, previous=told).unheard
    assert not facts(report(), previous=told).unheard
    assert not facts(None, previous=told, pod=replace(POD, uid="another")).unheard
    assert not facts(None, previous=told, pod=None).unheard
    failed = Link()
    failed.failed(Failure.TIMEOUT, "no answer within 2 s", NOW)
    assert not facts(None, previous=told, link=failed).unheard
