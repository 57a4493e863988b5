"""The node's own programs: kubelet, kube-scheduler, kube-proxy, CoreDNS and the pause program, built once."""

import hashlib
from pathlib import Path

from tests.kube import gobuild
from tests.kube.binaries import cached
from tests.kube.errors import ClusterUnavailable
from tests.kube.gobuild import BuildError, Target
from tests.kube.progress import Say
from tests.kube.release import PLATFORM

COREDNS = "1.15.0"
"""As in dns/go.mod."""
SOURCE = Path(__file__).parent

TARGETS = (
    Target(
        what=f"kubelet, scheduler and proxy {gobuild.KUBERNETES}",
        source=SOURCE,
        program="kube-node",
        links=("kubelet", "kube-scheduler", "kube-proxy"),
        linker_flags=gobuild.LINKER_FLAGS,
    ),
    Target(what="the pause program", source=SOURCE / "pause", program="pause"),
    Target(what=f"CoreDNS {COREDNS}", source=SOURCE / "dns", program="coredns"),
)


def find_programs(say: Say) -> Path:
    """The folder with all of them; they are built where the cache has none.

    Raises ClusterUnavailable with the reason.
    """
    try:
        return cached(f"node-{gobuild.KUBERNETES}-{PLATFORM}-{_digest()}", _build, say)
    except BuildError as reason:
        raise ClusterUnavailable(
            f"no kubelet to run: {reason}. Install Go {gobuild.OLDEST_GO} or later; nobody publishes these as one."
        ) from reason


def _build(folder: Path, say: Say) -> None:
    for target in TARGETS:
        gobuild.build(folder, say, target)


def _digest() -> str:
    """Of what they are built from, so that a change builds them anew."""
    found = hashlib.sha256()
    for path in sorted([SOURCE.parent / "go.mod", *SOURCE.rglob("*.go"), *SOURCE.rglob("go.mod")]):
        found.update(path.read_bytes())
    return found.hexdigest()[:8]
