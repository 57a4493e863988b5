"""etcd, kube-apiserver and kube-controller-manager: how they are started, and when they count as ready."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.kube import kubeconfig
from tests.kube.apiclient import ApiClient, until_ready
from tests.kube.certificates import Authority, write_signing_key
from tests.kube.children import Child
from tests.kube.network import Block, free_port

READY_SECONDS = 90.0  # a machine with other work to do may take ten times the usual 3 s
STOP_SECONDS = 15.0
SERVICE_RANGE = "10.96.0.0/16"

# What stateful pods, claims and clean deletion need. Left out on purpose: node lifecycle (a debugger's pause must not evict
# pods), the volume binder (the pod runner binds), endpoints (the API refuses loopback addresses in them).
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
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
        ports = [free_port(block.node_address) for _ in range(4)]
        return cls(binaries, folder, block, *ports)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.block.node_address}:{self.server_port}"

    @property
    def etcd_url(self) -> str:
        """Where etcd serves the API server."""
        return f"http://{self.block.node_address}:{self.etcd_port}"

    @property
    def admin_kubeconfig(self) -> Path:
        """kubeconfig of a cluster administrator."""
        return self.folder / "kubeconfig"


class ControlPlane:
    """The three daemons of one cluster and the certificates between them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        certificates = plan.folder / "certificates"
        self.authority = Authority(certificates)
        address = plan.block.node_address
        self.admin = self.authority.client("admin", "kubernetes-admin", "system:masters")
        self.node_server = self.authority.server("node", [address], ["hedgegrid-node"])
        self._node_client = self.authority.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client")
        self._server = self.authority.server("apiserver", [address], ["localhost", "kubernetes.default.svc"])
        self._tokens = write_signing_key(certificates)
        self.daemons: dict[str, Child] = {}
        kubeconfig.write_for_certificate(plan.admin_kubeconfig, plan.server, self.authority.certificate, self.admin)

    def client(self) -> ApiClient:
        """A client with every right."""
        return ApiClient(self.plan.server, self.authority.certificate, self.admin)

    async def start_etcd(self) -> None:
        """Start etcd; the API server waits for it by itself."""
        await self._launch("etcd", self._etcd())

    async def start_controllers(self, client: ApiClient) -> None:
        """Start the controllers and wait for the first thing they make, which every pod of its namespace needs.

        Raises TimeoutError or RuntimeError.
        """
        await self._launch("kube-controller-manager", self._controller_manager())
        await self._await_ready(client, "/api/v1/namespaces/default/serviceaccounts/default", "kube-controller-manager")

    async def start_apiserver(self, client: ApiClient) -> None:
        """Start the API server, on the same port as before, and wait for /readyz.

        Raises TimeoutError, or RuntimeError with the last lines of its log.
        """
        await self._launch("kube-apiserver", self._apiserver())
        await self._await_ready(client, "/readyz", "kube-apiserver")

    async def stop_apiserver(self, number: int = signal.SIGTERM) -> None:
        """End the API server by a signal; one that is still there after STOP_SECONDS is killed."""
        server = self.daemons["kube-apiserver"]
        server.send_signal(number)
        server.send_signal(signal.SIGCONT)
        try:
            await asyncio.wait_for(server.wait(), STOP_SECONDS)
        except TimeoutError:
            server.send_signal(signal.SIGKILL)
            await server.wait()

    def log(self, daemon: str) -> Path:
        """The log file of a daemon."""
        return self.plan.folder / "logs" / f"{daemon}.log"

    async def _launch(self, daemon: str, flags: list[str]) -> None:
        argv = [str(self.plan.binaries / daemon), *flags]
        self.daemons[daemon] = await Child.start(argv, log=self.log(daemon), cwd=self.plan.folder)

    async def _await_ready(self, client: ApiClient, path: str, daemon: str) -> None:
        ready = asyncio.create_task(until_ready(client, path, READY_SECONDS))
        ended = asyncio.create_task(self.daemons[daemon].wait())
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if ready.done():
                ready.result()
                return
            tail = self.log(daemon).read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{daemon} ended with {ended.result()} instead of getting ready:\n{tail}")
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    def _etcd(self) -> list[str]:
        peer = f"http://{self.plan.block.node_address}:{self.plan.etcd_peer_port}"
        return [
            f"--data-dir={self.plan.folder / 'etcd'}",
            f"--listen-client-urls={self.plan.etcd_url}",
            f"--advertise-client-urls={self.plan.etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # the data is thrown away anyway
            "--log-level=warn",
        ]

    def _apiserver(self) -> list[str]:
        plan, address = self.plan, self.plan.block.node_address
        return [
            f"--etcd-servers={plan.etcd_url}",
            f"--bind-address={address}",
            f"--advertise-address={address}",
            f"--secure-port={plan.server_port}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--endpoint-reconciler-type=none",  # it would advertise a loopback address, which the API refuses
            f"--tls-cert-file={self._server.certificate}",
            f"--tls-private-key-file={self._server.key}",
            f"--client-ca-file={self.authority.certificate}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--service-account-issuer={plan.server}",
            f"--service-account-key-file={self._tokens.certificate}",
            f"--service-account-signing-key-file={self._tokens.key}",
            f"--kubelet-certificate-authority={self.authority.certificate}",
            f"--kubelet-client-certificate={self._node_client.certificate}",
            f"--kubelet-client-key={self._node_client.key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--disable-admission-plugins=TaintNodesByCondition",  # no controller would take the taint away again
            "--profiling=false",
        ]

    def _controller_manager(self) -> list[str]:
        return [
            f"--kubeconfig={self.plan.admin_kubeconfig}",
            "--authentication-skip-lookup=true",
            f"--client-ca-file={self.authority.certificate}",
            f"--bind-address={self.plan.block.node_address}",
            f"--secure-port={self.plan.controllers_port}",
            f"--root-ca-file={self.authority.certificate}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ]
