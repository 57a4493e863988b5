"""Replace all files of a folder at once, as a kubelet does: `name` links to `..data/name`, and `..data` is a link."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LINK = "..data"


@dataclass(frozen=True)
class File:
    """Content and permission bits."""

    content: bytes
    mode: int


def write_files(folder: Path, files: Mapping[str, File]) -> None:
    """Make `files` (by path below `folder`) the content of `folder`; nothing changes where they already are."""
    link = folder / LINK
    old = link.readlink() if link.is_symlink() else None
    if old and _content(folder / old) == {path: file.content for path, file in files.items()}:
        return
    new = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    new.chmod(0o755)
    for path, file in files.items():
        target = new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
    fresh = folder / "..data_new"
    fresh.symlink_to(new.name)
    fresh.rename(link)
    wanted = {Path(path).parts[0] for path in files}
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path(LINK) / name)
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    if old:
        shutil.rmtree(folder / old)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
