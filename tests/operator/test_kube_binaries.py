"""Where the Kubernetes programs come from: order, checksums, cache, and what is said when there are none."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kube import ClusterUnavailable, gobuild, release
from tests.kube.binaries import PROGRAMS, find_binaries

SCRIPT = b"#!/bin/sh\n"


@pytest.fixture(autouse=True)
def fresh_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cache, no Go, no KUBEBUILDER_ASSETS."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(gobuild, "GO_PLACES", ())


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A release on a loopback server; the paths that were asked for."""
    site = tmp_path / "site"
    site.mkdir()
    with tarfile.open(site / "envtest.tar.gz", "w:gz") as tar:
        for program in ("etcd", "kube-apiserver", "kubectl"):
            member = tarfile.TarInfo(f"controller-tools/envtest/{program}")
            member.size = len(SCRIPT)
            tar.addfile(member, io.BytesIO(SCRIPT))
    (site / "kube-controller-manager").write_bytes(SCRIPT)
    (site / "kube-controller-manager.sha512").write_text(hashlib.sha512(SCRIPT).hexdigest() + "\n")
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(site))

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        digest = hashlib.sha512((site / "envtest.tar.gz").read_bytes()).hexdigest()
        monkeypatch.setattr(release, "ARCHIVE", f"{url}/envtest.tar.gz")
        monkeypatch.setattr(release, "ARCHIVE_SHA512", {release.PLATFORM: digest})
        monkeypatch.setattr(release, "CONTROLLER_MANAGER", f"{url}/kube-controller-manager")
        yield asked
        server.shutdown()


def programs_in(folder: Path, names: tuple[str, ...]) -> str:
    """A folder with these programs."""
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(SCRIPT)
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_release_is_fetched_once_and_then_taken_from_the_cache(downloads: list[str]) -> None:
    said: list[str] = []
    first = find_binaries(said.append)
    assert "official release" in said[-1]
    assert all(first.path(program).read_bytes() == SCRIPT for program in PROGRAMS)
    asked = list(downloads)
    second = find_binaries(said.append)
    assert second.folder == first.folder
    assert "cache" in said[-1]
    assert downloads == asked


def test_two_at_once_fetch_once(downloads: list[str]) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: find_binaries(lambda _line: None).folder, range(4)))
    assert len(set(found)) == 1
    assert downloads.count("/envtest.tar.gz") == 1


@pytest.mark.usefixtures("downloads")
def test_a_wrong_checksum_is_refused_and_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(release, "ARCHIVE_SHA512", {release.PLATFORM: "0" * 128})
    with pytest.raises(ClusterUnavailable, match=r"has SHA-512 .*, expected 000"):
        find_binaries(lambda _: None)
    left = [path.name for path in (tmp_path / "cache" / "hedgegrid").iterdir()]
    assert left == ["kube.lock"]


def test_without_any_source_one_sentence_names_the_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "ARCHIVE", "http://127.0.0.1:1/envtest.tar.gz")
    with pytest.raises(ClusterUnavailable) as reason:
        find_binaries(lambda _: None)
    for part in ("could not be fetched", "Go is not installed", "Install Go 1.24 or later", "KUBEBUILDER_ASSETS"):
        assert part in str(reason.value)
    assert "\n" not in str(reason.value)


def test_a_folder_without_controllers_is_passed_over_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, downloads: list[str]
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", programs_in(tmp_path / "envtest", PROGRAMS[:2]))
    said: list[str] = []
    assert find_binaries(said.append).source == "official release"
    assert any("has no kube-controller-manager" in line for line in said)


def test_a_complete_folder_of_ones_own_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, downloads: list[str]
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", programs_in(tmp_path / "own", PROGRAMS))
    assert find_binaries(lambda _: None).folder == tmp_path / "own"
    assert downloads == []
