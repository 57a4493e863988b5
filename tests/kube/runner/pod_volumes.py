"""The volumes of one pod: filled before its start, kept up to date while it runs."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.kube.apiclient import Json
from tests.kube.runner import volumes
from tests.kube.runner.background import persistently
from tests.kube.runner.objects import Kind
from tests.kube.runner.problems import NotYetError
from tests.kube.runner.substitution import Substitution
from tests.kube.runner.volumes import Sources

TOKEN_REFRESH = 0.8


class PodVolumes:
    """Folders by volume name. `pod` gives the object as last seen, `address` is where the pod's process listens."""

    def __init__(self, pod: Callable[[], Json], folder: Path, address: str, sources: Sources) -> None:
        self._pod = pod
        self._folder = folder
        self._address = address
        self._sources = sources
        self.folders: dict[str, Path] = {}
        self.filled = False

    async def fill(self) -> None:
        """Make every volume; raises NotYetError, UnsupportedError, ApiError."""
        namespace = self._pod()["metadata"]["namespace"]
        for volume in self._volumes:
            self.folders[volume["name"]] = volumes.folder_of(volume, namespace, self._folder, self._sources.claims)
        for volume in self._volumes:
            await self._fill(volume)
        self.filled = True

    def of_object(self, kind: Kind, name: str) -> list[Json]:
        """The volumes whose content comes from this ConfigMap or Secret."""
        return [volume for volume in self._volumes if volumes.names_object(volume, kind, name)]

    def of_pod(self) -> list[Json]:
        """The volumes whose content comes from the pod's own fields."""
        return [volume for volume in self._volumes if "downwardAPI" in str(volume)]

    async def refill(self, chosen: Sequence[Json]) -> None:
        """Write the content of these volumes again; what isn't there any more stays as it was."""
        if not self.filled:
            return
        for volume in chosen:
            try:
                await self._fill(volume)
            except NotYetError:
                continue

    async def keep_tokens(self) -> None:
        """Renew tokens before they expire; returns where there are none."""
        with_tokens = [volume for volume in self._volumes if volumes.token_lives([volume])]
        while with_tokens:
            await asyncio.sleep(min(volumes.token_lives(with_tokens)) * TOKEN_REFRESH)
            await self.refill(with_tokens)

    @property
    def _volumes(self) -> list[Json]:
        found: list[Json] = self._pod()["spec"].get("volumes", [])
        return found

    async def _fill(self, volume: Json) -> None:
        pod = self._pod()
        mounts: dict[str, str] = {}
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            mounts |= volumes.mount_folders(container, self.folders)
        substitute = Substitution(self._address, mounts)
        folder = self.folders[volume["name"]]
        await persistently(lambda: volumes.fill(volume, folder, pod, self._sources, substitute))
