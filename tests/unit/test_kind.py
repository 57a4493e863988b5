"""A cluster of kind, with programs in its and Docker's place that note what they are told."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube import ClusterUnavailable, wait_until
from tests.kube.access import CHECKOUT
from tests.kube.errors import HostError
from tests.kube.kind import Kind, prepare
from tests.kube.kind.kind import IMAGE

END_SECONDS = 30.0

DOCKER = """#!/bin/sh
echo "docker $*" >> "$NOTES"
case "$1" in version) echo 28.0.0 ;; esac
"""
# Fails where told to, and hangs where told to.
KIND = """#!/bin/sh
echo "kind $*" >> "$NOTES"
case "$1" in
create)
  echo " • Preparing nodes" >&2
  echo "docker run failed" >&2
  cat "${4#--config=}" >> "$NOTES.config"
  [ -n "$HANG" ] && sleep 100
  exit 1 ;;
esac
"""
HANGS = "from tests.kube.kind import Kind\nKind(say=print).start()"


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (("docker", DOCKER), ("kind", KIND)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    for name in ("KIND", IMAGE, "HANG"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "notes"


def told(notes: Path, beginning: str) -> list[str]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [line for line in lines if line.startswith(beginning)]


def test_without_a_daemon_it_says_what_is_missing(notes: Path) -> None:
    (notes.parent / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ClusterUnavailable, match="no daemon answers `docker version`"):
        prepare(print)


def test_the_program_that_is_named_goes_before_that_in_path(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(print) == notes.parent / "bin" / "kind"
    monkeypatch.setenv("KIND", "/opt/kind")
    assert prepare(print) == Path("/opt/kind")


def test_a_start_that_fails_says_why_and_leaves_nothing(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMAGE, "mirror/node:v1")
    said: list[str] = []
    with pytest.raises(HostError, match=f"ended with 1: .*docker run failed.*{IMAGE}"):
        Kind(say=said.append).start()
    assert said == ["  kind: Preparing nodes"]
    (created,) = told(notes, "kind create")
    assert "--image=mirror/node:v1" in created
    name = created.partition("--name=")[2].split()[0]
    assert told(notes, "kind delete") == [f"kind delete cluster --name {name}"]
    assert told(notes, "docker exec")[0].startswith(f"docker exec {name}-control-plane sh -c rm -rf /var/")
    assert list(notes.parent.glob("hedgegrid-kind-*")) == []
    (node,) = json.loads(Path(f"{notes}.config").read_text())["nodes"]
    assert node["extraMounts"][0]["containerPath"] == "/var/local-path-provisioner"


def test_after_a_sigkill_it_is_deleted_all_the_same(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANG", "yes")
    with subprocess.Popen([sys.executable, "-c", HANGS], cwd=CHECKOUT) as process:
        wait_until(lambda: told(notes, "kind create"), END_SECONDS, "kind to be asked for a cluster")
        assert list(notes.parent.glob("hedgegrid-kind-*"))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: told(notes, "kind delete"), END_SECONDS, "the cluster to be deleted")
    wait_until(lambda: not list(notes.parent.glob("hedgegrid-kind-*")), END_SECONDS, "its folder to go")
