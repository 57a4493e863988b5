"""The pods' certificate authority: in a Secret that is made at the first start, followed, and renewed in time.

Whoever begins to lead reads it; a leader reads it again with the children. Deleted or replaced by a person, what it was
before is trusted on until no pod shows a certificate of it any more.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from hedgegrid_operator.desired.secret import data_of, encoded
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.objects import SECRET, Json, labels_of, metadata
from hedgegrid_operator.pki.authority import (
    Authority,
    alone,
    also_trusting,
    new_authority,
    read_authority,
    renewal_due,
    renewed,
    trusted_in,
)
from hedgegrid_operator.pki.pair import DamagedError
from hedgegrid_operator.pki.trust import Trust

log = logging.getLogger(__name__)

_LABELS = {"app.kubernetes.io/managed-by": "hedgegrid-operator"}
_PAUSE = 2.0


class CaSecret:
    """Keeps the authority; `trust` follows it."""

    def __init__(self, kube: Kube, namespace: str, name: str, lifetime: timedelta) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._lifetime = lifetime
        self._held: Authority | None = None
        self.trust = Trust()

    @property
    def authority(self) -> Authority:
        """As last read or written. Raises RuntimeError before `begin`."""
        if self._held is None:
            raise RuntimeError("the certificate authority hasn't been read yet")
        return self._held

    @property
    def begun(self) -> bool:
        """Whether there is one."""
        return self._held is not None

    async def begin(self) -> None:
        """Read it, or make it; waits as long as neither can be done."""
        while True:
            try:
                await self._read()
            except (ApiError, ApiUnreachableError, ValueError) as error:
                log.warning("no certificate authority yet: %s", error)
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def refresh(self) -> None:
        """Follow what was changed, put back what was damaged, renew what ends; on trouble what is held stays."""
        try:
            await self._read()
        except (ApiError, ApiUnreachableError, ValueError) as error:
            log.warning("the certificate authority stays as it is: %s", error)

    async def drop_former(self) -> None:
        """Trust the present authority alone. Raises `ApiError`, `ApiUnreachableError`."""
        found = await self._kube.get(SECRET, self._namespace, self._name)
        if found is not None and _is(found, self.authority):
            await self._write(alone(self.authority), found)
            log.info("former certificate authorities dropped", extra=self._fields())

    async def _read(self) -> None:
        now, held = datetime.now(UTC), self._held
        found = await self._kube.get(SECRET, self._namespace, self._name)
        if found is None:
            made = new_authority(now, self._lifetime)
            made = also_trusting(made, held, now) if held else made
            self._hold(await self._create(made), "made")
            return
        try:
            read = read_authority(data_of(found), now)
        except DamagedError as damage:
            await self._write(self._mended(found, damage, now), found)
            return
        wanted = also_trusting(read, held, now) if held and held.id != read.id else read
        if renewal_due(wanted, now, self._lifetime):
            wanted = renewed(wanted, now, self._lifetime)
        if wanted.bundle == read.bundle:
            self._hold(wanted, "read")
        else:
            await self._write(wanted, found)

    async def _create(self, made: Authority) -> Authority:
        manifest: Json = {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": {"name": self._name, "labels": _LABELS},
            "type": "kubernetes.io/tls",
            "data": encoded(made.data()),
        }
        await self._kube.create(SECRET, self._namespace, manifest)
        return made

    async def _write(self, wanted: Authority, found: Json) -> None:
        """Over the version that was read: another leader's is never lost (409)."""
        version = metadata(found)["resourceVersion"]
        patch: Json = {"metadata": {"resourceVersion": version}, "data": encoded(wanted.data())}
        await self._kube.merge(SECRET, self._namespace, self._name, patch)
        self._hold(wanted, "written")

    def _mended(self, found: Json, damage: DamagedError, now: datetime) -> Authority:
        what = f"Secret {self._namespace}/{self._name}"
        if self._held is not None and self._held.present.certificate.not_valid_after_utc > now:
            log.warning("%s is put back: %s", what, damage)
            return self._held
        if not _LABELS.items() <= labels_of(found).items():
            raise ValueError(
                f"{what}: {damage}, and it wasn't made by the operator: delete it, or name another one by --ca-secret"
            )
        log.warning("a new authority is put into %s: %s", what, damage)
        return new_authority(now, self._lifetime, trusted_in(data_of(found)))

    def _hold(self, authority: Authority, how: str) -> None:
        if self._held is None or authority.bundle != self._held.bundle:
            self._held = authority
            self.trust.follow(authority)
            log.info("certificate authority %s", how, extra=self._fields())

    def _fields(self) -> dict[str, object]:
        return {
            "secret": f"{self._namespace}/{self._name}",
            "authority": self.authority.present.certificate.subject.rfc4514_string(),
            "until": self.authority.present.certificate.not_valid_after_utc.isoformat(),
            "former": len(self.authority.former),
        }


def _is(found: Json, authority: Authority) -> bool:
    return all(data_of(found).get(name) == value for name, value in authority.data().items())
