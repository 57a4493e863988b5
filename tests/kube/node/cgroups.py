"""The node's folder in every cgroup hierarchy of the machine: made before the kubelet, removed after it."""

import contextlib
import errno
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
GONE_SECONDS = 20.0
POLL_SECONDS = 0.02

_V2_CONTROLLERS = "cgroup.controllers"


def make(name: str, root: Path = ROOT) -> None:
    """Make the folder, with what the kubelet wants to find in it.

    Version 1: one in each hierarchy, in that of cpuset with the processors of its parent, without which no process can
    be put into it. Version 2: one, with every controller of the machine.
    """
    if (root / _V2_CONTROLLERS).exists():
        for controller in (root / _V2_CONTROLLERS).read_text().split():
            with contextlib.suppress(OSError):  # one that can't be handed on, like that of real-time processes
                (root / "cgroup.subtree_control").write_text(f"+{controller}")
        (root / name).mkdir()
        return
    for hierarchy in _hierarchies(root):
        folder = hierarchy / name
        folder.mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / file).exists():
                (folder / file).write_text((hierarchy / file).read_text())


def remove(name: str, root: Path = ROOT) -> None:
    """Remove the folder and all below it, which no process may be in any more; one that isn't there is no error.

    Raises OSError where a folder is still in use after GONE_SECONDS.
    """
    deadline = time.monotonic() + GONE_SECONDS
    for hierarchy in [*_hierarchies(root), root]:
        while True:
            try:
                _remove_tree(hierarchy / name)
                break
            except OSError as error:
                # The kernel lets go of an ended process's group a little later.
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)


def found(prefix: str, root: Path = ROOT) -> list[str]:
    """Names of folders that begin so, in any hierarchy."""
    return sorted({path.name for top in [*_hierarchies(root), root] for path in top.glob(f"{prefix}*")})


def _hierarchies(root: Path) -> list[Path]:
    """The mounted ones of version 1, and `unified` beside them; none where there is only version 2."""
    if (root / _V2_CONTROLLERS).exists():
        return []
    return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]


def _remove_tree(folder: Path) -> None:
    if not folder.is_dir():
        return
    for below in folder.iterdir():
        if below.is_dir():
            _remove_tree(below)
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()
