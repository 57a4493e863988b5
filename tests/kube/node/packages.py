"""What a node needs of the machine: Debian's packages, installed where they are missing."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.kube.children import die_with_parent
from tests.kube.errors import ClusterUnavailable
from tests.kube.progress import Progress, Say

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PLUGINS = ("ptp", "host-local", "loopback")
PROGRAMS: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
"""Program and the package that has it."""
INSTALL_SECONDS = 600

# Another process may be installing something, too.
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "--yes")


def missing(more: Mapping[str, str] | None = None) -> list[str]:
    """Packages to install, each once; `more` is like PROGRAMS."""
    programs = {**PROGRAMS, **(more or {})}
    wanted = [package for program, package in programs.items() if shutil.which(program, path=PATH) is None]
    if cni_folder() is None:
        wanted.append("containernetworking-plugins")
    return list(dict.fromkeys(wanted))


def cni_folder() -> Path | None:
    """Where the CNI plugins are, None where they aren't."""
    return next((f for f in CNI_FOLDERS if all(os.access(f / plugin, os.X_OK) for plugin in CNI_PLUGINS)), None)


def install_missing(say: Say, more: Mapping[str, str] | None = None) -> None:
    """Install what is missing, and says so; `more` is like PROGRAMS.

    Raises ClusterUnavailable: not Debian or a relative of it, or apt-get said no.
    """
    packages = missing(more)
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise ClusterUnavailable(f"a node needs {', '.join(packages)}, and there is no apt-get: install them by hand")
    say(f"installing Debian's packages: {', '.join(packages)}")
    progress = Progress("apt-get", say)
    command = [*_APT, "install", "--no-install-recommends", *packages]
    if _apt(command, progress) != 0:
        _apt([*_APT, "update"], progress)  # the lists of packages may be older than the mirror
        code = _apt(command, progress)
        if code != 0:
            raise ClusterUnavailable(f"{' '.join(command)} ended with {code}: run it by hand and see")
    progress.done("installed")


def _apt(command: list[str], progress: Progress) -> int:
    # RUNLEVEL=1: a package's service isn't started on the machine itself.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "PATH": PATH}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe beside threads
        )
        with process:
            while True:
                try:
                    return process.wait(0.2)
                except subprocess.TimeoutExpired:
                    progress.stage(_last_line(output.fileno()))
                if progress.elapsed > INSTALL_SECONDS:
                    process.kill()


def _last_line(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    lines = os.pread(descriptor, size, 0).decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "starting")
