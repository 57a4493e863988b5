"""Children by forced Server-Side Apply: only what is ours, and only when something has changed.

A name that belongs to an object without our uid label is never adopted. What was applied is remembered with the
version that came back, so that an unchanged child costs no request, and a changed one is put back.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from hedgegrid_operator.contention import ApplyConflictError, Contention, taken_field
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    MANIFEST_ANNOTATION,
    NETWORK_POLICY,
    PROMETHEUS_RULE,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
    UID_LABEL,
    GridRef,
    Json,
    Kind,
    annotations_of,
    as_object,
    labels_of,
    metadata,
    packed,
    resource_version,
    uid_of,
    unpacked,
)

log = logging.getLogger(__name__)

NEVER = "1"
"""A resource version that no object of a cluster has."""
LISTED = (CONFIG_MAP, SERVICE, SERVICE_ACCOUNT, ROLE, ROLE_BINDING, DISRUPTION_BUDGET, NETWORK_POLICY)
"""Children that no watch follows: listed by label from time to time, by metadata only. Further ones: `served.py`."""


_WITH_STATUS = (STATEFUL_SET, DISRUPTION_BUDGET, SERVICE_MONITOR, PROMETHEUS_RULE)


class NameTakenError(Exception):
    """A child's name belongs to somebody else's object."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(f"{kind.kind} {name} isn't ours")
        self.kind = kind
        self.name = name


@dataclass(slots=True)
class Applied:
    """A child as it was when we applied it."""

    text: bytes
    """The manifest, packed."""
    own_uid: str
    """The child's uid."""
    version: int
    """Its resource version, or its generation (`version_of`)."""
    since: int
    """The resource version in which it was seen so: an older LIST tells nothing about it."""
    intact: bool = True
    """False once it was seen changed or gone."""
    doubted: bool = False
    """It has to be looked at before it counts as intact."""

    @property
    def manifest(self) -> Json:
        """What was applied."""
        return unpacked(self.text)


