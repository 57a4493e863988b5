"""F52: operator N with pod N−1 and the reverse. What only the other side knows never hides the controls.

An unknown level, state or source in a report never makes the pod unreachable and never counts as flat; a status that
another operator wrote is read as far as it can be.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from hedgegrid_api.control import ControlReport
from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_api.tolerance import pruned, readable
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Source
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.observed import controls_of
from hedgegrid_operator.status import build, condition, previous_status, verified_by_status, written
from tests.unit.operator_parts import grid, leg, report
from tests.unit.test_operator_status import facts

BOTH = KillSwitch.FLATTEN_BOTH
SINCE = "2026-03-01T12:00:00Z"
DELETED = {"deletionTimestamp": "2026-03-01T11:59:00Z"}
type Change = Callable[[Any], object]


def told(change: Change, held: KillSwitch = BOTH, **more: Any) -> ControlReport:
    """A pod's report as another version would send it."""
    sent = json.loads(report(held, **more).model_dump_json(by_alias=True))
    change(sent)
    return ControlReport.model_validate(sent)


def in_leg(**fields: Any) -> Change:
    return lambda sent: sent["killSwitch"]["legs"]["long"].update(fields)


def in_switch(**fields: Any) -> Change:
    return lambda sent: sent["killSwitch"].update(fields)


def flat_words(found: ControlReport) -> tuple[bool, bool]:
    """Whether anything of ours takes a report for flat: a deletion, the status."""
    wanted = plan.document(controls_of(grid(metadata=DELETED)), epoch=1, rearm_latches=(), report=found)
    kill = build(facts(found, killSwitch="flattenBoth")).control
    assert kill is not None
    assert kill.kill_switch is not None
    return plan.verified(found, wanted), kill.kill_switch.state in {LegState.FLAT, LegState.DUST}


_STATES: list[Change] = [
    in_leg(state="Hedged"),
    lambda sent: (in_leg(state="Hedged")(sent), in_switch(state="Hedged")(sent)),
    in_leg(level="reduced", state="Reduced"),
]


@pytest.mark.parametrize("change", _STATES)
def test_what_the_operator_does_not_know_of_a_leg_is_never_flat(change: Change) -> None:
    found = told(change)
    assert plan.under_way(found)
    assert flat_words(found) == (False, found.kill_switch.state is LegState.FLAT)
    assert found.kill_switch.legs.long.state is LegState.REQUESTED
    assert found.kill_switch.legs.long.last_error
    # It was taken all the same: it is neither sent again nor escalated.
    assert plan.urgency(plan_document(found), found) is Urgency.HELD


def plan_document(found: ControlReport, **fields: Any) -> Any:
    wish: dict[str, Any] = {"killSwitch": "flattenBoth", **fields}
    return plan.document(controls_of(grid(**wish)), epoch=1, rearm_latches=(), report=found)


def test_an_unknown_summary_is_asked_for_while_a_leg_is_held_and_released_else() -> None:
    assert told(in_switch(state="Hedged")).kill_switch.state is LegState.REQUESTED
    assert told(in_switch(state="Idle"), KillSwitch.NONE).kill_switch.state is LegState.RELEASED
    open_leg = told(in_leg(state="Idle"), KillSwitch.NONE)
    assert open_leg.kill_switch.legs.long.state is LegState.RELEASED
    assert not plan.under_way(open_leg)


def test_an_unknown_level_is_neither_open_nor_flat() -> None:
    found = told(in_leg(level="reduced"))
    assert found.kill_switch.legs.long.level is LegLevel.HALTED
    assert not plan.verified(found, plan_document(found, metadata=DELETED))


_UNDERSTOOD: list[Change] = [
    in_leg(source="schedule"),
    in_switch(source="schedule"),
    lambda sent: sent["throttle"].update(source="schedule"),
    lambda sent: sent["throttle"].pop("source"),
    lambda sent: sent.update(latches=[{"id": "x"}, 7], trip={"id": 3}, telemetry={"netQuote": {"usd": 1}}),
    lambda sent: sent.update(conditions=[{"type": "VenueReady", "status": "Perhaps", "reason": "New"}, 5]),
    lambda sent: sent.update(conditions=None, latches="none", telemetry=[]),
    lambda sent: sent.update(future={"a": [1]}, synced=True),
]


@pytest.mark.parametrize("change", _UNDERSTOOD)
def test_a_pod_of_another_version_is_understood(change: Change) -> None:
    found = told(change)
    assert (found.synced, found.applied_generation, found.kill_switch.state) == (True, 1, LegState.FLAT)
    assert flat_words(found)[1]
    # And a stronger or weaker wish reaches it.
    assert plan.urgency(plan_document(found, killSwitch="none", generation=2), found) is Urgency.WEAKER


def test_one_unreadable_figure_does_not_cost_the_others() -> None:
    found = told(lambda sent: sent.update(telemetry={"netQuote": {"usd": 1}, "openOrders": 8, "equity": "10"}))
    assert (found.telemetry.net_quote, found.telemetry.open_orders, str(found.telemetry.equity)) == (None, 8, "10")


