"""The pod runner does to a pod what a kubelet does: environment, volumes, probes, restarts, deletion, logs."""

import base64
import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.kube import Cluster, KubectlFailed, wait_until
from tests.operator.kube_pods import (
    Json,
    answering,
    ask,
    ask_json,
    condition,
    is_ready,
    probe,
    server,
    started,
    state,
    waiting,
)


@pytest.fixture
def configured(own_cluster: Cluster, namespace: str) -> Cluster:
    """A ConfigMap `settings` and a Secret `keys`."""
    text = "listen: 0.0.0.0\nstore: /var/lib/grid/store.db\nother: /var/lib/gridlock\n"
    for kind, name, data in (
        ("ConfigMap", "settings", {"grid.yaml": text, "LEVEL": "info"}),
        ("Secret", "keys", {"admin": base64.b64encode(b"s3cret /mnt/data").decode()}),
    ):
        metadata = {"name": name, "namespace": namespace}
        own_cluster.api.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data})
    return own_cluster


def test_environment_comes_from_all_its_sources(configured: Cluster, namespace: str) -> None:
    env = [
        {"name": "PLAIN", "value": "at /mnt/data and 0.0.0.0"},
        {"name": "LATER", "value": "<$(PLAIN)> $(UNKNOWN) $$(PLAIN)"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['grid']"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "admin"}}},
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": True}}},
    ]
    all_keys = [{"prefix": "ALL_", "secretRef": {"name": "keys"}}]
    manifest = server("web", namespace, "$(NAME)", "--at=$(ADDRESS)", env=env, envFrom=all_keys)
    manifest["metadata"]["labels"] = {"grid": "btc"}
    pod = started(configured.api, manifest)
    seen = ask_json(pod, "/env")
    work = ask_json(pod, "/argv")[1]
    assert seen["PLAIN"] == f"at {work} and {seen['ADDRESS']}"
    assert seen["LATER"] == f"<{seen['PLAIN']}> $(UNKNOWN) $(PLAIN)"
    assert (seen["NAME"], seen["LABEL"], seen["LEVEL"]) == ("web", "btc", "info")
    assert seen["KEY"] == seen["ALL_admin"] == "s3cret /mnt/data"
    assert "ABSENT" not in seen
    assert ask_json(pod, "/argv")[-2:] == ["web", f"--at={seen['ADDRESS']}"]
    assert "PYTEST_CURRENT_TEST" not in seen


def test_volumes_hold_what_they_are_made_of(configured: Cluster, namespace: str) -> None:
    token = {"serviceAccountToken": {"path": "token", "audience": "grid", "expirationSeconds": 600}}
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    projected = [token, {"secret": {"name": "keys"}}, {"downwardAPI": {"items": [labels]}}]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings", "defaultMode": 0o440}},
        {"name": "mixed", "projected": {"sources": projected}},
        {"name": "store", "emptyDir": {}},
    ]
    mounts = [
        {"name": "settings", "mountPath": "/etc/grid"},
        {"name": "settings", "mountPath": "/one/file.yaml", "subPath": "grid.yaml"},
        {"name": "mixed", "mountPath": "/etc/mixed"},
        {"name": "store", "mountPath": "/var/lib/grid", "subPath": "deep/er"},
    ]
    files = ["/etc/grid/grid.yaml", "/one/file.yaml", "/etc/mixed/token", "/etc/mixed/admin", "/etc/mixed/labels"]
    manifest = server("web", namespace, *files, "/var/lib/grid", volumes=volumes, volumeMounts=mounts)
    manifest["metadata"]["labels"] = {"grid": "btc"}
    pod = started(configured.api, manifest)
    settings, single, token_file, key, label, store = ask_json(pod, "/argv")[-6:]
    text = ask(pod, f"/file?{settings}")
    assert f"store: {store}/store.db" in text
    assert "other: /var/lib/gridlock" in text
    assert "0.0.0.0" not in text
    assert ask(pod, f"/file?{single}") == text
    assert Path(settings).stat().st_mode & 0o777 == 0o440
    assert ask(pod, f"/file?{key}") == "s3cret /mnt/data"
    assert ask(pod, f"/file?{label}") == 'grid="btc"'
    claims = ask(pod, f"/file?{token_file}").split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert decoded["aud"] == ["grid"]
    assert decoded["kubernetes.io"]["pod"]["uid"] == pod["metadata"]["uid"]
    assert Path(store).is_dir()
    change = {"data": {"grid.yaml": "changed"}}
    configured.api.patch("v1", "ConfigMap", "settings", namespace, change)
    wait_until(lambda: ask(pod, f"/file?{settings}") == "changed", what="the mounted file to follow")
    configured.api.patch("v1", "Pod", "web", namespace, {"metadata": {"labels": {"grid": "eth"}}})
    wait_until(lambda: ask(pod, f"/file?{label}") == 'grid="eth"', what="the mounted label to follow")


