"""The pod's control API over pooled keep-alive TLS connections; the operator's key is computed, never read.

The handshake asks for the certificate of the grid's uid, by OpenSSL's own check of the host name: what listens at the
address of a pod but isn't that grid's gets no byte of a request, and so never a key. A pool belongs to address and host
name, so a connection is never used for another grid that comes by the address.
"""

import asyncio
import hashlib
import hmac
import ssl
from enum import StrEnum
from functools import lru_cache
from typing import Self

import aiohttp
from yarl import URL

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_api.text import shown
from hedgegrid_operator.control.answer import NoAnswerError, read_body, report_in
from hedgegrid_operator.control.handshake import why_failed, why_unconnected
from hedgegrid_operator.pki.leaf import host_name
from hedgegrid_operator.pki.trust import Trust

API_PORT = 8080
_KEEP_ALIVE = 70.0
"""Seconds after which a connection that isn't used is closed: before the pod does so, which waits for 75."""
# No answer is ever unpacked: a small one could become a huge one.
_JSON = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class Failure(StrEnum):
    """Why a call to a pod failed; the values are reasons of the condition ControlReachable."""

    CONNECTION_REFUSED = "ConnectionRefused"
    TIMEOUT = "Timeout"
    TLS_FAILED = "TLSFailed"
    UNAUTHORIZED = "Unauthorized"


class PodUnreachableError(Exception):
    """The pod didn't answer, or not with a report."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


@lru_cache(maxsize=16_384)
def operator_key(master: bytes, uid: str) -> str:
    """The operator's API key for the pod of one object."""
    return hmac.new(master, uid.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=16_384)
def _url(host: str, port: int) -> URL:
    """Parsed once for each pod, not with each call."""
    return URL(f"https://{host}:{port}/control")


class PodClient:
    """`PUT` and `GET /control` of all pods: one warm connection for each, a second one only while that is busy."""

    def __init__(self, master_key: bytes, trust: Trust, timeout: float) -> None:
        self._master_key = master_key
        self._trust = trust
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=None, use_dns_cache=False
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )
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

    async def shows(self, address: str, uid: str, context: ssl.SSLContext) -> bool:
        """Whether the pod would now be taken for the grid's by this context: a handshake of its own, and no request."""
        try:
            async with asyncio.timeout(self._timeout.total):
                _, writer = await asyncio.open_connection(
                    address, API_PORT, ssl=context, server_hostname=host_name(uid)
                )
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def _call(self, verb: str, address: str, uid: str, body: str | None) -> ControlReport:
        if self._session is None:
            raise RuntimeError("the client isn't open")
        host = f"[{address}]" if ":" in address else address
        key = operator_key(self._master_key, uid)
        try:
            # A redirect would take the key elsewhere.
            async with self._session.request(
                verb,
                _url(host, API_PORT),
                data=body,
                headers={"X-API-Key": key, **_JSON},
                allow_redirects=False,
                ssl=self._trust.context,
                server_hostname=host_name(uid),
            ) as response:
                if response.status in {401, 403}:
                    told = f"the pod doesn't accept the operator's key ({response.status})"
                    raise PodUnreachableError(Failure.UNAUTHORIZED, told)
                return report_in(response.status, await read_body(response.content), uid=uid, key=key)
        except NoAnswerError as error:
            raise PodUnreachableError(Failure.CONNECTION_REFUSED, str(error)) from None
        except TimeoutError as error:
            raise PodUnreachableError(Failure.TIMEOUT, f"no answer within {self._timeout.total:g} s") from error
        except aiohttp.ClientSSLError as error:
            raise PodUnreachableError(
                Failure.TLS_FAILED, f"{host}:{API_PORT}: {why_failed(error.os_error, host_name(uid))}"
            ) from error
        except aiohttp.ClientConnectorError as error:
            why = why_unconnected(error.os_error)
            raise PodUnreachableError(Failure.CONNECTION_REFUSED, f"{host}:{API_PORT}: {why}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PodUnreachableError(
                Failure.CONNECTION_REFUSED, shown(str(error), 200) or type(error).__name__
            ) from error
