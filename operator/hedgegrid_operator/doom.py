"""A namespace that is being terminated: pods go first, and grids are marked deleted only when those are gone.

Then it would be too late to flatten anything: no pod can be made any more. So when the pod of a grid goes that isn't
deleted, its namespace is asked, by a write that changes nothing; if it is being terminated, which can't be taken back,
its grids count as deleted from that moment on, and the pod is told while it still answers.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from hedgegrid_operator.cache import Cache, Change
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube, terminating
from hedgegrid_operator.objects import EVENT, Json
from hedgegrid_operator.queue import Lane

log = logging.getLogger(__name__)

_LIMIT = 8


class Doom:
    """Watches out for namespaces that are being terminated."""

    def __init__(self, kube: Kube, cache: Cache, react: Callable[[str, Change], None]) -> None:
        self._kube = kube
        self._cache = cache
        self._react = react
        self.lane = Lane("namespace", self._ask, limit=_LIMIT)

    def pod_changed(self, uid: str) -> None:
        """A pod's event: one that goes, of a grid that isn't deleted, makes its namespace suspect."""
        entry, pod = self._cache.grid(uid), self._cache.pod(uid)
        if entry is not None and entry.controls.deleted is None and (pod is None or pod.deleting):
            self.lane.wake(entry.controls.ref.namespace)

    async def _ask(self, namespace: str) -> None:
        try:
            await self._kube.create(EVENT, namespace, _probe(namespace), dry_run=True)
        except ApiError as error:
            if not terminating(error, namespace):
                log.warning("whether the namespace is being terminated can't be told: %s", error)
                return
        except ApiUnreachableError as error:
            log.warning("whether the namespace is being terminated can't be told: %s", error)
            return
        else:
            return
        for uid in self._cache.grids():
            entry = self._cache.grid(uid)
            if entry is not None and entry.controls.ref.namespace == namespace and self._cache.doom(uid, _now()):
                log.warning("deleted with its namespace", extra=entry.controls.ref.fields())
                self._react(uid, Change.GRID)


def _now() -> datetime:
    return datetime.now(UTC)


def _probe(namespace: str) -> Json:
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"hedgegrid-probe.{secrets.token_hex(8)}", "namespace": namespace},
        "eventTime": _now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "hedgegrid.io/operator",
        "reportingInstance": "probe",
        "action": "Probe",
        "reason": "Probe",
        "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace},
    }
