"""One leader at a time: a Lease, and an epoch in its annotation that every acquisition raises.

The epoch goes out with every control document; a pod refuses one below the highest it has seen, so that a leader
that was replaced without noticing can't undo a kill. Whether a Lease has run out is judged by our own clock, from the
moment its present renewal was first seen: clocks of different machines are never compared. That clock goes on while the
machine sleeps.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.liveness import Attempts
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import EPOCH_ANNOTATION, LEASE, Json, annotations_of, metadata, section

log = logging.getLogger(__name__)

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_STANDBY_PACE = 4
"""So many times oftener than a leader renews does a standby look: a Lease that was released is taken within 0.5 s."""


class LeadershipLostError(Exception):
    """Another operator holds the Lease."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds: validity of a Lease, longest time without renewal before we stop writing, pause between tries."""

    duration: float
    renew_deadline: float
    retry: float


class Leader:
    """Holds, or waits for, the operator's Lease.

    Its `kube` is its own: no request of anybody else stands before a renewal.
    """

    def __init__(self, kube: Kube, metrics: Metrics, *, namespace: str, name: str, own_name: str, times: LeaseTimes):
        self._kube = kube
        self._metrics = metrics
        self._namespace = namespace
        self._name = name
        self._times = times
        self.identity = f"{own_name}-{secrets.token_hex(4)}"
        """Holder of the Lease: pod name and a random part."""
        self._epoch = 0
        self._renewed_at: float | None = None
        self._seen: tuple[object, ...] = ()
        self._seen_at = 0.0
        self._version: str | None = None
        """Resource version of the Lease as we wrote it last; None: it has to be read before it is written."""
        self._read_at: float | None = None
        self.attempts = Attempts()
        """How reading and writing the Lease goes."""
        self._turn = asyncio.Lock()

    @property
    def epoch(self) -> int:
        """Present epoch; 0 before the first acquisition."""
        return self._epoch

    @property
    def may_write(self) -> bool:
        """Whether the Lease was renewed recently enough to write to the API server."""
        return self._renewed_at is not None and _now() - self._renewed_at < self._times.renew_deadline

    @property
    def known(self) -> bool:
        """Whether the Lease could be read or written within its duration."""
        return self._read_at is not None and _now() - self._read_at < self._times.duration

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        waiting = False
        while not await self._try(self._acquire_once):
            if not waiting:
                log.info("waiting for the Lease", extra={"lease": self._name, "identity": self.identity})
                waiting = True
            await asyncio.sleep(self._times.retry / _STANDBY_PACE)
        self._metrics.leader.set(1)
        log.info("leading", extra={"lease": self._name, "identity": self.identity, "epoch": self._epoch})

    async def hold(self, on_return: Callable[[], None]) -> None:
        """Renew for ever; raises `LeadershipLostError` when another one holds the Lease.

        While the API server is unreachable the Lease can't be lost to our knowledge: nothing is written (`may_write`),
        kills that are known go on being delivered. `on_return` is called when writing is possible again.
        """
        while True:
            await asyncio.sleep(self._times.retry)
            could_write = self.may_write
            await self._try(self._renew)
            if self.may_write != could_write:
                log.warning("the Lease is renewed again" if self.may_write else "the Lease can't be renewed")
                if self.may_write:
                    on_return()

    async def outrun(self, epoch: int) -> bool:
        """Write an epoch above this one, for a pod that has seen a higher one than ours; False when we don't lead."""
        async with self._turn:
            if self._renewed_at is None:
                return False
            if self._epoch > epoch:
                return True
            try:
                lease = await self._kube.get(LEASE, self._namespace, self._name)
                if lease is None or section(lease, "spec").get("holderIdentity") != self.identity:
                    return False
                await self._write(lease, max(epoch, _epoch_of(lease)) + 1)
            except (ApiError, ApiUnreachableError) as error:
                log.warning("the epoch can't be raised: %s", error)
                return False
            log.warning("epoch raised above a pod's", extra={"epoch": self._epoch})
            return True

    async def release(self) -> None:
        """Let the next one have it at once."""
        async with self._turn:
            self._metrics.leader.set(0)
            if self._renewed_at is None:
                return
            self._renewed_at = None
            try:
                lease = await self._kube.get(LEASE, self._namespace, self._name)
                if lease is not None and section(lease, "spec").get("holderIdentity") == self.identity:
                    version = metadata(lease)["resourceVersion"]
                    patch: Json = {
                        "metadata": {"resourceVersion": version},
                        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
                    }
                    await self._kube.merge(LEASE, self._namespace, self._name, patch)
                    log.info("Lease released")
            except (ApiError, ApiUnreachableError) as error:
                log.warning("the Lease can't be released, it runs out by itself: %s", error)

    async def _try(self, step: Callable[[], Awaitable[bool]]) -> bool:
        async with self._turn:
            try:
                return await step()
            except ApiError as error:
                # Conflict: somebody else wrote it meanwhile, and the next look tells who.
                self.attempts.failed(None if error.status == 409 else error)
                if error.status != 409:
                    log.warning("the Lease %s/%s can't be written: %s", self._namespace, self._name, error)
            except ApiUnreachableError as error:
                self.attempts.failed(error)
                log.warning("the Lease can't be reached: %s", error)
            return False

    async def _read(self) -> Json | None:
        lease = await self._kube.get(LEASE, self._namespace, self._name)
        self._read_at = _now()
        self.attempts.succeeded()
        return lease

    async def _acquire_once(self) -> bool:
        lease = await self._read()
        if lease is None:
            await self._create()
            return True
        spec = section(lease, "spec")
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), metadata(lease).get("resourceVersion"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, _now()
        held = spec.get("holderIdentity") and _now() - self._seen_at < float(spec.get("leaseDurationSeconds") or 0)
        if held and spec.get("holderIdentity") != self.identity:
            return False
        await self._write(lease, max(self._epoch, _epoch_of(lease)) + 1, acquired=True)
        return True

    async def _renew(self) -> bool:
        """One request where nobody else has touched the Lease."""
        if self._version is not None:
            try:
                await self._patch(self._version, self._epoch, self._spec())
            except ApiError as error:
                if error.status not in {404, 409}:
                    raise
                self._version = None
            else:
                return True
        lease = await self._read()
        if lease is None:
            await self._create()
            return True
        holder = section(lease, "spec").get("holderIdentity")
        if holder and holder != self.identity:
            self._lose(str(holder))
        epoch = max(self._epoch, _epoch_of(lease))
        await self._write(lease, epoch if holder else epoch + 1, acquired=not holder)
        return True

    def _lose(self, holder: str) -> None:
        self._renewed_at = None
        self._metrics.leader.set(0)
        raise LeadershipLostError(f"{holder} holds the Lease {self._namespace}/{self._name}")

    async def _create(self) -> None:
        spec, started, epoch = self._spec(), _now(), self._epoch + 1
        manifest: Json = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "annotations": {EPOCH_ANNOTATION: str(epoch)}},
            "spec": {**spec, "acquireTime": spec["renewTime"], "leaseTransitions": 0},
        }
        self._held(epoch, started, await self._kube.create(LEASE, self._namespace, manifest))

    async def _write(self, lease: Json, epoch: int, *, acquired: bool = False) -> None:
        spec = self._spec()
        if acquired:
            spec["acquireTime"] = spec["renewTime"]
            spec["leaseTransitions"] = int(section(lease, "spec").get("leaseTransitions") or 0) + 1
        await self._patch(str(metadata(lease)["resourceVersion"]), epoch, spec)

    async def _patch(self, version: str, epoch: int, spec: Json) -> None:
        """Write the Lease in this version of it, and no other."""
        started = _now()
        about = {"resourceVersion": version, "annotations": {EPOCH_ANNOTATION: str(epoch)}}
        patch: Json = {"metadata": about, "spec": spec}
        self._held(epoch, started, await self._kube.merge(LEASE, self._namespace, self._name, patch))

    def _held(self, epoch: int, started: float, lease: Json) -> None:
        """The Lease counts from before the request that renewed it."""
        self._epoch = epoch
        self._renewed_at = self._read_at = started
        self._version = str(metadata(lease)["resourceVersion"])
        self.attempts.succeeded()

    def _spec(self) -> Json:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._times.duration)),
            "renewTime": _micro_time(),
        }


def _epoch_of(lease: Json) -> int:
    text = annotations_of(lease).get(EPOCH_ANNOTATION, "")
    return int(text) if text.isdecimal() else 0


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _now() -> float:
    return time.clock_gettime(_CLOCK)
