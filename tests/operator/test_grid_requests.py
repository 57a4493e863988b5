"""What a grid costs the API server: one request for each child of a new one, none for what already stands."""

import pytest

from tests.kube import wait_until
from tests.operator.grid_parts import Field, Grid, condition

CHILDREN = frozenset({"configmaps", "services", "serviceaccounts", "roles", "rolebindings", "statefulsets"})


@pytest.fixture
def grid(field: Field) -> Grid:
    """A new grid that trades."""
    return field.running()


def requests(field: Field, verb: str) -> dict[str, float]:
    """Requests to children so far, by resource."""
    found: dict[str, float] = {}
    for series, count in field.metric("hedgegrid_operator_api_requests_total").items():
        labels = dict(item.split("=") for item in series.strip("{}").replace('"', "").split(","))
        if labels["verb"] == verb and labels["resource"] in CHILDREN:
            found[labels["resource"]] = found.get(labels["resource"], 0) + count
    return found


def test_a_new_grid_takes_one_request_for_each_child(field: Field) -> None:
    before = requests(field, "get"), requests(field, "patch")
    field.running()
    assert requests(field, "get") == before[0]
    made = {name: count - before[1].get(name, 0) for name, count in requests(field, "patch").items()}
    assert made == dict.fromkeys(CHILDREN, 1)


def test_a_new_operator_applies_nothing_that_already_stands(field: Field, grid: Grid) -> None:
    child = grid.cluster.api.get("v1", "ServiceAccount", grid.child, grid.namespace)
    field.operator.stop()
    field.start()
    wait_until(lambda: field.metric("hedgegrid_operator_reconcile_seconds_count"), 40, "a look at the grid")
    grid.cluster.api.patch("v1", "Service", grid.child, grid.namespace, {"spec": {"publishNotReadyAddresses": False}})
    wait_until(lambda: requests(field, "patch") == {"services": 1}, 40, "one request, which puts the change back")
    assert grid.cluster.api.get("v1", "ServiceAccount", grid.child, grid.namespace) == child


def test_a_child_that_was_changed_meanwhile_is_put_back_by_a_new_operator(field: Field, grid: Grid) -> None:
    field.operator.stop()
    name = next(child["metadata"]["name"] for child in grid.children(api_version="apps/v1", kind="StatefulSet"))
    grid.cluster.api.patch("apps/v1", "StatefulSet", name, grid.namespace, {"spec": {"replicas": 0}})
    field.start()
    wait_until(lambda: _replicas(grid) == 1, 40, "the StatefulSet as it was")
    grid.wait(lambda seen: condition(seen, "Ready").get("reason") == "Trading", "the grid to trade")


def _replicas(grid: Grid) -> int:
    found = grid.children(api_version="apps/v1", kind="StatefulSet")
    return int(found[0]["spec"]["replicas"])
