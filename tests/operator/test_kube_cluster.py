"""The embedded Kubernetes as such: ready, guarded by RBAC, side by side with another, gone without a trace."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kube import Api, ApiError, Cluster, HostError, KubectlFailed, wait_until
from tests.operator.kube_pods import answers, ask, server, started, state

PARENT = """
import signal, time
from tests.kube import Cluster
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell ignores it
with Cluster(say=lambda _: None) as cluster:
    stray = cluster.spawn(["sh", "-c", "setsid sleep 1000 & wait"], name="stray")
    print(cluster.folder, flush=True)
    time.sleep(1000)
"""


def test_it_serves_its_version_and_has_a_ready_node(cluster: Cluster) -> None:
    assert cluster.version.startswith("v1.")
    nodes = cluster.api.list("v1", "Node")
    ready = [c["status"] for node in nodes for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert ready
    assert set(ready) == {"True"}


def test_kubectl_reads_and_says_what_is_wrong(cluster: Cluster, namespace: str) -> None:
    assert namespace in cluster.kubectl("get", "namespaces", "--output=name")
    with pytest.raises(KubectlFailed) as failed:
        cluster.kubectl("get", "configmap", "missing", "--namespace", namespace)
    assert 'configmaps "missing" not found' in failed.value.stderr


def test_a_service_account_may_do_what_its_role_says_and_no_more(cluster: Cluster, namespace: str) -> None:
    api = cluster.api_for(namespace, "default")
    with pytest.raises(ApiError) as refused:
        api.list("v1", "ConfigMap", namespace)
    assert refused.value.status == 403
    cluster.kubectl(
        *("create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={namespace}:default"),
        *("--namespace", namespace),
    )
    names = wait_until(lambda: _names(api, namespace), what="the role binding to work")
    assert "kube-root-ca.crt" in names
    with pytest.raises(ApiError) as refused:
        api.list("v1", "Secret", namespace)
    assert refused.value.status == 403


def _names(api: Api, namespace: str) -> list[str] | None:
    try:
        return [item["metadata"]["name"] for item in api.list("v1", "ConfigMap", namespace)]
    except ApiError:
        return None


def test_pods_live_on_while_the_api_server_is_away(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace))
    handle = own_cluster.pod(namespace, "web")
    own_cluster.stop_apiserver(signal.SIGKILL)
    assert not own_cluster.apiserver.running
    before = handle.pid
    handle.kill()
    wait_until(lambda: handle.pid not in {None, before}, what="a restart without the API server")
    wait_until(lambda: answers(pod), what="the restarted container to answer")
    own_cluster.start_apiserver()
    after = own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: state(p)["restartCount"] == 1)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]


def test_a_spawned_process_is_told_apart_and_ends_on_request(own_cluster: Cluster) -> None:
    sleep = own_cluster.spawn(["sh", "-c", "echo $WORD; exec sleep 1000"], name="sleeper", env={"WORD": "hello"})
    wait_until(lambda: sleep.log() == "hello\n", what="the process's output")
    assert sleep.running
    assert sleep.rss_bytes() > 0
    with pytest.raises(TimeoutError, match="sleeper"):
        sleep.wait(0.05)
    sleep.kill()
    assert sleep.wait(10) == -signal.SIGKILL
    again = own_cluster.spawn(["true"], name="sleeper")
    assert again.wait(10) == 0
    with pytest.raises(HostError, match="no-such-program"):
        own_cluster.spawn(["no-such-program"], name="missing")


def test_two_clusters_run_side_by_side(own_cluster: Cluster, namespace: str) -> None:
    with Cluster(say=lambda _: None) as other:
        pods = [started(one.api, server("web", ns)) for one, ns in ((own_cluster, namespace), (other, "default"))]
        addresses = {pod["status"]["podIP"] for pod in pods}
        assert len(addresses) == 2
        assert all(ask(pod, "/health") == "ok" for pod in pods)
        assert other.api.get("v1", "Namespace", namespace) is None
        folder = other.folder
        pid = other.pod("default", "web").pid
        assert pid is not None
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    assert ask(pods[0], "/health") == "ok"


@pytest.mark.parametrize(
    ("whom", "end"),
    [("parent", signal.SIGKILL), ("parent", signal.SIGINT), ("keeper", signal.SIGKILL)],
    ids=["parent killed", "Ctrl-C", "keeper killed"],
)
def test_nothing_stays_whoever_is_ended(own_cluster: Cluster, whom: str, end: signal.Signals) -> None:
    checkout = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
    )
    with parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        wait_until(lambda: len(_processes_of(folder)) >= 7, what="keeper, host, daemons, the stray and its child")
        known = _processes_of(folder)
        os.kill(parent.pid if whom == "parent" else _parent_of(_host_of(folder)), end)
        wait_until(lambda: not folder.exists(), what="the folder to be removed")
        parent.kill()
    wait_until(lambda: not [pid for pid in known if Path(f"/proc/{pid}").exists()], what="all processes to end")


def _host_of(folder: Path) -> int:
    """The process that has the folder as an argument of its own."""
    return next(pid for pid in _processes_of(folder) if f"tests.kube.host\0{folder}" in _command_line(pid))


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _processes_of(folder: Path) -> list[int]:
    """Every process that works in the folder or has it on its command line, and all that descend from these."""
    parents: dict[int, int] = {}
    mine: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parents[int(entry.name)] = _parent_of(int(entry.name))
            if str(folder) in _command_line(int(entry.name)):
                mine.add(int(entry.name))
        except OSError:
            continue
    hosts = {parents[pid] for pid in mine}
    mine |= {pid for pid in hosts if pid not in {0, 1, os.getpid()}}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sorted(mine)
