"""Faults on request: they do what they say to the pod's clients, hold over restarts, and heal."""

import http.client
import urllib.error
from pathlib import Path

import pytest

from tests.kube import Cluster, HostError, wait_until
from tests.operator.kube_pods import ask, ask_json, condition, is_ready, probe, server, started, state, waiting

CUT = (ConnectionResetError, http.client.RemoteDisconnected, urllib.error.URLError)


def fails(pod: dict[str, object], path: str = "/health") -> type[Exception] | None:
    """What a client of the pod gets instead of an answer within half a second."""
    try:
        ask(pod, path, timeout=0.5)
    except urllib.error.URLError as error:
        return type(error.reason) if isinstance(error.reason, Exception) else type(error)
    except Exception as error:  # noqa: BLE001 - the kind of failure is what is asked for
        return type(error)
    return None


def test_a_frozen_pod_keeps_its_connections_and_answers_nothing(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace, readinessProbe=probe()))
    own_cluster.api.wait("v1", "Pod", "web", namespace, is_ready)
    handle = own_cluster.pod(namespace, "web")
    handle.freeze()
    assert fails(pod) is TimeoutError
    own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: not is_ready(p))
    handle.thaw()
    assert ask(pod, "/health") == "ok"
    own_cluster.api.wait("v1", "Pod", "web", namespace, is_ready)
    assert state(own_cluster.api.get("v1", "Pod", "web", namespace) or {})["restartCount"] == 0


def test_a_frozen_pod_stays_frozen_over_a_restart(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace))
    handle = own_cluster.pod(namespace, "web")
    before = handle.pid
    handle.freeze()
    handle.kill()
    wait_until(lambda: handle.pid not in {None, before}, what="the restart")
    wait_until(lambda: _state_letter(handle.pid) == "T", what="the new process to be stopped")
    handle.heal()
    wait_until(lambda: fails(pod) is None, what="the new process to answer")


def _state_letter(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_delayed_answer_comes_late_though_the_work_is_done_at_once(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace))
    file = Path(ask_json(pod, "/argv")[1]) / "pids"
    handle = own_cluster.pod(namespace, "web")
    handle.delay(1000)
    assert fails(pod, f"/append?{file}") is TimeoutError
    assert len(file.read_text().split()) == 1
    handle.heal()
    assert len(ask(pod, f"/append?{file}").split()) == 2


def test_a_delayed_request_arrives_late(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace))
    file = Path(ask_json(pod, "/argv")[1]) / "pids"
    own_cluster.pod(namespace, "web").delay(1000, "requests")
    assert fails(pod, f"/append?{file}") is TimeoutError
    assert not file.exists()
    own_cluster.pod(namespace, "web").heal()
    wait_until(file.exists, what="the request that was held back")


def test_a_dropped_answer_is_lost_though_the_work_is_done(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace))
    file = Path(ask_json(pod, "/argv")[1]) / "pids"
    own_cluster.pod(namespace, "web").drop_answer()
    assert fails(pod, f"/append?{file}") in CUT
    assert len(file.read_text().split()) == 1
    own_cluster.pod(namespace, "web").heal()
    assert len(ask(pod, f"/append?{file}").split()) == 2


def test_a_refusing_pod_refuses_over_restarts_until_healed(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace, readinessProbe=probe()))
    handle = own_cluster.pod(namespace, "web")
    handle.refuse()
    wait_until(lambda: fails(pod) is ConnectionRefusedError, what="connections to be refused")
    handle.kill()
    # The kubelet's probes are not in the network: the pod gets ready though nobody reaches it.
    own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: state(p)["restartCount"] == 1 and is_ready(p))
    assert fails(pod) is ConnectionRefusedError
    handle.heal()
    wait_until(lambda: fails(pod) is None, what="connections to be accepted again")


def test_a_held_pod_stays_pending_until_released(own_cluster: Cluster, namespace: str) -> None:
    api = own_cluster.api
    own_cluster.hold_pending(namespace, "web-*", unschedulable=True)
    api.create(server("web-0", namespace, readinessProbe=probe()))
    started(api, server("other", namespace))
    pod = api.wait("v1", "Pod", "web-0", namespace, lambda p: condition(p, "PodScheduled"))
    assert condition(pod, "PodScheduled")["reason"] == "Unschedulable"
    assert "nodeName" not in pod["spec"]
    assert pod["status"]["phase"] == "Pending"
    own_cluster.release(namespace, "web-*")
    api.wait("v1", "Pod", "web-0", namespace, is_ready)


def test_a_pod_without_a_fitting_node_is_unschedulable(own_cluster: Cluster, namespace: str) -> None:
    manifest = server("web", namespace)
    manifest["spec"]["nodeSelector"] = {"disk": "ssd"}
    own_cluster.api.create(manifest)
    pod = own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: condition(p, "PodScheduled"))
    assert "didn't match Pod's node affinity/selector" in condition(pod, "PodScheduled")["message"]


def test_an_image_that_can_not_be_pulled(own_cluster: Cluster, namespace: str) -> None:
    own_cluster.refuse_image("example/server:2")
    own_cluster.api.create(server("web", namespace, image="example/server:2", readinessProbe=probe()))
    own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: waiting(p, "ImagePullBackOff"))
    own_cluster.accept_image("example/server:2")
    own_cluster.api.wait("v1", "Pod", "web", namespace, is_ready)


def test_faults_of_pods_that_are_not_there_say_so(own_cluster: Cluster, namespace: str) -> None:
    with pytest.raises(HostError, match=f"no pod {namespace}/none"):
        own_cluster.pod(namespace, "none").kill()
