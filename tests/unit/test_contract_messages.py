"""What a document must survive: a kill gets through whatever else in it can't be read."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from hedgegrid_api.control import ControlDocument, ControlReport, DeletionIntent
from hedgegrid_api.risk import RiskLimits
from hedgegrid_api.types import KillSwitch, Source
from tests.unit.operator_parts import report

LATCH = {"id": "trip-1", "source": "risk", "leg": "BOTH", "level": "flat", "since": "2026-03-01T12:00:00Z"}


def received(**fields: Any) -> ControlDocument:
    """A kill as it comes over the wire."""
    return ControlDocument.model_validate_json(
        json.dumps({"uid": "u", "generation": 3, "killSwitch": "flattenBoth", **fields})
    )


def test_limits_survive_the_wire_with_their_decimals() -> None:
    limits = RiskLimits.model_validate({"maxLossQuote": "100.50", "confirmations": 5})
    sent = ControlDocument(uid="u", generation=1, risk=limits).model_dump_json(by_alias=True)
    assert '"maxLossQuote":"100.50"' in sent
    found = ControlDocument.model_validate_json(sent)
    assert (found.risk, found.faults) == (limits, ())


def test_a_document_without_limits_leaves_those_of_the_pod() -> None:
    found = received()
    assert (found.risk, found.latches, found.faults) == (None, (), ())


def test_limits_of_a_newer_side_are_read_as_far_as_they_are_known() -> None:
    found = received(risk={"maxDrawdownPercent": 5, "maxOmega": 3})
    assert found.risk is not None
    assert (found.risk.max_drawdown_percent, found.faults) == (5, ())


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"risk": {"confirmations": 0}}, "risk.confirmations: Input should be greater than or equal to 1"),
        ({"risk": {"action": "sellEverything"}}, "risk.action: Input should be 'haltEntries' or 'flattenBoth'"),
        ({"risk": "tight"}, "risk: Input should be"),
        ({"by": 5}, "by: Input should be"),
        ({"latches": 7}, "latches: Input should be"),
        ({"faults": 7}, "faults: Input should be"),
    ],
)
def test_a_kill_gets_through_with_what_cannot_be_read_beside_it(fields: dict[str, Any], fault: str) -> None:
    found = received(**fields)
    assert found.kill_switch is KillSwitch.FLATTEN_BOTH
    assert (found.risk, found.latches) == (None, ())
    (only,) = found.faults
    assert only.startswith(fault)


def test_one_unreadable_latch_does_not_cost_the_others() -> None:
    found = received(latches=[{**LATCH, "level": 5}, LATCH, {"id": "x"}])
    assert [latch.id for latch in found.latches] == ["trip-1"]
    assert found.faults[0].startswith("latches[0].level: ")
    assert all(fault.startswith(("latches[0].", "latches[2].")) for fault in found.faults)


def test_what_the_operator_could_not_read_is_told_beside_what_the_pod_could_not() -> None:
    found = received(faults=["spec.risk.confirmations: no number"], by=5)
    assert found.faults[0] == "spec.risk.confirmations: no number"
    assert found.faults[1].startswith("by: ")


@pytest.mark.parametrize("fields", [{"throttle": 1.5}, {"generation": -1}, {"uid": ""}, {"deletion": 5}])
def test_controls_that_cannot_be_read_refuse_the_document(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        received(**fields, risk={"confirmations": 0})
    assert [error["loc"] for error in refusal.value.errors()] == [(next(iter(fields)),)]


def test_a_deletion_that_this_side_does_not_know_stops_entries_and_closes_nothing() -> None:
    assert received(deletion="FlattenSlowly").deletion is DeletionIntent.CANCEL_ORDERS


def test_a_report_carries_the_trip_and_the_regime() -> None:
    trip = {"id": "trip-1", "reason": "maxDrawdownPercent", "observed": "20.13", "limit": "20", "time": LATCH["since"]}
    text = json.loads(report(latches=(LATCH,)).model_dump_json(by_alias=True))
    found = ControlReport.model_validate({**text, "trip": trip, "telemetry": {"regime": "UP"}})
    assert found.trip is not None
    assert found.latches[0].source is Source.RISK
    assert json.loads(found.trip.model_dump_json(by_alias=True)) == trip
    assert found.telemetry.regime == "UP"
