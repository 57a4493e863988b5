"""What the watches and LISTs have shown: each grid with its StatefulSet and pod, by the grid's uid."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from enum import Enum

from hedgegrid_api.deletion import intent_of, policy_of
from hedgegrid_api.types import GROUP
from hedgegrid_operator.desired.naming import child_name, pod_name
from hedgegrid_operator.objects import (
    HEDGE_GRID,
    POD,
    STATEFUL_SET,
    GridRef,
    Json,
    Kind,
    annotations_of,
    metadata,
    packed,
    resource_version,
    section,
    uid_of,
    unpacked,
)
from hedgegrid_operator.observed import Controls, PodView, StatefulSetView, controls_of, pod_of, stateful_set_of
from hedgegrid_operator.pod_state import TAKEN, PodState

_GONE_MAX = 10_000
"""Uids of objects that are gone, kept so that an old LIST doesn't bring them back."""
_OURS = f"{GROUP}/"
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


class Entry:
    """A grid as last seen. The object is kept packed."""

    __slots__ = ("_text", "controls")

    def __init__(self, obj: Json, controls: Controls) -> None:
        self._text = packed(obj)
        self.controls = controls

    @property
    def obj(self) -> Json:
        """The object, a new copy each time."""
        return unpacked(self._text)


def target_of(grid: Json) -> Target:
    """What a grid trades."""
    spec = section(grid, "spec")
    return str(spec.get("mode")), str(section(spec, "account").get("name")), str(spec.get("instrument"))


def _deleted(entry: Entry, at: datetime) -> Controls:
    """The controls of a grid that is as good as deleted."""
    return replace(entry.controls, deleted=at, deletion=intent_of(policy_of(section(entry.obj, "spec"))))


class _Kept[View: (PodView, StatefulSetView)]:
    """Children of one kind, by namespace and name."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, str], View] = {}

    def keep(self, view: View, *, deleted: bool) -> bool:
        """Take over a state; an older object of the same name never replaces a newer one. True when that is news."""
        key = view.namespace, view.name
        known = self._views.get(key)
        if deleted:
            if known is None or known.uid != view.uid:
                return False
            del self._views[key]
            return True
        if known is not None and known.resource_version >= view.resource_version:
            return False
        self._views[key] = view
        return True

    def version(self, obj: Json) -> int | None:
        """The version in which an object is known, None where it isn't."""
        about = metadata(obj)
        known = self._views.get((str(about.get("namespace")), str(about.get("name"))))
        return known.resource_version if known is not None and known.uid == uid_of(obj) else None

    def of(self, ref: GridRef, name: str) -> View | None:
        """A grid's child by its name; one that carries the label under another name, or elsewhere, isn't ours."""
        found = self._views.get((ref.namespace, name))
        return found if found is not None and found.grid_uid == ref.uid else None

    def absent(self, listed: set[str], version: int, namespace: str | None) -> list[str]:
        """Forget what a LIST doesn't hold; the uids of the grids that lost something."""
        gone = [
            (key, view)
            for key, view in self._views.items()
            if view.uid not in listed and view.resource_version < version and namespace in {None, view.namespace}
        ]
        for key, _ in gone:
            del self._views[key]
        return [view.grid_uid for _, view in gone]

    def rewind(self) -> None:
        """Let whatever is seen next count as newer."""
        self._views = {key: replace(view, resource_version=0) for key, view in self._views.items()}

    def orphans(self, alive: Collection[str]) -> list[View]:
        """Children of grids that aren't there."""
        return [view for view in self._views.values() if view.grid_uid not in alive]


