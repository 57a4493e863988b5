"""A new start: which children already stand as the specs want them, so that nothing is read or applied again for them.

One LIST of each kind instead of several requests for each child. What isn't recognized is applied as if nothing were
known.
"""

import asyncio

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.apply import LISTED, Children
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.desired.build import Desired
from hedgegrid_operator.desired.disruption_budget import disruption_budget
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.objects import (
    DISRUPTION_BUDGET,
    STATEFUL_SET,
    UID_LABEL,
    GridRef,
    Json,
    Kind,
    labels_of,
    metadata,
)
from hedgegrid_operator.served import Served, left_out


class Recognition:
    """Compares what is there with what is wanted."""

    def __init__(self, kube: Kube, cache: Cache, children: Children, admission: Admission, served: Served) -> None:
        self._kube = kube
        self._served = served
        self._cache = cache
        self._children = children
        self._admission = admission

    async def run(self, namespaces: tuple[str | None, ...]) -> None:
        """List all children once. Raises `ApiError`, `ApiUnreachableError`."""
        for namespace in namespaces:
            for kind in (STATEFUL_SET, *LISTED, *self._served.kinds):
                with left_out(kind):
                    async for found, _ in self._kube.pages(kind, namespace, UID_LABEL):
                        for child in found:
                            self._recognize(kind, child)
                        await asyncio.sleep(0)

    def _recognize(self, kind: Kind, child: Json) -> None:
        entry = self._cache.grid(labels_of(child)[UID_LABEL])
        if entry is None or metadata(child).get("namespace") != entry.controls.ref.namespace:
            return
        self._admission.verdict(entry)
        wanted = self._admission.wanted(entry.controls.ref.uid)
        for manifest in _manifests(wanted, kind, entry.controls.ref) if wanted else ():
            if metadata(manifest)["name"] == metadata(child).get("name"):
                self._children.recognize(entry.controls.ref, kind, manifest, child)


def _manifests(wanted: Desired, kind: Kind, ref: GridRef) -> list[Json]:
    if kind is STATEFUL_SET:
        return [wanted.stateful_set]
    if kind is DISRUPTION_BUDGET:
        # Which one it has to be is known when the pod has been asked.
        return [disruption_budget(ref, evictable=evictable) for evictable in (True, False)]
    return [manifest for found, manifest in (*wanted.others, *wanted.monitors) if found is kind]
