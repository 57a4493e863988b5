"""The real node as such: what a pod may rely on, and what a person does to one."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.node_pods import USER, Json, ended, load_shell, namespace, pod, ready
from tests.e2e.port_forward import port_forward
from tests.kube import ApiError, KubectlFailed, wait_until
from tests.kube.node import Node

START_SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def _shell(node: Node) -> None:
    load_shell(node)


@pytest.fixture
def home(node: Node) -> Iterator[str]:
    with namespace(node) as name:
        yield name


def test_it_is_ready_and_its_own_images_are_there(node: Node) -> None:
    line = node.kubectl("get", "nodes", "--no-headers").split()
    assert line[:2] == ["node", "Ready"]
    assert {"node.local/pause:1", "node.local/coredns:1"} <= set(node.images())


def test_a_pod_runs_as_its_user_on_a_read_only_root(node: Node, home: str) -> None:
    # One stream: the order of two isn't kept.
    node.api.create(pod("who", home, "exec 2>&1; id -u; mkdir /new; sleep 1000"))
    node.api.wait("v1", "Pod", "who", home, ready, START_SECONDS)
    log = wait_until(lambda: _log_of_lines(node, home, "who", 2), START_SECONDS, "the script's output")
    assert log[0] == str(USER)
    assert "Read-only file system" in log[1]


def _log_of_lines(node: Node, home: str, name: str, count: int) -> list[str] | None:
    lines = node.kubectl("logs", name, "--namespace", home).splitlines()
    return lines if len(lines) >= count else None


def test_pod_security_refuses_what_isnt_restricted(node: Node, home: str) -> None:
    rude = pod("rude", home, "sleep 1000")
    rude["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ApiError, match="violates PodSecurity"):
        node.api.create(rude)


def test_a_service_is_found_by_its_name_and_exec_and_port_forward_reach_a_pod(node: Node, home: str) -> None:
    served = pod("web", home, "mkdir /tmp/w; echo hello >/tmp/w/index.html; httpd -f -p 8080 -h /tmp/w")
    served["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    served["spec"]["containers"][0]["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    served["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    node.api.create(served)
    node.api.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": home},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
    )
    node.api.create(pod("client", home, "sleep 1000"))
    for name in ("web", "client"):
        node.api.wait("v1", "Pod", name, home, ready, START_SECONDS)
    # A static busybox can't look up names by the C library, so wget can't: nslookup asks the name server itself.
    script = f"""
        address=$(nslookup web.{home}.svc.cluster.local | sed -n 's/^Address: //p')
        printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $address 80
    """
    asked = ("exec", "client", "--namespace", home, "--", "sh", "-ec", script)
    assert wait_until(lambda: _output(node, asked), START_SECONDS, "an answer of the Service").endswith("\n\nhello\n")
    with (
        port_forward(node, home, "pod/web", 8080) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer,
    ):
        assert answer.read() == b"hello\n"


def _output(node: Node, arguments: tuple[str, ...]) -> str | None:
    try:
        return node.kubectl(*arguments)
    except KubectlFailed:  # the rules of a new Service take a moment
        return None


def test_a_name_of_the_world_outside_is_refused_at_once(node: Node, home: str) -> None:
    node.api.create(pod("lookup", home, "nslookup example.com; sleep 1000"))
    node.api.wait("v1", "Pod", "lookup", home, ready, START_SECONDS)
    wait_until(
        lambda: "NXDOMAIN" in node.kubectl("logs", "lookup", "--namespace", home), START_SECONDS, "the lookup's answer"
    )


def test_what_a_pod_writes_to_its_claim_is_there_for_the_next_one(node: Node, home: str) -> None:
    node.api.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": home},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    for name, script in (("writer", "id -G >/data/groups"), ("reader", "cat /data/groups")):
        made = pod(name, home, script)
        made["spec"]["restartPolicy"] = "Never"
        made["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        made["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        node.api.create(made)
        found = node.api.wait("v1", "Pod", name, home, ended, START_SECONDS)
        assert (ended(found) or {})["exitCode"] == 0
        if name == "writer":
            node.api.delete("v1", "Pod", name, home)
    assert str(USER) in node.kubectl("logs", "reader", "--namespace", home)
    folder = node.claim_folder(home, "data")
    assert folder is not None
    assert (folder / "groups").exists()


def test_a_container_over_its_limit_is_killed_for_want_of_memory(node: Node, home: str) -> None:
    greedy = pod("greedy", home, "tail /dev/zero", resources={"limits": {"memory": "32Mi", "cpu": "1"}})
    greedy["spec"]["restartPolicy"] = "Never"
    node.api.create(greedy)
    found = node.api.wait("v1", "Pod", "greedy", home, ended, START_SECONDS)
    assert (ended(found) or {})["reason"] in {"OOMKilled", "Error"}
    assert (ended(found) or {})["exitCode"] == 137


def test_an_image_that_nobody_brought_is_not_found(node: Node, home: str) -> None:
    node.api.create(pod("lost", home, "sleep 1000", image="node.local/missing:1"))
    node.api.wait("v1", "Pod", "lost", home, _waits_for_its_image, START_SECONDS)


def _waits_for_its_image(found: Json) -> bool:
    states = found["status"].get("containerStatuses") or []
    return bool(states) and states[0]["state"].get("waiting", {}).get("reason") in {"ErrImagePull", "ImagePullBackOff"}


def test_the_machine_around_keeps_its_own_settings(node: Node) -> None:
    panic = Path("/proc/sys/kernel/panic").read_text()
    inside = node.inside.run("cat", "/proc/sys/kernel/panic").stdout.decode()
    assert inside == "10\n"
    assert panic == Path("/proc/sys/kernel/panic").read_text()
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(node.folder) in line]
