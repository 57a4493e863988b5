"""Fixtures of the operator tier: a real Kubernetes, and an operator in a namespace of its own."""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime

import pytest

from tests.kube import Cluster
from tests.kube.evidence import evidence
from tests.kube.fixtures import cluster, namespace, own_cluster, pytest_addoption, pytest_collection_finish
from tests.operator.fleet_parts import fleet, fleet_cluster, lasting_fleet, proxy
from tests.operator.grid_parts import Field

__all__ = [
    "cluster",
    "field",
    "fleet",
    "fleet_cluster",
    "lasting_fleet",
    "namespace",
    "own_cluster",
    "proxy",
    "pytest_addoption",
    "pytest_collection_finish",
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what its clusters looked like at that moment."""
    report = yield
    if report.failed:
        values = getattr(item, "funcargs", {}).values()
        clusters = {found for value in values if isinstance(found := getattr(value, "cluster", value), Cluster)}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        report.sections += [(f"cluster at {now}", evidence(cluster)) for cluster in clusters]
    return report


@pytest.fixture(scope="module")
def shared_field(own_cluster: Cluster) -> Iterator[Field]:
    """An operator with the rights that ship with it, alone in its namespace, for the tests of one file."""
    found = Field(own_cluster)
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def field(shared_field: Field) -> Field:
    """The same, tidied up: one operator leads, and no grid of another test is there, but perhaps the lasting one."""
    shared_field.tidy()
    return shared_field
