"""After any end of a node nothing of it is left on the machine: mount, namespace, cgroup, process, file, interface."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.node_pods import load_shell, pod, ready
from tests.kube import wait_until
from tests.kube.access import CHECKOUT
from tests.kube.node import Node, cgroups, keeper

END_SECONDS = 60.0
START_SECONDS = 300.0
NAMESPACES = ("mnt", "net", "pid")

PARENT = """
import signal
import time
from tests.e2e.node_pods import load_shell, pod, ready
from tests.kube.node import Node
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell ignores it
with Node(say=lambda _: None) as node:
    load_shell(node)
    node.api.create(pod("stays", "default", "sleep 1000"))
    node.api.wait("v1", "Pod", "stays", "default", ready, 120)
    node.inside.start("stray", ["sh", "-c", "setsid sleep 1000 & wait"])
    print(node.folder, node.inside.pid, flush=True)
    time.sleep(1000)
"""


@dataclass(frozen=True)
class Traces:
    """What one node has on the machine."""

    folder: Path
    namespaces: frozenset[str]

    @classmethod
    def of(cls, folder: Path, pid: int) -> "Traces":
        return cls(folder, frozenset(str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in NAMESPACES))

    def left(self) -> list[str]:
        """What is still there, in words."""
        processes = [
            f"process {pid} in its namespaces"
            for pid in _pids()
            if self.namespaces & {_namespace_of(pid, kind) for kind in NAMESPACES}
        ]
        named = [f"process {pid}: {line}" for pid in _pids() if self.folder.name in (line := _command_line(pid))]
        mounts = [f"mount {line}" for line in _lines("/proc/self/mountinfo") if self.folder.name in line]
        folders = [f"folder {self.folder}"] if self.folder.exists() else []
        groups = [f"cgroup {name}" for name in cgroups.found(self.folder.name)]
        return [*processes, *named, *mounts, *folders, *groups]


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _namespace_of(pid: int, kind: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _around() -> dict[str, object]:
    """What the machine around looks like, in those respects that a kubelet would change."""
    settings = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")
    folders = ("/var/lib", "/var/lib/cni", "/var/lib/kubelet", "/etc/cni", "/opt/containerd", "/run/containerd")
    return {
        "mounts": len(_lines("/proc/self/mountinfo")),
        "interfaces": sorted(line.split(":")[0].strip() for line in _lines("/proc/net/dev")[2:]),
        "settings": {name: Path(f"/proc/sys/{name}").read_text() for name in settings},
        "folders": {name: sorted(map(str, Path(name).iterdir())) if Path(name).exists() else None for name in folders},
    }


@pytest.mark.usefixtures("node_possible")
def test_a_node_that_is_stopped_leaves_the_machine_as_it_was() -> None:
    before = _around()
    with Node(volumes=1, say=lambda _: None) as node:
        load_shell(node)
        node.api.create(pod("stays", "default", "sleep 1000"))
        node.api.wait("v1", "Pod", "stays", "default", ready, 120)
        traces = Traces.of(node.folder, node.inside.pid)
        assert {line.split()[0] for line in traces.left()} == {"process", "folder", "cgroup"}
        assert _around() == before
    assert traces.left() == []
    assert _around() == before


@pytest.mark.usefixtures("node_possible")
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda parent, folder: parent.kill(), id="parent killed"),
        pytest.param(lambda parent, folder: parent.send_signal(signal.SIGINT), id="Ctrl-C"),
        pytest.param(lambda parent, folder: os.kill(_keeper_of(parent.pid), signal.SIGKILL), id="keeper killed"),
    ],
)
def test_nothing_stays_whoever_is_ended(end: Callable[[subprocess.Popen[str], Path], None]) -> None:
    before = _around()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
    with parent, _killed_at_the_end(parent):
        assert parent.stdout is not None
        folder, pid = parent.stdout.readline().split()
        traces = Traces.of(Path(folder), int(pid))
        assert traces.left()
        keeper_pid = _keeper_of(parent.pid)
        end(parent, traces.folder)
        wait_until(lambda: _has_ended(keeper_pid), END_SECONDS, "the keeper to end")
        wait_until(lambda: _has_ended(int(pid)), END_SECONDS, "the node to end")
    # Only a keeper that was killed leaves plain files and empty cgroups, until the next one comes.
    if traces.folder.exists():
        wait_until(lambda: not [line for line in traces.left() if line.startswith(("process", "mount"))], END_SECONDS)
        keeper.sweep()
    wait_until(lambda: not traces.left(), END_SECONDS, "every trace to go")
    assert _around() == before


@contextmanager
def _killed_at_the_end(process: subprocess.Popen[str]) -> Generator[None]:
    try:
        yield
    finally:
        process.kill()


def _has_ended(pid: int) -> bool:
    """Whether it runs no more; its parent may not have asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def _keeper_of(parent: int) -> int:
    """The keeper that a process has started."""
    return next(
        pid
        for pid in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        if "tests.kube.node.keeper" in _command_line(pid)
    )