class Cache:
    """The last state of everything watched. Older states than the one held are ignored."""

    def __init__(self) -> None:
        self._grids: dict[str, Entry] = {}
        self._stateful_sets = _Kept[StatefulSetView]()
        self._pods = _Kept[PodView]()
        self._by_target: defaultdict[Target, set[str]] = defaultdict(set)
        self._gone: dict[str, None] = {}
        self._taken: dict[str, PodView] = {}
        self._doomed: dict[str, datetime] = {}

    def grid(self, uid: str) -> Entry | None:
        """A grid, None where there is none any more."""
        return self._grids.get(uid)

    def grids(self) -> Iterator[str]:
        """Uids of all grids."""
        return iter(tuple(self._grids))

    def stateful_set(self, uid: str) -> StatefulSetView | None:
        """A grid's StatefulSet."""
        entry = self._grids.get(uid)
        ref = entry.controls.ref if entry else None
        return self._stateful_sets.of(ref, child_name(ref.name)) if ref else None

    def pod(self, uid: str) -> PodView | None:
        """A grid's pod."""
        entry = self._grids.get(uid)
        ref = entry.controls.ref if entry else None
        return self._pods.of(ref, pod_name(ref.name)) if ref else None

    def taken(self, uid: str) -> PodView | None:
        """The pod that was evicted or lost with its node, until the one that follows it says how it is itself."""
        return self._taken.get(uid)

    def doom(self, uid: str, now: datetime) -> bool:
        """A grid goes with its namespace, and counts as deleted from now on; False where that is known already."""
        entry = self._grids.get(uid)
        if entry is None or entry.controls.deleted is not None:
            return False
        self._doomed[uid] = now
        entry.controls = _deleted(entry, now)
        return True

    def doomed(self, uid: str) -> bool:
        """Whether a grid's namespace is known to be terminated."""
        return uid in self._doomed

    def orphans(self) -> tuple[list[StatefulSetView], list[PodView]]:
        """StatefulSets and pods whose grid isn't there."""
        return self._stateful_sets.orphans(self._grids), self._pods.orphans(self._grids)

    def rivals(self, uid: str) -> tuple[str, ...]:
        """Uids of the other grids with the same target."""
        entry = self._grids.get(uid)
        return tuple(self._by_target[target_of(entry.obj)] - {uid}) if entry else ()

    def observe(self, kind: Kind, obj: Json, *, deleted: bool = False) -> tuple[str, Change]:
        """Take over a state of an object; returns the grid's uid and what changed."""
        if kind is HEDGE_GRID:
            return self._observe_grid(obj, deleted=deleted)
        if kind is POD:
            return self._observe_pod(pod_of(obj), deleted=deleted)
        found = stateful_set_of(obj)
        news = self._stateful_sets.keep(found, deleted=deleted)
        return found.grid_uid, Change.STATEFUL_SET if news else Change.NOTHING

    def holds(self, kind: Kind, obj: Json) -> bool:
        """Whether this state of an object, or a newer one, is known; its metadata is enough to tell."""
        held = self._version(kind, obj)
        return (kind is HEDGE_GRID and uid_of(obj) in self._gone) or (
            held is not None and held >= resource_version(obj)
        )

    def contradicts(self, kind: Kind, obj: Json, version: int) -> bool:
        """Whether an object, as a consistent LIST of this version has it, is older than what was there by then: the
        API server's store was replaced by an older copy of it.
        """
        held = self._version(kind, obj)
        return held is not None and resource_version(obj) < held <= version

    def _version(self, kind: Kind, obj: Json) -> int | None:
        if kind is HEDGE_GRID:
            entry = self._grids.get(uid_of(obj))
            return entry.controls.resource_version if entry else None
        return (self._pods if kind is POD else self._stateful_sets).version(obj)

    def rewind(self) -> None:
        """Forget the order of states: the API server's store was replaced by an older copy of it.

        What is seen next counts as newer than what is held, and what was gone may be there again.
        """
        self._gone.clear()
        self._stateful_sets.rewind()
        self._pods.rewind()
        for entry in self._grids.values():
            entry.controls = replace(entry.controls, resource_version=0)

    def _observe_pod(self, pod: PodView, *, deleted: bool) -> tuple[str, Change]:
        if not self._pods.keep(pod, deleted=deleted):
            return pod.grid_uid, Change.NOTHING
        if deleted and pod.state in TAKEN:
            self._taken[pod.grid_uid] = pod
        elif not deleted and pod.state is not PodState.STARTING:
            self._taken.pop(pod.grid_uid, None)
        return pod.grid_uid, Change.POD

    def missing(
        self, kind: Kind, listed: Iterable[str], version: int, namespace: str | None
    ) -> list[tuple[str, Change]]:
        """Forget what a complete LIST of resource version `version` doesn't hold (by the objects' own uids)."""
        present = set(listed)
        if kind is POD:
            return [(uid, Change.POD) for uid in self._pods.absent(present, version, namespace)]
        if kind is STATEFUL_SET:
            return [(uid, Change.STATEFUL_SET) for uid in self._stateful_sets.absent(present, version, namespace)]
        gone = [
            entry.obj
            for uid, entry in self._grids.items()
            if uid not in present
            and entry.controls.resource_version < version
            and namespace in {None, entry.controls.ref.namespace}
        ]
        return [self._observe_grid(obj, deleted=True) for obj in gone]

    def _observe_grid(self, obj: Json, *, deleted: bool) -> tuple[str, Change]:
        uid = uid_of(obj)
        if not uid:
            return uid, Change.NOTHING
        held = self._grids.get(uid)
        if deleted:
            self._gone[uid] = None
            if len(self._gone) > _GONE_MAX:
                del self._gone[next(iter(self._gone))]
            return uid, Change.GRID_GONE if self._drop(uid) else Change.NOTHING
        if uid in self._gone or (held and resource_version(obj) <= held.controls.resource_version):
            return uid, Change.NOTHING
        controls = controls_of(obj)
        # Half of an object's size, and read above; of annotations only ours. (A copy: the watch holds the original.)
        about = {name: value for name, value in metadata(obj).items() if name != "managedFields"}
        about["annotations"] = {name: text for name, text in annotations_of(obj).items() if name.startswith(_OURS)}
        entry = self._grids[uid] = Entry({**obj, "metadata": about}, controls)
        if controls.deleted is None and uid in self._doomed:
            entry.controls = _deleted(entry, self._doomed[uid])
        if held is None:
            self._by_target[target_of(obj)].add(uid)
        return uid, Change.GRID

    def _drop(self, uid: str) -> bool:
        held = self._grids.pop(uid, None)
        self._taken.pop(uid, None)
        self._doomed.pop(uid, None)
        if held is None:
            return False
        target = target_of(held.obj)
        self._by_target[target].discard(uid)
        if not self._by_target[target]:
            del self._by_target[target]
        return True
