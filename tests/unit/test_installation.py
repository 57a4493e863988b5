"""Whose grid an object is, where several installations share a cluster."""

from typing import Any

import pytest

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.admit import Reason
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.installation import is_stranger, may_say_so
from hedgegrid_operator.objects import HEDGE_GRID
from hedgegrid_operator.settings import parse
from hedgegrid_operator.status import previous_status
from tests.unit.operator_parts import UID, grid

OWN = "blue"


def marked(installation: str | None, **metadata: Any) -> dict[str, Any]:
    annotations = {} if installation is None else {"hedgegrid.io/installation": installation}
    return grid(metadata={"annotations": annotations, **metadata})


@pytest.mark.parametrize(("found", "expected"), [(None, False), ("", False), (OWN, False), ("green", True)])
def test_an_object_without_a_mark_is_everybodys(found: str | None, expected: bool) -> None:
    assert is_stranger(found, OWN) is expected


def accepted(reason: str) -> dict[str, Any]:
    condition = {"type": "Accepted", "status": "False", "reason": reason, "lastTransitionTime": "2026-03-01T11:00:00Z"}
    return {"status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("obj", "finalizer", "expected"),
    [
        pytest.param({}, False, True, id="nobody has said anything"),
        pytest.param(accepted("OtherInstallation"), False, True, id="it is what we said"),
        pytest.param({}, True, False, id="accepted, its status comes"),
        pytest.param(accepted("Valid"), True, False, id="accepted"),
        pytest.param(accepted("InvalidSpec"), False, False, id="refused by its own installation"),
        pytest.param(accepted("OtherInstallation"), True, False, id="accepted after we said so"),
    ],
)
def test_the_status_of_a_stranger_is_written_only_where_it_is_nobodys(
    obj: dict[str, Any], finalizer: bool, expected: bool
) -> None:
    assert may_say_so(previous_status(obj), finalizer=finalizer) is expected


def test_a_stranger_is_refused_until_its_mark_changes_and_is_still_in_the_way_of_its_target() -> None:
    cache = Cache()
    admission = Admission(cache, ImageDefaults("strategy", "1", "IfNotPresent"), OWN)
    cache.observe(HEDGE_GRID, marked("green"))
    entry = cache.grid(UID)
    assert entry is not None
    verdict = admission.verdict(entry)
    assert verdict.reason is Reason.OTHER_INSTALLATION
    assert verdict.message == (
        "the object belongs to installation green (annotation hedgegrid.io/installation), and this operator is blue: "
        "it is left alone; to hand it over, flatten it and set the annotation to blue"
    )
    assert admission.wanted(UID) is None
    # Two installations must not trade one account either.
    cache.observe(HEDGE_GRID, grid(uid="second", name="second", metadata={"creationTimestamp": "2026-03-01T11:30:00Z"}))
    second = cache.grid("second")
    assert second is not None
    assert admission.verdict(second).reason is Reason.DUPLICATE_TARGET
    # No change of the spec, only of the mark.
    cache.observe(HEDGE_GRID, marked(OWN, resourceVersion="900"))
    entry = cache.grid(UID)
    assert entry is not None
    assert admission.verdict(entry).reason is Reason.VALID
    assert admission.wanted(UID) is not None


def test_an_installation_is_named_by_its_setting_else_by_its_namespace() -> None:
    assert parse(["--installation", "blue", "--namespace", "ops"], {}).own_installation == "blue"
    assert parse(["--namespace", "ops"], {}).own_installation == "ops"
