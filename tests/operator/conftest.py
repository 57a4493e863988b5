"""Fixtures of the operator tier: a real Kubernetes."""

from tests.kube.fixtures import cluster, namespace, own_cluster, pytest_addoption, pytest_collection_finish

__all__ = ["cluster", "namespace", "own_cluster", "pytest_addoption", "pytest_collection_finish"]
