"""What already stands is told from what doesn't: by the fields that we apply, and by the hash of what was applied."""

from typing import Any

import pytest

from hedgegrid_operator.apply import Children, covers, stamped
from hedgegrid_operator.objects import SERVICE, UID_LABEL, GridRef, packed
from tests.unit.test_operator_desired import built

REF = GridRef("trading", "btc", "9f0c7a6e-1111-4222-8333-444455556666")


def service() -> dict[str, Any]:
    return next(manifest for kind, manifest in built().others if kind is SERVICE)


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """As the API server would have it."""
    found = stamped(manifest, packed(manifest))
    about = found["metadata"] | {"uid": "child", "resourceVersion": "7"}
    ports = [port | {"nodePort": 0} for port in found["spec"]["ports"]]
    return found | {"metadata": about, "spec": found["spec"] | {"ports": ports, "type": "ClusterIP"}, "status": {}}


@pytest.mark.parametrize(
    ("found", "wanted", "holds"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": ""}, False),
        ({}, {"a": [], "b": {}}, True),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [{"x": 1, "more": 1}]}, {"a": [{"x": 1}]}, True),
        ({"a": "text"}, {"a": {"x": 1}}, False),
        ({}, {"a": {"x": 1}}, False),
        ({"a": {"x": 1}}, {"a": [1]}, False),
    ],
)
def test_what_others_added_does_not_count_what_is_missing_or_different_does(
    found: object, wanted: object, holds: bool
) -> None:
    assert covers(found, wanted) is holds


def recognized(found: dict[str, Any], manifest: dict[str, Any]) -> bool:
    children = Children(kube=None)  # type: ignore[arg-type] # nothing is asked for
    ref = GridRef("trading", "btc", manifest["metadata"]["labels"][UID_LABEL])
    told = children.recognize(ref, SERVICE, manifest, found)
    assert (children.applied(ref.uid, SERVICE, manifest["metadata"]["name"]) is not None) is told
    return told


def test_a_child_of_an_earlier_process_is_recognized_with_its_version() -> None:
    assert recognized(stored(service()), service())


def test_one_that_somebody_changed_is_not() -> None:
    found = stored(service())
    found["spec"]["publishNotReadyAddresses"] = False
    assert not recognized(found, service())


def test_one_that_lacks_what_another_release_applied_beyond_ours_is_not() -> None:
    """A field that is applied no more would stay: only the hash tells."""
    older = service()
    older["spec"]["externalTrafficPolicy"] = "Local"
    assert covers(stored(older) | {"metadata": stored(service())["metadata"]}, service())
    assert not recognized(stored(older), service())


def test_another_grids_is_not() -> None:
    found = stored(service())
    found["metadata"]["labels"] |= {UID_LABEL: "another"}
    assert not recognized(found, service())
