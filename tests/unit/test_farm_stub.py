"""A stub pod answers as a pod does: reports that the operator reads, documents in order, effects at once."""

import json
from typing import Any

import pytest

from hedgegrid_api.control import ControlReport, Refusal
from hedgegrid_api.types import LegState
from tests.farm.stub import Stub

DOCUMENT: dict[str, Any] = {
    "uid": "a",
    "generation": 3,
    "epoch": 2,
    "rearm": 0,
    "throttle": 0.5,
    "killSwitch": "none",
    "deletion": "none",
}


def told(stub: Stub, **changes: Any) -> ControlReport:
    status, body = stub.put(DOCUMENT | changes)
    assert status == 200
    return ControlReport.model_validate_json(body)


def test_before_its_first_document_it_knows_nothing() -> None:
    report = ControlReport.model_validate_json(Stub().report())
    assert (report.uid, report.synced, report.applied_generation) == (None, False, None)


def test_a_document_takes_effect_at_once() -> None:
    stub = Stub()
    report = told(stub, killSwitch="flattenLong")
    assert (report.synced, report.applied_generation, report.throttle.effective) == (True, 3, 0.5)
    legs = report.kill_switch.legs
    assert (legs.long.state, legs.short.state, report.kill_switch.state) == (LegState.FLAT, LegState.RELEASED, "Flat")


def test_one_engagement_has_one_operation() -> None:
    stub = Stub()
    first = told(stub, killSwitch="haltEntries").kill_switch.operation_id
    assert told(stub, killSwitch="flattenBoth", generation=4).kill_switch.operation_id == first
    assert told(stub, killSwitch="none", generation=5).kill_switch.operation_id is None
    assert told(stub, killSwitch="haltEntries", generation=6).kill_switch.operation_id != first
    assert stub.operations == 2


@pytest.mark.parametrize(("field", "value"), [("uid", "b"), ("generation", 2), ("epoch", 1)])
def test_what_is_older_or_another_objects_is_refused_and_changes_nothing(field: str, value: Any) -> None:
    stub = Stub()
    told(stub)
    before = stub.report()
    status, body = stub.put(DOCUMENT | {"killSwitch": "flattenBoth", field: value})
    refusal = Refusal.model_validate_json(body)
    assert (status, refusal.reason, refusal.held) == (409, field, ControlReport.model_validate_json(before))
    assert stub.report() == before


def test_a_new_process_waits_for_its_document_and_keeps_what_it_held() -> None:
    stub = Stub()
    boot = told(stub).boot_id
    stub.restart()
    report = ControlReport.model_validate_json(stub.report())
    assert (report.synced, report.applied_generation) == (False, 3)
    assert report.boot_id != boot
    assert json.loads(stub.put(DOCUMENT | {"generation": 2})[1])["reason"] == "generation"
