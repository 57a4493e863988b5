"""The control API over TLS: the pair in a folder, looked at in each handshake."""

import http.client
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from naut_hedgegrid.ops import OperationsManager
from naut_hedgegrid.ops.tls import TlsFolder, TlsFolderError
from tests import pod_api
from tests.kube.runner.atomic import File, write_files
from tests.strategy.ops_support import INSTRUMENT, Process, alone
from tests.unit.operator_parts import UID
from tests.unit.tls_parts import authority, secret_of, trust

HOST = "127.0.0.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "tls"
    found.mkdir()
    return found


@pytest.fixture
def manager(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OperationsManager]:
    """Serves with what the folder holds, on its own thread."""
    mount(folder, secret_of())
    yield from _serving(folder, tmp_path, monkeypatch)


def _serving(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OperationsManager]:
    found = OperationsManager(alone(tmp_path), INSTRUMENT, 0, 0, tls=TlsFolder(folder))
    found.start()
    monkeypatch.setattr(pod_api, "PORT", found.api_port)
    yield found
    found.stop()


def mount(folder: Path, data: dict[str, bytes]) -> None:
    """As a kubelet swaps the content of a Secret's volume: all files at once."""
    write_files(folder, {name: File(content, 0o440) for name, content in data.items()})


def connection() -> pod_api.Connection:
    return pod_api.Connection(HOST, pod_api.host_name(UID), trust().context, 10)


def live(over: pod_api.Connection) -> bool:
    """One request over a connection, which stays open."""
    over.request("GET", "/livez")
    return over.getresponse().read() == b'{"live":true}'


def shown(over: pod_api.Connection) -> bytes:
    """The certificate that the connection was made with."""
    found = over.sock.getpeercert(binary_form=True)
    assert found is not None
    return found


def test_the_control_api_speaks_tls_1_3_and_the_metrics_dont(manager: OperationsManager) -> None:
    over = connection()
    assert live(over)
    assert over.sock.version() == "TLSv1.3"
    assert manager.scheme == "https"
    with pytest.raises((http.client.HTTPException, OSError)):
        urllib.request.urlopen(f"http://{HOST}:{manager.api_port}/livez", timeout=10)
    with urllib.request.urlopen(f"http://{HOST}:{manager.prometheus_port}/metrics", timeout=10) as answer:
        assert b"hedgegrid_uptime_seconds" in answer.read()


def test_no_ticket_takes_memory_of_the_other_side(manager: OperationsManager) -> None:
    over = connection()
    assert live(over)
    assert over.sock.session is not None
    assert not over.sock.session.has_ticket


def test_a_renewed_certificate_is_shown_to_new_connections_and_the_old_ones_live_on(
    manager: OperationsManager, folder: Path
) -> None:
    standing = connection()
    assert live(standing)
    first = shown(standing)
    mount(folder, secret_of())
    new = connection()
    assert live(new)
    assert shown(new) != first
    assert live(standing), "over the connection that stood"
    assert shown(standing) == first


@pytest.mark.parametrize("damage", [{"tls.key": b""}, {"tls.crt": b"x"}, secret_of() | {"tls.crt": b""}])
def test_a_broken_pair_leaves_the_former_one_in_use_and_is_named_in_the_log(
    manager: OperationsManager, folder: Path, damage: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    before = connection()
    assert live(before)
    mount(folder, secret_of() | damage)
    for _ in range(3):
        after = connection()
        assert live(after)
        assert shown(after) == shown(before)
    told = [line for line in caplog.messages if "can't be used, the former one stays in use" in line]
    assert len(told) == 1, "said once, not in each handshake"
    assert str(folder) in told[0]
    mount(folder, secret_of())
    mended = connection()
    assert live(mended)
    assert shown(mended) != shown(before)


def test_a_key_of_another_certificate_is_a_broken_pair(manager: OperationsManager, folder: Path) -> None:
    """Between two reads the volume may be swapped."""
    before = connection()
    assert live(before)
    mount(folder, secret_of() | {"tls.key": secret_of()["tls.key"]})
    after = connection()
    assert live(after)
    assert shown(after) == shown(before)


def test_a_secret_that_comes_later_is_served_when_it_comes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Until then nobody gets an answer, and the strategy runs."""
    served = _serving(folder, tmp_path, monkeypatch)
    assert next(served).running
    assert "no connection can be made until it can" in caplog.text
    with pytest.raises((ssl.SSLError, ConnectionError)):
        live(connection())
    mount(folder, secret_of())
    assert live(connection())
    served.close()


def test_an_authority_that_isnt_ours_is_not_served_as_ours(manager: OperationsManager, folder: Path) -> None:
    mount(folder, secret_of(by=authority("another")))
    with pytest.raises(ssl.SSLCertVerificationError):
        live(connection())


def test_a_folder_that_isnt_there_is_a_mistake(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TlsFolderError, match=r"nowhere is no folder: --tls-dir takes one with tls.crt and tls.key"):
        TlsFolder(tmp_path / "nowhere")


def test_run_sim_serves_with_a_folder_and_says_where(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(folder, secret_of())
    with Process(tmp_path, sim={}).start("--tls-dir", str(folder)).running() as run:
        assert run.address.startswith("https://127.0.0.1:")
        monkeypatch.setattr(pod_api, "PORT", int(run.address.rpartition(":")[2]))
        assert live(connection())
        run.signal()
        assert run.ended() == 0
    with Process(tmp_path, sim={}).start("--tls-dir", str(tmp_path / "nowhere")) as run:
        assert run.ended() == 2
        assert "is no folder" in run.log.read_text()