def test_a_pod_waits_for_what_it_needs(own_cluster: Cluster, namespace: str) -> None:
    api = own_cluster.api
    volumes = [{"name": "later", "secret": {"secretName": "later"}}]
    api.create(server("web", namespace, volumes=volumes, readinessProbe=probe()))

    def says_why(pod: Json) -> bool:
        told = state(pod)["state"]["waiting"].get("message", "") if waiting(pod, "ContainerCreating") else ""
        return 'secret "later" not found' in told

    pod = api.wait("v1", "Pod", "web", namespace, says_why)
    assert "podIP" not in pod["status"]
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "later", "namespace": namespace}})
    api.wait("v1", "Pod", "web", namespace, is_ready)


def test_kubectl_logs_of_this_run_and_the_one_before(own_cluster: Cluster, namespace: str) -> None:
    started(own_cluster.api, server("web", namespace))
    own_cluster.pod(namespace, "web").kill(signal.SIGTERM)
    answering(own_cluster.api, namespace, "web", restarts=1)
    logs = ("logs", "web", "--namespace", namespace)
    assert "told to end" in own_cluster.kubectl(*logs, "--previous")
    now = own_cluster.kubectl(*logs)
    assert "listening at" in now
    assert "told to end" not in now
    assert own_cluster.kubectl(*logs, "--tail=1") == now.splitlines(keepends=True)[-1]
    with pytest.raises(KubectlFailed, match="without times"):
        own_cluster.kubectl(*logs, "--timestamps")


def test_kubectl_logs_follows_until_the_pod_has_ended(own_cluster: Cluster, namespace: str) -> None:
    started(own_cluster.api, server("web", namespace))
    command = [str(own_cluster.kubectl_path), "--kubeconfig", str(own_cluster.kubeconfig)]
    follow = subprocess.Popen(
        [*command, "logs", "--follow", "web", "--namespace", namespace], stdout=subprocess.PIPE, text=True
    )
    with follow:
        assert follow.stdout is not None
        assert "listening at" in follow.stdout.readline()
        own_cluster.api.delete("v1", "Pod", "web", namespace)
        assert "told to end" in follow.stdout.read()
        assert follow.wait(10) == 0


