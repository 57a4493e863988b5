"""Warning Events of pods, for `kubectl describe`."""

from tests.kube.apiclient import UNREACHABLE, ApiClient, Json
from tests.kube.errors import ApiError
from tests.kube.runner.background import Background
from tests.kube.runner.environment import Node
from tests.kube.runner.states import now


class Events:
    """Writes Events beside everything else; one that can't be written is lost, as a kubelet's is."""

    def __init__(self, client: ApiClient, node: Node, background: Background) -> None:
        self._client = client
        self._node = node
        self._background = background

    def warn(self, pod: Json, reason: str, message: str) -> None:
        """Write a Warning about the pod."""
        self._background.start(self._write(pod, reason, message))

    async def _write(self, pod: Json, reason: str, message: str) -> None:
        metadata, time = pod["metadata"], now()
        body = {
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "type": "Warning",
            "reason": reason,
            "message": message[:1000],
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
            "source": {"component": "pod-runner", "host": self._node.name},
        }
        try:
            await self._client.create(f"/api/v1/namespaces/{metadata['namespace']}/events", body)
        except (*UNREACHABLE, ApiError):
            return
