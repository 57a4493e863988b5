"""Operator and API server agree: what the server stores, the model reads; what it refuses, the model refuses."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hedgegrid_api.schema import fields, spec_schema
from hedgegrid_api.v1alpha1 import HedgeGridSpec
from tests.operator.schema_api import Grids, RefusedError, grids_of_own_namespace
from tests.operator.schema_cases import ACCEPTED, grid_object, spec_with

_PATHS = [field.path for field in fields(spec_schema()) if "[]" not in field.path]
_VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "1", "0.5", "1.", "1e3", "1.5Gi", "-1", "none", "replay", "a.b", "/a", "é", "%s", "x" * 64]
    ),
    st.text(alphabet='aZ0-._/:% "\\\n日', max_size=40),
    st.integers(-2, 2**53 + 1),
    st.sampled_from([0, 1, 2, 3, 10, 20, 100, 1000, 10000]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.booleans(),
    st.dictionaries(st.text(alphabet="aB./-_", max_size=8), st.sampled_from(["x", 1, -1, "5m", None]), max_size=3),
    st.lists(
        st.fixed_dictionaries({}, optional={"name": st.sampled_from(["a", "b", "A_1", "hedgegrid-a"])}), max_size=3
    ),
)


@pytest.fixture(scope="module")
def grids(cluster) -> Iterator[Grids]:
    """A namespace for this module."""
    with grids_of_own_namespace(cluster) as grids:
        yield grids


def changed(spec: dict[str, Any], path: str, value: Any) -> bool:
    """Write a value at a path; False where something else than a group is in the way."""
    *groups, field = path.split(".")
    node = spec
    for group in groups:
        node = node.setdefault(group, {})
        if not isinstance(node, dict):
            return False
    node[field] = value
    return True


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    base=st.sampled_from(ACCEPTED), changes=st.dictionaries(st.sampled_from(_PATHS), _VALUES, min_size=1, max_size=2)
)
def test_server_and_model_agree(grids: Grids, base: Any, changes: dict[str, Any]) -> None:
    spec = spec_with(base.changes)
    for path, value in changes.items():
        if not changed(spec, path, copy.deepcopy(value)):
            return
    try:
        stored = grids.create(grid_object() | {"spec": spec}, dry=True)["spec"]
    except RefusedError:
        with pytest.raises(ValidationError):
            HedgeGridSpec.model_validate(spec, by_alias=True, by_name=False)
    else:
        HedgeGridSpec.model_validate(stored, by_alias=True, by_name=False)
