"""Start, stop and await etcd, kube-apiserver and kube-controller-manager."""

import asyncio
import os
import shutil
import signal
from typing import TYPE_CHECKING

from tests.kube import daemons, kubeconfig
from tests.kube.certificates import Authority, write_signing_key
from tests.kube.children import Child
from tests.kube.daemons import Keys, Plan

if TYPE_CHECKING:
    from tests.kube.apiclient import ApiClient

READY_SECONDS = 90.0  # a machine with other work to do may take many times the usual 3 s
STOP_SECONDS = 15.0

# Garbage collection at four times the default heap growth starts the API server half a second sooner.
ENVIRONMENT = {"GOGC": "400"}


class ControlPlane:
    """The three daemons of one cluster and the certificates between them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        certificates = plan.folder / "certificates"
        self.authority = Authority(certificates)
        address = plan.block.node_address
        self.admin = self.authority.client("admin", "kubernetes-admin", "system:masters")
        self.node_server = self.authority.server("node", [address], ["hedgegrid-node"])
        self._keys = Keys(
            authority=self.authority.certificate,
            server=self.authority.server(
                "apiserver", [address, plan.block.relay_address], ["localhost", "kubernetes.default.svc"]
            ),
            node_client=self.authority.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client"),
            tokens=write_signing_key(certificates),
        )
        self.daemons: dict[str, Child] = {}
        kubeconfig.write_for_certificate(plan.admin_kubeconfig, plan.server, self.authority.certificate, self.admin)

    async def launch_server(self) -> None:
        """Start etcd and the API server, which waits for etcd by itself."""
        await self._launch("etcd", daemons.etcd(self.plan))
        await self.launch_apiserver()

    async def launch_apiserver(self) -> None:
        """Start the API server, at the same address as before."""
        await self._launch("kube-apiserver", daemons.apiserver(self.plan, self._keys))

    async def until_served(self, client: "ApiClient") -> None:
        """Wait for /readyz.

        Raises TimeoutError, or RuntimeError with the last lines of the log of a server that ended.
        """
        await self._until_ready(client, "/readyz", "kube-apiserver")

    async def start_controllers(self, client: "ApiClient") -> None:
        """Start the controllers and wait for the first thing they make, which every pod of its namespace needs.

        Raises as `until_served`.
        """
        await self._launch("kube-controller-manager", daemons.controller_manager(self.plan, self._keys))
        await self._until_ready(client, "/api/v1/namespaces/default/serviceaccounts/default", "kube-controller-manager")

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

    async def replace_store(self, *, by_saved: bool) -> None:
        """Save a copy of etcd's data, or put the saved copy in its place; both daemons are started anew."""
        await self.stop_apiserver(signal.SIGKILL)
        etcd = self.daemons["etcd"]
        etcd.send_signal(signal.SIGTERM)
        await etcd.wait()
        data, saved = self.plan.folder / "etcd", self.plan.folder / "etcd.saved"
        source, target = (saved, data) if by_saved else (data, saved)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        await self.launch_server()

    async def _launch(self, daemon: str, flags: list[str]) -> None:
        argv = [str(self.plan.binaries / daemon), *flags]
        environment = os.environ | ENVIRONMENT
        log = self.plan.folder / "logs" / f"{daemon}.log"
        self.daemons[daemon] = await Child.start(argv, log=log, env=environment, cwd=self.plan.folder)

    async def _until_ready(self, client: "ApiClient", path: str, daemon: str) -> None:
        ready = asyncio.create_task(client.until_ready(path, READY_SECONDS))
        ended = asyncio.create_task(self.daemons[daemon].wait())
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not ready.done():
                tail = (self.plan.folder / "logs" / f"{daemon}.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{daemon} ended with {ended.result()} instead of getting ready:\n{tail}")
            ready.result()
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)
