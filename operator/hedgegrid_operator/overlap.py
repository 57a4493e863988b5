"""Certificates of all grids together: what ends first, and when a former authority isn't needed any more."""

import asyncio
import logging
from datetime import UTC, datetime

from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.control.client import PodClient
from hedgegrid_operator.grid_secrets import GridSecrets
from hedgegrid_operator.kube import ApiError, ApiUnreachableError
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.pki.trust import client_context

log = logging.getLogger(__name__)

_AT_A_TIME = 8


class Overlap:
    """Ends the time in which two authorities are trusted.

    A Secret with a new certificate says nothing about the pod, whose volume is refreshed when its kubelet likes. So
    each pod has to show one of the present authority, in a handshake of its own. A pod that can't be reached keeps the
    former authority trusted, until that ends by itself.
    """

    def __init__(self, cache: Cache, client: PodClient, ca: CaSecret, secrets: GridSecrets) -> None:
        self._cache = cache
        self._client = client
        self._ca = ca
        self._secrets = secrets
        self._shown: dict[str, tuple[str, str]] = {}
        """Which pod of a grid has shown a certificate of which authority."""

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._shown.pop(uid, None)

    async def settle(self) -> None:
        """Ask the pods that are left, and drop the former authorities when none is."""
        authority = self._ca.authority
        if not authority.former:
            return
        alone = client_context(authority.present.certificate_pem)
        limit = asyncio.Semaphore(_AT_A_TIME)

        async def has_moved(uid: str) -> bool:
            pod, certificate = self._cache.pod(uid), self._secrets.certificate(uid)
            if pod is None and self._cache.stateful_set(uid) is None:
                return True
            if certificate is None or certificate.authority.id != authority.id:
                return False
            if pod is None or self._shown.get(uid) == (pod.uid, authority.id):
                return True
            async with limit:
                if pod.ip is None or not await self._client.shows(pod.ip, uid, alone):
                    return False
            self._shown[uid] = pod.uid, authority.id
            return True

        moved = await asyncio.gather(*map(has_moved, self._cache.grids()))
        if all(moved):
            try:
                await self._ca.drop_former()
            except (ApiError, ApiUnreachableError) as error:
                log.warning("former certificate authorities stay trusted for now: %s", error)
        else:
            log.info("a former certificate authority is still needed", extra={"grids": moved.count(False)})

    def measure(self, metrics: Metrics) -> None:
        """Bring the gauge up to date: the authority, and of the pods' certificates the one that ends first, by name.

        One series for each pod would be thousands to watch for one thing: that renewal has stopped.
        """
        now, gauge = datetime.now(UTC), metrics.certificate_expiry_seconds
        gauge.clear()
        if not self._ca.begun:
            return
        gauge.labels("ca", "", "").set(
            (self._ca.authority.present.certificate.not_valid_after_utc - now).total_seconds()
        )
        # Of grids that are there: a write that was under way when one went leaves its certificate known.
        known = (found for uid in self._cache.grids() if (found := self._secrets.certificate(uid)))
        first = min(known, key=lambda found: found.until, default=None)
        if first is not None:
            gauge.labels("pod", first.grid.namespace, first.grid.name).set((first.until - now).total_seconds())
