"""Own LISTs, since a watch can go silent: of what is watched every few seconds, of the other children every minute.

The first one bounds how long a change can go unseen; the second one finds children that were changed, deleted, or left
behind by an object that is gone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from hedgegrid_operator.apply import LISTED, Children
from hedgegrid_operator.cache import WATCHED, Cache, Change
from hedgegrid_operator.desired.naming import api_secret_name
from hedgegrid_operator.events import Note, Recorder
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    HEDGE_GRID,
    POD,
    SECRET,
    STATEFUL_SET,
    UID_LABEL,
    GridRef,
    Json,
    Kind,
    labels_of,
    metadata,
    resource_version,
    uid_of,
)

type Observe = Callable[[Kind, Json], None]
type React = Callable[[str, Change], None]


class Resync:
    """Lists everything, and compares it with the cache."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        children: Children,
        recorder: Recorder,
        namespaces: tuple[str | None, ...],
        *,
        observe: Observe,
        react: React,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._recorder = recorder
        self._namespaces = namespaces
        self._observe = observe
        self._react = react
        self.done_at: float | None = None
        """When the last complete LIST of what is watched ended (loop time)."""
        self.config_maps: dict[str, list[str]] = {}
        """Names of each grid's ConfigMaps, as last listed."""

    async def watched(self) -> None:
        """List grids, StatefulSets and pods; raises `ApiError`, `ApiUnreachableError`."""
        for namespace in self._namespaces:
            for kind in WATCHED:
                listed: list[str] = []
                version = 0
                selector = "" if kind is HEDGE_GRID else UID_LABEL
                async for items, found in self._kube.pages(kind, namespace, selector):
                    # Every page repeats the version of the whole list.
                    version = version or found
                    for item in items:
                        listed.append(uid_of(item))
                        self._observe(kind, item)
                    await asyncio.sleep(0)
                for uid, change in self._cache.missing(kind, listed, version, namespace):
                    self._react(uid, change)
        self.done_at = asyncio.get_running_loop().time()

    async def children(self) -> set[str]:
        """Check the children that aren't watched; uids of the grids that have to be looked at."""
        stale: set[str] = set()
        found: defaultdict[str, dict[tuple[str, str], Json]] = defaultdict(dict)
        for namespace in self._namespaces:
            for kind in LISTED:
                async for items, _ in self._kube.pages(kind, namespace, UID_LABEL, metadata_only=True):
                    for item in items:
                        found[labels_of(item)[UID_LABEL]][kind.kind, str(metadata(item)["name"])] = item
        for uid in self._cache.grids():
            present = found.pop(uid, {})
            self.config_maps[uid] = [name for kind, name in present if kind == CONFIG_MAP.kind]
            for kind in LISTED:
                for name in self._children.names(uid, kind):
                    item = present.get((kind.kind, name))
                    if not self._children.seen(uid, kind, name, resource_version(item) if item else None):
                        stale.add(uid)
        for uid, left in found.items():
            await self._sweep(uid, left)
        return stale

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self.config_maps.pop(uid, None)

    async def _sweep(self, uid: str, left: dict[tuple[str, str], Json]) -> None:
        """Remove children of an object that is gone (its finalizer was taken off by hand, say)."""
        sample = next(iter(left.values()))
        name = labels_of(sample).get("app.kubernetes.io/instance", "")
        grid = GridRef(str(metadata(sample)["namespace"]), name, uid)
        if self._cache.grid(uid) is not None:
            return
        owner = await self._kube.get(HEDGE_GRID, grid.namespace, name, metadata_only=True) if name else None
        if owner is not None and uid_of(owner) == uid:
            return
        sets = self._cache.stateful_set(uid)
        if sets is not None:
            await self._children.remove(grid, STATEFUL_SET, sets.name)
        pod = self._cache.pod(uid)
        if pod is not None and not pod.deleting:
            await self._kube.delete(POD, grid.namespace, pod.name, pod.uid)
        # Before what led us here: it is found by name only.
        await self._children.remove(grid, SECRET, api_secret_name(name))
        for kind in LISTED:
            for found, child in left:
                if found == kind.kind:
                    await self._children.remove(grid, kind, child)
        text = (
            f"HedgeGrid {name} is gone, but its children were still there; they are removed without a flatten: look at "
            "the venue for positions and orders"
        )
        self._recorder.tell(grid, Note("Orphaned", text, warning=True))
