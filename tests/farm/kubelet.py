"""Gives the pods of one namespace addresses, servers and a status that says Ready."""

import asyncio
import base64
import ssl
import tempfile
from collections import deque
from typing import Any

from tests.farm.server import ControlServer, Fault
from tests.farm.stub import Stub
from tests.kube.apiclient import STRATEGIC_PATCH, ApiClient, Json
from tests.kube.network import Block
from tests.kube.runner.background import Background, persistently, unless_gone
from tests.kube.runner.informer import Informer, key_of

_AT_ONCE = 32
_UID_LABEL = "hedgegrid.io/uid"


class Kubelet:
    """Plays every pod of a namespace; pods are never bound to a node, so that their deletion takes no grace."""

    def __init__(self, client: ApiClient, namespace: str, block: Block) -> None:
        self._client = client
        self._namespace = namespace
        self._block = block
        self._next = 0
        self._free: deque[str] = deque()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._stores: dict[str, Stub] = {}
        self._starting: set[str] = set()
        self.background = Background()
        self.servers: dict[str, ControlServer] = {}
        """By the pod's name."""
        self._pods: dict[str, str] = {}
        self.arrivals: list[tuple[int, str, int, str]] = []
        """Of each document: wall clock (ns), pod, generation, kill switch."""
        self.faults: dict[str, Fault] = {}
        self._informer = Informer(client, f"/api/v1/namespaces/{namespace}/pods", self._changed, self._gone)

    async def run(self) -> None:
        """For ever."""
        await self._informer.run()

    def _changed(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        if "deletionTimestamp" not in pod["metadata"] and uid not in self._starting:
            self._starting.add(uid)
            self.background.start(self._start(pod))

    def _gone(self, pod: Json) -> None:
        _, name = key_of(pod)
        if self._pods.get(name) != pod["metadata"]["uid"]:
            return
        del self._pods[name]
        server = self.servers.pop(name)
        server.close()
        self._free.append(server.address)

    async def _start(self, pod: Json) -> None:
        _, name = key_of(pod)
        async with self._turn:
            tls = await self._tls(pod)
            if self._informer.items.get(key_of(pod), pod)["metadata"]["uid"] != pod["metadata"]["uid"]:
                return
            # The store belongs to the object: a pod that comes back holds what the one before held.
            stub = self._stores.setdefault(pod["metadata"]["labels"][_UID_LABEL], Stub())
            stub.restart()
            server = ControlServer(stub, self._address(), tls, lambda at, document: self._note(name, at, document))
            if name in self.servers:
                self.servers[name].close()
            self.servers[name], self._pods[name] = server, pod["metadata"]["uid"]
            await server.afflict(self.faults.get(name, Fault.NONE))
            await self._say_ready(pod, server.address)

    def _note(self, name: str, at: int, document: dict[str, Any]) -> None:
        self.arrivals.append((at, name, document["generation"], document["killSwitch"]))

    def _address(self) -> str:
        if self._free:
            return self._free.popleft()
        self._next += 1
        return self._block.pod_address(self._next - 1)

    async def _tls(self, pod: Json) -> ssl.SSLContext | None:
        """From the Secret that the pod mounts; None where it mounts none of that kind."""
        mounted = [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
        name = next((name for name in mounted if name.endswith("-tls")), None)
        if name is None:
            return None
        path = f"/api/v1/namespaces/{self._namespace}/secrets/{name}"
        data: dict[str, str] = (await persistently(lambda: self._client.get(path)))["data"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(data["tls.crt"]) + base64.b64decode(data["tls.key"]))
            pair.flush()
            context.load_cert_chain(pair.name)
        return context

    async def _say_ready(self, pod: Json, address: str) -> None:
        _, name = key_of(pod)
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/status"
        conditions = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized", "ContainersReady")]
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [*conditions, {"type": "Ready", "status": "True"}],
        }
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        await unless_gone(persistently(lambda: self._client.patch(path, body, STRATEGIC_PATCH)))
