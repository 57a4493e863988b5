"""Own LISTs, since a watch can go silent: of what is watched every few seconds, of the other children every minute.

The first one bounds how long a change can go unseen; the second one finds children that were changed, deleted, or left
behind by an object that is gone.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from hedgegrid_operator.apply import LISTED, Children
from hedgegrid_operator.cache import WATCHED, Cache, Change
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.liveness import Attempts
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    HEDGE_GRID,
    NETWORK_POLICY,
    UID_LABEL,
    Json,
    Kind,
    labels_of,
    metadata,
    resource_version,
    uid_of,
)
from hedgegrid_operator.served import OPTIONAL, Served, left_out

log = logging.getLogger(__name__)

type Left = dict[str, dict[tuple[str, str], Json]]
"""Children by the uid on their label, then by kind and name."""
type Observe = Callable[[Kind, Json], None]
type React = Callable[[str, Change], None]


_FEW = 16
"""Objects that are read one by one."""
_MAY_GO = (NETWORK_POLICY, *OPTIONAL)
"""Children that a grid has or hasn't, by a setting or its spec."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the children has found."""

    stale: frozenset[str]
    """Grids that have to be looked at: a child was changed or is gone."""
    spare: dict[str, list[tuple[Kind, str]]]
    """Of grids that are there, children that may have to go."""
    left: Left
    """Children of no grid that is there."""


