"""Writes status and Events: at once when something changes that counts, figures at most every 5 minutes."""

import asyncio
import random
from datetime import UTC, datetime

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.events import Recorder, notes
from hedgegrid_operator.facts import Facts, Progress
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, Json
from hedgegrid_operator.restarts import Restarts
from hedgegrid_operator.status import build, loud, previous_status, written

_QUIET_INTERVAL = 300.0
"""Seconds between two writes of a status in which only figures have changed."""


class Publisher:
    """Keeps the status of every grid as it is known."""

    def __init__(
        self, kube: Kube, cache: Cache, courier: Courier, admission: Admission, recorder: Recorder, metrics: Metrics
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._courier = courier
        self._admission = admission
        self._recorder = recorder
        self._metrics = metrics
        self._wrote_at: dict[str, float] = {}

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._wrote_at.pop(uid, None)

    async def publish(
        self,
        uid: str,
        verdict: Verdict,
        progress: Progress,
        *,
        deletion: str | None = None,
        released: bool = False,
        restarting: Restarts | None = None,
    ) -> None:
        """Write the status if it is due, and tell what its change means. Raises what `Kube` raises."""
        entry = self._cache.grid(uid)
        if entry is None:
            return
        ref, before, now = entry.controls.ref, previous_status(entry.obj), asyncio.get_running_loop().time()
        facts = Facts(
            now=datetime.now(UTC),
            controls=entry.controls,
            previous=before,
            verdict=verdict,
            progress=progress,
            document=self._courier.document(entry),
            link=self._courier.link(uid),
            pod=self._cache.pod(uid),
            taken=self._cache.taken(uid),
            config_hash=self._applied_config(uid) or before.config_hash,
            deletion=deletion,
            released=released,
            restarting=restarting,
        )
        if facts.unheard:
            return  # the pod's first answer, or that there is none, wakes us
        status = build(facts)
        self._metrics.conditions.show(ref, status.conditions)
        self._metrics.rollouts.show(ref, status.rollout.since if status.rollout else None)
        advice = verdict.outlook.advice if verdict.outlook else ()
        for note in notes(before, status, by=entry.controls.by.manager, now=facts.now, advice=advice):
            self._recorder.tell(ref, note)
        # Started anew, figures don't have to be written at once, and not all at the same moment.
        wrote_at = self._wrote_at.setdefault(uid, now - random.uniform(0, _QUIET_INTERVAL))
        if status == before or (loud(status) == loud(before) and now - wrote_at < _QUIET_INTERVAL):
            return
        about = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
        manifest: Json = {"metadata": about, "status": written(status)}
        self._cache.observe(HEDGE_GRID, await self._kube.apply(HEDGE_GRID, manifest, "status"))
        self._wrote_at[uid] = now

    def _applied_config(self, uid: str) -> str | None:
        current, wanted = self._cache.stateful_set(uid), self._admission.wanted(uid)
        return wanted.config_hash if current and wanted and wanted.revision == current.revision else None
