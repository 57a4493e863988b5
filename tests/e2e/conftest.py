"""Fixtures of the end-to-end tier: one real node for the whole run, and a report of the times."""

import contextlib
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.report import Report
from tests.images import Images, build
from tests.kube.errors import ClusterUnavailable
from tests.kube.fixtures import speaker
from tests.kube.node import Node, policies, prepare
from tests.kube.progress import Say

UNAVAILABLE = pytest.StashKey[str]()
REPORT = pytest.StashKey[Report]()
FAILED = pytest.StashKey[str]()
"""Of a story's module: its first step that failed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--e2e-report FILE`: write the times as JSON, too."""
    parser.addoption("--e2e-report", type=Path, metavar="FILE", help="write the times of the end-to-end run as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """The mark of a story's steps, and the report."""
    config.addinivalue_line("markers", "story: the tests of this file are steps, in order; one that fails ends it")
    config.stash[REPORT] = Report()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have programs and packages ready before the first test: a build takes longer than a test may."""
    config = session.config
    if config.option.collectonly or not session.items:
        return
    began = time.monotonic()
    try:
        prepare(speaker(config))
    except ClusterUnavailable as reason:
        config.stash[UNAVAILABLE] = str(reason)
    else:
        with contextlib.suppress(ClusterUnavailable):  # what needs it is skipped, with the reason
            policies.prepare(speaker(config))
    config.stash[REPORT].preparation["programs and packages"] = time.monotonic() - began


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
def possible(request: pytest.FixtureRequest) -> None:
    """Skip, with the reason, where there can be no node."""
    reason = request.config.stash.get(UNAVAILABLE, None)
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
def node(possible: None, say: Say, report: Report) -> Iterator[Node]:
    """One node for all tests of the run."""
    with Node(say=say) as started:
        report.add_node(started.timings)
        yield started


@pytest.fixture(scope="session")
def images(possible: None, say: Say, report: Report) -> Images:
    """Archives of both images, built from our Dockerfiles."""
    began = time.monotonic()
    built = build(say)
    report.preparation["images built, or from the cache"] = time.monotonic() - began
    return built
