"""The way from pods to the API server can be cut and frozen, and nobody else's."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kube import Cluster, wait_until
from tests.operator.kube_pods import server, started


def reaches(url: str) -> bool:
    """Whether the API server answers there, with whatever; raises OSError where nothing comes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=2, context=context)
    except urllib.error.HTTPError as error:
        return error.code == 401
    return True


def fails(url: str) -> str | None:
    """How it fails, None where it doesn't."""
    try:
        reaches(url)
    except OSError as error:
        return str(error)
    return None


def test_pods_are_cut_off_the_api_server_and_let_through_again(own_cluster: Cluster, namespace: str) -> None:
    started(own_cluster.api, server("lonely", namespace))
    pid = own_cluster.pod(namespace, "lonely").pid
    words = Path(f"/proc/{pid}/environ").read_text().split("\0")
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    url = f"https://{variables['KUBERNETES_SERVICE_HOST']}:{variables['KUBERNETES_SERVICE_PORT']}"
    assert reaches(url)
    try:
        own_cluster.cut_pods_off()
        assert "refused" in wait_until(lambda: fails(url), 10, "the cut")
        assert own_cluster.api.get("v1", "Namespace", namespace)
        own_cluster.let_pods_through()
        wait_until(lambda: fails(url) is None, 10, "the way to be free")
        own_cluster.cut_pods_off(frozen=True)
        with pytest.raises(OSError, match="timed out"):
            reaches(url)
    finally:
        own_cluster.let_pods_through()
    assert reaches(url)
