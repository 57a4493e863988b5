"""What the watches and LISTs have shown: each grid with its StatefulSet and pod, by the grid's uid."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hedgegrid_operator.objects import (
    HEDGE_GRID,
    POD,
    STATEFUL_SET,
    UID_LABEL,
    Json,
    Kind,
    labels_of,
    metadata,
    resource_version,
    section,
    uid_of,
)
from hedgegrid_operator.observed import Controls, PodView, StatefulSetView, controls_of, pod_of, stateful_set_of

WATCHED = (HEDGE_GRID, STATEFUL_SET, POD)

type Sink = Callable[[Kind, Json, bool], None]
"""Takes an object that was seen, and whether it was deleted."""

type Target = tuple[str, str, str]
"""Mode, account and instrument: what only one grid may have."""


class Change(Enum):
    """What an event changed in the cache."""

    NOTHING = "nothing"
    GRID = "grid"
    GRID_GONE = "grid gone"
    STATEFUL_SET = "statefulset"
    POD = "pod"


@dataclass(slots=True)
class Entry:
    """A grid as last seen."""

    obj: Json
    controls: Controls


def target_of(grid: Json) -> Target:
    """What a grid trades."""
    spec = section(grid, "spec")
    return str(spec.get("mode")), str(section(spec, "account").get("name")), str(spec.get("instrument"))


class Cache:
    """The last state of everything watched. Older states than the one held are ignored."""

    def __init__(self) -> None:
        self._grids: dict[str, Entry] = {}
        self._stateful_sets: dict[str, StatefulSetView] = {}
        self._pods: dict[str, PodView] = {}
        self._by_target: defaultdict[Target, set[str]] = defaultdict(set)
        self._gone: dict[str, None] = {}

    def grid(self, uid: str) -> Entry | None:
        """A grid, None where there is none any more."""
        return self._grids.get(uid)

    def grids(self) -> Iterator[str]:
        """Uids of all grids."""
        return iter(tuple(self._grids))

    def stateful_set(self, uid: str) -> StatefulSetView | None:
        """A grid's StatefulSet."""
        return self._stateful_sets.get(uid)

    def pod(self, uid: str) -> PodView | None:
        """A grid's pod."""
        return self._pods.get(uid)

    def rivals(self, uid: str) -> tuple[str, ...]:
        """Uids of the other grids with the same target."""
        entry = self._grids.get(uid)
        return tuple(self._by_target[target_of(entry.obj)] - {uid}) if entry else ()

    def observe(self, kind: Kind, obj: Json, *, deleted: bool = False) -> tuple[str, Change]:
        """Take over a state of an object; returns the grid's uid and what changed."""
        if kind is HEDGE_GRID:
            return self._observe_grid(obj, deleted=deleted)
        uid = labels_of(obj).get(UID_LABEL, "")
        if kind is POD:
            return uid, Change.POD if _keep(self._pods, uid, pod_of(obj), deleted=deleted) else Change.NOTHING
        held = _keep(self._stateful_sets, uid, stateful_set_of(obj), deleted=deleted)
        return uid, Change.STATEFUL_SET if held else Change.NOTHING

    def missing(
        self, kind: Kind, listed: Iterable[str], version: int, namespace: str | None
    ) -> list[tuple[str, Change]]:
        """Forget what a complete LIST of resource version `version` doesn't hold (by the objects' own uids)."""
        present = set(listed)
        gone: list[tuple[str, Change]] = []
        if kind is HEDGE_GRID:
            for uid, entry in tuple(self._grids.items()):
                absent = uid not in present and entry.controls.resource_version < version
                if absent and namespace in {None, entry.controls.ref.namespace}:
                    gone.append(self._observe_grid(entry.obj, deleted=True))
            return gone
        held: dict[str, Any] = self._pods if kind is POD else self._stateful_sets
        change = Change.POD if kind is POD else Change.STATEFUL_SET
        for uid, view in tuple(held.items()):
            entry = self._grids.get(uid)
            elsewhere = namespace is not None and (entry is None or entry.controls.ref.namespace != namespace)
            if view.uid not in present and view.resource_version < version and not elsewhere:
                del held[uid]
                gone.append((uid, change))
        return gone

    def _observe_grid(self, obj: Json, *, deleted: bool) -> tuple[str, Change]:
        uid = uid_of(obj)
        held = self._grids.get(uid)
        if deleted:
            self._gone[uid] = None
            if len(self._gone) > 10_000:
                del self._gone[next(iter(self._gone))]
            if held is None:
                return uid, Change.NOTHING
            del self._grids[uid]
            target = target_of(held.obj)
            self._by_target[target].discard(uid)
            if not self._by_target[target]:
                del self._by_target[target]
            return uid, Change.GRID_GONE
        if uid in self._gone or (held and resource_version(obj) <= held.controls.resource_version):
            return uid, Change.NOTHING
        controls = controls_of(obj)
        # Half of an object's size, and read above. (A copy: the watch still holds the original.)
        about = {name: value for name, value in metadata(obj).items() if name != "managedFields"}
        self._grids[uid] = Entry({**obj, "metadata": about}, controls)
        if held is None:
            self._by_target[target_of(obj)].add(uid)
        return uid, Change.GRID


def _keep[View: (PodView, StatefulSetView)](held: dict[str, View], uid: str, view: View, *, deleted: bool) -> bool:
    """Take over a child's state; an older object of the same name never replaces a newer one."""
    known = held.get(uid)
    if deleted:
        if known is None or known.uid != view.uid:
            return False
        del held[uid]
        return True
    if known is not None and known.resource_version >= view.resource_version:
        return False
    held[uid] = view
    return True
