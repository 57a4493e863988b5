"""Brings the children of an accepted grid in line with its spec, and rolls its pod when it may be rolled."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from hedgegrid_operator.apply import Children, NameTakenError
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.contention import ApplyConflictError
from hedgegrid_operator.control.client import operator_key
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.desired.naming import api_secret_name, child_name
from hedgegrid_operator.desired.secret import api_secret, completed, keys_of
from hedgegrid_operator.facts import Doing, Progress
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    POD,
    SECRET,
    STATEFUL_SET,
    UID_LABEL,
    GridRef,
    Json,
    Kind,
    labels_of,
)
from hedgegrid_operator.observed import PodState
from hedgegrid_operator.revisions import Revisions
from hedgegrid_operator.rollout import Step, decide

log = logging.getLogger(__name__)


class Provisioner:
    """Applies children in the order in which a pod needs them."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        children: Children,
        courier: Courier,
        observe: Callable[[Kind, Json], None],
        *,
        master_key: bytes,
        secret_interval: float,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._courier = courier
        self._observe = observe
        self._master_key = master_key
        self._secret_interval = secret_interval
        self._revisions = Revisions(kube, cache, children, courier)
        self._secrets: dict[str, float] = {}

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._secrets.pop(uid, None)

    def doubt(self, uid: str) -> None:
        """A StatefulSet or a pod is gone: whoever took it may have taken more."""
        self._secrets.pop(uid, None)
        self._children.doubt(uid)

    async def provide(self, entry: Entry, wanted: Desired, now: datetime, *, may_roll: bool) -> Progress:
        """One round; what is under way then. Raises `NameTakenError`, `ApiError`, `ApiUnreachableError`."""
        ref = entry.controls.ref
        conflicts: list[str] = []
        await asyncio.gather(
            self._ensure_secret(ref),
            *(self._ensure(ref, kind, manifest, conflicts) for kind, manifest in wanted.others),
        )
        step = decide(self._revisions.standing(entry, wanted, now))
        if step is Step.REPLACE and may_roll:
            # What was known may be seconds old: only a report of this moment lets a pod go.
            await self._courier.fresh_report(ref.uid)
            step = decide(self._revisions.standing(entry, wanted, now))
        if step is not Step.APPLY and not may_roll:
            step = Step.HOLD
        self._courier.link(ref.uid).waiting_for_flat = step is Step.HOLD and may_roll
        if step is Step.HOLD:
            await self._keep(ref, wanted, conflicts)
            return _conflicting(conflicts, waits := self._revisions.waits(entry, wanted, now)) or waits
        await self._ensure(ref, STATEFUL_SET, wanted.stateful_set, conflicts)
        if step is Step.REPLACE:
            await self._delete_pod(ref, wanted.revision)
        return _conflicting(conflicts) or self._present(entry, wanted)

    async def prune(self, ref: GridRef, wanted: Desired, config_maps: list[str]) -> None:
        """Remove the ConfigMaps that neither the pod, nor its StatefulSet, nor the present spec needs."""
        for name in config_maps:
            if name not in self._revisions.config_maps(ref, wanted):
                await self._children.remove(ref, CONFIG_MAP, name)

    async def _keep(self, ref: GridRef, wanted: Desired, conflicts: list[str]) -> None:
        """Put back what of the running revision was changed: its StatefulSet and ConfigMaps, as they were applied."""
        if self._children.applied(ref.uid, STATEFUL_SET, child_name(ref.name)) is None:
            for kind, manifest in await self._revisions.recall(ref, wanted):
                await self._ensure(ref, kind, manifest, conflicts)
        for kind in (CONFIG_MAP, STATEFUL_SET):
            for name in self._children.names(ref.uid, kind):
                known = self._children.applied(ref.uid, kind, name)
                if known is not None:
                    await self._ensure(ref, kind, known.manifest, conflicts)

    async def _ensure(self, ref: GridRef, kind: Kind, manifest: Json, conflicts: list[str]) -> None:
        try:
            obj = await self._children.ensure(ref, kind, manifest)
        except ApplyConflictError as conflict:
            conflicts.append(str(conflict))
            return
        if obj is not None and kind is STATEFUL_SET:
            self._observe(kind, obj)

    async def _ensure_secret(self, ref: GridRef) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._secrets.get(ref.uid, -self._secret_interval) < self._secret_interval:
            return
        found = await self._kube.get(SECRET, ref.namespace, api_secret_name(ref.name))
        if found is not None and labels_of(found).get(UID_LABEL) != ref.uid:
            raise NameTakenError(SECRET, api_secret_name(ref.name))
        present = keys_of(found)
        keys = completed(present, operator_key(self._master_key, ref.uid))
        if keys != present:
            await self._kube.apply(SECRET, api_secret(ref, keys))
            log.info("applied", extra=ref.fields(kind=SECRET.kind, child=api_secret_name(ref.name)))
        self._secrets[ref.uid] = now

    async def _delete_pod(self, ref: GridRef, revision: str) -> None:
        pod = self._cache.pod(ref.uid)
        if pod is not None and not pod.deleting and pod.revision != revision:
            log.info("pod replaced", extra=ref.fields(pod=pod.name, revision=revision))
            await self._kube.delete(POD, ref.namespace, pod.name, pod.uid)

    def _present(self, entry: Entry, wanted: Desired) -> Progress:
        pod = self._cache.pod(entry.controls.ref.uid)
        if pod is None:
            return Progress(Doing.CREATING, f"waiting for pod {child_name(entry.controls.ref.name)}-0")
        if pod.revision != wanted.revision or pod.deleting:
            return Progress(Doing.ROLLING_OUT, f"pod {pod.name} is being replaced by revision {wanted.revision}")
        if pod.state is not PodState.READY:
            return Progress(Doing.CREATING, f"waiting until pod {pod.name} is ready")
        return Progress(Doing.IDLE, "all children are as the spec asks")


def _conflicting(conflicts: list[str], waits: Progress | None = None) -> Progress | None:
    if not conflicts:
        return None
    progress = Progress(Doing.APPLY_CONFLICT, "; ".join(conflicts))
    return replace(progress, rollout=waits.rollout, due=waits.due) if waits else progress
