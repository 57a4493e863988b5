"""`python -m tests.farm FOLDER CERTIFICATES SERVER NAMESPACE`: started by `Farm`, which asks it through FOLDER."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from tests.farm.kubelet import Kubelet
from tests.farm.server import Fault
from tests.kube import rpc
from tests.kube.apiclient import ApiClient
from tests.kube.certificates import KeyPair
from tests.kube.network import Reservation
from tests.kube.rpc import Operation


class _Farm:
    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet

    def table(self) -> Mapping[str, Operation]:
        return {
            "afflict": self.afflict,
            "arrivals": self.arrivals,
            "held": self.held,
            "counts": self.counts,
            "restart": self.restart,
        }

    async def afflict(self, names: list[str], fault: str) -> None:
        for name in names:
            self._kubelet.faults[name] = Fault(fault)
            if name in self._kubelet.servers:
                await self._kubelet.servers[name].afflict(Fault(fault))

    async def arrivals(self, since: int) -> list[Any]:
        return self._kubelet.arrivals[since:]

    async def held(self) -> dict[str, Any]:
        return {name: server.stub.held for name, server in self._kubelet.servers.items()}

    async def counts(self) -> dict[str, int]:
        servers = self._kubelet.servers.values()
        return {
            "pods": len(servers),
            "reads": sum(server.reads for server in servers),
            "documents": len(self._kubelet.arrivals),
            "handshakes": sum(server.handshakes for server in servers),
            "operations": sum(server.stub.operations for server in servers),
            "elsewhere": sum(server.elsewhere for server in servers),
            "problems": len(self._kubelet.background.problems),
        }

    async def restart(self, name: str) -> None:
        server = self._kubelet.servers[name]
        server.close()
        server.stub.restart()
        await server.open()


async def _run(folder: Path, certificates: Path, server: str, namespace: str) -> None:
    user = KeyPair(certificates / "admin.crt", certificates / "admin.key")
    async with ApiClient(server, certificates / "ca.crt", user) as client:
        # Held for as long as the pods are played: what nobody holds is the next cluster's.
        reservation = Reservation()
        kubelet = Kubelet(client, namespace, reservation.block)
        async with await rpc.serve(folder, _Farm(kubelet).table()):
            await kubelet.run()
        reservation.close()


if __name__ == "__main__":
    uvloop.run(_run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
