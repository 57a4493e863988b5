"""What can be wrong with a store. Every message names the file and what to do; none of them touches the file."""

import sqlite3
from enum import StrEnum
from pathlib import Path


class StoreProblem(StrEnum):
    """Kinds of trouble."""

    IN_USE = "in use"
    """Another process has it open."""
    DAMAGED = "damaged"
    """Bytes have been overwritten, or it is no SQLite file at all."""
    FOREIGN = "foreign"
    """Another grid's or another program's."""
    NEWER = "newer"
    """Written by a newer version of this program."""
    UNWRITABLE = "unwritable"
    """Disk full, file system read-only, locked by somebody else, I/O error: may pass."""


class StoreError(Exception):
    """The store can't be opened, read or written; the message names the file and what to do."""

    def __init__(self, problem: StoreProblem, path: Path, found: str, remedy: str) -> None:
        super().__init__(f"{path}: {found}; {remedy}")
        self.problem = problem
        self.path = path
        self.found = found


def in_use(path: Path) -> StoreError:
    """Another process has the store open."""
    remedy = "one grid has one strategy: stop the other one first"
    return StoreError(StoreProblem.IN_USE, path, "in use by another process", remedy)


def damaged(path: Path, detail: object) -> StoreError:
    """The file can't be understood."""
    remedy = (
        "the file is kept as it is; to start anew from what the venue knows, move it away with its -wal and -shm and "
        "restart"
    )
    return StoreError(StoreProblem.DAMAGED, path, f"damaged or no SQLite file ({detail})", remedy)


def foreign(path: Path, found: str) -> StoreError:
    """The file is somebody else's."""
    remedy = "the file is kept as it is; name another folder for the stores, or move it away and restart"
    return StoreError(StoreProblem.FOREIGN, path, found, remedy)


def newer(path: Path, version: int, known: int) -> StoreError:
    """The file was written by a newer version."""
    found = f"schema version {version}, this program knows versions up to {known}"
    return StoreError(StoreProblem.NEWER, path, found, "the file is kept as it is; run the newer image again")


def unopened(path: Path, detail: object) -> StoreError:
    """The file can't be opened or made."""
    remedy = "see to free space, permissions and health of its volume, then restart"
    return StoreError(StoreProblem.UNWRITABLE, path, f"can't be opened ({detail})", remedy)


def unwritable(path: Path, detail: object) -> StoreError:
    """The file can't be written at present."""
    remedy = "it is tried again until it can be: see to free space, permissions and health of its volume"
    return StoreError(StoreProblem.UNWRITABLE, path, f"can't be written ({detail})", remedy)


def unreadable(path: Path, detail: object) -> StoreError:
    """The file can't be read at present."""
    return StoreError(StoreProblem.UNWRITABLE, path, f"can't be read ({detail})", "see to the health of its volume")


def unstorable(path: Path, detail: object) -> StoreError:
    """A change that no file could take: an error of the program."""
    remedy = "what came before is kept; report it, and restart to read the venue again"
    return StoreError(StoreProblem.UNWRITABLE, path, f"a change can't be stored ({detail!r})", remedy)


def is_damage(error: sqlite3.Error) -> bool:
    """What SQLite says means that the file's content is wrong, not that its disk is in trouble."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
