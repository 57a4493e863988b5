"""pytest fixtures and options around one cluster for a whole test run. A conftest.py imports what is here."""

import contextlib
import secrets
from collections.abc import Iterator

import pytest

from tests.kube.binaries import find_binaries
from tests.kube.cluster import Cluster
from tests.kube.errors import ClusterUnavailable
from tests.kube.progress import Say

UNAVAILABLE = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kube-context NAME`: test against an existing cluster; what needs our own says so and is skipped."""
    with contextlib.suppress(ValueError):  # another conftest.py of the same run has it already
        parser.addoption("--kube-context", metavar="NAME", help="use this context of kubectl instead of an own cluster")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the Kubernetes programs ready before the first test: a build takes longer than a test may."""
    config = session.config
    needed = any(
        {"cluster", "fleet_cluster", "fleet_of_its_own"} & {*getattr(item, "fixturenames", ())}
        for item in session.items
    )
    if not needed or config.option.collectonly or config.getoption("--kube-context"):
        return
    try:
        find_binaries(speaker(config))
    except ClusterUnavailable as reason:
        config.stash[UNAVAILABLE] = str(reason)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One cluster with network faults for all tests of the run; skips, with the reason, where none can be had."""
    reason = request.config.stash.get(UNAVAILABLE, None)
    if reason:
        pytest.skip(reason)
    context = request.config.getoption("--kube-context")
    with Cluster(network_faults=True, context=context, say=lambda _: None) as started:
        yield started


@pytest.fixture(scope="session")
def own_cluster(cluster: Cluster) -> Cluster:
    """The same cluster for tests that need its pod runner, its faults or its control plane."""
    if cluster.context:
        pytest.skip(f"needs the pod runner; --kube-context {cluster.context} has kubelets of its own")
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of this test's own in which pods can be made; emptied and deleted afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    api = cluster.api
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    api.wait("v1", "ServiceAccount", "default", name, lambda _: True)
    api.wait("v1", "ConfigMap", "kube-root-ca.crt", name, lambda _: True)
    yield name
    # The namespace first: then nobody makes new pods in it. No grace for the pods: the next test needs the machine.
    api.delete("v1", "Namespace", name)
    for pod in api.list("v1", "Pod", name):
        api.delete("v1", "Pod", pod["metadata"]["name"], name, grace=0)
    if cluster.context is None:
        cluster.heal_namespace(name)
        problems = cluster.problems()
        assert problems == [], problems


def speaker(config: pytest.Config) -> Say:
    """Prints a line to the terminal, whatever is being captured."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        if reporter:
            with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
                reporter.write_line(line)

    return say
