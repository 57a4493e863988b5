"""A Kubernetes to test against, to demonstrate with, and to play with.

    with Cluster() as cluster:
        cluster.kubectl("apply", "-f", "examples/sim-btc.yaml")

etcd, kube-apiserver and kube-controller-manager are the real ones; a pod runner stands for scheduler and kubelet
(runner/). Linux only, no root. Nothing listens beyond loopback. After any end of the process that made it, SIGKILL
included, no process and no temporary file of the cluster is left (keeper.py).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kube.api import Api
    from tests.kube.cluster import Cluster
    from tests.kube.errors import ApiError, ClusterUnavailable, HostError, KubectlFailed
    from tests.kube.pods import Pod
    from tests.kube.processes import Process
    from tests.kube.waiting import wait_until

_HOMES = {
    "Api": "api",
    "ApiError": "errors",
    "Cluster": "cluster",
    "ClusterUnavailable": "errors",
    "HostError": "errors",
    "KubectlFailed": "errors",
    "Pod": "pods",
    "Process": "processes",
    "wait_until": "waiting",
}

__all__ = [
    "Api",
    "ApiError",
    "Cluster",
    "ClusterUnavailable",
    "HostError",
    "KubectlFailed",
    "Pod",
    "Process",
    "wait_until",
]


def __getattr__(name: str) -> object:
    # Imported when asked for: keeper and host live in this package too, and have to start fast.
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"tests.kube.{_HOMES[name]}"), name)
