"""Long commands, run with a sign of life."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.images.errors import BuildFailed
from tests.kube.children import die_with_parent
from tests.kube.progress import Progress, Say

SHOWN_LINES = 15


def run(
    title: str, command: Sequence[str], say: Say, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run to the end, showing the newest line of its output. It dies with this process.

    Raises BuildFailed with the last lines.
    """
    progress = Progress(title, say)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe beside threads
        )
        try:
            while _running(process):
                progress.stage(next(iter(_lines(output)[-1:]), "starting")[:80])
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            last = "\n".join(_lines(output)[-SHOWN_LINES:])
            raise BuildFailed(f"{title}: `{command[0]} …` ended with {process.returncode}:\n{last}")
    progress.done("done")


def answer(command: Sequence[str]) -> str | None:
    """What a short command prints; None where it isn't there, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return True
    return False


def _lines(output: IO[bytes]) -> list[str]:
    # Read without moving the position, which the command shares to write at.
    size = os.fstat(output.fileno()).st_size
    text = os.pread(output.fileno(), size, 0).decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
