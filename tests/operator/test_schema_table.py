"""The contract at a real API server: what is accepted, what is refused, and what the user is told."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.operator.schema_api import Grids, RefusedError, grids_of_own_namespace
from tests.operator.schema_cases import (
    ACCEPTED,
    NAMES_ACCEPTED,
    NAMES_REFUSED,
    PATCHED,
    REFUSED,
    Accepted,
    Patched,
    Refused,
    grid_object,
)


@pytest.fixture(scope="module")
def grids(cluster) -> Iterator[Grids]:
    """A namespace for the objects of this module."""
    with grids_of_own_namespace(cluster) as grids:
        yield grids


def named(case: Accepted | Refused | Patched) -> str:
    return case.id


def test_table_is_large_enough() -> None:
    assert len(ACCEPTED) + len(REFUSED) + len(PATCHED) >= 60
    for table in (ACCEPTED, REFUSED, PATCHED):
        assert len({case.id for case in table}) == len(table)


@pytest.mark.parametrize("case", ACCEPTED, ids=named)
def test_accepted_and_then_controlled_by_a_patch_of_nothing_else(grids: Grids, case: Accepted) -> None:
    name = f"a-{uuid4().hex[:8]}"
    grids.create(grid_object(case.changes, name), dry=False)
    try:
        assert (
            grids.patch(name, {"spec": {"killSwitch": "flattenBoth"}}, dry=True)["spec"]["killSwitch"] == "flattenBoth"
        )
        assert grids.patch(name, {"spec": {"throttle": 0}}, dry=True)["spec"]["throttle"] == 0
    finally:
        grids.delete(name)


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_refused_with_field_value_and_remedy(grids: Grids, case: Refused) -> None:
    with pytest.raises(RefusedError) as refusal:
        grids.create(grid_object(case.changes), dry=True)
    for piece in case.says:
        assert piece in str(refusal.value)


@pytest.mark.parametrize("case", PATCHED, ids=named)
def test_patched(grids: Grids, case: Patched) -> None:
    name = f"p-{uuid4().hex[:8]}"
    before = grids.create(grid_object(case.changes, name), dry=False)
    try:
        if not case.says:
            after = grids.patch(name, {"spec": case.patch}, dry=False)
            assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
            return
        with pytest.raises(RefusedError) as refusal:
            grids.patch(name, {"spec": case.patch}, dry=False)
        for piece in case.says:
            assert piece in str(refusal.value)
        assert grids.get(name)["spec"] == before["spec"]
    finally:
        grids.delete(name)


@pytest.mark.parametrize("name", NAMES_ACCEPTED)
def test_name_accepted(grids: Grids, name: str) -> None:
    assert grids.create(grid_object(name=name), dry=True)["metadata"]["name"] == name


@pytest.mark.parametrize("name", NAMES_REFUSED)
def test_name_refused(grids: Grids, name: str) -> None:
    with pytest.raises(RefusedError, match=r"metadata\.name.*at most 40 lower-case letters") as refusal:
        grids.create(grid_object(name=name), dry=True)
    assert f'not "{name}"' in str(refusal.value)
