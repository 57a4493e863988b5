"""Where etcd, kube-apiserver and kube-controller-manager come from.

Looked up in this order: the folder that KUBEBUILDER_ASSETS names, the cache under the user's cache folder, the official
release (envtest archive), a build from Go modules. What was downloaded or built stays in the cache.
"""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kube import gobuild, release
from tests.kube.errors import ClusterUnavailable
from tests.kube.progress import Say, say_to_stderr

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
REMEDIES = (
    f"Install Go {gobuild.OLDEST_GO} or later, or allow access to {release.HOSTS}, "
    f"or let KUBEBUILDER_ASSETS name a folder with {', '.join(PROGRAMS)}."
)

type Prepare = Callable[[Path, Say], None]
"""Fills a folder."""


@dataclass(frozen=True)
class Binaries:
    """A folder that holds all of PROGRAMS, and where it came from."""

    folder: Path
    source: str

    def path(self, program: str) -> Path:
        """The executable of one of PROGRAMS."""
        return self.folder / program


class IncompleteError(Exception):
    """One source has no complete set; the message says why."""


def cache_folder() -> Path:
    """What outlives a run: XDG_CACHE_HOME or ~/.cache, then `hedgegrid`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hedgegrid"


def find_binaries(say: Say = say_to_stderr) -> Binaries:
    """The first complete set; downloads or builds one where there is none yet.

    Raises ClusterUnavailable with what was tried and what helps.
    """
    if sys.platform != "linux":
        raise ClusterUnavailable("the embedded Kubernetes runs on Linux only (loopback addresses, child subreaper)")
    reasons: list[str] = []
    for source in (_from_assets, _from_cache, _prepared):
        try:
            found = source(say)
        except IncompleteError as reason:
            reasons.append(str(reason))
            continue
        say(f"Kubernetes programs: {found.source} ({found.folder})")
        return found
    raise ClusterUnavailable(f"no Kubernetes to run: {'; '.join(reasons)}. {REMEDIES}")


def _from_assets(say: Say) -> Binaries:
    named = os.environ.get("KUBEBUILDER_ASSETS")
    if not named:
        raise IncompleteError("KUBEBUILDER_ASSETS is not set")
    folder = Path(named)
    missing = _missing(folder)
    if missing:
        # The envtest archive alone has no kube-controller-manager, without which no StatefulSet makes a pod.
        reason = f"KUBEBUILDER_ASSETS={named} has no {', '.join(missing)}"
        say(f"{reason}: looking further")
        raise IncompleteError(reason)
    return Binaries(folder, "KUBEBUILDER_ASSETS")


def _from_cache(say: Say) -> Binaries:
    for name in (_built_name(), _released_name()):
        folder = cache_folder() / name
        if not _missing(folder):
            return Binaries(folder, f"cache, {name}")
    raise IncompleteError(f"nothing in the cache {cache_folder()}")


def _prepared(say: Say) -> Binaries:
    """Fill the cache: one process at a time, however many ask."""
    with _only_one(say):
        try:
            return _from_cache(say)  # another process may have done it while this one waited
        except IncompleteError:
            pass
        reasons: list[str] = []
        preparations: tuple[tuple[str, str, Prepare], ...] = (
            ("official release", _released_name(), release.download),
            ("built from Go modules", _built_name(), gobuild.build),
        )
        for source, name, prepare in preparations:
            try:
                return Binaries(_filled(name, prepare, say), source)
            except (release.ReleaseError, gobuild.BuildError) as reason:
                say(f"  {reason}")
                reasons.append(str(reason))
        raise IncompleteError("; ".join(reasons))


def cached(name: str, prepare: Prepare, say: Say) -> Path:
    """The folder `name` of the cache; `prepare` fills it where there is none. One process at a time, however many ask.

    Raises what `prepare` raises.
    """
    folder = cache_folder() / name
    if folder.exists():
        return folder
    with _only_one(say):
        return folder if folder.exists() else _filled(name, prepare, say)


def _filled(name: str, prepare: Prepare, say: Say) -> Path:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=cache_folder()) as scratch:
        made = Path(scratch) / name
        made.mkdir()
        prepare(made, say)
        # The rename is what makes a set complete: readers never see half of one.
        return made.rename(cache_folder() / name)


@contextmanager
def _only_one(say: Say) -> Generator[None]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "kube.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is preparing the Kubernetes programs: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".new-*"):  # of a process that was killed: nobody else holds the lock
            shutil.rmtree(left)
        yield


def _missing(folder: Path) -> list[str]:
    return [program for program in PROGRAMS if not os.access(folder / program, os.X_OK)]


def _built_name() -> str:
    return f"kube-{gobuild.KUBERNETES}-{release.PLATFORM}"


def _released_name() -> str:
    return f"kube-{release.KUBERNETES}-{release.PLATFORM}-release"
