"""Packages of the system, installed when they are missing; where Debian's come from."""

import shutil
from collections.abc import Mapping

from tests.images import steps
from tests.images.errors import BuildFailed, ImagesUnavailable
from tests.kube.progress import Say

# Another process may be installing something, too.
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "--yes")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def install(programs: Mapping[str, str], say: Say) -> None:
    """Have each program; the value names its package. Raises ImagesUnavailable."""
    missing = sorted(package for program, package in programs.items() if shutil.which(program) is None)
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise ImagesUnavailable(f"{wanted} not installed, and there is no apt-get: install them, or start Docker")
    try:
        steps.run("apt-get update", [*_APT, "update"], say, env=_QUIET)
        steps.run(f"apt-get install {wanted}", [*_APT, "install", "--no-install-recommends", *missing], say, env=_QUIET)
    except BuildFailed as error:
        raise ImagesUnavailable(f"{wanted} can't be installed; start Docker instead. {error}") from error


def sources(suite: str) -> list[str]:
    """Lines for sources.list of `suite`, from where this system takes its packages; empty where that isn't Debian."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(REPO_URI)", "Identifier: Packages"]
    found = [line.split() for line in (steps.answer(asked) or "").splitlines()]
    places = {fields[2] for fields in found if len(fields) == 3 and fields[:2] == ["Debian", "main"]}
    return source_lines(suite, places)


def source_lines(suite: str, places: set[str]) -> list[str]:
    """The same, from the addresses of archives."""
    lines: list[str] = []
    for place in sorted(places):
        if "security" in place:
            lines.append(f"deb {place} {suite}-security main")
        else:
            lines += [f"deb {place} {suite} main", f"deb {place} {suite}-updates main"]
    return lines
