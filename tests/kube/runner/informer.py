"""List, then watch, then list again when the watch is lost: the objects of one collection as last seen."""

import asyncio
from collections.abc import Callable

from tests.kube.apiclient import UNREACHABLE, ApiClient, Json
from tests.kube.errors import ApiError
from tests.kube.runner.background import RETRY_SECONDS

type Key = tuple[str, str]


def key_of(item: Json) -> Key:
    """Namespace and name."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Informer:
    """Calls `changed` for every new state of an object and `gone` with the last state of one that was deleted."""

    def __init__(
        self, client: ApiClient, path: str, changed: Callable[[Json], None], gone: Callable[[Json], None]
    ) -> None:
        self._client = client
        self._path = path
        self._changed = changed
        self._gone = gone
        self.items: dict[Key, Json] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Follow the collection for ever; an API server that is away is waited for."""
        while True:
            try:
                version = await self._list()
                self.synced.set()
                await self._watch(version)
            except (*UNREACHABLE, ApiError):
                await asyncio.sleep(RETRY_SECONDS)

    async def _list(self) -> str:
        answer = await self._client.get(self._path)
        now = {key_of(item): item for item in answer["items"]}
        for key, old in list(self.items.items()):
            if key not in now or now[key]["metadata"]["uid"] != old["metadata"]["uid"]:
                del self.items[key]
                self._gone(old)
        for key, item in now.items():
            known = self.items.get(key)
            if not known or known["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                self.items[key] = item
                self._changed(item)
        return answer["metadata"]["resourceVersion"]

    async def _watch(self, version: str) -> None:
        while True:
            async for kind, item in self._client.watch(self._path, version):
                version = item["metadata"]["resourceVersion"]
                if kind == "DELETED":
                    self.items.pop(key_of(item), None)
                    self._gone(item)
                else:
                    self.items[key_of(item)] = item
                    self._changed(item)
