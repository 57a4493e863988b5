"""Fixtures of the end-to-end tier: one real cluster for the whole run, and a report of the times."""

import contextlib
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.report import Report
from tests.images import Images, build
from tests.images.errors import ImagesUnavailable
from tests.kube import docker, kind
from tests.kube.errors import ClusterUnavailable
from tests.kube.fixtures import speaker
from tests.kube.node import Node, policies, prepare
from tests.kube.progress import Say
from tests.kube.real import RealCluster

KINDS = ("kind", "node")
NODE_UNAVAILABLE, KIND_UNAVAILABLE = pytest.StashKey[str](), pytest.StashKey[str]()
"""Why there can be none."""
REPORT = pytest.StashKey[Report]()
FAILED = pytest.StashKey[str]()
"""Of a story's module: its first step that failed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--e2e-report FILE`: write the times as JSON, too. `--e2e-cluster`: where the story plays."""
    parser.addoption("--e2e-report", type=Path, metavar="FILE", help="write the times of the end-to-end run as JSON")
    parser.addoption(
        "--e2e-cluster",
        choices=KINDS,
        default="kind" if docker.version() else "node",
        help="kind's, the default where Docker runs, or a node in namespaces of this machine (root on Linux)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark of a story's steps, and the report."""
    config.addinivalue_line("markers", "story: the tests of this file are steps, in order; one that fails ends it")
    config.stash[REPORT] = Report()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have programs and packages ready before the first test: a build takes longer than a test may."""
    config, wanted = session.config, {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if config.option.collectonly or not session.items:
        return
    began, say = time.monotonic(), speaker(config)
    with_kind = config.option.e2e_cluster == "kind"
    if with_kind and "cluster" in wanted:
        with _noted(config, KIND_UNAVAILABLE):
            kind.prepare(say)
    if "node_possible" in wanted or not with_kind:
        with _noted(config, NODE_UNAVAILABLE):
            prepare(say)
            with contextlib.suppress(ClusterUnavailable):  # what needs it is skipped, with the reason
                policies.prepare(say)
    config.stash[REPORT].preparation["programs and packages"] = time.monotonic() - began


@contextlib.contextmanager
def _noted(config: pytest.Config, key: pytest.StashKey[str]) -> Generator[None]:
    try:
        yield
    except ClusterUnavailable as reason:
        config.stash[key] = str(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the steps after one that failed."""
    failed = item.parent.stash.get(FAILED, None) if item.parent else None
    if failed:
        pytest.skip(f"{failed} failed before")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how long a step took, or that it failed."""
    found = yield
    if item.get_closest_marker("story") and item.parent:
        steps = item.config.stash[REPORT].steps
        steps[item.name] = steps.get(item.name, 0.0) + call.duration
        if found.failed:
            item.parent.stash.setdefault(FAILED, item.name)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the report."""
    report = config.stash[REPORT]
    if report.steps:
        terminalreporter.section("times of the end-to-end run")
        for line in report.lines():
            terminalreporter.write_line(line)
    path: Path | None = config.getoption("--e2e-report")
    if path:
        report.write(path)


@pytest.fixture(scope="session")
def node_possible(request: pytest.FixtureRequest) -> None:
    """Skip, with the reason, where there can be no node."""
    reason = request.config.stash.get(NODE_UNAVAILABLE, None)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Say:
    """Prints a line to the terminal."""
    return speaker(request.config)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """The report of this run."""
    return request.config.stash[REPORT]


@pytest.fixture(scope="session")
def node(node_possible: None, say: Say, report: Report) -> Iterator[Node]:
    """One node for all tests of the run."""
    with Node(say=say) as started:
        report.add_cluster("node", started)
        yield started


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, say: Say, report: Report) -> Iterator[RealCluster]:
    """Where the story plays: kind's, or the same node."""
    if request.config.option.e2e_cluster == "node":
        yield request.getfixturevalue("node")
        return
    reason = request.config.stash.get(KIND_UNAVAILABLE, None)
    if reason:
        pytest.skip(f"{reason} (`--e2e-cluster=node` takes another way)")
    with kind.Kind(say=say) as started:
        report.add_cluster("kind", started)
        yield started


@pytest.fixture(scope="session")
def images(say: Say, report: Report) -> Images:
    """Archives of both images, built from our Dockerfiles."""
    began = time.monotonic()
    try:
        built = build(say)
    except ImagesUnavailable as reason:
        pytest.skip(str(reason))
    report.preparation["images built, or from the cache"] = time.monotonic() - began
    return built
