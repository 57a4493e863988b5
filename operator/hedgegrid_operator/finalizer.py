"""Our finalizer: on before anything is made, off when everything is taken away again."""

from typing import Any

from hedgegrid_operator.apply import LISTED, Children
from hedgegrid_operator.cache import Cache, Entry, Sink
from hedgegrid_operator.desired.naming import api_secret_name, child_name, tls_secret_name
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import (
    FINALIZER,
    HEDGE_GRID,
    INSTALLATION_ANNOTATION,
    SECRET,
    STATEFUL_SET,
    UID_LABEL,
    GridRef,
    Json,
    Kind,
    metadata,
)
from hedgegrid_operator.served import Served, left_out


def is_on(entry: Entry) -> bool:
    """Whether a grid has our finalizer."""
    return FINALIZER in _present(entry)


def _present(entry: Entry) -> list[str]:
    found: Any = metadata(entry.obj).get("finalizers")
    return [str(name) for name in found] if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] — JSON


class Finalizer:
    """Puts the finalizer on, removes the children, takes it off. Every method raises what `Kube` raises."""

    def __init__(
        self, kube: Kube, cache: Cache, children: Children, observe: Sink, installation: str, served: Served
    ) -> None:
        self._kube = kube
        self._served = served
        self._cache = cache
        self._children = children
        self._observe = observe
        self._installation = installation

    async def put_on(self, entry: Entry) -> Entry:
        """The grid with our finalizer on, and the mark that it is ours. (409 where another one was first.)"""
        if is_on(entry) and entry.controls.installation == self._installation:
            return entry
        present = _present(entry)
        finalizers = present if is_on(entry) else [*present, FINALIZER]
        mark = {INSTALLATION_ANNOTATION: self._installation}
        self._cache.observe(HEDGE_GRID, await self._write(entry, finalizers, annotations=mark))
        return self._cache.grid(entry.controls.ref.uid) or entry

    async def remove_children(self, entry: Entry, *, wait_for_pod: bool) -> bool:
        """The StatefulSet, the pod, then the rest; False while the pod is still there."""
        ref = entry.controls.ref
        there = await self._children.remove(ref, STATEFUL_SET, child_name(ref.name))
        if wait_for_pod and (there or self._cache.pod(ref.uid) is not None):
            return False
        for kind in (*LISTED, *self._served.kinds):
            with left_out(kind):
                await self._remove_all(ref, kind)
        for name in (api_secret_name(ref.name), tls_secret_name(ref.name)):
            await self._children.remove(ref, SECRET, name)
        return True

    async def _remove_all(self, ref: GridRef, kind: Kind) -> None:
        async for found, _ in self._kube.pages(kind, ref.namespace, f"{UID_LABEL}={ref.uid}", metadata_only=True):
            for child in found:
                await self._children.remove(ref, kind, str(metadata(child)["name"]))

    async def take_off(self, entry: Entry) -> None:
        """Let the object go; nothing happens when it is gone already."""
        others = [name for name in _present(entry) if name != FINALIZER]
        try:
            obj = await self._write(entry, others)
        except ApiError as error:
            if error.status != 404:
                raise
            obj, others = entry.obj, []
        # Without any finalizer the object is gone with this very request.
        self._observe(HEDGE_GRID, obj, not others)

    async def _write(self, entry: Entry, finalizers: list[str], **more: Json) -> Json:
        ref, version = entry.controls.ref, metadata(entry.obj)["resourceVersion"]
        patch: Json = {"metadata": {"resourceVersion": version, "finalizers": finalizers, **more}}
        return await self._kube.merge(HEDGE_GRID, ref.namespace, ref.name, patch)
