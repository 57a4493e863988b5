"""Children whose object is gone, its finalizer taken off by hand, say: reported, and removed."""

from collections import defaultdict

from hedgegrid_operator.apply import LISTED, Children
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.desired.naming import api_secret_name, child_name, pod_name, shared_labels, tls_secret_name
from hedgegrid_operator.events import Note, Recorder
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.objects import HEDGE_GRID, POD, SECRET, STATEFUL_SET, GridRef, Json, labels_of, metadata, uid_of
from hedgegrid_operator.resync import Left
from hedgegrid_operator.served import OPTIONAL, left_out

_HARMLESS = frozenset(kind.kind for kind in OPTIONAL)
"""Left behind where a deletion couldn't get at them; nothing has traded with them."""


class Sweep:
    """Removes what was left behind. Only what carries all of our labels and one of our names is touched."""

    def __init__(self, kube: Kube, cache: Cache, children: Children, recorder: Recorder) -> None:
        self._kube = kube
        self._cache = cache
        self._children = children
        self._recorder = recorder

    async def clean(self, left: Left) -> None:
        """Remove the listed children, and the watched ones, of grids that aren't there. Raises what `Kube` raises."""
        owners: defaultdict[GridRef, list[tuple[str, str]]] = defaultdict(list)
        for uid, children in left.items():
            for key, child in children.items():
                owner = _owner(uid, child)
                if owner is not None:
                    owners[owner].append(key)
        traded: set[GridRef] = set()
        stateful_sets, pods = self._cache.orphans()
        for view in stateful_sets:
            found = await self._kube.get(STATEFUL_SET, view.namespace, view.name, metadata_only=True)
            owner = _owner(view.grid_uid, found) if found is not None else None
            if owner is not None:
                owners.setdefault(owner, [])
                traded.add(owner)
        for owner, listed in owners.items():
            if not await self._is_there(owner):
                key = owner.namespace, pod_name(owner.name), owner.uid
                ours = [pod for pod in pods if (pod.namespace, pod.name, pod.grid_uid) == key]
                if ours or any(kind not in _HARMLESS for kind, _ in listed) or owner in traded:
                    self._tell(owner)
                await self._remove(owner, listed, [(pod.name, pod.uid) for pod in ours if not pod.deleting])

    async def _is_there(self, owner: GridRef) -> bool:
        if self._cache.grid(owner.uid) is not None:
            return True
        found = await self._kube.get(HEDGE_GRID, owner.namespace, owner.name, metadata_only=True)
        return found is not None and uid_of(found) == owner.uid

    def _tell(self, owner: GridRef) -> None:
        text = (
            f"HedgeGrid {owner.name} is gone, but its children were still there; they are removed without a flatten: "
            "look at the venue for positions and orders"
        )
        self._recorder.tell(owner, Note("Orphaned", text, warning=True))

    async def _remove(self, owner: GridRef, listed: list[tuple[str, str]], pods: list[tuple[str, str]]) -> None:
        await self._children.remove(owner, STATEFUL_SET, child_name(owner.name))
        for name, uid in pods:
            await self._kube.delete(POD, owner.namespace, name, uid)
        # Before the others, which lead us here: they are found by their names only.
        for name in (api_secret_name(owner.name), tls_secret_name(owner.name)):
            await self._children.remove(owner, SECRET, name)
        for kind in (*LISTED, *OPTIONAL):
            for found, name in listed:
                if found == kind.kind:
                    with left_out(kind):
                        await self._children.remove(owner, kind, name)


def _owner(uid: str, child: Json) -> GridRef | None:
    """Whose a child was, None when it isn't one that we made."""
    about, labels = metadata(child), labels_of(child)
    owner = GridRef(str(about.get("namespace")), labels.get("app.kubernetes.io/instance", ""), uid)
    ours = shared_labels(owner).items() <= labels.items()
    return owner if ours and str(about.get("name", "")).startswith(child_name(owner.name)) else None
