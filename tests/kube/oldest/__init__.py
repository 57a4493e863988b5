"""What the oldest Kubernetes that is supported has against a CustomResourceDefinition, by its own code."""

import subprocess
from pathlib import Path

from tests.kube import gobuild
from tests.kube.binaries import cached
from tests.kube.gobuild import Target
from tests.kube.progress import Say, say_to_stderr
from tests.kube.release import PLATFORM

VERSION = "1.30.14"
"""As in go.mod."""
TARGET = Target(what=f"Kubernetes {VERSION}'s check of definitions", source=Path(__file__).parent, program="accepts")
CHECK_SECONDS = 60


def find_accepts(say: Say = say_to_stderr) -> Path:
    """The program; built once, then cached. Raises BuildError."""
    folder = cached(f"accepts-{VERSION}-{PLATFORM}", lambda folder, say: gobuild.build(folder, say, TARGET), say)
    return folder / TARGET.program


def objections(program: Path, definition: str) -> list[str]:
    """What it has against a definition in YAML; raises RuntimeError where it can't read it."""
    done = subprocess.run(
        [program], input=definition, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{program.name}: {done.stderr.strip()}")
    return done.stdout.splitlines()