class Resync:
    """Lists everything, and compares it with the cache."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        children: Children,
        namespaces: tuple[str | None, ...],
        served: Served,
        *,
        observe: Observe,
        react: React,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._namespaces = namespaces
        self._served = served
        self._observe = observe
        self._react = react
        self.done_at: float | None = None
        """When the last complete LIST of what is watched ended (loop time)."""
        self.attempts = Attempts()
        """How these LISTs go."""
        self._versions: dict[tuple[Kind, str | None], int] = {}
        self.silent: Callable[[], None] = lambda: None
        """Called when a watch has missed a change."""
        self._heard: dict[tuple[Kind, str | None], int] = {}
        """The newest version that each watch has told."""
        self._missed: dict[tuple[Kind, str | None], int] = {}
        """A newer one that the last LIST has found."""

    async def watched(self) -> None:
        """List grids, StatefulSets and pods; raises `ApiError`, `ApiUnreachableError`.

        Once all of them were read, metadata tell what has changed unseen, and only that is read.
        """
        for namespace in self._namespaces:
            for kind in WATCHED:
                listed: list[str] = []
                changed: list[tuple[str, str]] = []
                version = newest = 0
                async for found, items in self._pages(kind, namespace, metadata_only=self.done_at is not None):
                    # Every page repeats the version of the whole list.
                    version = version or self._in_order(kind, namespace, found)
                    for item in items:
                        listed.append(uid_of(item))
                        if self.done_at is None:
                            self._observe(kind, item)
                            continue
                        if self._cache.contradicts(kind, item, version):
                            self._gone_back(f"{kind.plural} {metadata(item).get('name')} is older than it was")
                        if not self._cache.holds(kind, item):
                            about = metadata(item)
                            changed.append((str(about.get("namespace")), str(about.get("name"))))
                            newest = max(newest, resource_version(item))
                await self._read(kind, namespace, changed)
                for uid, change in self._cache.missing(kind, listed, version, namespace):
                    self._react(uid, change)
                self._judge(kind, namespace, newest)
        self.done_at = asyncio.get_running_loop().time()
        self.attempts.succeeded()

    def _gone_back(self, what: str) -> None:
        log.warning("the API server's store went back: was it restored? (%s)", what)
        self._cache.rewind()
        self._children.rewind()
        for known in (self._versions, self._heard, self._missed):
            known.clear()

    def heard(self, kind: Kind, obj: Json) -> None:
        """A watch has told of an object."""
        namespace = metadata(obj).get("namespace")
        watched = kind, namespace if namespace in self._namespaces else None
        self._heard[watched] = max(resource_version(obj), self._heard.get(watched, 0))

    def _judge(self, kind: Kind, namespace: str | None, newest: int) -> None:
        """A watch that hasn't told by the next LIST what one has found is dead, whatever it looks like."""
        heard, missed = self._heard.get((kind, namespace), 0), self._missed.pop((kind, namespace), 0)
        if missed > heard:
            log.warning("the watch of %s is silent: a LIST has found what it didn't tell", kind.plural)
            self.silent()
        elif newest > heard:
            self._missed[kind, namespace] = newest

    async def _pages(
        self, kind: Kind, namespace: str | None, name: str = "", *, metadata_only: bool = False
    ) -> AsyncIterator[tuple[int, list[Json]]]:
        selector = "" if kind is HEDGE_GRID else UID_LABEL
        fields = f"metadata.name={name}" if name else ""
        async for items, found in self._kube.pages(
            kind, namespace, selector, fields=fields, metadata_only=metadata_only
        ):
            yield found, items
            self.attempts.going_on()
            await asyncio.sleep(0)

    async def _read(self, kind: Kind, namespace: str | None, changed: list[tuple[str, str]]) -> None:
        """Read what has changed: one by one, or, where that is more than a few, everything."""
        few = len(changed) <= _FEW
        for place, name in changed if few else [(namespace, "")]:
            async for _, items in self._pages(kind, place, name):
                for item in items:
                    self._observe(kind, item)

    def _in_order(self, kind: Kind, namespace: str | None, version: int) -> int:
        """The version of a list; one that is lower than before tells that the store is an older copy."""
        before = self._versions.get((kind, namespace), 0)
        if version < before:
            self._gone_back(f"{before} was followed by {version}")
        self._versions[kind, namespace] = version
        return version

    async def children(self) -> Checked:
        """Check the children that aren't watched. Raises `ApiError`, `ApiUnreachableError`."""
        found: Left = defaultdict(dict)
        complete: Counter[Kind] = Counter()
        versions: dict[tuple[Kind, str | None], int] = {}
        for namespace in self._namespaces:
            for kind in (*LISTED, *self._served.kinds):
                with left_out(kind):
                    async for items, version in self._kube.pages(kind, namespace, UID_LABEL, metadata_only=True):
                        versions[kind, namespace] = version
                        for item in items:
                            found[labels_of(item)[UID_LABEL]][kind.kind, str(metadata(item)["name"])] = item
                    complete[kind] += 1
        kinds = [kind for kind, times in complete.items() if times == len(self._namespaces)]
        stale: set[str] = set()
        spare: dict[str, list[tuple[Kind, str]]] = {}
        for uid in self._cache.grids():
            present = found.pop(uid, {})
            if self._any_changed(uid, kinds, present, versions):
                stale.add(uid)
            if several := _spare(present):
                spare[uid] = several
        return Checked(frozenset(stale), spare, found)

    def _any_changed(
        self,
        uid: str,
        kinds: list[Kind],
        present: dict[tuple[str, str], Json],
        versions: dict[tuple[Kind, str | None], int],
    ) -> bool:
        """Compare all children of the kinds that were listed with what was applied."""
        intact, entry = True, self._cache.grid(uid)
        namespace = entry.controls.ref.namespace if entry else None
        watched = namespace if namespace in self._namespaces else None
        for kind in kinds:
            for name in self._children.names(uid, kind):
                item, version = present.get((kind.kind, name)), versions.get((kind, watched), 0)
                intact &= self._children.listed(uid, kind, name, item, version)
        return not intact


def _spare(present: dict[tuple[str, str], Json]) -> list[tuple[Kind, str]]:
    """Of a grid's children, those that may have to go: all ConfigMaps where there are several, for one is needed."""
    maps = [(CONFIG_MAP, name) for kind, name in present if kind == CONFIG_MAP.kind]
    others = [(kind, name) for kind in _MAY_GO for found, name in present if found == kind.kind]
    return (maps if len(maps) > 1 else []) + others
