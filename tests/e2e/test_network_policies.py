"""The chart's NetworkPolicies where something holds pods to them: who has to reach whom does, and nobody else."""

from collections.abc import Iterator

import pytest

from tests.e2e.installation import CHART, RELEASE, SLOW, SYSTEM, Installed, is_flat, pod_of, trades
from tests.e2e.node_pods import Json, load_shell, pod, ready
from tests.images import Images
from tests.kube import ClusterUnavailable, KubectlFailed, wait_until
from tests.kube.helm import Helm, find_helm
from tests.kube.node import Node, policies
from tests.kube.progress import Say
from tests.kube.real import RealCluster
from tests.operator.grid_parts import Grid

pytestmark = pytest.mark.timeout(900)

HOME, MONITORING, STRANGE = "guarded", "monitoring", "strange"
API, METRICS, OPERATOR, WEB = 8080, 9090, 8081, 8000
"""Ports: of a strategy pod, of the operator, and of a server that has nothing to do with them."""
VALUES = ("--set=networkPolicy.enabled=true", f"--set=networkPolicy.metricsNamespaces={{{MONITORING}}}")
TRY = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


@pytest.fixture(scope="module")
def installed(node_possible: None, images: Images, say: Say) -> Iterator[Installed]:
    """A release with policies on a node of its own that holds pods to them; a shell in three namespaces."""
    try:
        program = policies.prepare(say)
    except ClusterUnavailable as reason:
        pytest.skip(str(reason))
    with Node(say=say) as node:
        policies.hold(node, program)
        for archive in (images.operator, images.strategy):
            node.load(archive)
        load_shell(node)
        found = Installed(node, Helm(find_helm(say), node.folder / "helm", node.kubeconfig))
        for name in (SYSTEM, HOME, MONITORING, STRANGE):
            found.make_namespace(name)
            node.api.wait("v1", "ServiceAccount", "default", name, lambda _: True)
        for name in (HOME, MONITORING, STRANGE):
            node.api.create(pod("shell", name, f"while :; do nc -l -p {WEB} </dev/null; done"))
        found.helm("install", RELEASE, str(CHART), *VALUES, "--wait", f"--timeout={SLOW:.0f}s")
        for name in (HOME, MONITORING, STRANGE):
            node.api.wait("v1", "Pod", "shell", name, ready, SLOW)
        yield found


@pytest.fixture(scope="module")
def grid(installed: Installed) -> Grid[RealCluster]:
    """One that trades: the operator has reached its pod."""
    made = installed.apply_grid("btc", HOME)
    trades(made)
    return made


def address(item: Json) -> str:
    found: str = item["status"]["podIP"]
    return found


def shell_reaches(cluster: RealCluster, namespace: str, target: str, port: int) -> bool:
    """Whether the shell of a namespace gets a connection."""
    return _succeeds(cluster, namespace, "shell", "sh", "-c", f"nc -w 3 {target} {port} </dev/null")


def reaches(cluster: RealCluster, namespace: str, name: str, target: str, port: int) -> bool:
    """The same of one of our pods."""
    return _succeeds(cluster, namespace, name, "python", "-c", TRY, target, str(port))


def _succeeds(cluster: RealCluster, namespace: str, name: str, *command: str) -> bool:
    try:
        cluster.kubectl("exec", name, f"--namespace={namespace}", "--", *command)
    except KubectlFailed:
        return False
    return True


def test_policies_are_there_for_the_operators_and_for_the_grid(grid: Grid[RealCluster]) -> None:
    found = grid.cluster.api.list("networking.k8s.io/v1", "NetworkPolicy")
    names = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found}
    assert names == {(SYSTEM, RELEASE), (HOME, grid.child)}


def test_only_whom_the_values_name_reaches_a_strategy_pod(grid: Grid[RealCluster]) -> None:
    cluster, target = grid.cluster, address(pod_of(grid))
    wait_until(lambda: shell_reaches(cluster, MONITORING, target, METRICS), SLOW, "metrics to be reached", every=1)
    # The rules of a new pod take a moment.
    wait_until(
        lambda: not shell_reaches(cluster, STRANGE, target, METRICS), SLOW, "metrics to be closed to others", every=1
    )
    assert not shell_reaches(cluster, MONITORING, target, API)
    for stranger in (STRANGE, HOME):
        assert not shell_reaches(cluster, stranger, target, METRICS)
        assert not shell_reaches(cluster, stranger, target, API)


def test_only_whom_the_values_name_reaches_an_operator(installed: Installed, grid: Grid[RealCluster]) -> None:
    cluster = installed.cluster
    for operator in map(address, installed.operators()):
        assert shell_reaches(cluster, MONITORING, operator, OPERATOR)
        assert not shell_reaches(cluster, STRANGE, operator, OPERATOR)
        assert not reaches(cluster, HOME, f"{grid.child}-0", operator, OPERATOR)


def test_our_pods_reach_only_whom_they_need(installed: Installed, grid: Grid[RealCluster]) -> None:
    cluster = installed.cluster
    shell = cluster.api.get("v1", "Pod", "shell", STRANGE)
    assert shell is not None
    stranger = address(shell)
    ours = [(SYSTEM, found["metadata"]["name"]) for found in installed.operators()] + [(HOME, f"{grid.child}-0")]
    assert wait_until(lambda: shell_reaches(cluster, MONITORING, stranger, WEB), SLOW, "the stranger's server", every=1)
    for namespace, name in ours:
        assert not reaches(cluster, namespace, name, stranger, WEB)
        assert reaches(cluster, namespace, name, "kubernetes.default.svc", 443), "DNS and the API server"


def test_a_kill_comes_by_the_operator_and_by_the_pods_own_watch(installed: Installed, grid: Grid[RealCluster]) -> None:
    grid.patch(killSwitch="flattenBoth")
    is_flat(grid)
    grid.patch(killSwitch="none")
    trades(grid)
    scale = ("scale", "deployment", RELEASE, f"--namespace={SYSTEM}")
    installed.cluster.kubectl(*scale, "--replicas=0")
    wait_until(lambda: not installed.operators(), SLOW, "the operators to go", every=0.2)
    grid.patch(killSwitch="flattenBoth")
    wait_until(lambda: grid.venue().flat, SLOW, "the venue to be flat by the pod's own watch", every=0.1)
    installed.cluster.kubectl(*scale, "--replicas=2")
    is_flat(grid)


def test_helm_test_passes(installed: Installed) -> None:
    told = installed.helm("test", RELEASE, "--logs", timeout=2 * SLOW)
    assert [step for step in ("Running", "Flat", "gone") if step in told] == ["Running", "Flat", "gone"], told
