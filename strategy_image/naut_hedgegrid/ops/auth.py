"""API keys: who is calling, and what a caller may do.

Keys come from a folder with one file a key name, as a mounted Secret is, or one key for everything. Several keys of a
name are valid at once, so that they can be rotated without a gap.
"""

import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import override

from naut_hedgegrid.ops.files import Stamp, stamp

log = logging.getLogger(__name__)


class Role(IntEnum):
    """What a caller may do; a higher role may do what the lower ones may."""

    VIEWER = 1
    """Read."""
    TRADER = 2
    """Throttle and flatten."""
    ADMIN = 3
    """Resume, and set the whole control."""


KEY_FILES: Mapping[str, Role] = {
    "viewer": Role.VIEWER,
    "trader": Role.TRADER,
    "admin": Role.ADMIN,
    "operator": Role.ADMIN,
}
"""Files of a key folder, and the role of the keys in them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has sent a request."""

    name: str
    """Name of the key; the key itself is never kept here."""
    role: Role


class ApiKeysError(ValueError):
    """The keys can't be used; the message says where, and what to do."""


class ApiKeys:
    """The valid keys."""

    def __init__(self, keys: Mapping[Caller, tuple[bytes, ...]]) -> None:
        self._keys = dict(keys)

    @classmethod
    def single(cls, key: str) -> "ApiKeys":
        """One key that may do everything."""
        if not key.strip():
            raise ApiKeysError("the API key is empty")
        return cls({Caller("api-key", Role.ADMIN): (key.strip().encode(),)})

    def caller(self, presented: bytes) -> Caller | None:
        """Whose key it is; None for a key that isn't valid. Takes as long for any key of the same length."""
        matching = [
            caller for caller, keys in self._keys.items() for key in keys if hmac.compare_digest(key, presented)
        ]
        return max(matching, key=lambda caller: caller.role, default=None)


class KeyFolder(ApiKeys):
    """The keys of a folder: files `viewer`, `trader`, `admin`, `operator`, one key a line.

    Read again as soon as a file is another one or has changed.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ApiKeysError if the folder can't be read or holds no key."""
        self._folder = folder
        self._stamps = self._stamped()
        try:
            keys = self._read()
        except OSError as error:
            raise ApiKeysError(f"the API keys in {folder} can't be read: {error}") from error
        if not keys:
            raise ApiKeysError(f"no API key in {folder}: put one a line into files named {', '.join(KEY_FILES)}")
        super().__init__(keys)

    @override
    def caller(self, presented: bytes) -> Caller | None:
        self._refresh()
        return super().caller(presented)

    def _refresh(self) -> None:
        stamps = self._stamped()
        if stamps == self._stamps:
            return
        if not any(stamps.values()):
            # A Secret that was deleted with its grid; a kill still has to get through.
            self._stamps = stamps
            log.error("no key file is left in %s; the former keys stay valid", self._folder)
            return
        try:
            self._keys = self._read()
        except OSError:
            # A kill has to get through: the keys known so far stay valid until the files can be read again.
            log.exception("the API keys in %s can't be read; the former ones stay valid", self._folder)
            return
        self._stamps = stamps
        log.info("API keys read again: %s", ", ".join(caller.name for caller in self._keys) or "none is valid now")

    def _stamped(self) -> dict[str, Stamp]:
        return {name: stamp(self._folder / name) for name in KEY_FILES}

    def _read(self) -> dict[Caller, tuple[bytes, ...]]:
        found: dict[Caller, tuple[bytes, ...]] = {}
        for name, role in KEY_FILES.items():
            path = self._folder / name
            lines = path.read_bytes().splitlines() if path.is_file() else []
            if keys := tuple(key for line in lines if (key := line.strip())):
                found[Caller(name, role)] = keys
        return found
