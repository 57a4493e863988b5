"""The images as they were built: size, contents, user, and how they behave as process 1 of a restricted pod."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hedgegrid_api import __version__
from tests.images import ImagesUnavailable, build
from tests.images.builders import Buildah, find_builder
from tests.images.container import Container
from tests.images.layout import Layout, tree_bytes
from tests.images.recipes import RECIPES, ROOT, Recipe, file_time
from tests.kube.binaries import cache_folder
from tests.kube.progress import say_to_stderr
from tests.kube.waiting import wait_until

# The first run makes the base image and downloads all packages.
pytestmark = pytest.mark.timeout(1800)

BUDGET_MB = {"operator": 220, "strategy": 340}
PACKAGES = {"operator": "hedgegrid_operator", "strategy": "naut_hedgegrid"}
RUNNERS = sorted(
    path.stem
    for path in (ROOT / "strategy_image/naut_hedgegrid/runners").glob("*.py")
    if "\nPROGRAM = " in path.read_text()
)
BUILD_TOOLS = (
    "pip",
    "pip3",
    "uv",
    "uvx",
    "cc",
    "gcc",
    "g++",
    "c++",
    "clang",
    "ld",
    "as",
    "make",
    "cmake",
    "cargo",
    "rustc",
    "go",
    "git",
)
needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="to start a process in an image takes root on Linux"
)


@dataclass(frozen=True)
class Built:
    """One image, unpacked."""

    recipe: Recipe
    layout: Layout
    root: Path

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def settings(self) -> dict[str, Any]:
        """What the image says about its process."""
        found: dict[str, Any] = self.layout.config["config"]
        return found

    def container(self, folder: Path, *arguments: str, **options: Any) -> Container:
        return Container(self.root, self.settings, folder / "log", arguments, **options)

    def run(self, folder: Path, *arguments: str, **options: Any) -> str:
        """What a container that ends with 0 writes."""
        with self.container(folder, *arguments, **options) as container:
            code = container.wait()
            assert code == 0, container.log()
            return container.log()


@pytest.fixture(scope="session")
def unpacked() -> Generator[dict[str, Built]]:
    try:
        images = build()
    except ImagesUnavailable as reason:
        pytest.skip(f"no images: {reason}")
    with tempfile.TemporaryDirectory(prefix="hedgegrid-images-") as folder:
        found: dict[str, Built] = {}
        for recipe in RECIPES:
            layout = Layout.read(getattr(images, recipe.name))
            root = Path(folder) / recipe.name
            root.mkdir()
            layout.unpack(root)
            found[recipe.name] = Built(recipe, layout, root)
        yield found


@pytest.fixture(params=[recipe.name for recipe in RECIPES])
def image(request: pytest.FixtureRequest, unpacked: dict[str, Built]) -> Built:
    return unpacked[request.param]


@pytest.fixture
def operator(unpacked: dict[str, Built]) -> Built:
    return unpacked["operator"]


@pytest.fixture
def strategy(unpacked: dict[str, Built]) -> Built:
    return unpacked["strategy"]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """The files that ship for use without a cluster, readable by everybody."""
    folder = tmp_path / "configs"
    shutil.copytree(ROOT / "configs", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def programs(root: Path) -> Iterator[str]:
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "app/venv/bin"):
        if (root / folder).is_dir():
            yield from (path.name for path in (root / folder).iterdir())


def below_app(root: Path) -> Iterator[Path]:
    for folder, folders, files in (root / "app").walk():
        yield folder
        yield from (folder / name for name in (*folders, *files))


def test_an_image_keeps_its_budget(image: Built) -> None:
    found = tree_bytes(image.root) / 1e6
    assert found <= BUDGET_MB[image.name], f"{image.name}: {found:.0f} MB unpacked"


def test_an_image_says_who_runs_what_and_what_it_is(image: Built) -> None:
    settings = image.settings
    assert settings["User"] == "10001:10001"
    assert settings["Entrypoint"][:2] == ["python", "-m"]
    labels = settings["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"].startswith("docker.io/library/python:3.13")
    assert {"title", "description", "revision"} <= {name.rpartition(".")[2] for name in labels}


def test_an_image_has_no_build_tools(image: Built) -> None:
    assert set(BUILD_TOOLS).isdisjoint(programs(image.root))
    site_packages = [
        path for path in image.root.rglob("site-packages/*") if path.name.startswith(("pip", "uv-", "setuptools"))
    ]
    assert site_packages == []
    assert list(image.root.rglob("pip-*.whl")) == []


def test_an_image_has_no_tests_and_no_caches(image: Built) -> None:
    names = {path.name for path in below_app(image.root)}
    assert names.isdisjoint({"tests", "__pycache__", ".git", "requirements"})
    for folder in ("root/.cache", "var/cache/uv", "build", "var/lib/apt/lists"):
        held = [path for path in (image.root / folder).rglob("*") if path.is_file() and path.stat().st_size]
        assert held == [], folder


def test_what_we_put_into_an_image_is_root_s_and_of_one_time(image: Built) -> None:
    when = file_time(ROOT, image.recipe)
    for path in below_app(image.root):
        found = path.lstat()
        if path.is_symlink():
            continue
        assert int(found.st_mtime) == when, path
        assert not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID), path
        assert found.st_mode & stat.S_IROTH, path
        if os.geteuid() == 0:
            assert found.st_uid == found.st_gid == 0, path


def test_each_image_holds_one_side_alone(image: Built) -> None:
    ours = {path.name for path in (image.root / "app/lib").iterdir() if path.is_dir()}
    assert ours == {"hedgegrid_api", PACKAGES[image.name]}


@needs_root
def test_the_operator_says_its_version(operator: Built, tmp_path: Path) -> None:
    assert operator.run(tmp_path, "--version").strip() == __version__


@needs_root
@pytest.mark.parametrize("runner", RUNNERS)
def test_the_strategy_image_holds_all_runners(strategy: Built, tmp_path: Path, runner: str) -> None:
    assert f"naut_hedgegrid.runners.{runner}" in strategy.run(tmp_path, f"naut_hedgegrid.runners.{runner}", "--help")


@needs_root
def test_an_image_runs_as_any_user(image: Built, tmp_path: Path) -> None:
    """OpenShift gives a uid of its own choice, with group 0, that no /etc/passwd knows."""
    asked = f"import getpass, os, {PACKAGES[image.name]}; print(getpass.getuser(), os.getuid())"
    assert image.run(tmp_path, "-c", asked, entrypoint=["python"], user="1000710000:0").split() == [
        "hedgegrid",
        "1000710000",
    ]


@needs_root
def test_process_1_ends_at_a_sigterm_that_comes_before_its_program(image: Built, tmp_path: Path) -> None:
    """The kernel drops a signal for process 1 that has no handler; the pod would live until its grace period ends."""
    with image.container(
        tmp_path, "-c", "print('up', flush=True); import time; time.sleep(600)", entrypoint=["python"]
    ) as one:
        wait_until(lambda: "up" in one.log(), 60, "the interpreter")
        one.terminate()
        assert one.wait() == 128 + 15


@needs_root
def test_process_1_leaves_no_zombies(image: Built, tmp_path: Path) -> None:
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(0.1)\n"  # its parent is gone by then
        "    os._exit(0)\n"
        "while [name for name in os.listdir('/proc') if name.isdecimal()] != ['1']:\n"
        "    time.sleep(0.05)\n"
    )
    with image.container(tmp_path, "-c", script, entrypoint=["python"]) as container:
        assert container.wait() == 0, container.log()


def simulation(strategy: Built, folder: Path, configs: Path, **options: Any) -> Container:
    files = ("--strategy-config", "/tmp/configs/strategies/hedge_grid_v1.yaml")
    files += ("--venue-config", "/tmp/configs/venues/binance_futures.yaml")
    serving = ("--enable-ops", "--api-port", "0", "--prometheus-port", "0")
    program = ("naut_hedgegrid.runners.run_sim", *files, "--store-dir", "/tmp/store", *serving)
    return strategy.container(folder, *program, mounts={configs: "configs"}, **options)


@needs_root
def test_a_grid_runs_on_a_read_only_root_and_stops_in_order_at_sigterm(
    strategy: Built, tmp_path: Path, configs: Path
) -> None:
    with simulation(strategy, tmp_path, configs) as pod:
        wait_until(lambda: '"running"' in pod.log() or pod.process.poll() is not None, 120, "the grid to run")
        pod.terminate()
        assert pod.wait() == 0, pod.log()
        assert '"stopped"' in pod.log()


@needs_root
def test_the_operator_stops_at_sigterm(operator: Built, tmp_path: Path) -> None:
    with unreachable(operator, tmp_path) as pod:
        wait_until(lambda: "Cannot connect" in pod.log() or pod.process.poll() is not None, 120, "the operator's start")
        pod.terminate()
        assert pod.wait() == 0, pod.log()


def unreachable(operator: Built, folder: Path, **options: Any) -> Container:
    """An operator whose cluster doesn't answer."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        "clusters: [{name: here, cluster: {server: 'https://127.0.0.1:9'}}]\n"
        "users: [{name: me, user: {token: none}}]\n"
        "contexts: [{name: here, context: {cluster: here, user: me}}]\n"
    )
    kubeconfig.chmod(0o644)
    arguments = ("--kubeconfig=/tmp/kubeconfig", "--health-port=0", "--health-host=127.0.0.1")
    return operator.container(folder, *arguments, mounts={kubeconfig: "kubeconfig"}, **options)


