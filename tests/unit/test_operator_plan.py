"""What is sent to a pod, and how urgently."""

from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.control import ControlDocument, ControlReport, DeletionIntent
from hedgegrid_api.risk import RiskLimits
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Source
from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.desired.config_map import files
from hedgegrid_operator.observed import controls_of
from tests.unit.operator_parts import grid, leg, report

NONE, HALT, LONG, SHORT, BOTH = KillSwitch
KILL, THROTTLE, WEAKER, REFRESH, HELD = Urgency
DELETED = {"deletionTimestamp": "2026-03-01T11:59:00Z"}
GENTLE = {"generation": 2, "metadata": DELETED, "deletion": {"policy": "CancelOrders"}}
CLOSED = leg(LegLevel.FLAT, source=Source.DELETION)
KEPT = leg(LegLevel.HALTED, source=Source.DELETION)


def document(held: ControlReport | None = None, *, epoch: int = 1, **fields: Any) -> Any:
    return plan.document(controls_of(grid(**fields)), epoch=epoch, rearm_latches=(), report=held)


@pytest.mark.parametrize("held", [NONE, HALT, LONG, SHORT, BOTH])
@pytest.mark.parametrize("wanted", [NONE, HALT, LONG, SHORT, BOTH])
def test_a_leg_held_back_further_is_urgent_and_one_let_go_is_checked(held: KillSwitch, wanted: KillSwitch) -> None:
    rank = {NONE: (0, 0), HALT: (1, 1), LONG: (2, 0), SHORT: (0, 2), BOTH: (2, 2)}
    higher = any(w > h for w, h in zip(rank[wanted], rank[held], strict=True))
    expected = KILL if higher else WEAKER
    assert plan.urgency(document(generation=2, killSwitch=wanted.value), report(held)) is expected


@pytest.mark.parametrize(
    ("held", "fields", "expected"),
    [
        pytest.param(None, {}, WEAKER, id="an unknown pod may hold more than is wanted"),
        pytest.param(None, {"killSwitch": "haltEntries"}, KILL, id="an unknown pod gets a kill at once"),
        pytest.param(None, {"metadata": DELETED}, KILL, id="and a deletion"),
        pytest.param(report(synced=False), {}, WEAKER, id="a pod that has just started holds its entries"),
        pytest.param(report(BOTH, synced=False), {"killSwitch": "flattenBoth"}, KILL, id="even one with a latch"),
        pytest.param(report(BOTH, uid="another"), {"killSwitch": "flattenBoth"}, KILL, id="another object's document"),
        pytest.param(report(), {}, HELD, id="nothing to do"),
        pytest.param(report(), {"generation": 2}, WEAKER, id="a new generation, whose limits may be wider"),
        pytest.param(report(), {"epoch": 2}, REFRESH, id="a new leader raises the fence"),
        pytest.param(report(epoch=3), {}, HELD, id="a pod that has seen a higher epoch"),
        pytest.param(report(), {"throttle": 0.5}, THROTTLE, id="throttled down"),
        pytest.param(report(throttle=0.5), {"throttle": 0.7}, WEAKER, id="throttled up"),
        pytest.param(report(), {"throttle": 0.5, "killSwitch": "haltEntries"}, KILL, id="kill dominates throttle"),
        pytest.param(report(), {"generation": 2, "metadata": DELETED}, KILL, id="a deletion that isn't held yet"),
        pytest.param(
            report(long=CLOSED, short=CLOSED, applied_generation=2),
            {"generation": 2, "metadata": DELETED},
            HELD,
            id="held deletion",
        ),
        pytest.param(report(), GENTLE, KILL, id="one that only cancels orders"),
        pytest.param(report(), {"metadata": DELETED}, KILL, id="one that comes without a new generation"),
        pytest.param(report(BOTH), GENTLE, WEAKER, id="over a switch that closes"),
        pytest.param(report(long=CLOSED, short=CLOSED), GENTLE, WEAKER, id="and one whose policy asks for less now"),
        pytest.param(report(long=KEPT, short=KEPT), {"generation": 2, "metadata": DELETED}, KILL, id="or for more"),
        pytest.param(report(), {"generation": 2, "rearm": 1}, WEAKER, id="a rearm releases"),
        pytest.param(report(), {"killSwitch": "flattenEverything"}, KILL, id="an unknown value counts as haltEntries"),
        pytest.param(report(), {"throttle": "a lot"}, THROTTLE, id="an unreadable throttle counts as 0"),
    ],
)
def test_urgency(held: ControlReport | None, fields: dict[str, Any], expected: Urgency) -> None:
    assert plan.urgency(document(**fields), held) is expected


