"""The process that holds a node and leaves nothing behind.

`python -m tests.kube.node.keeper PARENT_PID PAUSE` makes the node's folder, its cgroups and its namespaces, with the
pause program as their PID 1, prints what its user has to know as a line of JSON, and waits: for the parent to close the
pipe or to die in whatever way, for the node to end, or for a signal. Then it ends PID 1, with which the kernel ends
everything in the namespaces and takes down mounts, interfaces and rules, and removes cgroups and folder. A keeper that
is killed takes the namespaces along (PR_SET_PDEATHSIG); the next one sweeps what it has left.

Meanwhile it relays a port on the machine's loopback address to the API server, so that any client may stay outside.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.kube.children import die_with_parent
from tests.kube.node import cgroups
from tests.kube.node.addresses import NODE_ADDRESS, NODE_NETWORK, SERVER_PORT

PREFIX = "hedgegrid-node-"
FOLDERS = ("lib", "log", "logs", "sysctl", "cni")
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private")
START_SECONDS = 30.0
POLL_SECONDS = 0.01
BLOCK_BYTES = 1 << 16


def main() -> None:
    """The command line."""
    parent_pid, pause = int(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    with _alone():
        sweep()
        # It names the cgroup, too, in which the kubelet takes no underscore.
        folder = Path(tempfile.gettempdir()) / f"{PREFIX}{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        cgroups.make(folder.name)
        for name in FOLDERS:
            (folder / name).mkdir()
        with _namespaces(folder, pause) as (init, pid):
            asyncio.run(_keep(folder, parent_pid, init, pid))
    finally:
        _remove(folder)
        os.close(lock)


@contextmanager
def _alone() -> Generator[None]:
    """One keeper at a time: none sweeps a folder that another has made and not locked yet."""
    with (Path(tempfile.gettempdir()) / f".{PREFIX}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(temporary: Path | None = None, root: Path = cgroups.ROOT) -> None:
    """Remove what killed keepers have left: folders that nobody holds, and cgroups without a folder."""
    temporary = temporary or Path(tempfile.gettempdir())
    for folder in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, PermissionError, BlockingIOError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder, root)
            finally:
                os.close(lock)
    for name in cgroups.found(PREFIX, root):
        if not (temporary / name).exists():
            cgroups.remove(name, root)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def _namespaces(folder: Path, pause: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """The process that made the namespaces, and the id of their PID 1; afterwards nothing in them is left.

    Raises RuntimeError with the last words of the script that prepares them.
    """
    script = str(Path(__file__).with_name("namespace.sh"))
    with (folder / "logs" / "namespace.log").open("wb") as log:
        init = subprocess.Popen(
            ["unshare", *NAMESPACES, "sh", script, str(folder), pause, NODE_NETWORK],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has no threads
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (folder / "ready").exists():
            if init.poll() is not None or time.monotonic() > deadline:
                words = (folder / "logs" / "namespace.log").read_text(errors="replace").strip()
                raise RuntimeError(f"the namespaces of the node could not be made: {words or 'nothing was said'}")
            time.sleep(POLL_SECONDS)
        yield init, int(Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text())
    finally:
        # PID 1 first: unshare ends after it, and it after everything else in the namespaces.
        for child in _children(init):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            init.wait(START_SECONDS)
        init.kill()
        init.wait()


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    if process.poll() is not None:
        return []
    with contextlib.suppress(FileNotFoundError):
        return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return []


async def _keep(folder: Path, parent_pid: int, init: subprocess.Popen[bytes], pid: int) -> None:
    parent = os.pidfd_open(parent_pid)
    if os.getppid() != parent_pid:
        return
    ended = asyncio.Event()
    for descriptor in (sys.stdin.fileno(), parent, os.pidfd_open(init.pid)):
        asyncio.get_running_loop().add_reader(descriptor, ended.set)
    listener = socket.create_server(("127.0.0.1", 0))
    _enter_network(pid)
    server = await asyncio.start_server(_relay, sock=listener)
    known = {"folder": str(folder), "pid": pid, "port": listener.getsockname()[1]}
    print(json.dumps(known), flush=True)
    await ended.wait()
    server.close()
    server.abort_clients()
    if init.poll() is not None:
        print("the node ended by itself: somebody has killed its PID 1", file=sys.stderr, flush=True)


def _enter_network(pid: int) -> None:
    """From here on new sockets are the node's; one that exists stays where it was made."""
    with Path(f"/proc/{pid}/ns/net").open("rb") as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        there, back = await asyncio.open_connection(NODE_ADDRESS, SERVER_PORT)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def _remove(folder: Path, root: Path = cgroups.ROOT) -> None:
    cgroups.remove(folder.name, root)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
