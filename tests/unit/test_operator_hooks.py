"""What the chart's hooks run: the look for grids before an uninstall, and the smoke test."""

from typing import Any

import pytest

from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.objects import INSTALLATION_ANNOTATION
from hedgegrid_operator.smoke import SmokeError, manifest, reached, shows
from hedgegrid_operator.uninstall import own_grids, refusal


def _grid(name: str, namespace: str = "grids", installation: str | None = None) -> dict[str, Any]:
    annotations = {INSTALLATION_ANNOTATION: installation} if installation else {}
    return {"metadata": {"name": name, "namespace": namespace, "annotations": annotations}}


def test_grids_of_this_installation_and_of_none_yet_are_its_own() -> None:
    grids = [_grid("b"), _grid("a", installation="ours"), _grid("c", "more", "theirs")]
    assert own_grids(grids, "ours") == ["grids/a", "grids/b"]


def test_a_refusal_names_the_grids_and_both_ways_on() -> None:
    told = refusal(["grids/a", "grids/b", "more/c"], "hg 3")
    assert "3 HedgeGrids" in told
    for name in ("grids/a", "grids/b", "more/c"):
        assert f"  {name}\n" in told
    assert "kubectl -n grids delete hedgegrids --all" in told
    assert "kubectl -n more delete hedgegrids --all" in told
    assert "helm uninstall --no-hooks" in told
    assert "helm rollback hg 3" in told


def test_a_refusal_of_a_fleet_names_some_and_counts_the_rest() -> None:
    told = refusal([f"grids/g{number:04}" for number in range(1000)], "hg 3")
    assert "1000 HedgeGrids" in told
    assert "and 950 more" in told
    assert len(told) < 4096, "a pod's termination message holds 4096 bytes"


def test_the_smoke_tests_grid_is_valid_and_needs_no_volume() -> None:
    spec = HedgeGridSpec.model_validate(manifest("grids", "helm-test-1")["spec"])
    assert spec.mode.value == "sim"
    assert spec.storage.ephemeral


def test_a_phase_of_an_older_generation_is_not_reached() -> None:
    grid = {"metadata": {"generation": 2}, "status": {"phase": "Flat", "observedGeneration": 1}}
    assert not reached(grid, "Flat")
    grid["status"]["observedGeneration"] = 2
    assert reached(grid, "Flat")
    with pytest.raises(SmokeError, match="somebody has deleted"):
        reached(None, "Flat")


def test_a_step_that_fails_says_what_the_object_shows() -> None:
    assert "does an operator lead" in shows({"metadata": {}})
    condition = {"type": "PodReady", "status": "False", "reason": "ImagePullFailed", "message": "no such image"}
    told = shows({"metadata": {}, "status": {"phase": "Pending", "conditions": [condition]}})
    assert told == "phase Pending; PodReady=False ImagePullFailed: no such image"
    assert shows(None) == "there is no such object"
