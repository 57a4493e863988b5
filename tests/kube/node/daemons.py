"""What the daemons of a node are started with. Pure."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kube.certificates import KeyPair
from tests.kube.node.addresses import (
    CONTAINERD,
    DNS_SERVICE,
    DOMAIN,
    ETCD,
    NODE_ADDRESS,
    NODE_NAME,
    PAUSE_IMAGE,
    POD_RANGE,
    SERVER_PORT,
    SERVER_SERVICE,
    SERVICE_RANGE,
)

SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{DOMAIN}",
)
SERVER_ADDRESSES = (NODE_ADDRESS, SERVER_SERVICE, "127.0.0.1")


@dataclass(frozen=True)
class Keys:
    """Certificates between the daemons, as files."""

    authority: Path
    server: KeyPair
    kubelet_client: KeyPair
    kubelet_server: KeyPair
    tokens: KeyPair


def etcd(folder: Path) -> list[str]:
    """Flags of etcd."""
    peer = "http://127.0.0.1:2380"
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data is thrown away anyway
        "--log-level=warn",
    ]


def apiserver(keys: Keys) -> list[str]:
    """Flags of kube-apiserver, with the admission and the authorization of a cluster made by kubeadm."""
    return [
        f"--etcd-servers={ETCD}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={SERVER_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={keys.server.certificate}",
        f"--tls-private-key-file={keys.server.key}",
        f"--client-ca-file={keys.authority}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--anonymous-auth=false",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={keys.tokens.certificate}",
        f"--service-account-signing-key-file={keys.tokens.key}",
        f"--kubelet-certificate-authority={keys.authority}",
        f"--kubelet-client-certificate={keys.kubelet_client.certificate}",
        f"--kubelet-client-key={keys.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
    ]


def controller_manager(kubeconfig: Path, keys: Keys) -> list[str]:
    """Flags of kube-controller-manager: every controller, each with its own rights."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--root-ca-file={keys.authority}",
        f"--service-account-private-key-file={keys.tokens.key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]


def scheduler(kubeconfig: Path) -> list[str]:
    """Flags of kube-scheduler."""
    return [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0", "--profiling=false"]


def proxy(kubeconfig: Path) -> list[str]:
    """Flags of kube-proxy, which may change neither its own priority nor limits of the whole kernel."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--cluster-cidr={POD_RANGE}",
        "--oom-score-adj=0",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]


def firewall(kubeconfig: Path) -> list[str]:
    """Flags of kube-router, of which only what holds pods to NetworkPolicies is wanted."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--run-loadbalancer=false",
    ]


def kubelet(kubeconfig: Path, configuration: Path) -> list[str]:
    """Flags of the kubelet."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--config={configuration}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
    ]


def kubelet_configuration(cgroup: str, resolv_conf: Path, keys: Keys) -> str:
    """The kubelet's configuration file."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(keys.authority)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(keys.kubelet_server.certificate),
            "tlsPrivateKeyFile": str(keys.kubelet_server.key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,  # a lower one needs CAP_SYS_RESOURCE
            "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": DOMAIN,
            "resolvConf": str(resolv_conf),
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            # The disk is the machine's. And no registry would bring back an image that was removed.
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
        },
        indent=1,
    )


def containerd_configuration(cni_plugins: Path, cni_configuration: Path, runc: str) -> str:
    """containerd's configuration file, in the version that 1.6 and later take."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{CONTAINERD}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true # without CAP_SYS_RESOURCE no sandbox starts otherwise
[{cri}.cni]
  bin_dir = "{cni_plugins}"
  conf_dir = "{cni_configuration}"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"""


def cni_configuration() -> str:
    """The pods' network: a pair of interfaces for each pod, and routes.

    No bridge: its traffic would pass by the rules of Services where the kernel has no br_netfilter.
    """
    plugin: dict[str, Any] = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "subnet": POD_RANGE,
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/var/lib/cni",
        },
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [plugin]})
