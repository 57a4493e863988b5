"""Who may run at all."""

from dataclasses import replace
from typing import Any

import pytest

from hedgegrid_api.author import instant
from hedgegrid_operator.admit import Reason, Rival, admit
from hedgegrid_operator.objects import GridRef
from tests.unit.operator_parts import UID, grid


def rival(
    uid: str = "9", created: str = "2026-03-01T11:30:00Z", *, children: bool = False, valid: bool = True
) -> Rival:
    return Rival(GridRef("other", "rival", uid), instant(created), children, valid)


OWN = Rival(GridRef("default", "btc", UID), instant("2026-03-01T11:00:00Z"), has_children=False, valid=True)


@pytest.mark.parametrize(
    ("own", "rivals", "reason"),
    [
        pytest.param(OWN, [], Reason.VALID, id="alone"),
        pytest.param(OWN, [rival()], Reason.VALID, id="the older one keeps the target"),
        pytest.param(OWN, [rival(created="2026-03-01T10:00:00Z")], Reason.DUPLICATE_TARGET, id="the newer one waits"),
        pytest.param(OWN, [rival(children=True)], Reason.DUPLICATE_TARGET, id="who has a pod keeps it"),
        pytest.param(
            replace(OWN, has_children=True), [rival(created="2026-03-01T10:00:00Z")], Reason.VALID, id="even if newer"
        ),
        pytest.param(
            OWN, [rival(created="2026-03-01T10:00:00Z", valid=False)], Reason.VALID, id="one that can't run is no rival"
        ),
        pytest.param(
            OWN, [rival("1", "2026-03-01T11:00:00Z")], Reason.VALID, id="at the same second the lower uid: ours"
        ),
        pytest.param(
            OWN, [rival("00", "2026-03-01T11:00:00Z")], Reason.DUPLICATE_TARGET, id="at the same second the lower uid"
        ),
    ],
)
def test_one_target_has_one_grid(own: Rival, rivals: list[Rival], reason: Reason) -> None:
    assert admit(grid(), own, rivals).reason is reason


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"grid": {"stepBps": 10}}, "spec.grid.levelsLong"),
        ({"leverage": 126}, "spec.leverage"),
        ({"exits": {"takeProfitSteps": 101}}, "spec.exits.takeProfitSteps"),
        ({"pod": {"volumes": [{"name": "data", "emptyDir": {}}]}}, "data is the store's"),
    ],
)
def test_a_spec_that_cannot_run_is_refused_with_its_field(spec: dict[str, Any], told: str) -> None:
    verdict = admit(grid(**spec), OWN, [])
    assert verdict.reason is Reason.INVALID_SPEC
    assert not verdict.accepted
    assert told in verdict.message
