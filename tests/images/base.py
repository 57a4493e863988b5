"""A stand-in for the base image `python:3.13-slim-trixie`, made from Debian's own packages.

It has what our Dockerfiles use of the official one: Debian 13, `python3.13` in /usr/local/bin with pip and venv, no
compiled standard library. Releases are built on the official image.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.images import debian, steps
from tests.kube.progress import Say

REFERENCE = "docker.io/library/python:3.13-slim-trixie"
SUITE = "trixie"
PACKAGES = ("python3.13", "python3.13-venv", "python3-pip-whl", "ca-certificates", "netbase", "tzdata")
_DRESS = Path(__file__).with_name("dress.sh")
_DOCUMENTS = ("man", "doc", "locale", "info", "lintian", "groff")
KEY = hashlib.sha256(_DRESS.read_bytes() + " ".join(PACKAGES).encode()).hexdigest()[:8]
_MARK = f"localhost/hedgegrid-base:{KEY}"


def ensure(buildah: Sequence[str], scratch: Path, say: Say) -> None:
    """Have the image in buildah's storage. Raises BuildFailed."""
    if steps.answer([*buildah, "inspect", "--type=image", "--format={{.FromImageID}}", _MARK]) is not None:
        return
    say("making a base image from Debian's packages, once: half a minute, then it is in the cache")
    with tempfile.TemporaryDirectory(prefix=".base-", dir=scratch) as folder:
        root_file = Path(folder) / "rootfs.tar"
        steps.run("mmdebstrap", _bootstrap(root_file), say)
        (Path(folder) / "Dockerfile").write_text(f'FROM scratch\nADD {root_file.name} /\nCMD ["python3"]\n')
        command = [*buildah, "bud", "--format=oci", f"--tag={REFERENCE}", f"--tag={_MARK}", folder]
        steps.run("buildah bud base", command, say)


def _bootstrap(target: Path) -> list[str]:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _DOCUMENTS]
    return [
        *("unshare", "--mount", "--propagation=private", "--"),
        # Variant `apt` has no passwd, which packages of ours may ask for.
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", f"--include={','.join(PACKAGES)}"),
        *('--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"'),
        *(*excluded, "--dpkgopt=path-include=/usr/share/doc/*/copyright"),
        f"--customize-hook=upload {_DRESS} /dress.sh",
        '--customize-hook=chroot "$1" sh /dress.sh',
        '--customize-hook=rm "$1/dress.sh"',
        *(SUITE, str(target), *debian.sources(SUITE)),
    ]
