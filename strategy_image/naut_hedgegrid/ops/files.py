"""How to see that a file is another one, or has changed."""

from pathlib import Path

type Stamp = tuple[int, int, int] | None
"""Inode, time and size of a file; None where there is none."""


def stamp(path: Path) -> Stamp:
    """The file's, or that of the file that a link leads to."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
