"""What the release workflow promises, read from its file: nothing here can run it."""

import re
from typing import Any

import pytest
import yaml

from tests.images.recipes import RECIPES, ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yaml"))
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
JOBS: dict[str, Any] = WORKFLOWS["release"]["jobs"]
each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = JOBS[job]["steps"]
    return found


def text(job: str) -> str:
    return "\n".join(step.get("run", "") for step in steps(job))


@each
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(path: Any) -> None:
    used = re.findall(r"uses: *(.*)", path.read_text())
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@each
def test_a_workflow_may_read_only_and_a_job_says_what_more_it_needs(path: Any) -> None:
    assert WORKFLOWS[path.stem]["permissions"] == {"contents": "read"}
    assert "write-all" not in path.read_text()


@each
def test_no_expression_is_pasted_into_a_script(path: Any) -> None:
    """A name that somebody chose would run as a command."""
    for job in WORKFLOWS[path.stem]["jobs"].values():
        assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []


@each
def test_every_make_target_that_is_called_exists(path: Any) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make (\w+)", path.read_text())) <= targets


def test_a_release_builds_both_images_for_both_architectures_from_a_pinned_base() -> None:
    image = JOBS["image"]
    built = {(entry["name"], entry["dockerfile"]) for entry in image["strategy"]["matrix"]["include"]}
    assert built == {(recipe.name, recipe.dockerfile) for recipe in RECIPES}
    build = next(step["with"] for step in steps("image") if step.get("id") == "build")
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert "PYTHON_IMAGE=${{ needs.prepare.outputs.python-image }}" in build["build-args"]
    assert "python-image=$PYTHON_IMAGE@$digest" in text("prepare")
    assert "rewrite-timestamp=true" in build["outputs"]
    assert "SOURCE_DATE_EPOCH" in image["env"]


def test_a_release_signs_images_and_chart_and_attaches_the_list_of_contents() -> None:
    assert 'cosign sign --yes --recursive "$IMAGE@$DIGEST"' in text("image")
    assert "syft scan" in text("image")
    assert 'cosign attest --yes --type spdxjson --predicate "$file" "$IMAGE@$digest"' in text("image")
    assert "helm push" in text("chart")
    assert 'cosign sign --yes "$CHARTS/hedgegrid-operator@$digest"' in text("chart")
    for job in ("image", "chart"):
        assert JOBS[job]["permissions"] == {"contents": "read", "packages": "write", "id-token": "write"}


def test_a_release_is_audited_and_its_tag_is_the_version_of_the_code() -> None:
    assert "make audit" in text("prepare")
    pattern = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
    assert pattern.search((ROOT / "crds/hedgegrid_api/__init__.py").read_text())
    assert 's/^__version__ = "\\(.*\\)"$/\\1/p' in text("prepare")
    assert JOBS["release"]["needs"] == ["prepare", "image", "chart"]
