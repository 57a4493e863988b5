"""The operator's client and whatever listens at a pod's address: no key for anybody but the grid's own pod."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import uvloop

from hedgegrid_api.control import ControlDocument
from hedgegrid_operator.control import client as client_module
from hedgegrid_operator.control.client import Failure, PodClient, PodUnreachableError, operator_key
from hedgegrid_operator.objects import GridRef
from hedgegrid_operator.pki.authority import Authority, alone, renewed
from hedgegrid_operator.pki.trust import Trust, client_context
from tests.unit.operator_parts import UID, report
from tests.unit.tls_parts import YEAR, authority, secret_of, serving, trust

MASTER = b"master"
ANSWER = report().model_dump_json(by_alias=True).encode()
OTHER_UID = UID.replace("1", "2")


@dataclass
class Stub:
    """Listens where a pod would, and writes down every byte that it can read."""

    port: int = 0
    received: bytes = b""
    handshakes: int = 0
    """Connections on which one was finished."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handshakes += 1
        with contextlib.suppress(OSError):
            while block := await reader.read(65536):
                self.received += block
                if b"\r\n\r\n" in block:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))
        writer.close()
        self.ended.set()


@asynccontextmanager
async def listening(context: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stub]:
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, ssl=context)
    stub.port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(client_module, "API_PORT", stub.port)
    try:
        yield stub
    finally:
        server.close()


def client(of: Trust | None = None, patience: float = 10) -> PodClient:
    return PodClient(MASTER, of or trust(), patience)


def document(uid: str = UID) -> ControlDocument:
    return ControlDocument(uid=uid, generation=1)


async def test_the_grids_own_pod_gets_key_and_document(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(serving(secret_of()), monkeypatch) as stub, client() as pods:
        assert (await pods.put("127.0.0.1", document())).uid == UID
    assert operator_key(MASTER, UID).encode() in stub.received


@pytest.mark.parametrize(
    ("context", "told"),
    [
        (lambda: serving(secret_of(by=authority("another"))), "isn't of the operator's authority"),
        (lambda: serving(secret_of(GridRef("default", "btc", OTHER_UID))), "another pod has the address"),
        (lambda: serving(secret_of(since=timedelta(days=2))), "its certificate has ended"),
        (lambda: serving(authority().data()), "isn't of the operator's authority|isn't valid|isn't this grid's"),
    ],
    ids=["another authority", "another grid's pod", "ended", "the authority itself"],
)
async def test_whoever_isnt_the_grids_pod_gets_no_byte(
    context: Callable[[], ssl.SSLContext], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address goes to the next pod, and may be anybody's."""
    async with listening(context(), monkeypatch) as stub, client() as pods:
        for call in (pods.put("127.0.0.1", document()), pods.get("127.0.0.1", UID)):
            with pytest.raises(PodUnreachableError, match=told) as refused:
                await call
            assert refused.value.failure is Failure.TLS_FAILED
            assert f"127.0.0.1:{stub.port}: no key was sent, " in str(refused.value)
    assert stub.received == b""


async def test_nothing_older_than_tls_1_3_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    context = serving(secret_of())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(context, monkeypatch) as stub, client() as pods:
        with pytest.raises(PodUnreachableError, match=r"cut in the handshake|no TLS 1\.3 is spoken"):
            await pods.put("127.0.0.1", document())
    assert stub.received == b""


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail\r\n"])
async def test_a_server_without_tls_gets_no_byte_of_a_request(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    received = b""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received += await reader.read(65536)
        writer.write(answer)
        with contextlib.suppress(OSError):
            received += await reader.read()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    monkeypatch.setattr(client_module, "API_PORT", server.sockets[0].getsockname()[1])
    async with server, client() as pods:
        with pytest.raises(PodUnreachableError, match=r"no TLS 1\.3 is spoken") as refused:
            await pods.put("127.0.0.1", document())
    assert refused.value.failure is Failure.TLS_FAILED
    assert received[:1] == b"\x16", "a TLS handshake"
    for word in (operator_key(MASTER, UID).encode(), b"X-API-Key", b"PUT", b"generation"):
        assert word not in received


async def test_a_connection_is_never_used_for_another_grid_at_the_same_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pod of one grid went, its address is the next one's: warm or not, the other one's pod must prove itself."""
    async with listening(serving(secret_of()), monkeypatch) as stub, client() as pods:
        await pods.get("127.0.0.1", UID)
        with pytest.raises(PodUnreachableError, match="another pod has the address"):
            await pods.get("127.0.0.1", OTHER_UID)
    assert operator_key(MASTER, OTHER_UID).encode() not in stub.received


def _on_uvloop(test: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())  # type: ignore[arg-type]


def test_a_kill_over_a_warm_connection_makes_no_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the operator's own loop; also while a new authority comes to be trusted."""

    async def run() -> None:
        async with listening(serving(secret_of()), monkeypatch) as stub:
            known = trust()
            async with client(known) as pods:
                await pods.get("127.0.0.1", UID)
                for _ in range(5):
                    await pods.put("127.0.0.1", document())
                known.follow(renewed(authority(), datetime.now(UTC), YEAR))
                await pods.put("127.0.0.1", document())
                assert stub.handshakes == 1

    _on_uvloop(run)


async def test_where_an_authority_isnt_trusted_any_more_its_connections_arent_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = renewed(authority(), datetime.now(UTC), YEAR)
    async with listening(serving(secret_of()), monkeypatch) as stub:
        known = trust(new)
        async with client(known) as pods:
            await pods.get("127.0.0.1", UID)
            known.follow(alone(new))
            with pytest.raises(PodUnreachableError, match="isn't of the operator's authority"):
                await pods.get("127.0.0.1", UID)
    assert stub.handshakes == 1


async def test_old_and_new_certificates_are_taken_in_the_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    old = authority()
    new = renewed(old, datetime.now(UTC), YEAR)
    async with client(trust(new)) as pods:
        for issuer in (old, new):
            async with listening(serving(secret_of(by=issuer)), monkeypatch):
                await pods.get("127.0.0.1", UID)
                assert await pods.shows("127.0.0.1", UID, client_context(new.bundle))
                assert await pods.shows("127.0.0.1", UID, _alone(new)) is (issuer is new)


def _alone(found: Authority) -> ssl.SSLContext:
    return client_context(found.present.certificate_pem)


async def test_whether_a_pod_has_moved_is_seen_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(serving(secret_of()), monkeypatch) as stub, client() as pods:
        assert await pods.shows("127.0.0.1", UID, _alone(authority()))
        await asyncio.wait_for(stub.ended.wait(), 10)
        assert not await pods.shows("127.0.0.1", OTHER_UID, _alone(authority()))
    assert not await pods.shows("127.0.0.1", UID, _alone(authority())), "nobody listens"
    assert stub.received == b""


def test_only_our_authority_is_trusted_and_not_the_systems() -> None:
    context = trust().context
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
