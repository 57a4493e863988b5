"""The pod runner itself: which pods there are, who binds them, and where each of them lives."""

import aiohttp

from tests.kube.apiclient import STRATEGIC_PATCH, ApiClient, Json
from tests.kube.control_plane import ControlPlane
from tests.kube.network import HOSTS_A_ROW, POD_ROWS, free_ports
from tests.kube.runner.background import Background, persistently, unless_gone
from tests.kube.runner.claims import Claims
from tests.kube.runner.container import Container
from tests.kube.runner.environment import Node
from tests.kube.runner.events import Events
from tests.kube.runner.faults import Faults
from tests.kube.runner.informer import Informer, key_of
from tests.kube.runner.launching import Images, Launcher
from tests.kube.runner.logserver import serve_logs
from tests.kube.runner.node import NAME, node_object
from tests.kube.runner.objects import Kind, Objects
from tests.kube.runner.pod import Grounds, Pod
from tests.kube.runner.relay import Relay
from tests.kube.runner.scheduler import decide
from tests.kube.runner.volumes import Sources
from tests.kube.settings import ClusterSettings


class PodRunner:
    """Kubelet and scheduler of one cluster."""

    def __init__(self, client: ApiClient, plane: ControlPlane, settings: ClusterSettings) -> None:
        self._client = client
        self._plane = plane
        self._settings = settings
        self._background = Background()
        self.faults = Faults()
        self._node = Node(NAME, plane.plan.block.node_address)
        self._pods: dict[str, Pod] = {}
        self._removed: set[str] = set()
        self._next_address = 0
        self._binding: set[str] = set()
        self._node_object: Json = {}
        self._pod_informer = Informer(client, "/api/v1/pods", self._changed, self._gone)
        self._node_informer = Informer(client, "/api/v1/nodes", self._node_changed, lambda _: None)
        self._objects = Objects(client, self._object_changed)
        self.claims = Claims(client, plane.plan.folder / "volumes", self._background, self._claim_bound)

    @property
    def problems(self) -> list[str]:
        """Errors of the pod runner itself."""
        return self._background.problems

    async def start(self, version: str) -> None:
        """Register the node and begin to look at pods."""
        plan, images = self._plane.plan, Images.of(self._settings)
        port = free_ports(self._node.address, 1)[0]
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
        server = plan.server
        if self._settings.network_faults:
            server = plan.server_for_pods
            way = Relay(plan.block.relay_address, plan.block.node_address, [plan.server_port], self.faults.server)
            self._background.start(way.run())
        launcher = Launcher(server, self._node, images, self._objects, self.faults, session)
        self._grounds = Grounds(
            client=self._client,
            launcher=launcher,
            sources=Sources(self._client, self._objects, self.claims, self._node),
            faults=self.faults,
            events=Events(self._client, self._node, self._background),
            background=self._background,
            folder=plan.folder / "pods",
            logs=plan.folder / "logs" / "pods",
            relayed=self._settings.network_faults,
        )
        await serve_logs(
            self._node.address, port, self._plane.node_server, self._plane.authority.certificate, self.container
        )
        await self.claims.prepare()
        await self._client.create("/api/v1/nodes", node_object(self._node.address, port, version))
        informers = [self._node_informer, *self._objects.informers.values(), self.claims.informer]
        for informer in informers:
            self._background.start(informer.run())
        for informer in informers:
            await informer.synced.wait()
        self._background.start(self._pod_informer.run())
        await self._pod_informer.synced.wait()

    def pods_named(self, namespace: str, name: str) -> list[Pod]:
        """The pods of this name on the node: none, one, or the one that is being removed and its successor."""
        return [pod for pod in self._pods.values() if (pod.namespace, pod.name) == (namespace, name)]

    def container(self, namespace: str, name: str, container: str | None = None) -> Container | None:
        """A container of the newest pod of this name, without a container's name its first."""
        for pod in self.pods_named(namespace, name)[-1:]:
            for found in [*pod.containers, *pod.init]:
                if container in {None, found.state.name}:
                    return found
        return None

    def reconsider(self) -> None:
        """Look again at everything that waits: a fault has been set or healed."""
        for item in list(self._pod_informer.items.values()):
            self._changed(item)
        for pod in self._pods.values():
            pod.nudge()

    def _changed(self, item: Json) -> None:
        uid, spec = item["metadata"]["uid"], item["spec"]
        if uid in self._pods:
            self._pods[uid].update(item)
        elif uid in self._removed:
            return  # the watch is behind what was done here, or a finalizer keeps the object
        elif spec.get("nodeName") == NAME:
            if item["status"].get("phase") not in {"Succeeded", "Failed"}:
                self._pods[uid] = Pod(item, self._free_address(), self._grounds, lambda: self._finished(uid))
                self._pods[uid].update(item)
        elif "nodeName" not in spec and uid not in self._binding:
            self._background.start(self._schedule(item))

    def _gone(self, item: Json) -> None:
        uid = item["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].vanish()
        self._removed.discard(uid)

    def _finished(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._removed.add(uid)

    async def _schedule(self, item: Json) -> None:
        namespace, name = key_of(item)
        uid = item["metadata"]["uid"]
        decision = decide(item, self._node_object, self.faults)
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        self._binding.add(uid)
        try:
            if decision.bind:
                target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
                body = {"metadata": {"name": name, "uid": uid}, "target": target}
                await unless_gone(persistently(lambda: self._client.create(f"{path}/binding", body)))
            elif decision.unschedulable and not _says(item, decision.unschedulable):
                condition = {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": decision.unschedulable,
                }
                body = {"metadata": {"uid": uid}, "status": {"conditions": [condition]}}
                await unless_gone(persistently(lambda: self._client.patch(f"{path}/status", body, STRATEGIC_PATCH)))
        finally:
            self._binding.discard(uid)

    def _node_changed(self, node: Json) -> None:
        if node["metadata"]["name"] == NAME:
            self._node_object = node
            self.reconsider()

    def _object_changed(self, kind: Kind, namespace: str, name: str) -> None:
        for pod in list(self._pods.values()):
            if pod.namespace == namespace:
                pod.object_changed(kind, name)

    def _claim_bound(self, namespace: str, name: str) -> None:
        for pod in list(self._pods.values()):
            if pod.namespace == namespace:
                pod.nudge()

    def _free_address(self) -> str:
        taken = {pod.address for pod in self._pods.values()}
        while True:
            address = self._plane.plan.block.pod_address(self._next_address % (POD_ROWS * HOSTS_A_ROW))
            self._next_address += 1
            if address not in taken:
                return address


def _says(item: Json, message: str) -> bool:
    return any(
        c["type"] == "PodScheduled" and c.get("message") == message for c in item["status"].get("conditions", [])
    )
