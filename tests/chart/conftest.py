"""Fixtures of the chart tier: a real Helm, and a Kubernetes for each file: a release owns what is cluster-wide."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kube import Cluster
from tests.kube.fixtures import UNAVAILABLE, namespace, pytest_addoption, pytest_collection_finish, speaker
from tests.kube.gobuild import BuildError
from tests.kube.helm import OLDEST, Helm, HelmUnavailable, find_helm
from tests.kube.kube_state_metrics import find_kube_state_metrics
from tests.kube.progress import Say
from tests.kube.prometheus_operator import PrometheusOperator, find_prometheus_operator

__all__ = ["namespace", "pytest_addoption", "pytest_collection_finish"]


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """Skips, with the reason, where none can be had."""
    try:
        return find_helm(lambda _: None)
    except HelmUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def oldest_helm_binary() -> Path:
    """The same, of the oldest Helm that the chart is meant for."""
    try:
        return find_helm(lambda _: None, OLDEST)
    except HelmUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def helm(helm_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(helm_binary, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster for the tests of one file; skips, with the reason, where none can be had."""
    reason = request.config.stash.get(UNAVAILABLE, None)
    if reason:
        pytest.skip(reason)
    if request.config.getoption("--kube-context"):
        pytest.skip("installs and removes the CustomResourceDefinition: not in a cluster that others use")
    with Cluster(say=lambda _: None) as started:
        yield started


@pytest.fixture(scope="module")
def release_helm(helm_binary: Path, cluster: Cluster) -> Helm:
    """Helm with an administrator's rights in the cluster."""
    return Helm(helm_binary, cluster.folder / "helm", cluster.kubeconfig)


def built(request: pytest.FixtureRequest, find: Callable[[Say], Path]) -> Path:
    """What `find` finds, built where it isn't yet; skips, with the reason, where that can't be."""
    try:
        return find(speaker(request.config))
    except BuildError as reason:
        pytest.skip(f"{find.__name__}: {reason}")


@pytest.fixture(scope="session")
def prometheus_operator_folder(request: pytest.FixtureRequest) -> Path:
    """The Prometheus Operator's program and definitions."""
    return built(request, find_prometheus_operator)


@pytest.fixture(scope="session")
def kube_state_metrics_folder(request: pytest.FixtureRequest) -> Path:
    """The program of kube-state-metrics."""
    return built(request, find_kube_state_metrics)


@pytest.fixture(scope="module")
def prometheus_operator(prometheus_operator_folder: Path, cluster: Cluster) -> PrometheusOperator:
    """The Prometheus Operator of the cluster."""
    return PrometheusOperator(cluster, prometheus_operator_folder)
