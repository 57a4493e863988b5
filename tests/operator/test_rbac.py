"""The operator's rights: in the whole cluster or in its namespaces only, each one needed, and none more."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kube import Cluster, wait_until
from tests.kube.installation import NAMESPACE, rbac
from tests.operator.grid_parts import API, Field
from tests.operator.monitoring_kinds import install_kinds
from tests.operator.rbac_parts import HELD_UP, ROLES, STORIES, Lab, Right, let_go, rights

QUICK = {
    "HEDGEGRID_OPERATOR_RESYNC_INTERVAL": "0.5",
    "HEDGEGRID_OPERATOR_CHILDREN_INTERVAL": "0.5",
    "HEDGEGRID_OPERATOR_NETWORK_POLICY": "on",
}


@pytest.fixture(scope="module")
def shared_field(own_cluster: Cluster) -> Iterator[Field]:
    """An operator with rights in its two namespaces and nowhere else, and a cluster with all kinds."""
    install_kinds(own_cluster)
    found = Field(own_cluster, namespaced=True, **QUICK)
    try:
        found.start()
        yield found
    finally:
        found.close()


def _rules(documents: list[Any], kind: str, name: str) -> list[Any]:
    return next(found["rules"] for found in documents if (found["kind"], found["metadata"]["name"]) == (kind, name))


def test_both_shapes_grant_the_same() -> None:
    wide, narrow = rbac(), rbac(["one", "two"])
    own = [found for found in wide if not found["kind"].startswith("Cluster")]
    assert [found for found in narrow if found["metadata"].get("namespace") == NAMESPACE] == own
    roles = [found for found in narrow if (found["kind"], found["metadata"]["name"]) == ("Role", ROLES["grids"])]
    assert [found["metadata"]["namespace"] for found in roles] == ["one", "two"]
    for role in roles:
        assert role["rules"] == _rules(wide, "ClusterRole", "hedgegrid-operator")
    bound = [found for found in narrow if found["kind"] == "RoleBinding"]
    assert {found["metadata"]["namespace"] for found in bound} == {"one", "two", NAMESPACE}
    assert all(found["subjects"] == own[0]["subjects"] for found in bound if "subjects" in own[0])
    assert not [found for found in narrow if found["kind"].startswith("Cluster")]


def test_secrets_are_never_listed_or_watched_and_the_operators_own_are_named() -> None:
    for right in rights():
        if right.resource == "secrets":
            assert right.verb in {"get", "create", "patch", "delete"}
            assert right.scope == "grids" or right.verb == "create" or right.name
        assert "*" not in {right.group, right.resource, right.verb}


def test_each_right_has_a_story() -> None:
    known = {(right.scope, right.resource, right.verb) for right in rights()}
    assert known - set(STORIES) == set()
    assert set(STORIES) - known == set()


@pytest.mark.parametrize("right", rights(), ids=str)
def test_without_any_one_right_something_that_a_person_sees_doesnt_happen(field: Field, right: Right) -> None:
    """With all others it doesn't happen; with this one back, it does."""
    story, lab = STORIES[right.scope, right.resource, right.verb], Lab(field)
    try:
        story.arrange(lab)
        with lab.missing(right):
            story.act(lab)
            wait_until(lambda: story.evidence(lab, right), HELD_UP, f"the operator to be refused {right}")
            assert not story.happened(lab), (
                f"it happened without {right}; the operator's last words: {lab.last_words()}"
            )
        story.resume(lab)
        wait_until(lambda: story.happened(lab), HELD_UP, f"what {right} is for")
    finally:
        let_go(lab)


def test_a_grid_in_a_namespace_that_isnt_watched_is_left_alone(field: Field, namespace: str) -> None:
    elsewhere = field.manifest("elsewhere")
    elsewhere["metadata"]["namespace"] = namespace
    field.cluster.api.create(elsewhere)
    field.cluster.hold_pending(field.namespace)
    grid = field.create()
    wait_until(lambda: grid.pod.uid, HELD_UP, "the watched grid's pod")
    found = field.cluster.api.get(API, "HedgeGrid", "elsewhere", namespace)
    assert found is not None
    assert "status" not in found
    assert "finalizers" not in found["metadata"]
    assert field.cluster.api.list("apps/v1", "StatefulSet", namespace) == []
    refused = [series for series in field.metric("hedgegrid_operator_api_requests_total") if 'code="403"' in series]
    assert refused == []


def test_a_grid_trades_and_is_killed_and_deleted_with_rights_in_its_namespace_only(field: Field) -> None:
    grid = field.running()
    grid.patch(killSwitch="flattenBoth")
    grid.wait_phase("Flat")
    grid.delete()
    grid.gone()
    refused = [series for series in field.metric("hedgegrid_operator_api_requests_total") if 'code="403"' in series]
    assert refused == []
