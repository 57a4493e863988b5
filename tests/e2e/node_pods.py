"""Pods of a small shell for the tests of the node itself."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kube.node import Node, packages

IMAGE = "node.local/shell:1"
COMMANDS = ("cat", "dd", "httpd", "id", "ls", "mkdir", "nc", "nslookup", "sed", "sh", "sleep", "tail")
USER = 10001

type Json = dict[str, Any]


def load_shell(node: Node) -> None:
    """Bring an image of Debian's static busybox to the node."""
    packages.install_missing(print, {"busybox": "busybox-static"})
    busybox = shutil.which("busybox", path=packages.PATH)
    assert busybox is not None
    links = {f"/bin/{command}": "busybox" for command in COMMANDS}
    node.load_files(IMAGE, {"/bin/busybox": Path(busybox)}, ["/bin/sh", "-c"], links)


@contextmanager
def namespace(node: Node, **labels: str) -> Iterator[str]:
    """A namespace that enforces Pod Security `restricted`, deleted afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    node.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforced | labels}})
    node.api.wait("v1", "ServiceAccount", "default", name, lambda _: True)
    try:
        yield name
    finally:
        node.api.delete("v1", "Namespace", name)


def pod(name: str, namespace: str, script: str, **more: Any) -> Json:
    """A pod as restricted Pod Security wants it, which runs a script; `more` goes into its container."""
    container = {
        "name": "shell",
        "image": IMAGE,
        "args": [script],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def ready(found: Json) -> bool:
    """Whether a pod says that it is."""
    conditions = found["status"].get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def ended(found: Json) -> Json | None:
    """How the pod's container ended, None while it hasn't."""
    states = found["status"].get("containerStatuses") or []
    terminated: Json | None = states[0]["state"].get("terminated") if states else None
    return terminated