@needs_root
def test_a_start_compiles_nothing(unpacked: dict[str, Built], tmp_path: Path, configs: Path) -> None:
    """On a read-only root each start would compile it again: here the root is writable, and nothing new appears."""
    writing: dict[str, Any] = {"read_only": False, "user": "0:0", "env": {"PYTHONDONTWRITEBYTECODE": ""}}
    before = compiled(unpacked)
    with simulation(unpacked["strategy"], tmp_path, configs, **writing) as pod:
        wait_until(lambda: '"running"' in pod.log() or pod.process.poll() is not None, 120, "the grid to run")
        pod.terminate()
        assert pod.wait() == 0, pod.log()
    with unreachable(unpacked["operator"], tmp_path, **writing) as pod:
        wait_until(lambda: "Cannot connect" in pod.log() or pod.process.poll() is not None, 120, "the operator's start")
        pod.terminate()
        assert pod.wait() == 0, pod.log()
    new = sorted(path.partition("site-packages/")[2] or path for path in compiled(unpacked) - before)
    assert new == [], "\n".join(new)


def compiled(unpacked: dict[str, Built]) -> set[str]:
    return {str(path) for built in unpacked.values() for path in (built.root / "app/pyc").rglob("*.pyc")}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_two_builds_have_equal_layers(unpacked: dict[str, Built], recipe: Recipe, tmp_path: Path) -> None:
    builder = find_builder(cache_folder() / "images" / "storage")
    if not isinstance(builder, Buildah):
        pytest.skip("`docker save` keeps the file times of folders; a release pushes with rewrite-timestamp=true")
    archive = tmp_path / "again.tar"
    builder.build(recipe, ROOT, file_time(ROOT, recipe), archive, say_to_stderr)
    again = Layout.read(archive)
    assert again.diff_ids == unpacked[recipe.name].layout.diff_ids
    archive.unlink()
