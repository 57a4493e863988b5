"""Brings documents to the pods and reports back: the kill lane, and the calm lane for everything else.

A kill goes out from the watch event itself: planned from the cache, sent to the pod's address, nothing awaited before.
The calm lane reads reports, sends what changes nothing or throttles down, and asks the API server for the present
object before it sends anything that allows a pod more. Neither lane ever waits for the other.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Protocol

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.answer import DocumentRefusedError
from hedgegrid_operator.control.client import PodClient, PodUnreachableError
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.observed import Controls, PodView
from hedgegrid_operator.queue import Lane

log = logging.getLogger(__name__)

_CALM_LIMIT = 64
_PATIENCE = 0.1
"""Seconds; a pod that answers does so within milliseconds."""
_RETRY_MAX = 10.0
_LEAST_MAX = 50.0
"""Seconds; a connection that isn't used for longer is closed, and a kill would wait for a new one."""
_FIRST_LOOK = 0.05
"""Seconds after a delivery until the report is first read again: many a grid is flat by then."""


class Outside(Protocol):
    """What the courier needs besides the pods."""

    @property
    def epoch(self) -> int:
        """The leader's epoch."""
        ...

    async def outrun(self, epoch: int) -> bool:
        """Raise the epoch above this one; False when we aren't the leader (any more)."""
        ...

    async def confirm(self, uid: str) -> Entry | None:
        """The grid by a consistent read; None when it is gone or can't be read."""
        ...

    def news(self, uid: str) -> None:
        """Something that status shows has changed."""
        ...


