"""What each image is made of, and the key that tells whether any of it has changed."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hedgegrid_api import __version__

ROOT = Path(__file__).parents[2]
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
_LEFT_OUT = "__pycache__"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image; paths are relative to the checkout."""

    name: str
    dockerfile: str
    package: str
    requirements: str

    @property
    def reference(self) -> str:
        """Full name of the image: what the container runtime makes of `hedgegrid-<name>:<version>`."""
        return f"docker.io/library/hedgegrid-{self.name}:{__version__}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Files and folders that go into it."""
        shared = (".dockerignore", "LICENSE", "crds/hedgegrid_api", "images", "requirements/uv.txt")
        return (*shared, self.dockerfile, self.package, self.requirements)

    def key(self, root: Path, builder: str, epoch: int) -> str:
        """Equal for equal inputs, builder and file times."""
        digest = hashlib.sha256(f"{self.reference}\n{builder}\n{epoch}\n".encode())
        for path in sorted(_files(root, self.inputs)):
            content = hashlib.sha256((root / path).read_bytes()).hexdigest()
            digest.update(f"{path} {content}\n".encode())
        return digest.hexdigest()[:16]


OPERATOR = Recipe("operator", "Dockerfile", "operator/hedgegrid_operator", "requirements/operator.txt")
STRATEGY = Recipe("strategy", "strategy_image/Dockerfile", "strategy_image/naut_hedgegrid", "requirements/strategy.txt")
RECIPES = (OPERATOR, STRATEGY)


def file_time(root: Path, recipe: Recipe) -> int:
    """Time of all files in the image, in seconds since the epoch.

    That of $SOURCE_DATE_EPOCH; else of the last commit that touched what goes into it; else 0, without a history.
    """
    given = os.environ.get(EPOCH_VARIABLE)
    if given:
        return int(given)
    asked = ["git", "log", "-1", "--format=%at", "--", *recipe.inputs]
    try:
        answer = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return 0
    return int(answer.stdout.strip() or 0)


def _files(root: Path, inputs: tuple[str, ...]) -> Iterator[str]:
    for name in inputs:
        path = root / name
        found = path.rglob("*") if path.is_dir() else iter([path])
        for file in found:
            if file.is_file() and _LEFT_OUT not in file.parts:
                yield file.relative_to(root).as_posix()
