"""Brings the children of an accepted grid in line with its spec, and rolls its pod when it may be rolled."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hedgegrid_operator.apply import Children, NameTakenError
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.contention import ApplyConflictError
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.desired.disruption_budget import disruption_budget
from hedgegrid_operator.desired.naming import child_name
from hedgegrid_operator.facts import Doing, Progress
from hedgegrid_operator.grid_secrets import GridSecrets
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    POD,
    ROLE_BINDING,
    STATEFUL_SET,
    GridRef,
    Json,
    Kind,
    metadata,
)
from hedgegrid_operator.observed import PodState
from hedgegrid_operator.refusals import Refusals
from hedgegrid_operator.revisions import Revisions
from hedgegrid_operator.rollout import Standing, Step, decide, evictable, settles_in
from hedgegrid_operator.served import left_out

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
        secrets: GridSecrets,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._courier = courier
        self._observe = observe
        self._revisions = Revisions(kube, cache, children, courier)
        self._secrets = secrets
        self._refusals = Refusals(kube, cache)

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._revisions.forget(uid)
        self._refusals.forget(uid)

    def doubt(self, uid: str) -> None:
        """A StatefulSet or a pod is gone: whoever took it may have taken more."""
        self._secrets.doubt(uid)
        self._children.doubt(uid)

    async def provide(self, entry: Entry, wanted: Desired, now: datetime, *, may_roll: bool) -> Progress:
        """One round; what is under way then. Raises `NameTakenError`, `ApiError`, `ApiUnreachableError`."""
        ref = entry.controls.ref
        conflicts: list[str] = []
        standing = self._revisions.standing(entry, wanted, now)
        budget = self._budget(ref, standing)
        await asyncio.gather(
            self._secrets.ensure(ref, new=self._cache.stateful_set(ref.uid) is None),
            *(self._ensure(ref, kind, it, conflicts) for kind, it in wanted.others if kind is not ROLE_BINDING),
            self._ensure(ref, DISRUPTION_BUDGET, budget, conflicts),
        )
        # The API server looks up the role that it binds.
        for manifest in (it for kind, it in wanted.others if kind is ROLE_BINDING):
            await self._ensure(ref, ROLE_BINDING, manifest, conflicts)
        due = settles_in(standing)
        progress = await self._roll(entry, wanted, now, conflicts, may_roll=may_roll)
        if conflicts:
            progress = replace(progress, doing=Doing.APPLY_CONFLICT, message="; ".join(conflicts))
        no_pod, again = await self._refusals.look(ref)
        looks = [progress.due or (now + due if due else None), now + timedelta(seconds=again) if again else None]
        return replace(progress, no_pod=no_pod, due=min(filter(None, looks), default=None))

    def _budget(self, ref: GridRef, standing: Standing) -> Json:
        """After a start, what an earlier process has said stands for the moment until the pod has been asked."""
        link, known = (
            self._courier.link(ref.uid),
            self._children.applied(ref.uid, DISRUPTION_BUDGET, child_name(ref.name)),
        )
        if known is not None and self._cache.pod(ref.uid) is not None and link.past is None and link.failure is None:
            return known.manifest
        return disruption_budget(ref, evictable=evictable(standing))

    async def _roll(
        self, entry: Entry, wanted: Desired, now: datetime, conflicts: list[str], *, may_roll: bool
    ) -> Progress:
        """The StatefulSet and its pod."""
        ref = entry.controls.ref
        step = decide(self._revisions.standing(entry, wanted, now))
        if step is Step.REPLACE and may_roll:
            # What was known may be seconds old: only a report of this moment lets a pod go.
            await self._courier.fresh_report(ref.uid)
            step = decide(self._revisions.standing(entry, wanted, now))
        if step is not Step.APPLY and not may_roll:
            step = Step.HOLD
        if step is Step.HOLD and await self._revisions.lost(ref):
            # Held, it would never start again, not even to be flattened.
            log.warning("a ConfigMap that the pod needs is gone: the present revision takes over", extra=ref.fields())
            step = Step.REPLACE
        self._courier.link(ref.uid).waiting_for_flat = step is Step.HOLD and may_roll
        if step is Step.HOLD:
            await self._keep(ref, wanted, conflicts)
            return self._revisions.waits(entry, wanted, now)
        await self._ensure(ref, STATEFUL_SET, wanted.stateful_set, conflicts)
        if step is Step.REPLACE:
            await self._delete_pod(ref, wanted.revision)
        return self._present(entry, wanted)

    async def keep_reachable(self, ref: GridRef) -> None:
        """Whatever else is held back, the running pod's certificate is renewed: the kill switch needs it."""
        try:
            await self._secrets.ensure_certificate(ref)
        except (ApiError, NameTakenError) as error:
            log.warning("the pod's certificate can't be seen to: %s", error, extra=ref.fields())

    async def prune(self, ref: GridRef, wanted: Desired, listed: list[tuple[Kind, str]]) -> None:
        """Remove the ConfigMaps that neither the pod, nor its StatefulSet, nor the present spec needs, and what isn't
        made any more by setting or spec.
        """
        for kind, name in listed:
            config_map = kind is CONFIG_MAP
            if not (self._revisions.needed(ref, wanted, name) if config_map else kind in wanted.kinds):
                with left_out(kind):
                    await self._children.remove(ref, kind, name)

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
        if (told := self._children.disputed(ref.uid, kind, str(metadata(manifest)["name"]))) is not None:
            conflicts.append(told)
        if obj is not None and kind is STATEFUL_SET:
            self._observe(kind, obj)

    async def _delete_pod(self, ref: GridRef, revision: str) -> None:
        pod = self._cache.pod(ref.uid)
        if pod is not None and not pod.deleting and pod.revision != revision:
            log.info("pod replaced", extra=ref.fields(pod=pod.name, revision=revision))
            await self._kube.delete(POD, ref.namespace, pod.name, pod.uid)

    def _present(self, entry: Entry, wanted: Desired) -> Progress:
        pod = self._cache.pod(entry.controls.ref.uid)
        if pod is None:
            return Progress(Doing.CREATING, f"waiting for pod {child_name(entry.controls.ref.name)}-0")
        if pod.revision != wanted.revision:
            return Progress(Doing.ROLLING_OUT, f"pod {pod.name} is being replaced by revision {wanted.revision}")
        if pod.deleting:
            told = f"pod {pod.name} was deleted; the next one, of the same revision {wanted.revision}, follows it"
            return Progress(Doing.ROLLING_OUT, told)
        if pod.state is not PodState.READY:
            return Progress(Doing.CREATING, f"waiting until pod {pod.name} is ready")
        return Progress(Doing.IDLE, "all children are as the spec asks")
