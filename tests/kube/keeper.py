"""The process that leaves nothing behind.

`python -m tests.kube.keeper PARENT_PID SETTINGS` makes the cluster's folder, starts the host in it, prints the folder,
and waits: for the parent to close the pipe or to die in whatever way, for the host to end, or for a signal. Then it
kills every process of the cluster and removes the folder. As child subreaper it inherits what a killed process leaves,
so nothing escapes by forking twice. The host watches the keeper in the same way, and a later keeper sweeps folders that
nobody holds.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

PREFIX = "hedgegrid-kube-"
YOUNG_SECONDS = 60.0
REAP_MILLISECONDS = 1000
TAIL_BYTES = 4000

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """The command line."""
    parent_pid, settings = int(sys.argv[1]), sys.argv[2]
    inherit_orphans()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        _keep(folder, lock, parent_pid, settings)
    finally:
        kill_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _keep(folder: Path, lock: int, parent_pid: int, settings: str) -> None:
    parent = os.pidfd_open(parent_pid)
    if os.getppid() != parent_pid:
        return
    with (folder / "host.log").open("wb") as log:
        host = subprocess.Popen(
            [sys.executable, "-m", "tests.kube.host", str(folder), settings],
            stdin=subprocess.PIPE,  # held by this process alone: the host sees its end when the keeper is killed
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
        )
    print(folder, flush=True)
    host_end = os.pidfd_open(host.pid)
    waiting = select.poll()
    for descriptor in (sys.stdin.fileno(), parent, host_end):
        waiting.register(descriptor, select.POLLIN | select.POLLHUP)
    while not (events := waiting.poll(REAP_MILLISECONDS)):
        _reap(spare=host.pid)
    if [descriptor for descriptor, _ in events] == [host_end]:
        tail = (folder / "host.log").read_bytes()[-TAIL_BYTES:].decode(errors="replace")
        print(f"the host of the cluster ended by itself; its last words:\n{tail}", file=sys.stderr, flush=True)


def sweep() -> None:
    """Remove folders whose keeper and host are gone: those of a machine that lost power, or of two SIGKILLs at once."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, PermissionError, BlockingIOError):
            state = folder.stat()
            if state.st_uid != os.getuid() or time.time() - state.st_mtime < YOUNG_SECONDS:
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def inherit_orphans() -> None:
    """From now on what any process below this one leaves behind becomes this process's child."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def kill_descendants() -> None:
    """SIGKILL everything below this process until it has no child left."""
    while True:
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
            _reap()
        except ChildProcessError:
            return


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name in parentheses may hold anything; after it come the state and the parent.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _reap(spare: int | None = None) -> None:
    """Collect ended children, the inherited ones; not `spare`, whose end is told by its file descriptor."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != spare:
            os.waitpid(ended.si_pid, os.WNOHANG)


if __name__ == "__main__":
    main()
