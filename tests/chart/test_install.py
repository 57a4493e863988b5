"""A release on a real API server with running grids: installed, tested, upgraded, rolled back, uninstalled.

The operator's pods and the hooks run as processes of the pod runner, with the chart's own command, environment, token
and rights; both namespaces enforce the Pod Security level `restricted`.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.chart.chart_parts import CHART, NAMESPACE, RELEASE, Json, grid
from tests.chart.release_parts import CRD, GRIDS, PATIENCE, Release, make_namespaces
from tests.kube import Cluster, wait_until
from tests.kube.helm import Helm, HelmFailed

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def shared_release(release_helm: Helm, cluster: Cluster) -> Release:
    """Two namespaces, and the release for all tests of this file."""
    make_namespaces(cluster, NAMESPACE, GRIDS)
    return Release(release_helm, cluster)


@pytest.fixture
def release(shared_release: Release) -> Release:
    """Installed, whatever the test before has left."""
    if not shared_release.operators():
        shared_release.deploy("install")
    return shared_release


def test_two_operators_run_and_one_of_them_leads(release: Release) -> None:
    found = release.api.get("apps/v1", "Deployment", RELEASE, NAMESPACE)
    assert found is not None
    assert found["status"]["readyReplicas"] == 2
    pods = [pod["metadata"]["name"] for pod in release.api.list("v1", "Pod", NAMESPACE)]
    wait_until(release.leader, PATIENCE, "a leader")
    assert any(release.leader().startswith(f"{name}-") for name in pods)


def test_helm_test_makes_kills_and_deletes_a_grid(release: Release) -> None:
    told = release.run("test", "--logs")
    steps = ("is made", "Running", "Flat", "gone")
    assert [step for step in steps if step in told] == list(steps), told
    assert release.api.list("hedgegrid.io/v1alpha1", "HedgeGrid", GRIDS) == []
    assert release.api.get("v1", "ServiceAccount", f"{RELEASE}-test", NAMESPACE) is None, "its rights go with it"


def test_roles_view_and_edit_hold_hedgegrids(release: Release) -> None:
    for role in ("view", "edit"):
        release.cluster.kubectl("-n", GRIDS, "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")

    def may(user: str, verb: str, resource: str = "hedgegrids") -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {
                "user": user,
                "resourceAttributes": {
                    "namespace": GRIDS,
                    "verb": verb,
                    "group": "hedgegrid.io",
                    "resource": resource,
                },
            },
        }
        return bool(release.api.create(review)["status"]["allowed"])

    wait_until(lambda: may("view", "watch") and may("edit", "patch"), PATIENCE, "the roles to be aggregated")
    assert not may("view", "patch")
    assert all(may("edit", verb) for verb in ("create", "get", "list", "watch", "delete"))
    assert not may("edit", "rearm")


def test_an_upgrade_of_the_operator_restarts_no_pod_and_a_kill_works_under_the_next_one(release: Release) -> None:
    release.create("upgrade")
    before, operators = release.trace("upgrade"), release.operators()
    policy = release.api.get("networking.k8s.io/v1", "NetworkPolicy", "hedgegrid-upgrade", GRIDS)
    assert policy is not None
    (caller,) = policy["spec"]["ingress"][0]["from"]
    pods = release.api.list("v1", "Pod", NAMESPACE, caller["podSelector"]["matchLabels"])
    assert sorted(pod["metadata"]["uid"] for pod in pods) == operators, "whom a strategy pod lets in"
    release.deploy("upgrade", podAnnotations={"release": "next"})
    wait_until(lambda: not set(operators) & set(release.operators()), PATIENCE, "new operators")
    wait_until(release.leader, PATIENCE, "a leader")
    release.patch("upgrade", throttle=0.5)
    release.wait("upgrade", lambda status: status["control"]["throttle"].get("effective") == 0.5)
    assert release.trace("upgrade") == before

    operators = release.operators()
    release.run("rollback", "--wait")
    wait_until(lambda: not set(operators) & set(release.operators()), PATIENCE, "the earlier operators")
    release.patch("upgrade", killSwitch="flattenBoth")
    release.wait_phase("upgrade", "Flat")
    assert release.trace("upgrade") == before
    release.remove("upgrade")


def test_what_a_newer_definition_would_refuse_can_still_be_throttled_killed_and_deleted(
    release: Release, tmp_path: Path
) -> None:
    release.create("older")
    newer = tmp_path / "chart"
    shutil.copytree(CHART, newer)
    definition = yaml.safe_load((newer / "files" / "crd.yaml").read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["grid"]["properties"]["stepBps"]["minimum"] = 20
    spec["properties"]["grid"]["properties"]["levelsLong"]["maximum"] = 3
    (newer / "files" / "crd.yaml").write_text(yaml.safe_dump(definition, sort_keys=False))
    release.deploy("upgrade", chart=newer)
    another = grid("another")
    another["metadata"]["namespace"] = GRIDS
    refused = wait_until(lambda: _refusal(release, another), PATIENCE, "the newer definition in force")
    assert "stepBps" in refused

    try:
        before = release.trace("older")
        release.patch("older", throttle=0.25)
        release.wait("older", lambda status: status["control"]["throttle"].get("effective") == 0.25)
        release.patch("older", killSwitch="flattenBoth")
        release.wait_phase("older", "Flat")
        assert release.trace("older") == before
        release.remove("older")
    finally:
        release.deploy("upgrade")


def _refusal(release: Release, made: Json) -> str | None:
    try:
        release.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(made))
    except Exception as error:  # noqa: BLE001 — whatever it says is looked at
        return str(error)
    return None


def test_uninstalling_is_refused_while_there_are_grids_and_then_leaves_what_it_should(release: Release) -> None:
    release.create("last")
    operators = release.operators()
    with pytest.raises(HelmFailed) as refused:
        release.run("uninstall")
    told = str(refused.value)
    assert f"{RELEASE}-uninstall-guard" in told
    for words in ("1 HedgeGrid would be left", f"{GRIDS}/last", f"kubectl -n {GRIDS} delete hedgegrids --all"):
        assert words in told
    assert "--no-hooks" in told
    assert release.operators() == operators
    kept = re.search(rf"helm rollback {RELEASE} (\d+) --namespace {NAMESPACE}", told)
    assert kept
    release.run("rollback", kept[1], "--wait")
    release.deploy("upgrade")
    release.patch("last", killSwitch="haltEntries")
    release.wait_phase("last", "Halted")

    release.remove("last")
    release.run("uninstall", "--wait")
    assert release.operators() == []
    assert release.api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRD) is not None
    for kind in ("Deployment", "PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount", "Job"):
        assert (
            release.cluster.kubectl("-n", NAMESPACE, "get", kind, "-l", f"app.kubernetes.io/instance={RELEASE}") == ""
        )
    kept = {found["metadata"]["name"] for found in release.api.list("v1", "Secret", NAMESPACE)}
    assert kept == {f"{RELEASE}-keys", f"{RELEASE}-ca"}


def test_pods_outlive_a_release_that_goes_without_hooks_and_the_next_one_takes_them_over(release: Release) -> None:
    release.create("orphan")
    before = release.trace("orphan")
    release.run("uninstall", "--no-hooks", "--wait")
    release.patch("orphan", killSwitch="haltEntries")
    release.deploy("install")
    release.wait_phase("orphan", "Halted")
    assert release.trace("orphan") == before
    release.remove("orphan")