class Children:
    """The children of all grids, as applied since the operator started."""

    def __init__(self, kube: Kube, contention: Contention | None = None) -> None:
        self._kube = kube
        self._applied: dict[str, dict[tuple[str, str], Applied]] = {}
        self._contention = contention or Contention()

    def applied(self, uid: str, kind: Kind, name: str) -> Applied | None:
        """What was applied under this name."""
        return self._applied.get(uid, {}).get((kind.kind, name))

    def names(self, uid: str, kind: Kind) -> tuple[str, ...]:
        """Names of the children of a kind that were applied."""
        return tuple(name for found, name in self._applied.get(uid, {}) if found == kind.kind)

    def seen(self, uid: str, kind: Kind, name: str, version: int | None) -> bool:
        """Compare a child's version (None: it is gone) with what was applied; False: it has to be put back."""
        known = self.applied(uid, kind, name)
        if known is not None and version != known.version:
            known.intact = False
        return known is None or known.intact

    def listed(self, uid: str, kind: Kind, name: str, item: Json | None, list_version: int) -> bool:
        """The same for what a LIST of this version holds."""
        known = self.applied(uid, kind, name)
        if known is not None and list_version < known.since:
            return known.intact
        return self.seen(uid, kind, name, version_of(kind, item) if item else None)

    def rewind(self) -> None:
        """The API server's store was replaced by an older copy of it: any LIST counts."""
        for children in self._applied.values():
            for known in children.values():
                known.since = 0

    def doubt(self, uid: str) -> None:
        """Something of a grid is gone that nobody should have taken: look at all of its children."""
        for known in self._applied.get(uid, {}).values():
            known.doubted = True

    def forget(self, uid: str, kind: Kind | None = None, name: str = "") -> None:
        """A child, or the whole grid, is gone for good."""
        if kind is not None:
            self._applied.get(uid, {}).pop((kind.kind, name), None)
            return
        self._applied.pop(uid, None)
        self._contention.forget(uid)

    def disputed(self, uid: str, kind: Kind, name: str) -> str | None:
        """The conflict about a child that stands as it should, for the moment."""
        return self._contention.told(uid, kind, name, asyncio.get_running_loop().time())

    async def ensure(self, grid: GridRef, kind: Kind, manifest: Json) -> Json | None:
        """Apply a child unless it stands as applied; the object as it is then, None when nothing was to be done.

        Raises `NameTakenError`, `ApplyConflictError` (somebody else keeps changing it), and what `Kube` raises.
        """
        name, text = str(metadata(manifest)["name"]), packed(manifest)
        known = self.applied(grid.uid, kind, name)
        if known is not None and known.intact and not known.doubted and known.text == text:
            return None
        if known is None:
            obj = await self._create(kind, stamped(manifest, text))
            if obj is not None:
                return self._remember(grid, kind, name, text, obj)
        if known is None or not known.intact or known.doubted:
            found = await self._kube.get(kind, grid.namespace, name, metadata_only=True)
            # One whose label was taken away is still the one that we made.
            ours = found is None or labels_of(found).get(UID_LABEL) == grid.uid
            if found is not None and not ours and (known is None or uid_of(found) != known.own_uid):
                raise NameTakenError(kind, name)
            if known is not None:
                known.doubted, known.intact = False, _stands(known, kind, found)
                if known.intact and known.text == text:
                    return None
                if not known.intact:
                    self._contend(grid, kind, name, found, manifest)
        return self._remember(grid, kind, name, text, await self._apply(grid, kind, name, stamped(manifest, text)))

    def recognize(self, grid: GridRef, kind: Kind, manifest: Json, found: Json) -> bool:
        """Whether a child that was there before this process is as `ensure` would apply it; then it counts as
        applied.
        """
        text = packed(manifest)
        if labels_of(found).get(UID_LABEL) != grid.uid or not covers(found, stamped(manifest, text)):
            return False
        name = str(metadata(manifest)["name"])
        self._keep(grid, kind, name, text, found)
        return True

    async def remove(self, grid: GridRef, kind: Kind, name: str) -> bool:
        """Delete a child if it is ours; True when there was one."""
        self.forget(grid.uid, kind, name)
        found = await self._kube.get(kind, grid.namespace, name, metadata_only=True)
        if found is None or labels_of(found).get(UID_LABEL) != grid.uid:
            return False
        if "deletionTimestamp" in metadata(found):
            return True
        log.info("removed", extra=grid.fields(kind=kind.kind, child=name))
        # Foreground: of a StatefulSet that goes before its pod, the controller may still make another one.
        return await self._kube.delete(kind, grid.namespace, name, uid_of(found), foreground=kind is STATEFUL_SET)

    async def _create(self, kind: Kind, manifest: Json) -> Json | None:
        """Apply a child that isn't there; None where it is: one request for most children of a new grid.

        No object has ever been in version 1, so one that exists is in conflict with it and stays as it is; where there
        is none, the API server makes it and takes no notice.
        """
        new = {**manifest, "metadata": {**metadata(manifest), "resourceVersion": NEVER}}
        try:
            return await self._kube.apply(kind, new)
        except ApiError as error:
            if error.reason != "Conflict":
                raise
            return None

    def _keep(self, grid: GridRef, kind: Kind, name: str, text: bytes, obj: Json) -> None:
        applied = Applied(text, uid_of(obj), version_of(kind, obj), resource_version(obj))
        self._applied.setdefault(grid.uid, {})[kind.kind, name] = applied

    def _remember(self, grid: GridRef, kind: Kind, name: str, text: bytes, obj: Json) -> Json:
        self._keep(grid, kind, name, text, obj)
        log.info("applied", extra=grid.fields(kind=kind.kind, child=name))
        return obj

    async def _apply(self, grid: GridRef, kind: Kind, name: str, manifest: Json) -> Json:
        try:
            return await self._kube.apply(kind, manifest)
        except ApiError as error:
            if error.reason != "Invalid" or kind is not CONFIG_MAP:
                raise
            # Somebody made another one under its name; its content can't be changed, so it is made again.
            await self._kube.delete(kind, grid.namespace, name)
            return await self._kube.apply(kind, manifest)

    def _contend(self, grid: GridRef, kind: Kind, name: str, found: Json | None, manifest: Json) -> None:
        if self._contention.put_back(grid.uid, kind, name, asyncio.get_running_loop().time()):
            return
        field, manager = taken_field(found, manifest) if found else ("the whole object", "?")
        told = (
            f"{kind.kind} {name}: {field} is changed again and again by {manager}; stop it, or set the annotation "
            f"hedgegrid.io/reconcile to disabled; it is put back every {self._contention.pause:g} s"
        )
        self._contention.tell(grid.uid, kind, name, told)
        raise ApplyConflictError(told)


def _stands(known: Applied, kind: Kind, found: Json | None) -> bool:
    """Whether a child that was just read is the one that was applied, unchanged."""
    return found is not None and (uid_of(found), version_of(kind, found)) == (known.own_uid, known.version)


def stamped(manifest: Json, text: bytes) -> Json:
    """A manifest with the hash of its text as an annotation: what is applied, so that a later process recognizes it."""
    annotations = {**annotations_of(manifest), MANIFEST_ANNOTATION: hashlib.sha256(text).hexdigest()[:10]}
    return {**manifest, "metadata": {**metadata(manifest), "annotations": annotations}}


def covers(found: Any, wanted: Any) -> bool:
    """Whether everything that is wanted stands in what was found: fields that others have added don't count, items of
    lists do. The API server leaves out what is empty.
    """
    if isinstance(wanted, dict):
        known = as_object(found)
        return all(covers(known.get(name), value) for name, value in as_object(wanted).items())
    if isinstance(wanted, list):
        ours: list[Any] = wanted  # pyright: ignore[reportUnknownVariableType] — JSON
        theirs: list[Any] = found if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType]
        return len(ours) == len(theirs) and all(covers(*pair) for pair in zip(theirs, ours, strict=True))
    return bool(found == wanted)


def version_of(kind: Kind, obj: Json) -> int:
    """What changes with a child's spec: of those whose status changes all the time, the generation."""
    return int(metadata(obj).get("generation") or 0) if kind in _WITH_STATUS else resource_version(obj)
