"""What an image is built with: Docker where its daemon answers, else buildah as root on Linux."""

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hedgegrid_api import __version__
from tests.images import base, debian, steps
from tests.images.errors import ImagesUnavailable
from tests.images.recipes import EPOCH_VARIABLE, Recipe
from tests.kube import docker
from tests.kube.progress import Say

REMEDY = "Start Docker, or run as root on Debian or another Linux with buildah and mmdebstrap."
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Builder(Protocol):
    """Makes OCI archives."""

    @property
    def identity(self) -> str:
        """What of it decides on the image: part of the key."""
        ...

    def build(self, recipe: Recipe, root: Path, epoch: int, archive: Path, say: Say) -> None:
        """Build from the checkout `root` and write the archive.

        Raises BuildFailed or ImagesUnavailable.
        """
        ...


def find_builder(storage: Path) -> Builder:
    """The builder of this machine. Raises ImagesUnavailable."""
    if docker.version():
        return Docker()
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ImagesUnavailable(f"no Docker daemon answers, and buildah needs root on Linux. {REMEDY}")
    return Buildah(storage)


@dataclass(frozen=True, slots=True)
class Docker:
    """`docker build`, with BuildKit; its archives are OCI layouts from version 25 on."""

    @property
    def identity(self) -> str:
        """The base image is the registry's."""
        return "docker"

    def build(self, recipe: Recipe, root: Path, epoch: int, archive: Path, say: Say) -> None:
        """Build and save."""
        command = ["docker", "build", "--progress=plain", f"--tag={recipe.reference}", *_common(recipe, epoch)]
        environment = {"DOCKER_BUILDKIT": "1", EPOCH_VARIABLE: str(epoch)}
        steps.run(f"docker build {recipe.name}", [*command, str(root)], say, env=environment)
        steps.run(f"docker save {recipe.name}", ["docker", "save", f"--output={archive}", recipe.reference], say)


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a storage of its own, in a mount namespace of its own: no mount outlives it."""

    storage: Path

    @property
    def identity(self) -> str:
        """With the stand-in for the base image."""
        return f"buildah {base.KEY}"

    def build(self, recipe: Recipe, root: Path, epoch: int, archive: Path, say: Say) -> None:
        """Build and push into the archive."""
        debian.install({"buildah": "buildah", "mmdebstrap": "mmdebstrap"}, say)
        with self._command() as buildah:
            base.ensure(buildah, self.storage.parent, say)
            command = [*buildah, "bud", "--isolation=chroot", "--network=host", "--pull=never", "--format=oci"]
            # A layer of an earlier build would be taken with the file times of that build.
            command += ["--layers", "--no-cache"]
            command += [f"--tag={recipe.reference}", f"--timestamp={epoch}", *_common(recipe, epoch)]
            steps.run(f"buildah bud {recipe.name}", [*command, str(root)], say)
            target = f"oci-archive:{archive}:{recipe.reference}"
            steps.run(f"buildah push {recipe.name}", [*buildah, "push", recipe.reference, target], say)
            # What a build leaves behind, and the image whose name the new one took: gigabytes after a few.
            steps.run("buildah rmi", [*buildah, "rmi", "--prune"], say)

    @contextmanager
    def _command(self) -> Generator[list[str]]:
        # What is mounted is noted in the run root, and ends with the namespace: so must the notes.
        with tempfile.TemporaryDirectory(prefix="hedgegrid-buildah-") as run_root:
            alone = ["unshare", "--mount", "--propagation=private", "--"]
            yield [*alone, "buildah", f"--root={self.storage}", f"--runroot={run_root}", "--storage-driver=overlay"]


def _common(recipe: Recipe, epoch: int) -> list[str]:
    flags = [f"--file={recipe.dockerfile}", f"--build-arg=VERSION={__version__}"]
    flags.append(f"--build-arg={EPOCH_VARIABLE}={epoch}")
    if bundle := _bundle():
        flags.append(f"--secret=id=ca,src={bundle}")
    return flags


def _bundle() -> str | None:
    """Certificates that this machine trusts: of a company's own authority, too."""
    named = [os.environ.get(name, "") for name in _BUNDLES]
    return next((path for path in [*named, _SYSTEM_BUNDLE] if path and Path(path).is_file()), None)
