"""Every example is accepted by a real API server, with the command that stands in it."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.schema_api import Grids, grids_of_own_namespace
from tests.operator.schema_cases import grid_object

ROOT = Path(__file__).parents[2]
OBJECTS = sorted((ROOT / "examples").glob("*.yaml"))
PATCHES = sorted((ROOT / "examples" / "patches").glob("*.yaml"))


@pytest.fixture(scope="module")
def grids(cluster) -> Iterator[Grids]:
    """A namespace for this module."""
    with grids_of_own_namespace(cluster) as grids:
        yield grids


def commands(file: Path) -> list[list[str]]:
    """The kubectl commands in a file's comments, without `kubectl`."""
    lines = [line.lstrip("# ") for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
    return [shlex.split(line)[1:] for line in lines if line.startswith("kubectl ")]


def test_examples_are_there() -> None:
    assert {file.name for file in OBJECTS} >= {"sim-minimal.yaml", "sim-btc.yaml"}
    assert {file.name for file in PATCHES} >= {"throttle.yaml", "kill.yaml"}


@pytest.mark.parametrize("file", OBJECTS, ids=lambda file: file.name)
def test_object_is_accepted(cluster, grids: Grids, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    apply = next(command for command in commands(file) if command[0] == "apply")
    assert apply == ["apply", "-f", f"examples/{file.name}"]
    assert "created" in cluster.kubectl(*apply, "-n", grids.namespace, "--dry-run=server")


@pytest.mark.parametrize("file", PATCHES, ids=lambda file: file.name)
def test_patch_changes_the_object(cluster, grids: Grids, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    controls = {"killSwitch": "none"} if file.name != "release.yaml" else {"killSwitch": "flattenBoth"}
    grids.create(grid_object(controls), dry=False)
    try:
        (patch,) = commands(file)
        answer = cluster.kubectl(*patch, "-n", grids.namespace)
        assert "patched" in answer
        assert "no change" not in answer
    finally:
        grids.delete("btc")
