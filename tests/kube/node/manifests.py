"""What every node is given: CoreDNS, and volumes for claims. Pure."""

from typing import Any

from tests.kube.node.addresses import DNS_IMAGE, DNS_SERVICE, DOMAIN, NODE_NAME, VOLUMES

type Json = dict[str, Any]

STORAGE_CLASS = "local"
VOLUME_SIZE = "8Gi"

# Names of the world outside are refused at once: a pod that looks one up is not kept waiting.
COREFILE = f"""\
{DOMAIN}:53 in-addr.arpa:53 {{
    errors
    ready
    kubernetes {DOMAIN} in-addr.arpa {{
        ttl 5
    }}
}}
.:53 {{
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def dns() -> list[Json]:
    """CoreDNS behind the address that the kubelet writes into pods."""
    system = {"namespace": "kube-system"}
    labels = {"k8s-app": "kube-dns"}
    rbac = "rbac.authorization.k8s.io"
    watched = ["endpoints", "services", "pods", "namespaces"]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns", **system}},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": watched, "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", **system}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", **system},
            "data": {"Corefile": COREFILE},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "coredns", **system, "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": _dns_pod(labels)},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", **system, "labels": labels},
            "spec": {
                "clusterIP": DNS_SERVICE,
                "selector": labels,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
    ]


def _dns_pod(labels: dict[str, str]) -> Json:
    return {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": "coredns",
            "dnsPolicy": "Default",
            "priorityClassName": "system-cluster-critical",
            # It stays where it is when the node is drained: nothing else would serve.
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "coredns",
                    "image": DNS_IMAGE,
                    "imagePullPolicy": "Never",
                    "args": ["-conf", "/etc/coredns/Corefile"],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                    "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "170Mi"}},
                    "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
                }
            ],
            "volumes": [{"name": "configuration", "configMap": {"name": "coredns"}}],
        },
    }


def storage_class() -> Json:
    """The default class: a claim gets one of the volumes that were made beforehand, when a pod wants it."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def volume(name: str) -> Json:
    """A folder of the node. Of type local, which is given the pod's group; hostPath is not."""
    at = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": f"{VOLUMES}/{name}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [at]}]}},
        },
    }