def test_a_killed_container_comes_back_in_the_same_pod_with_its_volumes(own_cluster: Cluster, namespace: str) -> None:
    pod = started(own_cluster.api, server("web", namespace))
    handle = own_cluster.pod(namespace, "web")
    first, folder = handle.pid, ask_json(pod, "/argv")[1]
    ask(pod, f"/append?{folder}/pids")
    handle.kill()
    again = answering(own_cluster.api, namespace, "web", restarts=1)
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    assert again["status"]["podIP"] == pod["status"]["podIP"]
    assert state(again)["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert ask(again, f"/append?{folder}/pids").split() == [str(first), str(handle.pid)]


def test_a_container_that_fails_again_and_again_backs_off(own_cluster: Cluster, namespace: str) -> None:
    manifest = server("web", namespace, command=["python", "-c", "import sys; print('no'); sys.exit(3)"])
    own_cluster.api.create(manifest)
    pod = own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: waiting(p, "CrashLoopBackOff"))
    assert state(pod)["restartCount"] >= 1
    assert state(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert state(pod)["lastState"]["terminated"]["reason"] == "Error"
    assert pod["status"]["phase"] == "Running"


@pytest.mark.parametrize(
    ("container", "reason", "message"),
    [
        ({"command": None, "args": None}, "ErrImagePull", "container main needs a command"),
        ({"command": ["/no/such/program"]}, "CrashLoopBackOff", "back-off"),
        ({"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}}, "CreateContainerConfigError", "lifecycle"),
    ],
    ids=["no command", "no such program", "unsupported"],
)
def test_what_can_not_be_started_says_why(
    own_cluster: Cluster, namespace: str, container: dict[str, object], reason: str, message: str
) -> None:
    own_cluster.api.create(server("web", namespace, **container))
    pod = own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: waiting(p, reason))
    assert message in state(pod)["state"]["waiting"]["message"]


def test_probes_decide_about_start_readiness_and_restart(own_cluster: Cluster, namespace: str) -> None:
    manifest = server(
        *("web", namespace),
        startupProbe=probe("/health", failureThreshold=30),
        livenessProbe={
            "exec": {"command": ["sh", "-c", "! test -e /mnt/data/dead"]},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
        readinessProbe=probe("/health"),
    )
    started(own_cluster.api, manifest)
    pod = own_cluster.api.wait("v1", "Pod", "web", namespace, is_ready)
    assert state(pod)["started"]
    folder = Path(ask_json(pod, "/argv")[1])
    (folder / "sick").touch()
    pod = own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: not is_ready(p))
    assert condition(pod, "ContainersReady")["reason"] == "ContainersNotReady"
    assert state(pod)["restartCount"] == 0
    (folder / "sick").unlink()
    own_cluster.api.wait("v1", "Pod", "web", namespace, is_ready)
    (folder / "dead").touch()
    own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: state(p)["restartCount"] == 1)
    (folder / "dead").unlink()
    own_cluster.api.wait("v1", "Pod", "web", namespace, is_ready)
    events = [item["message"] for item in own_cluster.api.list("v1", "Event", namespace)]
    assert any("Liveness probe failed" in message for message in events)


def test_the_grace_period_is_kept_and_then_the_pod_is_killed(own_cluster: Cluster, namespace: str) -> None:
    api = own_cluster.api
    stubborn = started(api, server("stubborn", namespace, "--stubborn", grace=1))
    willing = started(api, server("willing", namespace, grace=100))
    pids = [own_cluster.pod(namespace, name).pid for name in ("stubborn", "willing")]
    for pod in (stubborn, willing):
        api.delete("v1", "Pod", pod["metadata"]["name"], namespace)
    deleting = api.get("v1", "Pod", "stubborn", namespace)
    assert deleting is not None
    assert "deletionTimestamp" in deleting["metadata"]
    api.wait_gone("v1", "Pod", "willing", namespace, timeout=20)
    api.wait_gone("v1", "Pod", "stubborn", namespace, timeout=20)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_grace_period_can_be_cut_short(own_cluster: Cluster, namespace: str) -> None:
    started(own_cluster.api, server("web", namespace, "--stubborn", grace=1000))
    own_cluster.api.delete("v1", "Pod", "web", namespace)
    own_cluster.api.delete("v1", "Pod", "web", namespace, grace=1)
    own_cluster.api.wait_gone("v1", "Pod", "web", namespace, timeout=20)


def test_a_pod_that_is_done_succeeds(own_cluster: Cluster, namespace: str) -> None:
    manifest = server("web", namespace, command=["sh", "-c", "cp /mnt/data/first /mnt/data/second"])
    manifest["spec"]["restartPolicy"] = "Never"
    manifest["spec"]["initContainers"] = [
        {
            "name": "before",
            "image": "x:1",
            "command": ["sh", "-c", "echo hello > /mnt/data/first"],
            "volumeMounts": [{"name": "work", "mountPath": "/mnt/data"}],
        }
    ]
    own_cluster.api.create(manifest)
    pod = own_cluster.api.wait("v1", "Pod", "web", namespace, lambda p: p["status"]["phase"] == "Succeeded")
    assert condition(pod, "Initialized")["status"] == "True"
    assert state(pod)["state"]["terminated"]["exitCode"] == 0


def test_a_stateful_set_keeps_its_claim_over_its_pods(own_cluster: Cluster, namespace: str) -> None:
    api = own_cluster.api
    pod = server("unused", namespace)
    template = {"metadata": {"labels": {"app": "grid"}}, "spec": pod["spec"]}
    template["spec"]["containers"][0] |= {
        "readinessProbe": probe(),
        "volumeMounts": [{"name": "store", "mountPath": "/mnt/data"}],
    }
    template["spec"]["volumes"] = []
    claim = {
        "metadata": {"name": "store"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    spec = {
        "replicas": 1,
        "serviceName": "grid",
        "selector": {"matchLabels": {"app": "grid"}},
        "template": template,
        "volumeClaimTemplates": [claim],
    }
    metadata = {"name": "grid", "namespace": namespace}
    api.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})
    first = api.wait("v1", "Pod", "grid-0", namespace, is_ready)
    folder = own_cluster.claim_folder(namespace, "store-grid-0")
    assert folder is not None
    assert ask_json(first, "/argv")[1] == str(folder)
    ask(first, f"/append?{folder}/pids")
    bound = api.get("v1", "PersistentVolumeClaim", "store-grid-0", namespace)
    assert bound is not None
    assert bound["status"]["phase"] == "Bound"
    api.delete("v1", "Pod", "grid-0", namespace)
    uid = first["metadata"]["uid"]
    second = api.wait("v1", "Pod", "grid-0", namespace, lambda p: p["metadata"]["uid"] != uid and is_ready(p))
    assert len(ask(second, f"/append?{folder}/pids").split()) == 2
    api.wait("apps/v1", "StatefulSet", "grid", namespace, lambda s: s["status"].get("readyReplicas") == 1)
    api.delete("apps/v1", "StatefulSet", "grid", namespace, propagation="Background")
    api.wait_gone("v1", "Pod", "grid-0", namespace)
    assert folder.exists()
    api.delete("v1", "PersistentVolumeClaim", "store-grid-0", namespace)
    wait_until(lambda: not folder.exists(), what="the claim's folder to be removed")
    api.wait_gone("v1", "PersistentVolume", f"pvc-{bound['metadata']['uid']}")
