"""The pod's control API over pooled keep-alive connections; the operator's key is computed, never read."""

import hashlib
import hmac
from enum import StrEnum
from typing import Self

import aiohttp
from pydantic import ValidationError

from hedgegrid_api.control import ControlDocument, ControlReport, Refusal

API_PORT = 8080
_JSON = {"Content-Type": "application/json"}


class Failure(StrEnum):
    """Why a call to a pod failed; the values are reasons of the condition ControlReachable."""

    CONNECTION_REFUSED = "ConnectionRefused"
    TIMEOUT = "Timeout"
    UNAUTHORIZED = "Unauthorized"


class PodUnreachableError(Exception):
    """The pod didn't answer, or not with a report."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class DocumentRefusedError(Exception):
    """The pod holds something newer, or another object's document (409), or can't accept this one (422)."""

    def __init__(self, reason: str, message: str, held: ControlReport | None) -> None:
        super().__init__(message)
        self.reason = reason
        """uid, generation, epoch or invalid."""
        self.held = held
        """What the pod holds; None when it didn't say."""


def operator_key(master: bytes, uid: str) -> str:
    """The operator's API key for the pod of one object."""
    return hmac.new(master, uid.encode(), hashlib.sha256).hexdigest()


class PodClient:
    """`PUT` and `GET /control` of all pods: one warm connection for each, a second one only while that is busy."""

    def __init__(self, master_key: bytes, timeout: float, keep_alive: float) -> None:
        self._master_key = master_key
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=self._keep_alive, ttl_dns_cache=None, use_dns_cache=False
        )
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def put(self, address: str, document: ControlDocument) -> ControlReport:
        """Send a document; returns once the pod has stored it. Raises `PodUnreachableError`, `DocumentRefusedError`."""
        return await self._call("PUT", address, document.uid, document.model_dump_json(by_alias=True))

    async def get(self, address: str, uid: str) -> ControlReport:
        """The pod's report. Raises `PodUnreachableError`."""
        return await self._call("GET", address, uid, None)

    async def _call(self, verb: str, address: str, uid: str, body: str | None) -> ControlReport:
        if self._session is None:
            raise RuntimeError("the client isn't open")
        host = f"[{address}]" if ":" in address else address
        headers = {"X-API-Key": operator_key(self._master_key, uid), **_JSON}
        try:
            async with self._session.request(
                verb, f"http://{host}:{API_PORT}/control", data=body, headers=headers
            ) as response:
                return _answer(response.status, await response.read())
        except TimeoutError as error:
            raise PodUnreachableError(Failure.TIMEOUT, f"no answer within {self._timeout.total:g} s") from error
        except aiohttp.ClientConnectorError as error:
            why = error.os_error.strerror or str(error.os_error)
            raise PodUnreachableError(Failure.CONNECTION_REFUSED, f"{host}:{API_PORT}: {why}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PodUnreachableError(Failure.CONNECTION_REFUSED, str(error) or type(error).__name__) from error


def _answer(status: int, body: bytes) -> ControlReport:
    text = body[:200].decode(errors="replace")
    try:
        if status == 409:
            refusal = Refusal.model_validate_json(body)
            raise DocumentRefusedError(refusal.reason, refusal.message, refusal.held)
        if status == 422:
            raise DocumentRefusedError("invalid", text, None)
        if status in {401, 403}:
            raise PodUnreachableError(Failure.UNAUTHORIZED, f"the pod doesn't accept the operator's key ({status})")
        if status != 200:
            raise PodUnreachableError(Failure.CONNECTION_REFUSED, f"HTTP status {status}: {text}")
        return ControlReport.model_validate_json(body)
    except ValidationError as error:
        raise PodUnreachableError(Failure.CONNECTION_REFUSED, f"not an answer of the control API: {error}") from error
