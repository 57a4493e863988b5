"""A process in an unpacked image as a container runtime would start it: process 1, read-only root, no privileges.

Root on Linux only. All is in namespaces of its own, so that nothing is left of it when it ends.
"""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.kube.children import die_with_parent


@dataclass(slots=True)
class Container:
    """Start with `with`; ends by SIGKILL at the latest."""

    root: Path
    config: dict[str, Any]
    """Configuration of the image: entrypoint, environment, user."""
    log_path: Path
    arguments: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    mounts: Mapping[Path, str] = field(default_factory=dict[Path, str])
    """Files and folders of the host; the values are below /tmp of the container."""
    read_only: bool = True
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log_path.open("wb") as log:
            alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private", "--"]
            self._process = subprocess.Popen(
                [*alone, "sh", "-ec", self._script()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe beside threads
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """That which waits for the container."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def pid(self) -> int | None:
        """Process 1, by its number on the host; None before it is there."""
        number = self.process.pid
        with contextlib.suppress(FileNotFoundError):
            children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
            return int(children[0]) if children else None
        return None

    def log(self) -> str:
        """What it has written."""
        return self.log_path.read_text(errors="replace")

    def terminate(self) -> None:
        """SIGTERM to process 1, as at the end of a pod."""
        assert self.pid is not None, self.log()
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float = 60) -> int:
        """Exit code, like that of a shell: 128 + n after signal n. Raises TimeoutExpired."""
        code = self.process.wait(seconds)
        return code if code >= 0 else 128 - code

    def _script(self) -> str:
        root = shlex.quote(str(self.root))
        lines = [f"mount --bind {root} {root}"]
        if self.read_only:
            lines.append(f"mount -o remount,bind,ro {root}")
        lines += [f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp", f"mount -t proc proc {root}/proc"]
        lines.append(f"mount --bind /dev {root}/dev")
        for source, target in self.mounts.items():
            place = f"{root}/tmp/{shlex.quote(target)}"
            lines.append(f"mkdir {place}" if source.is_dir() else f": > {place}")
            lines.append(f"mount --bind {shlex.quote(str(source))} {place}")
        user, group = (self.user or self.config["User"]).split(":")
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in self.env.items())]
        program = [*(self.config["Entrypoint"] if self.entrypoint is None else self.entrypoint), *self.arguments]
        # No capability and no way to gain one: what a restricted pod has.
        restricted = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--bounding-set=-all"]
        where = self.config.get("WorkingDir") or "/"
        command = [
            *restricted,
            "--no-new-privs",
            "env",
            "--ignore-environment",
            f"--chdir={where}",
            *variables,
            *program,
        ]
        lines.append(f"exec chroot {root} {shlex.join(command)}")
        return "\n".join(lines)
