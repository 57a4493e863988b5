"""The grids' Secrets, API keys and certificate: read one by one, made once, renewed, put back.

Nobody may list or watch Secrets, so each is read again after a while, and when its grid's pod or StatefulSet went.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hedgegrid_operator.apply import NameTakenError
from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.control.client import operator_key
from hedgegrid_operator.desired.naming import api_secret_name, tls_secret_name
from hedgegrid_operator.desired.secret import api_secret, completed, data_of, tls_secret
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import SECRET, UID_LABEL, GridRef, Json, labels_of, section, uid_of
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

    def certificates(self) -> Iterator[Certificate]:
        """All that are known."""
        return iter(tuple(self._certificates.values()))

    async def ensure(self, ref: GridRef) -> None:
        """Both Secrets. Raises `NameTakenError`, `ApiError`, `ApiUnreachableError`."""
        await asyncio.gather(self._ensure_keys(ref), self.ensure_certificate(ref))

    async def ensure_certificate(self, ref: GridRef) -> None:
        """The Secret with the certificate. Raises the same."""
        authority, known, at = self._ca.authority, self._certificates.get(ref.uid), _now()
        if known is not None and known.authority is authority and self._is_fresh(self._certificate_at, ref.uid):
            return
        found = await self._read(ref, tls_secret_name(ref.name))
        now = datetime.now(UTC)
        leaf = usable_leaf(data_of(found), ref, authority, now, self._lifetime)
        leaf = leaf or new_leaf(ref, authority, now, self._lifetime)
        await self._write(ref, found, tls_secret(ref, leaf_data(leaf, authority)))
        self._certificates[ref.uid] = Certificate(ref, authority, leaf.certificate.not_valid_after_utc)
        self._certificate_at[ref.uid] = at

    async def _ensure_keys(self, ref: GridRef) -> None:
        at = _now()
        if self._is_fresh(self._keys_at, ref.uid):
            return
        found = await self._read(ref, api_secret_name(ref.name))
        keys = completed(data_of(found), operator_key(self._master_key, ref.uid))
        await self._write(ref, found, api_secret(ref, keys))
        self._keys_at[ref.uid] = at

    def _is_fresh(self, read_at: dict[str, float], uid: str) -> bool:
        return uid in read_at and _now() - read_at[uid] < self._interval

    async def _read(self, ref: GridRef, name: str) -> Json | None:
        found = await self._kube.get(SECRET, ref.namespace, name)
        if found is not None and labels_of(found).get(UID_LABEL) != ref.uid:
            raise NameTakenError(SECRET, name)
        return found

    async def _write(self, ref: GridRef, found: Json | None, wanted: Json) -> None:
        if (
            found is not None
            and wanted["type"] == found.get("type")
            and wanted["data"].items() <= section(found, "data").items()
        ):
            return
        name = str(wanted["metadata"]["name"])
        try:
            await self._kube.apply(SECRET, wanted)
        except ApiError as error:
            if error.reason != "Invalid" or found is None:
                raise
            # Its type can't be changed, nor anything where it is immutable: it is made again.
            await self._kube.delete(SECRET, ref.namespace, name, uid_of(found))
            await self._kube.apply(SECRET, wanted)
        log.info("applied", extra=ref.fields(kind=SECRET.kind, child=name))


def _now() -> float:
    return asyncio.get_running_loop().time()