def test_a_document_carries_the_whole_desired_state() -> None:
    fields = {"throttle": 0.25, "rearm": 3, "killSwitch": "flattenShort", "metadata": DELETED, "generation": 7}
    found = plan.document(controls_of(grid(**fields)), epoch=4, rearm_latches=("a", "b"), report=None)
    assert (found.generation, found.epoch, found.throttle, found.rearm) == (7, 4, 0.25, 3)
    assert (found.kill_switch, found.deletion) == (SHORT, DeletionIntent.FLATTEN)
    assert found.rearm_latches == ("a", "b")


LATCH = {"id": "trip-1", "source": "risk", "leg": "BOTH", "level": "flat", "since": "2026-03-01T11:00:00Z"}


def with_latches(*latches: Any, **fields: Any) -> Any:
    """Document of an object whose status shows latches."""
    held = {"control": {"latches": list(latches)}}
    return plan.document(controls_of({**grid(**fields), "status": held}), epoch=1, rearm_latches=(), report=None)


def test_limits_go_with_the_document_and_not_with_the_pod_template() -> None:
    """A change of `risk` alone is a PUT: the files of the pod stay as they are."""
    narrow, wide = ({"maxDrawdownPercent": percent, "maxLossQuote": "500"} for percent in (5, 50))
    found = document(risk=narrow)
    assert found.risk is not None
    assert (found.risk.max_drawdown_percent, found.risk.max_loss_quote) == (5, Decimal(500))
    assert files(HedgeGridSpec.model_validate(grid(risk=narrow)["spec"])) == files(
        HedgeGridSpec.model_validate(grid(risk=wide)["spec"])
    )
    assert "risk" not in files(HedgeGridSpec.model_validate(grid(risk=narrow)["spec"]))["strategy.yaml"]


def test_wider_limits_wait_for_a_consistent_read_and_a_kill_beside_them_does_not() -> None:
    wider = {"generation": 2, "risk": {"maxDrawdownPercent": 50}}
    assert plan.urgency(document(**wider), report()) is WEAKER
    assert plan.urgency(document(**wider, killSwitch="flattenBoth"), report()) is KILL


def test_limits_of_a_spec_without_the_group_are_the_defaults() -> None:
    assert document().risk == RiskLimits()


@pytest.mark.parametrize(
    ("risk", "fault"),
    [
        ({"confirmations": 0}, "spec.risk.confirmations: "),
        ({"action": "panic"}, "spec.risk.action: "),
        ("none", "spec.risk: "),
        (None, "spec.risk: "),
    ],
)
def test_limits_that_cannot_be_read_do_not_stop_a_kill(risk: Any, fault: str) -> None:
    found = document(generation=2, killSwitch="flattenBoth", risk=risk)
    assert found.risk is None
    (only,) = found.faults
    assert only.startswith(fault)
    sent = ControlDocument.model_validate_json(found.model_dump_json(by_alias=True))
    assert (sent.kill_switch, sent.faults) == (BOTH, found.faults)
    assert plan.urgency(found, report()) is KILL


def test_what_stands_by_risk_or_api_goes_back_with_the_document() -> None:
    """For a pod whose volume was lost (F38)."""
    api = {**LATCH, "id": "op-2", "source": "api", "leg": "LONG"}
    spec = {**LATCH, "id": "op-3", "source": "spec"}
    found = with_latches(LATCH, spec, {"id": "half"}, api)
    assert [(latch.id, latch.source) for latch in found.latches] == [("trip-1", Source.RISK), ("op-2", Source.API)]
    assert found.latches[0].level is LegLevel.FLAT


