"""Docker, where its daemon answers."""

import shutil
import subprocess

ANSWER_SECONDS = 30


def version() -> str | None:
    """Of the daemon, None where none answers."""
    if shutil.which("docker") is None:
        return None
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
