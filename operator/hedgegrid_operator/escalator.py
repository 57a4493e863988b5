"""Restarts pods that don't take the kill switch, where `spec.escalation` asks for it.

The status is written first: it holds the count. Then the pod is deleted, by its uid and with its grace period; the
StatefulSet makes another one, which comes back halted and takes the kill.
"""

import asyncio
import logging
from datetime import UTC, datetime

from hedgegrid_operator.admit import Verdict
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.escalation import Decision, Standing, Step, counted, decide
from hedgegrid_operator.facts import Doing, Progress
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import POD
from hedgegrid_operator.publish import Publisher
from hedgegrid_operator.status import condition, previous_status

log = logging.getLogger(__name__)


class Escalator:
    """Carries out what `escalation.decide` says."""

    def __init__(self, kube: Kube, cache: Cache, courier: Courier, publisher: Publisher, metrics: Metrics) -> None:
        self._kube = kube
        self._cache = cache
        self._courier = courier
        self._publisher = publisher
        self._metrics = metrics

    async def act(self, entry: Entry, verdict: Verdict) -> float | None:
        """Restart a pod if that is due; the seconds until it may be, None: not by time. Raises what `Kube` raises."""
        uid, pod = entry.controls.ref.uid, self._cache.pod(entry.controls.ref.uid)
        found = self._decide(entry)
        if found.step is not Step.RESTART or pod is None:
            return found.wait
        await self._publisher.publish(
            uid,
            verdict,
            _progress(entry),
            deletion="the pod doesn't take the flatten and is restarted" if entry.controls.deleted else None,
            restarting=counted(entry.controls.restarts, pod, datetime.now(UTC).replace(microsecond=0)),
        )
        entry = self._cache.grid(uid) or entry
        found = self._decide(entry)  # it may have answered meanwhile
        if found.step is not Step.RESTART:
            return found.wait
        ref = entry.controls.ref
        log.warning("pod restarted, it doesn't take the kill", extra=ref.fields(pod=pod.name, podUID=pod.uid))
        if await self._kube.delete(POD, ref.namespace, pod.name, pod.uid):
            self._metrics.kill_escalations.labels(ref.namespace, ref.name).inc()
        return None

    def _decide(self, entry: Entry) -> Decision:
        uid, now = entry.controls.ref.uid, asyncio.get_running_loop().time()
        link, pod = self._courier.link(uid), self._cache.pod(uid)
        since = link.undelivered_since if pod is not None and link.pod_uid == pod.uid else None
        return decide(
            Standing(
                wish=entry.controls.escalation,
                pod=pod,
                failing_for=None if since is None else now - since,
                tried=now - link.undelivered_at,
                restarts=entry.controls.restarts,
            )
        )


def _progress(entry: Entry) -> Progress:
    """What status last said of the children."""
    before = condition(previous_status(entry.obj), "Progressing")
    if before is None or before.reason not in set(Doing):
        return Progress(Doing.IDLE, "the pod is being restarted")
    return Progress(Doing(before.reason), before.message)
