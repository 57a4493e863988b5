"""Fixtures of the operator tier: a real Kubernetes, and an operator in a namespace of its own."""

from collections.abc import Iterator

import pytest

from tests.kube import Cluster
from tests.kube.fixtures import cluster, namespace, own_cluster, pytest_addoption, pytest_collection_finish
from tests.operator.grid_parts import Field

__all__ = ["cluster", "field", "namespace", "own_cluster", "pytest_addoption", "pytest_collection_finish"]


@pytest.fixture
def field(own_cluster: Cluster, namespace: str) -> Iterator[Field]:
    """An operator that leads, with the rights that ship with it, and nothing else in its namespace."""
    found = Field(own_cluster, namespace)
    try:
        found.start()
        yield found
    finally:
        found.close()
