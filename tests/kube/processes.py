"""Handles on the processes of a cluster, which are children of its host."""

import os
import signal
from pathlib import Path

from tests.kube import rpc


class Process:
    """A daemon of the control plane, or a process made by `Cluster.spawn`."""

    def __init__(self, folder: Path, name: str, log_path: Path) -> None:
        self._folder = folder
        self.name = name
        self.log_path = log_path

    @property
    def pid(self) -> int:
        """Process id; of a daemon that was started again, the newest."""
        return int(rpc.call(self._folder, "process", name=self.name)["pid"])

    @property
    def returncode(self) -> int | None:
        """None while it runs, then its exit code, or minus the signal that ended it."""
        code: int | None = rpc.call(self._folder, "process", name=self.name)["returncode"]
        return code

    @property
    def running(self) -> bool:
        """Whether it has not ended; a frozen one runs."""
        return self.returncode is None

    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")

    def send_signal(self, number: int) -> None:
        """Signal it; nothing happens once it has ended."""
        rpc.call(self._folder, "send_signal", name=self.name, number=int(number))

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.send_signal(signal.SIGCONT)

    def wait(self, timeout: float = 30) -> int:
        """The return code once it has ended; raises TimeoutError."""
        return int(rpc.call(self._folder, "wait", name=self.name, seconds=timeout))

    def cpu_seconds(self) -> float:
        """User and system time used so far, threads included; raises FileNotFoundError once it has ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Resident memory; raises FileNotFoundError once it has ended."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
