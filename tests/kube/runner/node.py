"""The Node object that the pod runner stands for."""

from tests.kube.apiclient import Json
from tests.kube.runner.states import now

NAME = "hedgegrid-node"


def node_object(address: str, port: int, version: str) -> Json:
    """A ready node whose HTTPS endpoint is at `address` and `port`."""
    resources = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}
    time = now()
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "PodRunnerReady",
        "message": "the pod runner is at work",
        "lastHeartbeatTime": time,
        "lastTransitionTime": time,
    }
    info = dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "kubeProxyVersion"), "")
    return {
        "metadata": {
            "name": NAME,
            "labels": {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"},
        },
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": NAME}],
            "conditions": [ready],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "nodeInfo": info
            | {
                "kubeletVersion": version,
                "containerRuntimeVersion": "process://1",
                "osImage": "processes on loopback",
                "operatingSystem": "linux",
                "architecture": "",
            },
        },
    }
