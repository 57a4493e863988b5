"""What is in an OCI archive: its configuration, and its layers laid over each other."""

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class Layout:
    """An archive with one image."""

    archive: Path
    manifest: dict[str, Any]
    config: dict[str, Any]

    @classmethod
    def read(cls, archive: Path) -> Self:
        """Manifest and configuration. Raises KeyError where the archive is no OCI layout."""
        with tarfile.open(archive) as tar:
            index = _document(tar, "index.json")
            manifest = _document(tar, _blob(index["manifests"][0]["digest"]))
            return cls(archive, manifest, _document(tar, _blob(manifest["config"]["digest"])))

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the layers' content, lowest first."""
        return list(self.config["rootfs"]["diff_ids"])

    def unpack(self, root: Path) -> None:
        """Lay the layers over each other into the empty folder `root`."""
        with tarfile.open(self.archive) as tar:
            for layer in self.manifest["layers"]:
                blob = tar.extractfile(_blob(layer["digest"]))
                assert blob is not None, layer
                with tarfile.open(fileobj=blob) as content:
                    _lay(content, root)


def tree_bytes(root: Path) -> int:
    """Size of all regular files below `root`; hard links count once."""
    sizes = {(found.st_dev, found.st_ino): found.st_size for found in map(Path.lstat, _regular(root))}
    return sum(sizes.values())


def _regular(root: Path) -> list[Path]:
    return [folder / name for folder, _, names in root.walk() for name in names if not (folder / name).is_symlink()]


def _lay(content: tarfile.TarFile, root: Path) -> None:
    members = content.getmembers()
    for member in members:
        path = PurePosixPath(member.name)
        if path.name == _OPAQUE:
            for child in (root / path.parent).iterdir():
                _remove(child)
        elif path.name.startswith(_WHITEOUT):
            _remove(root / path.parent / path.name.removeprefix(_WHITEOUT))
    kept = [member for member in members if not PurePosixPath(member.name).name.startswith(_WHITEOUT)]
    for member in kept:
        target = root / member.name
        if not member.isdir() and (target.is_symlink() or target.exists()):
            _remove(target)
    # Whole as they are: owners, modes and links are what the tests look at.
    content.extractall(root, kept, filter="fully_trusted")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _document(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = tar.extractfile(name)
    assert file is not None, name
    found: dict[str, Any] = json.load(file)
    return found


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
