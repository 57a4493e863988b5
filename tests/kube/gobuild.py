"""Programs built from Go modules. The stock Kubernetes ones share a binary, which is each by the name it is called."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.kube.children import die_with_parent
from tests.kube.progress import Progress, Say

KUBERNETES = "1.34.4"
OLDEST_GO = "1.24"
GO_PLACES = ("go", "/usr/local/go/bin/go")
DISK_GIB = 4

_MAJOR, _MINOR, _ = KUBERNETES.split(".")
LINKER_FLAGS = " ".join(
    [
        "-s -w",
        f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
        f"-X k8s.io/component-base/version.gitMajor={_MAJOR}",
        f"-X k8s.io/component-base/version.gitMinor={_MINOR}",
        f"-X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}",
    ]
)


class BuildError(Exception):
    """The build can't start or didn't end well."""


@dataclass(frozen=True)
class Target:
    """One binary."""

    what: str
    """For the person who waits for it."""
    source: Path
    """The folder of its main.go; where somebody else wrote that, of the go.mod that requires it."""
    program: str
    links: tuple[str, ...] = ()
    """Other names of the binary."""
    linker_flags: str = "-s -w"
    package: str = "."
    """Import path of the main package, as the go command sees it from `source`."""


CONTROL_PLANE = Target(
    what=f"Kubernetes {KUBERNETES}",
    source=Path(__file__).parent,
    program="kube-control-plane",
    links=("etcd", "kube-apiserver", "kube-controller-manager"),
    linker_flags=LINKER_FLAGS,
)


def build(folder: Path, say: Say, target: Target = CONTROL_PLANE) -> None:
    """Build into `folder`. The control plane takes 4 minutes on two cores with an empty Go cache, else half a minute.

    Raises BuildError: no Go, no disk space, or what the go command said last.
    """
    go = _go()
    free = shutil.disk_usage(folder).free >> 30
    if free < DISK_GIB:
        raise BuildError(f"a build takes {DISK_GIB} GiB of disk with its Go cache, {free} GiB are free")
    say(f"building {target.what} from Go modules, once: up to some 4 minutes, then it is in the cache")
    flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", target.linker_flags, "-o", str(folder / target.program)]
    command = [go, "build", *flags, target.package]
    progress = Progress("go build", say)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=target.source,
            env=_environment(),
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe beside threads
        )
        try:
            while _running(process):
                progress.stage(_stage(output))
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise BuildError(f"go build failed ({' '.join(_lines(output)[-1:])})")
    for link in target.links:
        (folder / link).symlink_to(target.program)
    progress.done("built")


def module_folder(module: str, target: Target) -> Path:
    """Where the go command keeps the files of a module that `target` was built from; raises BuildError."""
    command = [_go(), "list", "-m", "-f", "{{.Dir}}", module]
    done = subprocess.run(
        command, cwd=target.source, env=_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"go list failed ({done.stderr.strip()})")
    return Path(done.stdout.strip())


def _go() -> str:
    go = next(filter(None, map(shutil.which, GO_PLACES)), None)
    if go is None:
        raise BuildError("Go is not installed (no `go` in PATH), so nothing can be built")
    return go


def _environment() -> dict[str, str]:
    """No go.work of a folder above, no flags of the user's, no C compiler."""
    return os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return True
    return False


def _lines(output: IO[bytes]) -> list[str]:
    # Read without moving the position, which the go command shares to write at.
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), size, 0).decode(errors="replace").splitlines()


def _stage(output: IO[bytes]) -> str:
    lines = _lines(output)
    downloads = sum(line.startswith("go: downloading") for line in lines)
    compiled = len(lines) - downloads
    if not lines:
        return "resolving modules"
    return f"{compiled} packages compiled" + (f", {downloads} modules downloaded" if downloads else "")
