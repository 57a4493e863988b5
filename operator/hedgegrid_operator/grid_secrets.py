"""The grids' Secrets, API keys and certificate: read one by one, made once, renewed, put back.

Nobody may list or watch Secrets, so each is read again after a while, and when its grid's pod or StatefulSet went.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hedgegrid_operator.apply import NEVER, NameTakenError, covers
from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.control.client import operator_key
from hedgegrid_operator.desired.naming import api_secret_name, tls_secret_name
from hedgegrid_operator.desired.secret import api_secret, completed, data_of, tls_secret
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import SECRET, UID_LABEL, GridRef, Json, labels_of, metadata, uid_of
from hedgegrid_operator.pki.authority import Authority
from hedgegrid_operator.pki.leaf import leaf_data, new_leaf, usable_leaf

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known about the certificate in a grid's Secret."""

    grid: GridRef
    authority: Authority
    """That it was checked against."""
    until: datetime
    """Its end."""


class GridSecrets:
    """Keeps them as they have to be."""

    def __init__(self, kube: Kube, ca: CaSecret, *, master_key: bytes, lifetime: timedelta, interval: float) -> None:
        """`lifetime` of certificates; `interval` in seconds between two reads of a Secret."""
        self._kube = kube
        self._ca = ca
        self._master_key = master_key
        self._lifetime = lifetime
        self._interval = interval
        self._keys_at: dict[str, float] = {}
        self._certificate_at: dict[str, float] = {}
        self._certificates: dict[str, Certificate] = {}

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self.doubt(uid)
        self._certificates.pop(uid, None)

    def doubt(self, uid: str) -> None:
        """Somebody may have taken them: they are read at the next chance."""
        self._keys_at.pop(uid, None)
        self._certificate_at.pop(uid, None)

    def due(self, uid: str) -> bool:
        """Whether a grid's Secrets have to be looked at."""
        known = self._certificates.get(uid)
        fresh = self._is_fresh(self._keys_at, uid) and self._is_fresh(self._certificate_at, uid)
        return not fresh or known is None or known.authority is not self._ca.authority

    def certificate(self, uid: str) -> Certificate | None:
        """A grid's, None before it was first seen."""
        return self._certificates.get(uid)

    async def ensure(self, ref: GridRef, *, new: bool = False) -> None:
        """Both Secrets; of a `new` grid nothing is there, most likely, so they are made without being read first.

        Raises `NameTakenError`, `ApiError`, `ApiUnreachableError`.
        """
        await asyncio.gather(self._ensure_keys(ref, new=new), self.ensure_certificate(ref, new=new))

    async def ensure_certificate(self, ref: GridRef, *, new: bool = False) -> None:
        """The Secret with the certificate. Raises the same."""
        authority, known, at = self._ca.authority, self._certificates.get(ref.uid), _now()
        if known is not None and known.authority is authority and self._is_fresh(self._certificate_at, ref.uid):
            return
        until = datetime.now(UTC)

        def wanted(found: Json | None) -> Json:
            nonlocal until
            now = datetime.now(UTC)
            leaf = usable_leaf(data_of(found), ref, authority, now, self._lifetime)
            leaf = leaf or new_leaf(ref, authority, now, self._lifetime)
            until = leaf.certificate.not_valid_after_utc
            return tls_secret(ref, leaf_data(leaf, authority))

        await self._keep(ref, tls_secret_name(ref.name), wanted, new=new)
        self._certificates[ref.uid] = Certificate(ref, authority, until)
        self._certificate_at[ref.uid] = at

    async def _ensure_keys(self, ref: GridRef, *, new: bool) -> None:
        at = _now()
        if self._is_fresh(self._keys_at, ref.uid):
            return
        operator = operator_key(self._master_key, ref.uid)
        await self._keep(
            ref,
            api_secret_name(ref.name),
            lambda found: api_secret(ref, completed(data_of(found), operator)),
            new=new,
        )
        self._keys_at[ref.uid] = at

    def _is_fresh(self, read_at: dict[str, float], uid: str) -> bool:
        return uid in read_at and _now() - read_at[uid] < self._interval

    async def _keep(self, ref: GridRef, name: str, wanted: Callable[[Json | None], Json], *, new: bool) -> None:
        if new:
            try:
                await self._apply(ref, wanted(None), NEVER)
            except ApiError as error:
                if error.reason != "Conflict":
                    raise
            else:
                return
        found = await self._kube.get(SECRET, ref.namespace, name)
        if found is not None and labels_of(found).get(UID_LABEL) != ref.uid:
            raise NameTakenError(SECRET, name)
        manifest = wanted(found)
        if found is None:
            await self._apply(ref, manifest, NEVER)
        elif found.get("type") != manifest["type"] or not covers(found, {"data": manifest["data"]}):
            await self._replace(ref, manifest, found)

    async def _replace(self, ref: GridRef, manifest: Json, found: Json) -> None:
        try:
            await self._apply(ref, manifest, metadata(found)["resourceVersion"])
        except ApiError as error:
            if error.reason != "Invalid":
                raise
            # Its type can't be changed, nor anything where it is immutable: it is made again.
            await self._kube.delete(SECRET, ref.namespace, str(manifest["metadata"]["name"]), uid_of(found))
            await self._apply(ref, manifest, NEVER)

    async def _apply(self, ref: GridRef, manifest: Json, version: str) -> None:
        """Over this version, or not at all (409): what somebody else has put there meanwhile is never overwritten."""
        about = {**manifest["metadata"], "resourceVersion": version}
        await self._kube.apply(SECRET, {**manifest, "metadata": about})
        log.info("applied", extra=ref.fields(kind=SECRET.kind, child=about["name"]))


def _now() -> float:
    return asyncio.get_running_loop().time()
