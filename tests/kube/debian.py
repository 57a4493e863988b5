"""Programs out of Debian's packages, unpacked into the cache: nothing is installed or started, and no root needed."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.kube.binaries import cache_folder
from tests.kube.progress import Say, say_to_stderr

DOWNLOAD_SECONDS = 300.0
PLACES = (Path("usr/bin"), Path("usr/sbin"))


class PackageUnavailable(Exception):  # noqa: N818 - what is the matter
    """The program can't be had; the message says what was tried."""


def program(name: str, package: str, say: Say = say_to_stderr) -> Path:
    """An executable: from PATH, else from the cache, else out of the package, once.

    Raises PackageUnavailable with the reason.
    """
    found = shutil.which(name)
    if found:
        return Path(found)
    folder = cache_folder() / f"debian-{package}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            say(f"{name}: unpacking Debian's package {package} into {folder}, once")
            _unpack(package, folder)
    places = [folder / place / name for place in PLACES]
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise PackageUnavailable(f"Debian's package {package} in {folder} has no program {name}")


def _unpack(package: str, folder: Path) -> None:
    """A folder that is there is complete: the rename comes last."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise PackageUnavailable(
            f"{package} isn't installed, and there is no {missing[0]} to get Debian's package with"
        )
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
        if not _download(package, scratch) and os.geteuid() == 0:
            # A new machine has no lists of packages yet.
            _run(["apt-get", "-qq", "update"], scratch)
            _download(package, scratch)
        archives = sorted(Path(scratch).glob("*.deb"))
        if not archives:
            raise PackageUnavailable(f"`apt-get download {package}` brings nothing; install {package} by hand")
        root = Path(scratch) / "root"
        done = _run(["dpkg-deb", "-x", str(archives[0]), str(root)], scratch)
        if done.returncode != 0:
            raise PackageUnavailable(f"{archives[0].name} can't be unpacked: {done.stdout.strip()}")
        root.rename(folder)


def _download(package: str, scratch: str) -> bool:
    # As root apt would fetch as a user of its own, who may not write into our folder.
    return _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], scratch).returncode == 0


def _run(command: Sequence[str], folder: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PackageUnavailable(f"`{' '.join(command)}` took more than {DOWNLOAD_SECONDS:.0f} s") from error
