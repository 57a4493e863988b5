"""Somebody keeps taking a child's field back: after a few rounds we slow down and name the field and the manager."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from hedgegrid_api.author import instant
from hedgegrid_operator.objects import FIELD_MANAGER, Json, Kind, as_object, items, metadata, section

_ROUNDS = 3

type _Key = tuple[str, str, str]


class ApplyConflictError(Exception):
    """A child isn't put back for now."""


@dataclass(slots=True)
class _Rounds:
    times: deque[float]
    slow: bool = False
    told: str = ""


class Contention:
    """Counts how often each child had to be put back; times in seconds."""

    def __init__(self, window: float = 600.0, pause: float = 300.0) -> None:
        self._window = window
        self.pause = pause
        self._rounds: dict[_Key, _Rounds] = {}

    def put_back(self, uid: str, kind: Kind, name: str, now: float) -> bool:
        """Whether a changed child may be put back now.

        Always for 3 times in a window; then after each pause, until there was nothing to put back for a window.
        """
        rounds = self._rounds.setdefault((uid, kind.kind, name), _Rounds(deque()))
        while rounds.times and now - rounds.times[0] > self._window:
            rounds.times.popleft()
        rounds.slow = len(rounds.times) >= _ROUNDS or (rounds.slow and bool(rounds.times))
        if rounds.slow and now - rounds.times[-1] < self.pause:
            return False
        rounds.times.append(now)
        return True

    def tell(self, uid: str, kind: Kind, name: str, told: str) -> None:
        """What is said of a child that isn't put back now."""
        self._rounds[uid, kind.kind, name].told = told

    def told(self, uid: str, kind: Kind, name: str, now: float) -> str | None:
        """What is still said of one that was put back again: until it has been left alone for a pause."""
        rounds = self._rounds.get((uid, kind.kind, name))
        if rounds is None or not rounds.slow or now - rounds.times[-1] >= self.pause:
            return None
        return rounds.told or None

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        for key in [key for key in self._rounds if key[0] == uid]:
            del self._rounds[key]


def taken_field(obj: Json, manifest: Json) -> tuple[str, str]:
    """Which field of ours another manager owns now, and which manager: of the latest change; unknown parts are '?'."""
    newest: tuple[Any, str, str] | None = None
    for entry in items(metadata(obj), "managedFields"):
        if entry.get("manager") == FIELD_MANAGER or entry.get("subresource"):
            continue
        path = _common(section(entry, "fieldsV1"), manifest)
        written = instant(entry.get("time"))
        if path and written and (newest is None or written > newest[0]):
            newest = written, ".".join(path), str(entry.get("manager"))
    return newest[1:] if newest else ("?", "?")


def _common(fields: Json, manifest: Json) -> list[str]:
    """The first path that stands in both, as deep as names go (list items are matched by their list)."""
    for key, below in fields.items():
        name = key.removeprefix("f:")
        if not key.startswith("f:") or name not in manifest:
            continue
        deeper = _common(as_object(below), as_object(manifest[name]))
        if deeper or not below or not isinstance(manifest[name], dict):
            return [name, *deeper]
    return []
