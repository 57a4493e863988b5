"""Both images as OCI archives in the user's cache folder."""

import fcntl
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.images.builders import Builder, find_builder
from tests.images.recipes import OPERATOR, ROOT, STRATEGY, Recipe, file_time
from tests.kube.binaries import cache_folder
from tests.kube.progress import Say, say_to_stderr

KEPT = 3
"""Archives of each image that stay in the cache; the newest."""


@dataclass(frozen=True, slots=True)
class Images:
    """Paths of OCI archives."""

    operator: Path
    strategy: Path


def build(say: Say = say_to_stderr) -> Images:
    """Both images, from the cache where nothing has changed; one process builds at a time.

    Raises ImagesUnavailable and BuildFailed.
    """
    folder = cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    builder = find_builder(folder / "storage")
    with _only_one(folder, say):
        return Images(*(_archive(recipe, builder, folder, say) for recipe in (OPERATOR, STRATEGY)))


def _archive(recipe: Recipe, builder: Builder, folder: Path, say: Say) -> Path:
    epoch = file_time(ROOT, recipe)
    archive = folder / f"{recipe.name}-{recipe.key(ROOT, builder.identity, epoch)}.oci.tar"
    if archive.is_file():
        archive.touch()
        say(f"image {recipe.name}: {archive} (cache)")
        return archive
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
        made = Path(scratch) / archive.name
        builder.build(recipe, ROOT, epoch, made, say)
        made.rename(archive)  # readers never see half of one
    for old in sorted(folder.glob(f"{recipe.name}-*.oci.tar"), key=_age)[:-KEPT]:
        old.unlink()
    say(f"image {recipe.name}: {archive} ({archive.stat().st_size >> 20} MB)")
    return archive


def _age(path: Path) -> float:
    return path.stat().st_mtime


@contextmanager
def _only_one(folder: Path, say: Say) -> Generator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is building images: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (*folder.glob(".new-*"), *folder.glob(".base-*")):  # of a process that was killed
            shutil.rmtree(left)
        yield
