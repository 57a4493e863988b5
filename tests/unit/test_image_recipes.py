"""When an image is built anew, and how its layers lie over each other."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.images.debian import source_lines
from tests.images.layout import Layout, tree_bytes
from tests.images.recipes import OPERATOR, RECIPES, ROOT, STRATEGY, file_time


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the same shape, with one file in each folder."""
    for name in {name for recipe in RECIPES for name in recipe.inputs}:
        path = tmp_path / name / "module.py" if (ROOT / name).is_dir() else tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_every_input_exists() -> None:
    for recipe in RECIPES:
        assert [name for name in recipe.inputs if not (ROOT / name).exists()] == []


def test_the_names_are_those_that_the_operator_asks_for() -> None:
    from hedgegrid_operator.settings import parse

    settings = parse([], {})
    assert STRATEGY.reference == f"docker.io/library/{settings.strategy_image}:{settings.strategy_tag}"


@pytest.mark.parametrize(
    ("changed", "operator", "strategy"),
    [
        pytest.param("operator/hedgegrid_operator/module.py", True, False, id="the operator's code"),
        pytest.param("strategy_image/naut_hedgegrid/module.py", False, True, id="the strategy's code"),
        pytest.param("crds/hedgegrid_api/module.py", True, True, id="the contract"),
        pytest.param("requirements/operator.txt", True, False, id="the operator's packages"),
        pytest.param("strategy_image/Dockerfile", False, True, id="a Dockerfile"),
        pytest.param("README.md", False, False, id="nothing that goes in"),
        pytest.param("operator/hedgegrid_operator/__pycache__/module.pyc", False, False, id="a cache"),
    ],
)
def test_an_image_is_built_anew_when_what_goes_into_it_changes(
    checkout: Path, changed: str, operator: bool, strategy: bool
) -> None:
    def keys() -> list[str]:
        return [recipe.key(checkout, "docker", 0) for recipe in (OPERATOR, STRATEGY)]

    before = keys()
    (checkout / changed).parent.mkdir(parents=True, exist_ok=True)
    (checkout / changed).write_text("changed")
    assert [old != new for old, new in zip(before, keys(), strict=True)] == [operator, strategy]


def test_another_builder_or_time_is_another_image(checkout: Path) -> None:
    assert len({OPERATOR.key(checkout, *given) for given in (("docker", 0), ("docker", 1), ("buildah", 0))}) == 3


def test_the_files_have_the_time_of_the_last_commit_that_touched_them(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def commit(*paths: str, seconds: int) -> None:
        who = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        env = who | {"GIT_AUTHOR_DATE": f"@{seconds} +0000", "PATH": "/usr/bin:/bin", "HOME": str(checkout)}
        subprocess.run(["git", "add", *paths], cwd=checkout, check=True)
        subprocess.run(["git", "commit", "--quiet", "--message", "m"], cwd=checkout, env=env, check=True)

    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
    commit(".", seconds=1_700_000_000)
    (checkout / "strategy_image/naut_hedgegrid/module.py").write_text("changed")
    commit("strategy_image", seconds=1_700_000_100)
    assert file_time(checkout, OPERATOR) == 1_700_000_000
    assert file_time(checkout, STRATEGY) == 1_700_000_100
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    assert file_time(checkout, OPERATOR) == 5


def test_without_a_history_the_files_have_a_time_all_the_same(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    assert file_time(checkout, OPERATOR) == 0


def test_the_base_image_comes_from_where_this_system_takes_its_packages() -> None:
    places = {"http://mirror/debian/", "http://mirror/debian-security/"}
    assert source_lines("trixie", places) == [
        "deb http://mirror/debian-security/ trixie-security main",
        "deb http://mirror/debian/ trixie main",
        "deb http://mirror/debian/ trixie-updates main",
    ]


def archive_of(path: Path, *layers: dict[str, str]) -> Path:
    """An OCI archive whose layers hold these files."""
    blobs: dict[str, bytes] = {}

    def stored(content: bytes) -> dict[str, str]:
        digest = f"sha256:{len(blobs)}"
        blobs["blobs/" + digest.replace(":", "/")] = content
        return {"digest": digest}

    def layer(files: dict[str, str]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in files.items():
                _add(tar, name, text.encode())
        return buffer.getvalue()

    config = stored(json.dumps({"config": {}, "rootfs": {"diff_ids": ["sha256:a"]}}).encode())
    manifest = {"config": config, "layers": [stored(layer(files)) for files in layers]}
    index = {"manifests": [stored(json.dumps(manifest).encode())]}
    with tarfile.open(path, "w") as tar:
        _add(tar, "index.json", json.dumps(index).encode())
        for name, content in blobs.items():
            _add(tar, name, content)
    return path


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def test_a_higher_layer_replaces_and_removes_what_lies_below(tmp_path: Path) -> None:
    archive = archive_of(
        tmp_path / "image.tar",
        {"bin/pip": "pip", "bin/python": "old", "lib/gone/a": "a", "lib/gone/b": "b"},
        {"bin/.wh.pip": "", "bin/python": "newer", "lib/gone/.wh..wh..opq": "", "lib/gone/c": "c"},
    )
    root = tmp_path / "root"
    root.mkdir()
    Layout.read(archive).unpack(root)
    found = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert found == {"bin/python": "newer", "lib/gone/c": "c"}
    assert tree_bytes(root) == len("newer") + len("c")
