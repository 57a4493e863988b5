"""Programs that run in a node's namespaces."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kube.errors import HostError
from tests.kube.node.packages import PATH

OPEN_FILES = 20_000
"""containerd hands its limit on to every pod; some programs walk through all of it."""


class Inside:
    """Starts them; whatever is started ends with the node."""

    def __init__(self, pid: int, logs: Path) -> None:
        self.pid = pid
        self._logs = logs
        self._started: list[Daemon] = []

    def run(
        self, *argv: str, stdin: bytes | None = None, timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end; raises HostError with its last words where it ended with another code than 0."""
        done = subprocess.run(
            self._command(argv), input=stdin, capture_output=True, timeout=timeout, env=_environment({}), check=False
        )
        if check and done.returncode != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise HostError(f"{' '.join(argv)} ended with {done.returncode} in the node: {words[-2000:]}")
        return done

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> "Daemon":
        """Start a program that runs on, with its output in a log by its name."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                self._command(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(environment or {}),
                start_new_session=True,
                preexec_fn=_limit_files,  # noqa: PLW1509 - a single system call, safe beside threads
            )
        daemon = Daemon(name, process, log)
        self._started.append(daemon)
        return daemon

    def wait_ended(self) -> None:
        """Return when everything that was started has ended, which the end of the node brings about."""
        for daemon in self._started:
            daemon.wait()

    def _command(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--", *argv]


class Daemon:
    """A program that was started inside."""

    def __init__(self, name: str, entered: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._entered = entered
        """nsenter, which waits for the program and ends as it ends."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._entered.poll() is None

    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal the program; nothing happens once it has ended."""
        children = Path(f"/proc/{self._entered.pid}/task/{self._entered.pid}/children")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for pid in children.read_text().split():
                os.kill(int(pid), number)

    def wait(self, timeout: float = 30) -> int:
        """Its exit code, once it has ended; raises subprocess.TimeoutExpired."""
        return self._entered.wait(timeout)

    def check(self) -> None:
        """Raise HostError with its last words where it has ended."""
        if not self.running:
            raise HostError(f"{self.name} ended with {self._entered.returncode}; its last words:\n{self.log()[-3000:]}")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return os.environ | {"PATH": PATH} | more


def _limit_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
