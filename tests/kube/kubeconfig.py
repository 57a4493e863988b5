"""kubeconfig files. JSON is YAML: kubectl and the clients read it as it is."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.kube.certificates import KeyPair


def write_for_certificate(path: Path, server: str, authority: Path, user: KeyPair) -> None:
    """One cluster, and a user who authenticates with a client certificate."""
    credentials = {
        "client-certificate-data": _encoded(user.certificate),
        "client-key-data": _encoded(user.key),
    }
    _write(path, {"server": server, "certificate-authority-data": _encoded(authority)}, credentials)


def write_for_token(path: Path, other: Path, token: str) -> None:
    """The cluster of another kubeconfig's only context, and a user who authenticates with a bearer token."""
    cluster = yaml.safe_load(other.read_text())["clusters"][0]["cluster"]
    _write(path, cluster, {"token": token})


def _write(path: Path, cluster: Mapping[str, str], user: Mapping[str, str]) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "hedgegrid", "cluster": dict(cluster)}],
        "users": [{"name": "hedgegrid", "user": dict(user)}],
        "contexts": [{"name": "hedgegrid", "context": {"cluster": "hedgegrid", "user": "hedgegrid"}}],
        "current-context": "hedgegrid",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
