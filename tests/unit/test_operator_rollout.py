"""When a deleted object may go, and who may run at all."""

from dataclasses import replace
from typing import Any

import pytest

from hedgegrid_operator.admit import Reason, Rival, admit
from hedgegrid_operator.cache import Entry
from hedgegrid_operator.finalize import Stage, deletion_of, stage
from hedgegrid_operator.objects import GridRef, instant
from hedgegrid_operator.observed import controls_of
from tests.unit.operator_parts import NOW, UID, grid


def entry(deleted: str = "2026-03-01T11:58:20Z", annotations: dict[str, str] | None = None, **spec: Any) -> Entry:
    found = grid(metadata={"deletionTimestamp": deleted, "annotations": annotations or {}}, **spec)
    return Entry(found, controls_of(found))


ORPHAN = {"hedgegrid.io/release": "orphan"}


@pytest.mark.parametrize(
    ("found", "ran", "verified", "expected"),
    [
        pytest.param(entry(), False, False, Stage.RELEASE, id="never ran: no pod is ever made for it"),
        pytest.param(entry(), True, False, Stage.FLATTEN, id="100 s of 300"),
        pytest.param(entry(), True, True, Stage.RELEASE, id="verified"),
        pytest.param(entry(deletion={"timeoutSeconds": 60}), True, False, Stage.OVERDUE, id="Block goes on trying"),
        pytest.param(
            entry(deletion={"timeoutSeconds": 60, "onTimeout": "Orphan"}), True, False, Stage.ORPHAN, id="given up"
        ),
        pytest.param(
            entry("2026-02-01T00:00:00Z", deletion={"timeoutSeconds": 0, "onTimeout": "Orphan"}),
            True,
            False,
            Stage.FLATTEN,
            id="0 is no time-out",
        ),
        pytest.param(entry(annotations=ORPHAN), True, False, Stage.ORPHAN, id="let go by hand"),
        pytest.param(entry(annotations=ORPHAN), True, True, Stage.RELEASE, id="by hand, but flat anyway"),
        pytest.param(entry(deletion={"timeoutSeconds": "soon"}), True, False, Stage.FLATTEN, id="unreadable: 300 s"),
    ],
)
def test_a_deleted_object_goes_when_it_is_flat(found: Entry, ran: bool, verified: bool, expected: Stage) -> None:
    assert stage(deletion_of(found, ran=ran, verified=verified), NOW) is expected


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
