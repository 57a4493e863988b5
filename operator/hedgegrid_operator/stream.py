"""What the API server tells a watch, taken off the answers before the framework handles it.

Handling an event costs kopf about a millisecond, in the order in which events came: a kill among a thousand of them
would wait for a second. So the objects are taken out of LISTs and streams as they come in, all that has come at once,
and kopf is left what it watches by: versions (as bookmarks), errors, ends.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, NamedTuple, override

import aiohttp

from hedgegrid_operator.objects import Json, Kind, as_object, compact, items, metadata, parsed


class Event(NamedTuple):
    """An object that was seen."""

    kind: Kind
    obj: Json
    deleted: bool


type Take = Callable[[list[Event]], None]
"""Takes over events, in their order; called in the watching thread."""

_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


def tapped(kinds: Iterable[Kind], take: Take) -> type[aiohttp.ClientResponse]:
    """Class of answers of which the objects of these kinds are taken off."""
    by_plural = {kind.plural: kind for kind in kinds}

    class Tapped(aiohttp.ClientResponse):
        @property
        def _kind(self) -> Kind | None:
            return by_plural.get(self.url.name) if self.status == 200 else None

        @override
        async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self._kind is not None and "watch" in self.url.query:
                self.content: Any = _Stream(self.content, self._kind, take)
            return self

        @override
        async def json(self, **asked: Any) -> Any:
            if self._kind is None:
                return await super().json(**asked)
            listed = as_object(parsed(await self.read()))
            take([Event(self._kind, obj, deleted=False) for obj in items(listed, "items")])
            listed["items"] = []
            return listed

    return Tapped


class _Stream:
    """The body of a watch's answer: everything of it but the objects."""

    def __init__(self, content: aiohttp.StreamReader, kind: Kind, take: Take) -> None:
        self._content = content
        self._kind = kind
        self._take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """What has come, at most so many bytes at a time. A line that breaks off isn't told: it comes again."""
        rest = b""
        async for data in self._content.iter_chunked(size):
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                yield self._without_objects(lines)

    def _without_objects(self, lines: list[bytes]) -> bytes:
        events: list[Event] = []
        left: list[bytes] = []
        for line in filter(None, lines):
            told = _read(line)
            if told.get("type") in _CHANGES:
                events.append(Event(self._kind, as_object(told.get("object")), told["type"] == "DELETED"))
            else:
                left.append(line)
        if events:
            self._take(events)
            left.insert(0, _bookmark(events[-1].obj))
        return b"".join(line + b"\n" for line in left)


def _read(line: bytes) -> Mapping[str, Any]:
    """A line of a stream; nothing of one that can't be read: the framework will stumble over it and begin anew."""
    try:
        return as_object(parsed(line))
    except (ValueError, RecursionError):
        return {}


def _bookmark(obj: Json) -> bytes:
    """The event by which a watch knows how far it has come."""
    about = {name: obj.get(name) for name in ("apiVersion", "kind")}
    version = metadata(obj).get("resourceVersion")
    return compact({"type": "BOOKMARK", "object": {**about, "metadata": {"resourceVersion": version}}})
