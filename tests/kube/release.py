"""The official release: etcd and kube-apiserver from the envtest archive, kube-controller-manager from its own place.

The newest envtest archive of 1.34 is 1.34.1. It is verified against the SHA-512 of the project's own index, pinned
here. It holds no kube-controller-manager: that one comes from the Kubernetes release, verified against the SHA-512
published beside it.
"""

import hashlib
import platform
import tarfile
import urllib.request
from pathlib import Path
from urllib.error import URLError

from tests.kube.progress import Progress, Say

KUBERNETES = "1.34.1"
HOSTS = "github.com and dl.k8s.io"
PLATFORM = f"linux-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"
CONNECT_SECONDS = 3.0

ARCHIVE = (
    "https://github.com/kubernetes-sigs/controller-tools/releases/download/"
    f"envtest-v{KUBERNETES}/envtest-v{KUBERNETES}-{PLATFORM}.tar.gz"
)
# Source: envtest-releases.yaml of kubernetes-sigs/controller-tools, entries of v1.34.1.
ARCHIVE_SHA512 = {
    "linux-amd64": "c5e7c237ae18a8c65d0df1214b864ecd19aa9ff4f1383dbd477c202546d778c0"
    "f74efe15750ec38f57d8de26ba17cd62f404446cdd3c975399a5d4589de35cdd",
    "linux-arm64": "bf13d2456183e66d084e28e1c9eed6a408fb77a06d8d1fd0461a7d9bc0c90b63"
    "d29ea67870b28f80d1f992acb026007d6f43987753c859c81d6a78bc1ca2c903",
}
CONTROLLER_MANAGER = f"https://dl.k8s.io/release/v{KUBERNETES}/bin/{PLATFORM.replace('-', '/')}/kube-controller-manager"


class ReleaseError(Exception):
    """The release can't be fetched or isn't what it should be."""


def download(folder: Path, say: Say) -> None:
    """Put etcd, kube-apiserver and kube-controller-manager into `folder`.

    Raises ReleaseError: no network within a few seconds, no release for this machine, or a wrong checksum.
    """
    expected = ARCHIVE_SHA512.get(PLATFORM)
    if expected is None:
        raise ReleaseError(f"there is no pinned release for {PLATFORM}")
    archive = folder / "envtest.tar.gz"
    try:
        _fetch(ARCHIVE, archive, expected, Progress(f"downloading etcd and kube-apiserver {KUBERNETES}", say))
        _unpack(archive, folder, ("etcd", "kube-apiserver"))
        published = _text(f"{CONTROLLER_MANAGER}.sha512").split()[0]
        manager = folder / "kube-controller-manager"
        _fetch(
            CONTROLLER_MANAGER, manager, published, Progress(f"downloading kube-controller-manager {KUBERNETES}", say)
        )
        manager.chmod(0o755)
    except (URLError, TimeoutError, ConnectionError, tarfile.TarError, IndexError) as error:
        raise ReleaseError(f"the official release {KUBERNETES} could not be fetched ({error})") from error
    archive.unlink()


def _fetch(url: str, target: Path, sha512: str, progress: Progress) -> None:
    digest = hashlib.sha512()
    with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer, target.open("wb") as out:
        size = int(answer.headers.get("Content-Length") or 0)
        received = 0
        while block := answer.read(1 << 18):
            digest.update(block)
            out.write(block)
            received += len(block)
            progress.stage(f"{received >> 20} of {size >> 20} MB")
    if digest.hexdigest() != sha512:
        raise ReleaseError(f"{url} has SHA-512 {digest.hexdigest()}, expected {sha512}")
    progress.done(f"{received >> 20} MB, checksum verified")


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:
        return answer.read(4096).decode()


def _unpack(archive: Path, folder: Path, programs: tuple[str, ...]) -> None:
    with tarfile.open(archive) as tar:
        members = {Path(member.name).name: member for member in tar if member.isfile()}
        for program in programs:
            member = members.get(program)
            source = tar.extractfile(member) if member else None
            if source is None:
                raise ReleaseError(f"{ARCHIVE} has no {program}")
            target = folder / program
            target.write_bytes(source.read())
            target.chmod(0o755)
