"""Manifests and conditions that the pod runner's tests share."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.kube import Api, wait_until

type Json = dict[str, Any]

SERVER = Path(__file__).with_name("kube_server.py")
PORT = 8080


def server(name: str, namespace: str, *arguments: str, **container: Any) -> Json:
    """A pod of one container `main` that runs kube_server.py with an emptyDir at /mnt/data."""
    volumes = container.pop("volumes", [])
    mounts = container.pop("volumeMounts", [])
    grace = container.pop("grace", 2)
    main = {
        "name": "main",
        "image": "example/server:1",
        "command": ["python", str(SERVER)],
        "args": ["/mnt/data", "0.0.0.0", str(PORT), *arguments],
        "ports": [{"name": "http", "containerPort": PORT}],
        "volumeMounts": [{"name": "work", "mountPath": "/mnt/data"}, *mounts],
    }
    spec = {
        "terminationGracePeriodSeconds": grace,
        "containers": [main | container],
        "volumes": [{"name": "work", "emptyDir": {}}, *volumes],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def probe(path: str = "/health", **settings: Any) -> Json:
    """An HTTP probe each second that one failure decides."""
    return {"httpGet": {"port": "http", "path": path}, "periodSeconds": 1, "failureThreshold": 1} | settings


def condition(pod: Json, kind: str) -> Json:
    """One condition of a pod, empty where it hasn't got it."""
    found: Json = next((c for c in pod["status"].get("conditions", []) if c["type"] == kind), {})
    return found


def is_ready(pod: Json) -> bool:
    """The pod's Ready condition."""
    return condition(pod, "Ready").get("status") == "True"


def state(pod: Json) -> Json:
    """The status of the pod's only container, empty where there is none yet."""
    found: Json = (pod["status"].get("containerStatuses") or [{}])[0]
    return found


def waiting(pod: Json, reason: str) -> bool:
    """The container waits for this reason."""
    return bool(state(pod).get("state", {}).get("waiting", {}).get("reason") == reason)


def started(api: Api, manifest: Json) -> Json:
    """Create a pod and return it once its server answers."""
    api.create(manifest)
    return answering(api, manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def answering(api: Api, namespace: str, name: str, restarts: int = 0) -> Json:
    """The pod, once its container runs after this many restarts and its server answers."""
    pod = api.wait(
        *("v1", "Pod", name, namespace),
        lambda p: state(p).get("restartCount") == restarts and "running" in state(p)["state"],
    )
    wait_until(lambda: answers(pod), what=f"the server of {name} to answer")
    return pod


def answers(pod: Json) -> bool:
    """Whether the pod's server answers now."""
    try:
        return ask(pod, "/health", timeout=1) == "ok"
    except OSError:
        return False


def ask(pod: Json, path: str, timeout: float = 5) -> str:
    """GET from the pod's server; raises OSError."""
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:{PORT}{path}", timeout=timeout) as answer:
        return answer.read().decode()


def ask_json(pod: Json, path: str) -> Any:
    """GET JSON from the pod's server."""
    return json.loads(ask(pod, path))
