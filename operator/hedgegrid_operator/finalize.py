"""Deletion: the object goes when its grid is flat, or by the way out that its spec or a person gives."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hedgegrid_api.control import ControlReport
from hedgegrid_api.v1alpha1 import OnTimeout
from hedgegrid_operator.apply import LISTED, Children
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.desired.naming import api_secret_name, child_name, claim_name
from hedgegrid_operator.events import Note, Recorder
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import (
    FINALIZER,
    HEDGE_GRID,
    POD,
    SECRET,
    STATEFUL_SET,
    UID_LABEL,
    Json,
    metadata,
    section,
)

log = logging.getLogger(__name__)

_DEFAULT_TIMEOUT = 300


class Stage(Enum):
    """Where a deletion stands."""

    FLATTEN = "flatten"
    """The pod has to close both legs; nothing is taken away from it."""
    OVERDUE = "overdue"
    """The same, later than asked for: it goes on, and says so."""
    RELEASE = "release"
    """Verified, or there was never anything to verify."""
    ORPHAN = "orphan"
    """Given up on time-out, or by hand: what is left is left."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What decides about a deletion."""

    began: datetime
    timeout: timedelta | None
    """None: wait for ever."""
    on_timeout: OnTimeout
    by_hand: bool
    """Annotation `hedgegrid.io/release: orphan`."""
    ever_ran: bool
    """A StatefulSet was made for it once."""
    verified: bool
    """The venue has confirmed both legs flat, by the report of the pod."""


def stage(deletion: Deletion, now: datetime) -> Stage:
    """Where a deletion stands. Pure."""
    if not deletion.ever_ran or deletion.verified:
        return Stage.RELEASE
    if deletion.by_hand:
        return Stage.ORPHAN
    if deletion.timeout is None or now < deletion.began + deletion.timeout:
        return Stage.FLATTEN
    return Stage.ORPHAN if deletion.on_timeout is OnTimeout.ORPHAN else Stage.OVERDUE


def deletion_of(entry: Entry, *, ran: bool, verified: bool) -> Deletion:
    """The deletion of an object, read without the full model: one that it rejects can still be deleted."""
    wanted = section(entry.obj, "spec", "deletion")
    seconds = wanted.get("timeoutSeconds", _DEFAULT_TIMEOUT)
    known = isinstance(seconds, int) and seconds >= 0
    timeout = timedelta(seconds=seconds if known else _DEFAULT_TIMEOUT)
    began = entry.controls.deleted
    if began is None:
        raise ValueError(f"{entry.controls.ref.namespace}/{entry.controls.ref.name} isn't being deleted")
    return Deletion(
        began=began,
        timeout=timeout or None,
        on_timeout=OnTimeout.ORPHAN if wanted.get("onTimeout") == OnTimeout.ORPHAN.value else OnTimeout.BLOCK,
        by_hand=entry.controls.orphaned,
        ever_ran=ran,
        verified=verified,
    )


def remains(report: ControlReport | None) -> str:
    """What a grid that is left behind may still have at the venue, in words."""
    if report is None:
        return "positions and orders are not known"
    legs = report.kill_switch.legs

    def told(value: object) -> str:
        return "unknown" if value is None else str(value)

    return (
        f"last reported: LONG {told(legs.long.quantity)} with {told(legs.long.open_orders)} orders, "
        f"SHORT {told(legs.short.quantity)} with {told(legs.short.open_orders)} orders"
    )


class Remover:
    """Takes the children of a grid away, and then its finalizer."""

    def __init__(self, kube: Kube, cache: Cache, children: Children, recorder: Recorder) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._recorder = recorder

    async def release(self, entry: Entry, found: Stage, left: str) -> str | None:
        """One round: the StatefulSet, the pod, the rest, the finalizer. What it waits for, None when it is done."""
        ref = entry.controls.ref
        if await self._children.remove(ref, STATEFUL_SET, child_name(ref.name)):
            log.info("StatefulSet deleted", extra=ref.fields())
        pod = self._cache.pod(ref.uid)
        if pod is not None:
            if not pod.deleting:
                await self._kube.delete(POD, ref.namespace, pod.name, pod.uid)
            if found is Stage.RELEASE:
                return f"waiting until pod {pod.name} is gone"
        for kind in LISTED:
            async for items, _ in self._kube.pages(kind, ref.namespace, f"{UID_LABEL}={ref.uid}", metadata_only=True):
                for item in items:
                    await self._children.remove(ref, kind, str(metadata(item)["name"]))
        await self._children.remove(ref, SECRET, api_secret_name(ref.name))
        self._recorder.tell(ref, Note("Deleted", self._last_words(entry, found, left), warning=found is Stage.ORPHAN))
        await self.drop_finalizer(entry)
        return None

    async def drop_finalizer(self, entry: Entry) -> None:
        """Let the object go; nothing happens when it is gone already."""
        about = metadata(entry.obj)
        present: list[str] = about.get("finalizers") or []
        others = [name for name in present if name != FINALIZER]
        patch: Json = {"metadata": {"resourceVersion": about["resourceVersion"], "finalizers": others}}
        try:
            await self._kube.merge(HEDGE_GRID, entry.controls.ref.namespace, entry.controls.ref.name, patch)
        except ApiError as error:
            if error.status != 404:
                raise

    def _last_words(self, entry: Entry, found: Stage, left: str) -> str:
        ref = entry.controls.ref
        if found is Stage.ORPHAN:
            return f"released without being flat; {left}; the pod was stopped, look at the venue{self._claim(entry)}"
        return f"{left}; all children are gone{self._claim(entry)}" if left else f"released: {ref.name} never ran"

    def _claim(self, entry: Entry) -> str:
        """What stays on purpose."""
        if section(entry.obj, "spec", "storage").get("ephemeral"):
            return ""
        name = claim_name(entry.controls.ref.name)
        return f"; the volume claim {name} stays, with the store in it: kubectl delete pvc {name} removes it"
