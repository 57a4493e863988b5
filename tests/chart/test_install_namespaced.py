"""A release for single namespaces, installed by somebody who has no right outside of them, with the oldest Helm."""

import json
from pathlib import Path

import pytest

from tests.chart.chart_parts import MATRIX, NAMESPACE, RELEASE, grid
from tests.chart.release_parts import GRIDS, PATIENCE, Release, make_namespaces
from tests.kube import Cluster, KubectlFailed, wait_until
from tests.kube.cluster import CHECKOUT
from tests.kube.helm import Helm, HelmFailed
from tests.kube.installation import CRD, wait_served

pytestmark = pytest.mark.timeout(600)

MORE = "more"
ELSEWHERE = "elsewhere"
INSTALLER = "installer"


@pytest.fixture(scope="module")
def installer(cluster: Cluster) -> Path:
    """The kubeconfig of an account with every right in the three namespaces; the definition is there already."""
    make_namespaces(cluster, NAMESPACE, GRIDS, MORE, ELSEWHERE)
    cluster.kubectl("apply", "--server-side", "-f", str(CHECKOUT / CRD))
    wait_served(cluster)
    cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", INSTALLER)
    account = f"--serviceaccount={NAMESPACE}:{INSTALLER}"
    for name in (NAMESPACE, GRIDS, MORE):
        cluster.kubectl("-n", name, "create", "rolebinding", INSTALLER, "--clusterrole=cluster-admin", account)
    return cluster.kubeconfig_for(NAMESPACE, INSTALLER)


def test_grids_of_its_namespaces_run_and_others_are_left_alone(
    cluster: Cluster, installer: Path, oldest_helm_binary: Path
) -> None:
    release = Release(Helm(oldest_helm_binary, cluster.folder / "helm-installer", installer), cluster)
    with pytest.raises(KubectlFailed):
        cluster.kubectl("get", "nodes", kubeconfig=installer)
    values = {name: MATRIX["namespaced"][name] for name in ("crds", "rbac", "priorityClass", "watchNamespaces")}
    values["watchNamespaces"] = [GRIDS, MORE]
    release.deploy("install", **values)
    wait_until(release.leader, PATIENCE, "a leader")
    told = release.run("test", "--logs")
    assert "Flat" in told, told

    strange = grid("strange")
    cluster.kubectl("-n", ELSEWHERE, "create", "-f", "-", stdin=json.dumps(strange))
    release.create("own")
    with pytest.raises(HelmFailed, match=rf"1 HedgeGrid would be left(.|\n)*{GRIDS}/own"):
        release.run("uninstall")
    release.remove("own")
    release.run("uninstall", "--wait")
    found = cluster.api.get("hedgegrid.io/v1alpha1", "HedgeGrid", "strange", ELSEWHERE)
    assert found is not None
    assert "status" not in found
    assert "finalizers" not in found["metadata"]
    assert RELEASE not in cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
