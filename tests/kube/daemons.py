"""What the three daemons of a control plane are started with. Pure."""

from dataclasses import dataclass
from pathlib import Path

from tests.kube.certificates import KeyPair
from tests.kube.network import Block, free_ports

SERVICE_RANGE = "10.96.0.0/16"

# What stateful pods, claims and clean deletion need. Left out on purpose: node lifecycle (a debugger's pause must not
# evict pods), the volume binder (the pod runner binds), endpoints (the API refuses loopback addresses in them).
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",  # without it the roles view, edit and admin are empty
    "root-ca-certificate-publisher-controller",
    "statefulset-controller",
    "disruption-controller",
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
)


@dataclass(frozen=True)
class Plan:
    """Addresses and files of one control plane."""

    binaries: Path
    folder: Path
    block: Block
    etcd_port: int
    etcd_peer_port: int
    server_port: int
    controllers_port: int

    @classmethod
    def make(cls, binaries: Path, folder: Path, block: Block) -> "Plan":
        """Choose free ports at the block's own address."""
        return cls(binaries, folder, block, *free_ports(block.node_address, 4))

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.block.node_address}:{self.server_port}"

    @property
    def server_for_pods(self) -> str:
        """The same, by a way that can break."""
        return f"https://{self.block.relay_address}:{self.server_port}"

    @property
    def etcd_url(self) -> str:
        """Where etcd serves the API server."""
        return f"http://{self.block.node_address}:{self.etcd_port}"

    @property
    def admin_kubeconfig(self) -> Path:
        """kubeconfig of a cluster administrator."""
        return self.folder / "kubeconfig"


@dataclass(frozen=True)
class Keys:
    """Certificates between the daemons, as files."""

    authority: Path
    server: KeyPair
    node_client: KeyPair
    tokens: KeyPair


def etcd(plan: Plan) -> list[str]:
    """Flags of etcd."""
    peer = f"http://{plan.block.node_address}:{plan.etcd_peer_port}"
    return [
        f"--data-dir={plan.folder / 'etcd'}",
        f"--listen-client-urls={plan.etcd_url}",
        f"--advertise-client-urls={plan.etcd_url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data is thrown away anyway
        "--log-level=warn",
    ]


def apiserver(plan: Plan, keys: Keys) -> list[str]:
    """Flags of kube-apiserver."""
    address = plan.block.node_address
    return [
        f"--etcd-servers={plan.etcd_url}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={plan.server_port}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--endpoint-reconciler-type=none",  # it would advertise a loopback address, which the API refuses
        f"--tls-cert-file={keys.server.certificate}",
        f"--tls-private-key-file={keys.server.key}",
        f"--client-ca-file={keys.authority}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        f"--service-account-issuer={plan.server}",
        f"--service-account-key-file={keys.tokens.certificate}",
        f"--service-account-signing-key-file={keys.tokens.key}",
        f"--kubelet-certificate-authority={keys.authority}",
        f"--kubelet-client-certificate={keys.node_client.certificate}",
        f"--kubelet-client-key={keys.node_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--disable-admission-plugins=TaintNodesByCondition",  # no controller would take the taint away again
        "--profiling=false",
    ]


def controller_manager(plan: Plan, keys: Keys) -> list[str]:
    """Flags of kube-controller-manager."""
    return [
        f"--kubeconfig={plan.admin_kubeconfig}",
        "--authentication-skip-lookup=true",
        f"--client-ca-file={keys.authority}",
        f"--bind-address={plan.block.node_address}",
        f"--secure-port={plan.controllers_port}",
        f"--root-ca-file={keys.authority}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]