class Courier:
    """Keeps every pod's controls as its object says."""

    def __init__(
        self,
        cache: Cache,
        client: PodClient,
        outside: Outside,
        metrics: Metrics,
        *,
        idle: float,
        busy: float,
        polls_per_second: float,
    ) -> None:
        """`idle` and `busy`: seconds between two reads of a report, the latter while a kill is under way;
        `polls_per_second`: of all pods together, while none is.
        """
        self._cache = cache
        self._client = client
        self._outside = outside
        self._metrics = metrics
        self._idle = idle
        self._busy = busy
        self._polls_per_second = polls_per_second
        self._links: dict[str, Link] = {}
        self.kills = Lane("kill", self._kill, retry_max=plan.KILL_BACKOFF[-1])
        self.calm = Lane("control", self._keep_in_step, limit=_CALM_LIMIT, patience=_PATIENCE, retry_max=_RETRY_MAX)

    def link(self, uid: str) -> Link:
        """What is known about a grid's pod."""
        return self._links.setdefault(uid, Link())

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._links.pop(uid, None)
        self.kills.forget(uid)
        self.calm.forget(uid)

    def look(self, uid: str, *, pod_event: bool = False) -> None:
        """An object or a pod has changed: send a kill at once, wake the calm lane for the rest."""
        entry = self._cache.grid(uid)
        if entry is None:
            return
        link, pod = self.link(uid), self._cache.pod(uid)
        if link.follow(pod.uid if pod else None):
            self._outside.news(uid)
        if pod_event:
            link.failures = 0
        link.notice(entry.controls)
        document = self._document(entry.controls, link)
        urgency = plan.urgency(document, link.report)
        if urgency is Urgency.KILL:
            # A kill that is on its way has its own next try: only something new brings that forward.
            if link.expect(document.generation, _now(), asyncio.get_running_loop().time()) or pod_event:
                self.kills.wake(uid)
            return
        link.settled()
        if pod_event or urgency is not Urgency.HELD:
            self.calm.wake(uid)

    async def fresh_report(self, uid: str) -> ControlReport | None:
        """The report as it is now, None when the pod doesn't answer."""
        pod, link = self._cache.pod(uid), self.link(uid)
        if pod is None or pod.ip is None or not await self._exchange(uid, link, pod, None):
            return None
        return link.report

    def document(self, entry: Entry) -> ControlDocument:
        """What a grid's pod is to hold now."""
        return self._document(entry.controls, self.link(entry.controls.ref.uid))

    def measure(self) -> None:
        """Bring the gauges up to date."""
        now = asyncio.get_running_loop().time()
        for uid, link in self._links.items():
            entry = self._cache.grid(uid)
            if entry is not None:
                age = now - link.kill_seen_at if link.kill_seen else 0.0
                ref = entry.controls.ref
                self._metrics.kill_pending_seconds.labels(ref.namespace, ref.name).set(age)
        self._metrics.pods_unreachable.set(sum(link.failure is not None for link in self._links.values()))
        for lane in (self.kills, self.calm):
            self._metrics.queue_depth.labels(lane.name).set(lane.depth)

    def _document(self, controls: Controls, link: Link) -> ControlDocument:
        found = self._drafted(controls, link)
        # At the same generation, too: then both have counted different changes.
        if link.report is not None and plan.newest(link.report) == link.overtaken >= found.generation:
            return plan.restrained(found, link.report)
        return plan.plainly(found) if link.plain else found

    def _drafted(self, controls: Controls, link: Link) -> ControlDocument:
        """The document of an object; the same one with each poll while nothing that it is made of changes."""
        latches = link.rearm_latches if link.rearm == controls.rearm else ()
        made_of = controls, self._outside.epoch, latches, link.report if controls.paused else None
        if link.draft is None or link.draft[0] != made_of:
            document = plan.document(controls, epoch=self._outside.epoch, rearm_latches=latches, report=link.report)
            link.draft = made_of, document
        return link.draft[1]

    async def _kill(self, uid: str) -> float | None:
        """Deliver a kill; called again after each failure, for ever."""
        entry, link, pod = self._cache.grid(uid), self.link(uid), self._cache.pod(uid)
        if entry is None:
            return None
        document = self._document(entry.controls, link)
        if plan.urgency(document, link.report) is not Urgency.KILL:
            link.settled()
            self.calm.wake(uid)
            return None
        if pod is None or pod.ip is None:
            self._outside.news(uid)
            return None  # the pod's event wakes us
        link.attempts += 1
        if await self._exchange(uid, link, pod, document):
            self._delivered(entry, link, document)
            self.calm.wake_within(uid, min(_FIRST_LOOK, self._busy))
            return None
        unanswered = link.failure is not None and link.pod_uid == pod.uid
        if unanswered and link.undelivered(asyncio.get_running_loop().time()):
            self._outside.news(uid)
        self._metrics.kill_delivery_failures.labels(entry.controls.ref.namespace, entry.controls.ref.name).inc()
        return plan.kill_delay(max(1, link.failures, link.refusals))

    def _delivered(self, entry: Entry, link: Link, document: ControlDocument) -> None:
        took = asyncio.get_running_loop().time() - link.kill_seen_at
        link.settled()
        self._metrics.kill_delivery_seconds.observe(took)
        log.info(
            "kill delivered",
            extra=entry.controls.ref.fields(
                generation=document.generation,
                killSwitch=document.kill_switch.value,
                deletion=document.deletion.value,
                seconds=round(took, 4),
                attempts=link.attempts,
            ),
        )

    async def _keep_in_step(self, uid: str) -> float | None:
        """Send what the pod lacks, or read its report; returns the pause until the next time."""
        entry, link, pod = self._cache.grid(uid), self.link(uid), self._cache.pod(uid)
        if entry is None or pod is None or pod.ip is None:
            return None  # their events wake us
        if link.report is None and not await self._exchange(uid, link, pod, None):
            return plan.retry_delay(max(1, link.failures), _jitter())
        document = self._document(entry.controls, link)
        if plan.urgency(document, link.report) is Urgency.WEAKER or plan.ahead(link.report, document):
            confirmed = await self._outside.confirm(uid)
            if confirmed is None:
                return plan.retry_delay(1, _jitter())
            self._compare(uid, confirmed, link)
            document = self._document(confirmed.controls, link)
        urgency = plan.urgency(document, link.report)
        if urgency is Urgency.KILL:
            self.look(uid)
            return self._idle
        if link.report is not None and (link.report.epoch or 0) > document.epoch:
            await self._outside.outrun(link.report.epoch or 0)
            document = document.model_copy(update={"epoch": self._outside.epoch})
        in_step = urgency is Urgency.HELD or plan.ahead(link.report, document)
        if not await self._exchange(uid, link, pod, None if in_step else document):
            return plan.retry_delay(max(1, link.failures, link.refusals), _jitter())
        return plan.poll_delay(
            link.report,
            idle=self._idle,
            busy=self._busy,
            least=min(_LEAST_MAX, len(self._links) / self._polls_per_second),
            waiting_for_flat=link.waiting_for_flat,
            jitter=_jitter(),
        )

    async def _exchange(self, uid: str, link: Link, pod: PodView, document: ControlDocument | None) -> bool:
        """One call: `PUT` with a document, `GET` without. True when the pod answered with a report that counts."""
        try:
            if document is None:
                report = await self._client.get(pod.ip or "", uid)
            else:
                report = await self._client.put(pod.ip or "", document)
        except PodUnreachableError as error:
            if link.pod_uid == pod.uid:
                changed = link.failure is not error.failure
                link.failed(error.failure, str(error), _now())
                if changed:
                    self._outside.news(uid)
            return False
        except DocumentRefusedError as error:
            await self._refused(uid, link, document, error)
            return False
        if link.pod_uid != pod.uid:
            return False
        self._heard(uid, link, report, answers_document=document is not None)
        return True

    def _heard(self, uid: str, link: Link, report: ControlReport, *, answers_document: bool) -> None:
        known = link.report
        news = known is None or link.failure is not None or plan.tells(report) != plan.tells(known)
        if answers_document:
            news = news or link.refusal is not None
            link.accepted()
        link.heard(report)
        if known is not None and known.boot_id != report.boot_id and not report.synced:
            self.look(uid)  # restarted: it needs its document again
        entry = self._cache.grid(uid)
        behind = entry is not None and plan.ahead(report, self._document(entry.controls, link))
        if behind and plan.newest(report) != link.overtaken:
            # What the pod's own watch has seen is on its way to us too: nothing is told by the old object.
            self.calm.wake(uid)
        elif news:
            self._outside.news(uid)

    async def _refused(
        self, uid: str, link: Link, document: ControlDocument | None, error: DocumentRefusedError
    ) -> None:
        """What the pod holds is newer: raise our epoch, or read the object again; then it is sent again at once."""
        entry = self._cache.grid(uid)
        if entry is None or document is None:
            return
        link.heard(error.held or link.report)
        link.refused(str(error))
        log.warning(
            "the pod refused the document: %s",
            error,
            extra=entry.controls.ref.fields(reason=error.reason, generation=document.generation),
        )
        self._outside.news(uid)
        if error.reason == "epoch" and error.held is not None and await self._outside.outrun(error.held.epoch or 0):
            self._send_again(uid)
        elif error.reason == "invalid" and plan.plainly(document) != document and not link.plain:
            link.plain = True
            self._send_again(uid)
        elif error.reason == "generation":
            confirmed = await self._outside.confirm(uid)
            if confirmed is None:
                return
            self._compare(uid, confirmed, link)
            if confirmed.controls.generation > document.generation or link.overtaken > document.generation:
                self._send_again(uid)

    def _compare(self, uid: str, confirmed: Entry, link: Link) -> None:
        """An object that a consistent read shows behind its pod has gone back: the store was restored."""
        report, controls = link.report, confirmed.controls
        if report is None or report.uid not in {uid, None} or plan.newest(report) <= controls.generation:
            return
        if link.overtaken != plan.newest(report):
            link.overtaken = plan.newest(report)
            log.warning(
                "the object is older than what its pod holds: was the API server's store restored?",
                extra=controls.ref.fields(generation=controls.generation, held=link.overtaken),
            )
            self._outside.news(uid)

    def _send_again(self, uid: str) -> None:
        link, entry = self.link(uid), self._cache.grid(uid)
        link.refusals = 0
        if entry is not None and plan.urgency(self._document(entry.controls, link), link.report) is Urgency.KILL:
            self.kills.wake(uid)
        else:
            self.calm.wake(uid)


def _now() -> datetime:
    return datetime.now(UTC)


def _jitter() -> float:
    return random.uniform(0.8, 1.2)
