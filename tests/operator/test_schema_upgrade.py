"""An object that a newer definition would refuse can still be killed, throttled down, released and deleted."""

import copy
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from hedgegrid_api.schema import crd
from tests.kube import wait_until
from tests.operator.schema_api import Grids, RefusedError
from tests.operator.schema_cases import grid_object

_GROUP = "upgrade.hedgegrid.io"
_BOUNDS = ("minimum", "maximum", "maxLength", "maxItems", "maxProperties", "enum", "x-kubernetes-validations")


def renamed(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition under a group of its own, so that the one in force stays as it is."""
    spec = definition["spec"]
    spec["group"] = _GROUP
    spec["names"] |= {"shortNames": [], "categories": []}
    definition["metadata"]["name"] = f"{spec['names']['plural']}.{_GROUP}"
    return definition


def unbounded(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as a release might have had it before its bounds were thought of."""
    loose = {key: value for key, value in schema.items() if key not in _BOUNDS}
    if "properties" in schema:
        loose["properties"] = {name: unbounded(field) for name, field in schema["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            loose[inner] = unbounded(schema[inner])
    return loose


@pytest.fixture
def definitions(cluster) -> Iterator[Any]:
    """Puts a definition in force; removed afterwards."""
    api = kubernetes.client.ApiextensionsV1Api(kubernetes.config.new_client_from_config(str(cluster.kubeconfig)))
    name = f"hedgegrids.{_GROUP}"
    yield api
    api.delete_custom_resource_definition(name)


def test_stored_objects_outlive_tighter_bounds(cluster, definitions, namespace: str) -> None:
    newer = renamed(crd())
    older = copy.deepcopy(newer)
    root = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    root["properties"]["spec"] = unbounded(root["properties"]["spec"])
    definitions.create_custom_resource_definition(older)

    grids = Grids(cluster.kubeconfig, namespace, group=_GROUP)
    old = {
        **grid_object(
            {
                "account.name": "no label value!",
                "grid.stepBps": 0.25,
                "grid.levelsLong": 200,
                "grid.baseQty": "1e-3",
                "execution": {"barSeconds": 100, "staleDataSeconds": 1},
                "pod": {"labels": {"hedgegrid.io/uid": "x"}},
            },
            "old",
        ),
        "apiVersion": f"{_GROUP}/v1alpha1",
    }
    wait_until(lambda: served(grids), what="the older definition in force")
    grids.create(old, dry=False)

    definitions.replace_custom_resource_definition(
        newer["metadata"]["name"],
        newer | {"metadata": definitions.read_custom_resource_definition(newer["metadata"]["name"]).metadata},
    )
    another = {**old, "metadata": {"name": "another"}}
    wait_until(lambda: refused(grids, another), what="the newer definition in force")

    assert grids.patch("old", {"spec": {"killSwitch": "flattenBoth"}}, dry=False)["spec"]["killSwitch"] == "flattenBoth"
    assert grids.patch("old", {"spec": {"throttle": 0}}, dry=False)["spec"]["throttle"] == 0
    assert grids.patch("old", {"spec": {"killSwitch": "none", "rearm": 1}}, dry=False)["spec"]["rearm"] == 1
    with pytest.raises(RefusedError, match=r"spec\.grid\.stepBps: Invalid value: 0\.5"):
        grids.patch("old", {"spec": {"grid": {"stepBps": 0.5}}}, dry=False)
    grids.delete("old")


def test_an_object_from_before_a_group_gets_its_defaults_and_can_still_be_killed(
    cluster, definitions, namespace: str
) -> None:
    newer = renamed(crd())
    older = copy.deepcopy(newer)
    spec = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for group in ("regime", "placement", "funding", "risk", "leverage", "marginType"):
        del spec["properties"][group]
    del spec["properties"]["exits"]["properties"]["stopLossSteps"]
    spec["properties"]["exits"]["default"] = {"takeProfitSteps": 2}
    del spec["properties"]["exits"]["x-kubernetes-validations"]
    filters = spec["properties"]["sim"]["properties"]["filters"]
    del filters["properties"]["maxConditionalOrders"], filters["default"]["maxConditionalOrders"]
    spec["x-kubernetes-validations"] = [
        rule for rule in spec["x-kubernetes-validations"] if "stopLossSteps" not in rule["rule"]
    ]
    definitions.create_custom_resource_definition(older)
    grids = Grids(cluster.kubeconfig, namespace, group=_GROUP)
    wait_until(lambda: served(grids), what="the older definition in force")
    # More levels than an object with stops may have.
    old = grid_object({"grid.levelsLong": 50, "grid.levelsShort": 50, "sim": {"seed": 2}}, "old")
    grids.create({**old, "apiVersion": f"{_GROUP}/v1alpha1"}, dry=False)
    definitions.replace_custom_resource_definition(
        newer["metadata"]["name"],
        newer | {"metadata": definitions.read_custom_resource_definition(newer["metadata"]["name"]).metadata},
    )
    wait_until(lambda: "risk" in grids.get("old")["spec"], what="the newer definition in force")
    found = grids.get("old")["spec"]
    assert (found["exits"]["stopLossSteps"], found["placement"]["policy"]) == (0, "throttledCounter")
    # sim is immutable, and what it gets by default is no change.
    assert found["sim"]["filters"]["maxConditionalOrders"] == 200
    assert grids.patch("old", {"spec": {"killSwitch": "flattenBoth"}}, dry=False)["spec"]["killSwitch"] == "flattenBoth"
    with pytest.raises(RefusedError, match="with stops"):
        grids.patch("old", {"spec": {"exits": {"stopLossSteps": 2}}}, dry=False)
    grids.delete("old")


def served(grids: Grids) -> bool:
    try:
        grids.get("old")
    except RefusedError as error:
        return "not found" in str(error) and "old" in str(error)
    return True


def refused(grids: Grids, grid: dict[str, Any]) -> bool:
    try:
        grids.create(grid, dry=True)
    except RefusedError as error:
        return "spec.grid.stepBps" in str(error)
    return False


def test_rules_of_the_whole_spec_are_those_of_the_first_release() -> None:
    """The API server checks a rule of the whole spec at every patch, of old objects too.

    A rule that comes later has to bind at creation only (`optionalOldSelf`), or an object that breaks it could no
    longer be killed.
    """
    rules = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"]
    always = [rule["rule"] for rule in rules if "oldSelf" not in rule["rule"]]
    assert always == [
        "double(self.exits.takeProfitSteps) * double(self.grid.stepBps) < 10000.0",
        "self.exits.stopLossSteps == 0 || "
        "double(self.grid.levelsLong + self.exits.stopLossSteps) * double(self.grid.stepBps) < 10000.0",
        "self.exits.stopLossSteps == 0 || self.grid.levelsLong + self.grid.levelsShort <= 80",
    ]
