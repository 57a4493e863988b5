"""A grid's own ServiceMonitor and PrometheusRule: in a lane of their own, since a grid trades without them.

Whoever checks such objects may take ten seconds to answer, or refuse: no other work waits for that. What keeps them
from being made stands in the condition Monitoring, and nowhere else.
"""

import logging
from collections.abc import Callable

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.apply import Children, NameTakenError
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.contention import ApplyConflictError
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.desired.naming import child_name
from hedgegrid_operator.facts import Monitored, Watching
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, NotServedError
from hedgegrid_operator.objects import GridRef, Json, Kind, metadata
from hedgegrid_operator.queue import Lane
from hedgegrid_operator.served import OPTIONAL, Served, left_out

log = logging.getLogger(__name__)

_AT_A_TIME = 2
_STANDS = frozenset({Watching.MADE, Watching.KINDS_MISSING})
"""Nothing is tried again: kinds that appear are told to whom they concern."""


class Monitors:
    """Makes them, and takes them away when they aren't asked for any more."""

    def __init__(
        self,
        cache: Cache,
        admission: Admission,
        children: Children,
        served: Served,
        *,
        news: Callable[[str], None],
        interval: float,
    ) -> None:
        """`news` is told when what is known of a grid has changed; what fails is tried again after `interval` s."""
        self._cache = cache
        self._admission = admission
        self._children = children
        self._served = served
        self._news = news
        self._interval = interval
        self._known: dict[str, Monitored] = {}
        self.lane = Lane("monitoring", self._work, limit=_AT_A_TIME)

    def see_to(self, uid: str, wanted: Desired) -> None:
        """A grid was looked at: look at its own ones, too."""
        if wanted.monitors or any(self._children.names(uid, kind) for kind in OPTIONAL):
            self.lane.wake(uid)

    def known(self, uid: str, wanted: Desired, before: Monitored | None) -> Monitored | None:
        """What has become of what a grid asks for; `before`: what was told of it last, by another process perhaps."""
        return self._known.get(uid, before) if wanted.packed_monitors else None

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self.lane.forget(uid)
        self._known.pop(uid, None)

    async def _work(self, uid: str) -> float | None:
        entry, wanted = self._cache.grid(uid), self._admission.wanted(uid)
        if entry is None or wanted is None or entry.controls.paused or entry.controls.deleted is not None:
            return None
        try:
            found = await self._ensure_all(entry.controls.ref, wanted)
        except (ApiError, ApiUnreachableError) as error:
            log.warning("monitoring can't be seen to: %s", error, extra=entry.controls.ref.fields())
            return self._interval
        if found is None:
            self._known.pop(uid, None)
            return None
        if self._known.get(uid) != found:
            self._known[uid] = found
            self._news(uid)
        return None if found.reason in _STANDS else self._interval

    async def _ensure_all(self, ref: GridRef, wanted: Desired) -> Monitored | None:
        missing: list[Kind] = []
        troubles: list[Monitored] = []
        for kind, manifest in wanted.monitors:
            trouble = await self._ensure(ref, kind, manifest) if kind in self._served.kinds else None
            if kind not in self._served.kinds:
                missing.append(kind)
            elif trouble is not None:
                troubles.append(trouble)
        await self._remove_others(ref, wanted, missing)
        if not wanted.monitors:
            return None
        if missing:
            troubles.append(Monitored(Watching.KINDS_MISSING, _lacking(missing)))
        if not troubles:
            made = " and ".join(kind.kind for kind, _ in wanted.monitors)
            return Monitored(Watching.MADE, f"{made} {child_name(ref.name)}: made as the spec asks")
        return Monitored(troubles[0].reason, "; ".join(trouble.message for trouble in troubles))

    async def _ensure(self, ref: GridRef, kind: Kind, manifest: Json) -> Monitored | None:
        name = str(metadata(manifest)["name"])
        try:
            await self._children.ensure(ref, kind, manifest)
        except NameTakenError:
            told = f"{kind.kind} {name} exists and isn't this grid's; delete or rename it"
            return Monitored(Watching.NAME_TAKEN, told)
        except ApplyConflictError as conflict:
            return Monitored(Watching.APPLY_CONFLICT, str(conflict))
        except NotServedError:
            self._served.missed(kind)
            return None
        except ApiError as error:
            return Monitored(Watching.REFUSED, f"the API server doesn't take {kind.kind} {name}: {error}")
        disputed = self._children.disputed(ref.uid, kind, name)
        return None if disputed is None else Monitored(Watching.APPLY_CONFLICT, disputed)

    async def _remove_others(self, ref: GridRef, wanted: Desired, missing: list[Kind]) -> None:
        for kind in OPTIONAL:
            for name in self._children.names(ref.uid, kind):
                if kind in missing:
                    self._children.forget(ref.uid, kind, name)  # it went with its kind
                elif kind not in wanted.kinds:
                    with left_out(kind):
                        await self._children.remove(ref, kind, name)


def _lacking(kinds: list[Kind]) -> str:
    told = " and ".join(kind.kind for kind in kinds)
    return (
        f"the API server offers no {told} ({kinds[0].api_version}): install the CRDs of the Prometheus Operator, it is "
        "made without a restart as soon as they are there; or take spec.monitoring back"
    )
