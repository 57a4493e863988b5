"""The revisions of a grid's pod: which one is wanted, applied, running, and what an earlier process had applied."""

from datetime import datetime, timedelta

from hedgegrid_api.types import LegLevel, LegState
from hedgegrid_operator.apply import Children
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.desired.config_map import config_map
from hedgegrid_operator.desired.kept import config_map_of, kept, restored
from hedgegrid_operator.desired.naming import child_name, config_map_name
from hedgegrid_operator.desired.stateful_set import revision_of
from hedgegrid_operator.facts import Progress
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.objects import (
    CONFIG_MAP,
    ROLLOUT_ANNOTATION,
    STATEFUL_SET,
    UID_LABEL,
    GridRef,
    Json,
    Kind,
    annotations_of,
    labels_of,
    section,
)
from hedgegrid_operator.observed import PodState
from hedgegrid_operator.rollout import Standing
from hedgegrid_operator.status import last_known_flat, previous_status
from hedgegrid_operator.waiting import Approval, approval, told, waiting


class Revisions:
    """Looks revisions up; changes nothing."""

    def __init__(self, kube: Kube, cache: Cache, children: Children, courier: Courier) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._courier = courier
        self._flat_since: dict[str, datetime] = {}

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._flat_since.pop(uid, None)

    def needed(self, ref: GridRef, wanted: Desired, name: str) -> bool:
        """Whether the present spec, the StatefulSet or a pod may need a ConfigMap.

        Without a pod of the StatefulSet's template there may be one of an earlier template that isn't seen yet: what
        the cluster's controller has read of the StatefulSet may be older than what was applied.
        """
        current, pod = self._cache.stateful_set(ref.uid), self._cache.pod(ref.uid)
        if current is None or pod is None or pod.deleting or pod.config_map != current.config_map:
            return True
        return name in {config_map_name(ref.name, wanted.config_hash), current.config_map}

    def standing(self, entry: Entry, wanted: Desired, now: datetime) -> Standing:
        """What is known about template, pod and position."""
        uid = entry.controls.ref.uid
        obj, link, pod = entry.obj, self._courier.link(uid), self._cache.pod(uid)
        before = previous_status(obj)
        report = link.report
        legs = (report.kill_switch.legs.long, report.kill_switch.legs.short) if report else ()
        since = before.rollout.since if before.rollout and before.rollout.since else now
        seconds = wanted.update.max_wait_seconds
        flat = last_known_flat(link.past, before)
        return Standing(
            desired=wanted.revision,
            applied=self._applied(entry.controls.ref),
            running=pod.revision or "" if pod and not pod.deleting else None,
            reporting=pod is not None and report is not None and link.failure is None,
            ever_reported=link.past is not None or before.telemetry is not None,
            flat=flat,
            flat_for=self._flat_for(uid, now, flat=flat is True and report is not None),
            held=bool(legs) and all(leg.level is not LegLevel.OPEN for leg in legs),
            kill_under_way=link.kill_seen is not None or (report is not None and plan.under_way(report)),
            kill_failed=any(leg.state is LegState.FAILED for leg in legs),
            pod_ready=pod is not None and pod.state is PodState.READY,
            pod_stuck=pod is not None and pod.stuck,
            strategy=wanted.update.strategy,
            approved=annotations_of(obj).get(ROLLOUT_ANNOTATION) in self._approval(entry, wanted).accepted,
            waited=max(timedelta(0), now - since),
            max_wait=timedelta(seconds=seconds) if seconds else None,
        )

    def waits(self, entry: Entry, wanted: Desired, now: datetime) -> Progress:
        """What is said about a template that waits."""
        before, value = previous_status(entry.obj).rollout, self._approval(entry, wanted).value
        standing = self.standing(entry, wanted, now)
        return told(standing, waiting(standing, before, value, now))

    async def recall(self, ref: GridRef, wanted: Desired) -> list[tuple[Kind, Json]]:
        """What an earlier process applied for the running revision, in the order in which a pod needs it; empty where
        that can't be told. Raises what `Kube` raises.
        """
        found = await self._kube.get(STATEFUL_SET, ref.namespace, child_name(ref.name))
        template = kept(found) if found is not None and labels_of(found).get(UID_LABEL) == ref.uid else None
        if template is None:
            return []
        stateful_set = STATEFUL_SET, restored(wanted.stateful_set, template)
        name = config_map_of(section(template, "spec"))
        content = await self._kube.get(CONFIG_MAP, ref.namespace, name) if name else None
        manifest = config_map(ref, section(content or {}, "data"))
        return [(CONFIG_MAP, manifest), stateful_set] if manifest["metadata"]["name"] == name else [stateful_set]

    async def lost(self, ref: GridRef) -> bool:
        """Whether the pod can't run any more as it is: none is ready, and the ConfigMap of the applied revision, or of
        a pod that never ran, is gone, and this process doesn't know what was in it. Raises what `Kube` raises.
        """
        current, pod = self._cache.stateful_set(ref.uid), self._cache.pod(ref.uid)
        if current is None or (pod is not None and pod.state is PodState.READY):
            return False
        # One that ran has it mounted.
        own = pod.config_map if pod is not None and not pod.started else None
        unknown = [
            name for name in (current.config_map, own) if name and not self._children.applied(ref.uid, CONFIG_MAP, name)
        ]
        for name in unknown:
            if await self._kube.get(CONFIG_MAP, ref.namespace, name, metadata_only=True) is None:
                return True
        return False

    def _flat_for(self, uid: str, now: datetime, *, flat: bool) -> timedelta:
        if not flat:
            self._flat_since.pop(uid, None)
            return timedelta(0)
        return max(timedelta(0), now - self._flat_since.setdefault(uid, now))

    def _applied(self, ref: GridRef) -> str | None:
        """Revision of the StatefulSet; of one that is gone, what we had applied: it comes back as it was."""
        current = self._cache.stateful_set(ref.uid)
        if current is not None and not current.deleting:
            return current.revision or ""
        known = self._children.applied(ref.uid, STATEFUL_SET, child_name(ref.name))
        return revision_of(known.manifest) if known else None

    def _approval(self, entry: Entry, wanted: Desired) -> Approval:
        ref = entry.controls.ref
        current = self._cache.stateful_set(ref.uid)
        running = current.config_map if current else None
        return approval(wanted, running.removeprefix(config_map_name(ref.name, "")) if running else None)
