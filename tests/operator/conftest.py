"""Fixtures of the operator tier: a real Kubernetes, and an operator in a namespace of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube import Cluster
from tests.kube.fixtures import cluster, namespace, own_cluster, pytest_addoption, pytest_collection_finish
from tests.operator.fleet_parts import fleet, fleet_cluster, proxy
from tests.operator.grid_parts import Field

__all__ = [
    "cluster",
    "field",
    "fleet",
    "fleet_cluster",
    "namespace",
    "own_cluster",
    "proxy",
    "pytest_addoption",
    "pytest_collection_finish",
]
TRIES_MORE = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole systems under a deadline, on a machine that may be busy: what fails is tried again, and shown as R; what
    fails each time is a failure.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=TRIES_MORE, reruns_delay=1))


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