def test_a_pod_of_an_older_version_says_less_and_nothing_of_it_becomes_a_number() -> None:
    known = ("quantity", "openOrders", "dust", "attempts", "lastError", "since", "delivered", "reached")

    def change(sent: Any) -> None:
        for name in ("latches", "trip", "conditions", "telemetry", "epoch"):
            del sent[name]
        for side in ("long", "short"):
            for name in known:
                sent["killSwitch"]["legs"][side].pop(name)

    found = told(change)
    assert plan.both_flat(found.kill_switch.legs) is None
    assert (found.telemetry.open_orders, found.telemetry.pnl.total, found.epoch) == (None, None, None)
    assert condition(build(facts(found, killSwitch="flattenBoth")), "Ready") is not None


def test_unknown_conditions_and_reasons_are_shown_as_the_pod_tells_them() -> None:
    new = {"type": "MarginReady", "status": False, "reason": "Borrowing", "message": "as told", "severity": 3}
    status = build(facts(told(lambda sent: sent["conditions"].append(new), KillSwitch.NONE)))
    found = condition(status, "MarginReady")
    assert found is not None
    assert (found.status, found.reason, found.message) == ("False", "Borrowing", "as told")


def test_an_unknown_value_of_the_switch_counts_as_halted_on_both_sides() -> None:
    """`flattenAll` was set by a newer operator, which then was rolled back."""
    found = told(in_switch(desired="flattenAll"))
    assert found.kill_switch.desired is KillSwitch.HALT_ENTRIES
    assert plan.urgency(plan_document(found, killSwitch="flattenAll"), found) is Urgency.HELD
    assert plan.urgency(plan_document(found, killSwitch="flattenBoth", generation=2), found) is Urgency.KILL
    assert plan.urgency(plan_document(found, killSwitch="none", generation=2), found) is Urgency.WEAKER


def test_a_latch_of_an_unknown_source_stands_is_shown_and_is_released_by_its_id() -> None:
    latch = {
        "id": "sched-1",
        "source": "schedule",
        "leg": "BOTH",
        "level": "reduced",
        "since": SINCE,
        "reason": "Night",
    }
    found = told(lambda sent: sent.update(latches=[latch]))
    (kept,) = found.latches
    assert (kept.id, kept.source, kept.level) == ("sched-1", Source.RISK, LegLevel.HALTED)
    shown = written(build(facts(found, killSwitch="flattenBoth")))
    again = controls_of({**grid(), "status": shown})
    assert again.shown_latches == ("sched-1",)
    # It goes back to a pod that has lost its store (F38).
    assert [item.id for item in again.latches] == ["sched-1"]


_NO_REPORTS: list[Change] = [lambda sent: sent.pop("killSwitch"), lambda sent: sent.update(bootID=None)]


@pytest.mark.parametrize("change", _NO_REPORTS)
def test_what_is_no_report_is_refused(change: Change) -> None:
    with pytest.raises(ValidationError):
        told(change)


# Status of another operator.


def shown(change: Change) -> HedgeGridStatus:
    """A status as another version would have written it, as this one reads it."""
    flat = leg(LegLevel.FLAT, source=Source.DELETION)
    sent = written(build(facts(report(BOTH, long=flat, short=flat), metadata=DELETED, deletion="waiting")))
    change(sent)
    return previous_status({**grid(), "status": sent})


_STATUSES: list[Change] = [
    lambda sent: sent.update(phase="Hibernating"),
    lambda sent: sent["control"]["killSwitch"].update(source="schedule", future=1),
    lambda sent: sent["conditions"][0].update(status="Perhaps"),
    lambda sent: sent["conditions"].append({"type": "New"}),
    lambda sent: sent["control"].update(throttle={"effective": "half"}, trip="none"),
    lambda sent: sent.update(telemetry={"long": {"quantity": -1}}),
]


@pytest.mark.parametrize("change", _STATUSES)
def test_a_status_of_another_operator_is_read_as_far_as_it_can_be(change: Change) -> None:
    """A deletion goes on where it was: an object that ran is never taken for one that never did."""
    found = shown(change)
    assert found.config_hash == "abc"
    assert condition(found, "ControlReachable") is not None
    assert verified_by_status(found, 1, (LegLevel.FLAT, LegLevel.FLAT))


_OTHER_WORDS: list[Change] = [
    lambda sent: sent["control"]["killSwitch"].update(state="Hedged"),
    lambda sent: sent["control"]["killSwitch"]["legs"]["long"].update(state="Hedged"),
    lambda sent: sent["control"]["killSwitch"]["legs"]["short"].update(level="reduced"),
]


@pytest.mark.parametrize("change", _OTHER_WORDS)
def test_and_what_it_says_about_a_leg_in_other_words_is_not_flat(change: Change) -> None:
    found = shown(change)
    assert found.config_hash == "abc"
    assert not verified_by_status(found, 1, (LegLevel.FLAT, LegLevel.FLAT))


def test_nothing_is_guessed_from_what_is_no_status() -> None:
    assert previous_status({**grid(), "status": 5}) == HedgeGridStatus()
    assert readable(HedgeGridStatus, "text") == HedgeGridStatus()
    assert readable(HedgeGridStatus, {"conditions": 7}) == HedgeGridStatus()


def test_only_what_an_error_names_is_left_out() -> None:
    data = {"phase": "Odd", "observedGeneration": 4, "conditions": [{"type": "A"}, {"type": "B", "status": "Odd"}]}
    with pytest.raises(ValidationError) as refused:
        HedgeGridStatus.model_validate(data)
    assert pruned(data, refused.value) == {"observedGeneration": 4, "conditions": []}
    assert data["phase"] == "Odd"