def test_while_paused_a_kill_is_sent_and_the_throttle_stays_as_the_pod_has_it() -> None:
    paused = {"annotations": {"hedgegrid.io/reconcile": "disabled"}}
    found = document(report(throttle=0.4), metadata=paused, throttle=1, killSwitch="flattenBoth")
    assert (found.throttle, found.kill_switch) == (0.4, BOTH)
    assert plan.urgency(found, report(throttle=0.4)) is KILL
    # A pod that has just started has no throttle of ours to keep.
    assert document(report(throttle=0.4, synced=False), metadata=paused, throttle=1).throttle == 1


def test_who_changed_the_spec_and_why_goes_with_it() -> None:
    managed = [
        {"manager": "helm", "time": "2026-03-01T10:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "kubectl-patch", "time": "2026-03-01T11:30:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "operator", "time": "2026-03-01T11:40:00Z", "fieldsV1": {"f:status": {}}, "subresource": "status"},
    ]
    about = {"managedFields": managed, "annotations": {"hedgegrid.io/reason": "funding went wild"}}
    by = document(metadata=about).by
    assert (by.manager, by.reason) == ("kubectl-patch", "funding went wild")


@pytest.mark.parametrize(
    ("level", "state", "done"),
    [
        (LegLevel.OPEN, LegState.RELEASED, True),
        (LegLevel.HALTED, LegState.DELIVERED, False),
        (LegLevel.HALTED, LegState.HALTED, True),
        (LegLevel.FLAT, LegState.HALTED, False),
        (LegLevel.FLAT, LegState.FLATTENING, False),
        (LegLevel.FLAT, LegState.FAILED, False),
        (LegLevel.FLAT, LegState.DUST, True),
        (LegLevel.FLAT, LegState.FLAT, True),
    ],
)
def test_an_engagement_is_under_way_until_its_level_is_reached(level: LegLevel, state: LegState, done: bool) -> None:
    found = report(long=leg(level, state))
    assert plan.under_way(found) is not done
    pause = plan.poll_delay(found, idle=5, busy=0.25, least=0.01, waiting_for_flat=False, jitter=1)
    assert pause == (5 if done else 0.25)


@pytest.mark.parametrize(
    ("long", "short", "flat"),
    [
        (leg(quantity="0"), leg(quantity="0"), True),
        (leg(quantity="0.002"), leg(quantity="0"), False),
        (leg(quantity="0.0004", dust="0.0004"), leg(quantity="0"), True),
        (leg(quantity=None), leg(quantity="0"), None),
        (leg(quantity=None), leg(quantity="0.002"), False),
    ],
)
def test_flat_is_said_only_when_it_is_known(long: Any, short: Any, flat: bool | None) -> None:
    assert plan.both_flat(report(long=long, short=short).kill_switch.legs) is flat


def test_flat_counts_for_a_deletion_only_when_the_pod_holds_that_very_deletion() -> None:
    wanted = document(generation=5, metadata=DELETED)
    flat = leg(LegLevel.FLAT, source=Source.DELETION)
    assert not plan.verified(report(BOTH, applied_generation=4), wanted)
    assert not plan.verified(report(BOTH, applied_generation=5, synced=False), wanted)
    moving = leg(LegLevel.FLAT, LegState.FLATTENING)
    assert not plan.verified(report(long=flat, short=moving, applied_generation=5), wanted)
    assert plan.verified(report(long=flat, short=flat, applied_generation=5), wanted)


@pytest.mark.parametrize("policy", ["CancelOrders", "Orphan", "AskFirst"])
def test_a_deletion_that_does_not_ask_for_a_flatten_only_keeps_entries_out(policy: str) -> None:
    wanted = document(generation=5, metadata=DELETED, deletion={"policy": policy})
    assert wanted.deletion is DeletionIntent.CANCEL_ORDERS
    assert plan.wanted_levels(wanted) == (LegLevel.HALTED, LegLevel.HALTED)
    stored = leg(LegLevel.HALTED, LegState.DELIVERED, source=Source.DELETION)
    assert not plan.verified(report(long=KEPT, short=stored, applied_generation=5), wanted)
    assert plan.verified(report(long=KEPT, short=CLOSED, applied_generation=5), wanted)
    closing = leg(LegLevel.FLAT, LegState.FLATTENING, source=Source.RISK)
    assert not plan.verified(report(long=KEPT, short=closing, applied_generation=5), wanted)


