"""The proxy before the API server does what tests of faults rely on."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.kube import Cluster, wait_until
from tests.kube.api import Api
from tests.kube.api_proxy import ApiProxy, watches, writes


@pytest.fixture
def proxy(own_cluster: Cluster) -> Iterator[ApiProxy]:
    """A proxy before the cluster."""
    with ApiProxy(own_cluster) as found:
        yield found


@pytest.fixture
def api(own_cluster: Cluster, proxy: ApiProxy, namespace: str) -> Api:
    """A client with the rights of an administrator of the namespace that asks through the proxy."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "admin", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    own_cluster.api.create(binding)
    direct = own_cluster.kubeconfig_for(namespace, "default")
    return Api.of(proxy.kubeconfig(direct))


def config_map(namespace: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def test_a_request_is_carried_out_and_its_answer_lost(proxy: ApiProxy, api: Api, namespace: str) -> None:
    ended = threading.Event()
    proxy.stop_at(2, ended.set)
    api.create(config_map(namespace, "first"))
    with pytest.raises(urllib3.exceptions.HTTPError):
        api.create(config_map(namespace, "second"))
    assert ended.is_set()
    assert not proxy.stopping
    assert api.get("v1", "ConfigMap", "second", namespace)
    proxy.stop_at(1, ended.clear, before=True)
    with pytest.raises(urllib3.exceptions.HTTPError):
        api.create(config_map(namespace, "third"))
    assert not ended.is_set()
    assert api.get("v1", "ConfigMap", "third", namespace) is None
    assert [call.status for call in proxy.calls if writes(call)] == [201, 201, None]


def test_a_frozen_watch_is_silent_and_goes_on(proxy: ApiProxy, api: Api, namespace: str) -> None:
    seen: list[str] = []

    def follow() -> None:
        try:
            for kind, _ in api.watch("v1", "ConfigMap", "watched", namespace):
                seen.append(kind)
        except urllib3.exceptions.HTTPError:
            seen.append("cut")

    threading.Thread(target=follow, daemon=True).start()
    wait_until(lambda: any(map(watches, proxy.calls)), 10, "the watch")
    proxy.freeze(watches)
    api.create(config_map(namespace, "watched"))
    assert api.get("v1", "ConfigMap", "watched", namespace)
    assert seen == []
    proxy.thaw()
    wait_until(lambda: seen == ["ADDED"], 10, "the event")
    proxy.cut()
    wait_until(lambda: seen[-1] == "cut", 10, "the end of the watch")


def test_connections_are_refused_for_a_while(proxy: ApiProxy, api: Api, namespace: str) -> None:
    proxy.refuse()
    with pytest.raises(urllib3.exceptions.HTTPError):
        api.get("v1", "ConfigMap", "kube-root-ca.crt", namespace)
    proxy.accept()
    assert api.get("v1", "ConfigMap", "kube-root-ca.crt", namespace)
