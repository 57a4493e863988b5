"""Processes that the host starts: daemons, operators, the containers of pods."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def die_with_parent() -> None:
    """For a child before it becomes its program: it gets SIGKILL when its parent dies.

    Keeper and host clean up for each other; this is for the case that both are killed at once.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """One running or ended process in a session of its own, with stdout and stderr in a file."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "Child":
        """Start `argv`, appending its output to `log`.

        Raises OSError where the program can't be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """Process id, which is also that of its process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs, the exit code, or minus the signal that ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """The return code, once it has ended and nothing of its process group runs any more."""
        code = await self._process.wait()
        # What PID 1 of a container leaves behind ends with it.
        self.signal_group(signal.SIGKILL)
        return code

    def send_signal(self, number: int) -> None:
        """Signal the process alone; nothing happens once it has ended."""
        if self.returncode is None:
            self._process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Signal the process and those it started in its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
