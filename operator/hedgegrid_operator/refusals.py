"""Why a grid has no pod: a quota, a policy or a webhook refuses it.

Only the StatefulSet's controller is told so by the API server. It says it in an Event of the StatefulSet, whose status
has no word for it.
"""

import asyncio
import logging

from hedgegrid_operator.cache import Cache
from hedgegrid_operator.facts import NO_POD
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.objects import EVENT, STATEFUL_SET, GridRef, Json, metadata, section

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds that the controller gets to make a pod before anybody asks."""
PAUSE = 15.0
"""Seconds between two looks at the Events of a namespace, however many of its grids have no pod."""
_REFUSED = "FailedCreate"
_SELECTOR = f"regarding.kind={STATEFUL_SET.kind}"

type _Told = tuple[str, bool, str]
"""When, whether a pod was refused, and in which words."""


class Refusals:
    """What the Events of StatefulSets without a pod say, by namespace."""

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube = kube
        self._cache = cache
        self._since: dict[str, float] = {}
        self._read: dict[str, tuple[float, dict[str, str]]] = {}
        self._reading = asyncio.Lock()

    def forget(self, uid: str) -> None:
        """The grid has a pod, or is gone."""
        self._since.pop(uid, None)

    async def look(self, ref: GridRef) -> tuple[str | None, float | None]:
        """Why a grid's StatefulSet has no pod, as far as that is known, and the seconds after which to look again; None
        and None where it has one, or where there is no StatefulSet.
        """
        found = self._cache.stateful_set(ref.uid)
        if found is None or self._cache.pod(ref.uid) is not None:
            self.forget(ref.uid)
            return None, None
        now = asyncio.get_running_loop().time()
        lacking = now - self._since.setdefault(ref.uid, now)
        if lacking < PATIENCE:
            return None, PATIENCE - lacking
        told = (await self._refused(ref.namespace)).get(found.uid)
        return f"{NO_POD}: {told}" if told else None, PAUSE

    async def _refused(self, namespace: str) -> dict[str, str]:
        """The controller's words by the uid of the StatefulSet, at most `PAUSE` old."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            at, known = self._read.get(namespace, (-PAUSE, {}))
            if now - at >= PAUSE:
                known = await self._list(namespace)
                self._read[namespace] = now, known
            return known

    async def _list(self, namespace: str) -> dict[str, str]:
        newest: dict[str, _Told] = {}
        try:
            async for events, _ in self._kube.pages(EVENT, namespace, fields=_SELECTOR):
                for event in events:
                    uid = str(section(event, "regarding").get("uid"))
                    newest[uid] = max(newest.get(uid, ("", False, "")), _told(event))
        except (ApiError, ApiUnreachableError) as error:
            log.warning("why pods are missing in namespace %s can't be looked up: %s", namespace, error)
        return {uid: words for uid, (_, refused, words) in newest.items() if refused}


def _told(event: Json) -> _Told:
    """What an Event says. A pod that was made later than one was refused ends the refusal."""
    times = (
        section(event, "series").get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        metadata(event).get("creationTimestamp"),
    )
    at = next((str(time)[:19] for time in times if time), "")
    return at, event.get("reason") == _REFUSED, str(event.get("note") or "")