def test_a_deletion_asks_for_what_the_switch_asks_for_as_well() -> None:
    wanted = document(metadata=DELETED, killSwitch="flattenLong", deletion={"policy": "CancelOrders"})
    assert plan.wanted_levels(wanted) == (LegLevel.FLAT, LegLevel.HALTED)


def test_in_live_nothing_is_closed_by_a_policy_that_nobody_wrote() -> None:
    assert document(metadata=DELETED, mode="live").deletion is DeletionIntent.CANCEL_ORDERS
    assert document(metadata=DELETED, mode="live", deletion={"policy": "Flatten"}).deletion is DeletionIntent.FLATTEN


def test_a_kill_is_tried_again_for_ever_and_soon_and_the_rest_backs_off_to_a_minute() -> None:
    assert [plan.kill_delay(n) for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [0.1, 0.2, 0.5, 1, 2, 5, 5, 5]
    assert [plan.retry_delay(n, 1) for n in (1, 2, 6, 7, 50)] == [1, 2, 32, 60, 60]


def test_an_old_view_of_the_object_is_noticed() -> None:
    assert plan.ahead(report(applied_generation=3), document(generation=2))
    assert not plan.ahead(report(applied_generation=2), document(generation=2))
    # F48: by its own watch the pod may know more than any document has told it.
    assert plan.ahead(report(applied_generation=2, due_generation=3), document(generation=2))
    assert not plan.ahead(report(applied_generation=2, due_generation=3), document(generation=3))


@pytest.mark.parametrize(
    ("held", "fields", "switch", "throttle"),
    [
        pytest.param(report(BOTH, applied_generation=9), {}, BOTH, 1, id="an older copy releases nothing"),
        pytest.param(
            report(LONG, applied_generation=9), {"killSwitch": "flattenShort"}, BOTH, 1, id="a kill adds to it"
        ),
        pytest.param(report(applied_generation=9), {"killSwitch": "haltEntries"}, HALT, 1, id="or comes first"),
        pytest.param(report(throttle=0.3, applied_generation=9), {"throttle": 0.8}, NONE, 0.3, id="throttle up"),
        pytest.param(report(throttle=0.3, applied_generation=9), {"throttle": 0.1}, NONE, 0.1, id="throttle down"),
        pytest.param(report(HALT, applied_generation=9), {"metadata": DELETED}, BOTH, 1, id="a deletion"),
        pytest.param(report(long=CLOSED, short=CLOSED, applied_generation=9), {}, BOTH, 1, id="a deletion forgotten"),
        pytest.param(
            report(HALT, applied_generation=9), {"killSwitch": "flattenShort"}, SHORT, 1, id="no switch asks for both"
        ),
    ],
)
def test_an_object_behind_its_pod_only_holds_it_back_further(
    held: ControlReport, fields: dict[str, Any], switch: KillSwitch, throttle: float
) -> None:
    """F45: etcd was restored; the pod refuses lower generations, and would take anything of its own."""
    wanted = document(generation=4, rearm=3, risk={"maxDrawdownPercent": 90}, **fields)
    found = plan.restrained(wanted, held)
    assert (found.generation, found.kill_switch, found.throttle) == (9, switch, throttle)
    assert (found.rearm, found.risk) == (held.rearm, None)
    assert found.deletion is wanted.deletion
    if switch is not SHORT:
        assert plan.urgency(found, held) in {KILL, THROTTLE, HELD}


def test_an_object_behind_its_pod_keeps_what_the_pods_own_watch_has_engaged() -> None:
    """F45 with F48: no document has told it, and one of the pod's generation would end it."""
    held = report(long=CLOSED, short=CLOSED, throttle=0.3, applied_generation=6, due_generation=9)
    found = plan.restrained(document(generation=4, throttle=1), held)
    assert (found.generation, found.kill_switch, found.throttle) == (9, BOTH, 0.3)


def test_a_release_beside_a_lower_throttle_waits_for_a_consistent_read() -> None:
    assert plan.urgency(document(throttle=0.5, generation=2), report(BOTH)) is WEAKER
