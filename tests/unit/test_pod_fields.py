"""What `spec.pod` adds to the strategy pod, field by field, and what it can't take away."""

from typing import Any

import pytest

from hedgegrid_api.schema import fields, spec_schema
from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.desired.build import Desired, desired
from hedgegrid_operator.desired.config_map import files
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.objects import GridRef
from tests.unit.operator_parts import SPEC, UID

AFFINITY = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
TOLERATION = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}

# Field under spec.pod → its value, and where in the template what stands then.
SHOWN: dict[str, tuple[Any, tuple[str, ...], Any]] = {
    "resources": ({"limits": {"cpu": "1"}}, ("spec", "containers", "resources"), {"limits": {"cpu": "1"}}),
    "nodeSelector": ({"disk": "ssd"}, ("spec", "nodeSelector"), {"disk": "ssd"}),
    "tolerations": ([TOLERATION], ("spec", "tolerations"), [TOLERATION]),
    "affinity": (AFFINITY, ("spec", "affinity"), AFFINITY),
    "priorityClassName": ("high", ("spec", "priorityClassName"), "high"),
    "env": ([{"name": "A", "value": "b"}], ("spec", "containers", "env"), {"name": "A", "value": "b"}),
    "labels": ({"team": "x"}, ("metadata", "labels", "team"), "x"),
    "annotations": ({"note": "y"}, ("metadata", "annotations", "note"), "y"),
    "volumes": ([{"name": "bars", "emptyDir": {}}], ("spec", "volumes"), {"name": "bars", "emptyDir": {}}),
    "volumeMounts": (
        [{"name": "bars", "mountPath": "/b"}],
        ("spec", "containers", "volumeMounts"),
        {"name": "bars", "mountPath": "/b"},
    ),
}


def built(pod: dict[str, Any]) -> Desired:
    spec = HedgeGridSpec.model_validate({**SPEC, "pod": pod})
    return desired(GridRef("default", "btc", UID), spec, files(spec), ImageDefaults("strategy", "1", "IfNotPresent"))


def at(found: Desired, path: tuple[str, ...]) -> Any:
    node = found.stateful_set["spec"]["template"]
    for name in path:
        node = node[name][0] if name == "containers" else node[name]
    return node


def test_every_field_of_the_pod_is_here() -> None:
    known = {
        field.path.split(".")[1].removesuffix("[]") for field in fields(spec_schema()) if field.path.startswith("pod.")
    }
    assert known == SHOWN.keys()


@pytest.mark.parametrize("name", SHOWN)
def test_a_field_of_the_pod_stands_in_the_template_and_makes_another_revision_of_it(name: str) -> None:
    value, path, expected = SHOWN[name]
    found, without = built({name: value}), built({})
    stands = at(found, path)
    assert stands == expected or expected in stands
    assert found.revision != without.revision
    assert found.config_hash == without.config_hash


def test_a_field_that_isnt_there_leaves_no_trace_in_the_template() -> None:
    assert built({"nodeSelector": {}, "tolerations": [], "affinity": {}}) == built({})


def _without_slash(path: str) -> str:
    return path.rstrip("/")


@pytest.mark.parametrize("name", SHOWN)
def test_no_field_of_the_pod_takes_anything_of_ours_away(name: str) -> None:
    """Whatever stands in the template without it stands there with it, too, but for the resources that it is about."""
    ours, theirs = (built(pod).stateful_set["spec"]["template"] for pod in ({}, {name: SHOWN[name][0]}))
    _holds(theirs, ours, "" if name != "resources" else "resources")


def _holds(found: Any, ours: Any, but: str) -> None:
    if isinstance(ours, dict):
        for key, value in ours.items():
            if key not in {but, "hedgegrid.io/revision"}:
                _holds(found[key], value, but)
    elif isinstance(ours, list):
        for position, value in enumerate(ours):
            _holds(found[position], value, but)
    else:
        assert found == ours


@pytest.mark.parametrize(
    ("pod", "kept"),
    [
        ({"volumeMounts": [{"name": "a", "mountPath": "/tmp"}]}, {"name": "hedgegrid-tmp", "mountPath": "/tmp"}),
        ({"volumeMounts": [{"name": "a", "mountPath": "/tmp/"}]}, {"name": "hedgegrid-tmp", "mountPath": "/tmp"}),
    ],
)
def test_a_mount_over_one_of_ours_is_left_out(pod: dict[str, Any], kept: dict[str, Any]) -> None:
    mounts = at(built(pod), ("spec", "containers", "volumeMounts"))
    assert [mount for mount in mounts if _without_slash(mount["mountPath"]) == kept["mountPath"]] == [kept]
