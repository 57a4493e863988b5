"""Verdicts over the grids in the cache, and what each accepted one wants made."""

from dataclasses import dataclass, replace
from hashlib import blake2b

from hedgegrid_operator.admit import Reason, Rival, Verdict, admit
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.desired.build import Desired, desired
from hedgegrid_operator.desired.network_policy import Access
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.installation import is_stranger, told
from hedgegrid_operator.objects import compact, section


@dataclass(slots=True)
class _Known:
    """A generation's verdict, which costs a few milliseconds to reach."""

    generation: int
    verdict: Verdict
    wanted: Desired | None
    settled: bytes
    """Digest of the spec without the controls that change often."""


_CONTROLS = frozenset({"throttle", "killSwitch", "rearm"})


class Admission:
    """Judges grids beside each other."""

    def __init__(
        self,
        cache: Cache,
        defaults: ImageDefaults,
        installation: str = "",
        access: Access | None = None,
        runbooks: str = "",
    ) -> None:
        """`access`: who may talk to the pods, None: no NetworkPolicy says so. `runbooks`: where the pages of alerts
        are.
        """
        self._cache = cache
        self._access = access
        self._runbooks = runbooks
        self._installation = installation
        self._defaults = defaults
        self._known: dict[str, _Known] = {}

    def verdict(self, entry: Entry) -> Verdict:
        """Verdict over a grid as it is now."""
        uid, generation, owner = entry.controls.ref.uid, entry.controls.generation, entry.controls.installation
        if is_stranger(owner, self._installation):
            self._known.pop(uid, None)
            return Verdict(Reason.OTHER_INSTALLATION, told(owner, self._installation))
        rivals = [found for other in self._cache.rivals(uid) if (found := self._rival(other)) is not None]
        known = self._known.get(uid)
        if known is not None and known.generation == generation and known.verdict.accepted and not rivals:
            return known.verdict
        settled = _settled(entry)
        if known is not None and known.settled == settled and known.verdict.accepted and not rivals:
            # In a storm of throttles each of them would cost what a kill waits for.
            known.generation = generation
            return known.verdict
        own = Rival(entry.controls.ref, entry.controls.created, self._has_children(uid), valid=True)
        found = admit(entry.obj, own, rivals, known.verdict if known else None)
        # A spec that can't be read doesn't change what stands.
        wanted = known.wanted if known else None
        if found.spec is not None and found.config is not None:
            wanted = desired(entry.controls.ref, found.spec, found.config, self._defaults, self._access, self._runbooks)
        # What was made of the spec is in `wanted`; the spec itself isn't needed again.
        self._known[uid] = _Known(generation, replace(found, spec=None, config=None), wanted, settled)
        return found

    def wanted(self, uid: str) -> Desired | None:
        """What the newest readable spec of a grid wants made, None where there was none yet."""
        known = self._known.get(uid)
        return known.wanted if known else None

    def forget(self, uid: str) -> None:
        """The grid is gone."""
        self._known.pop(uid, None)

    def _rival(self, uid: str) -> Rival | None:
        entry, known = self._cache.grid(uid), self._known.get(uid)
        has_children = self._has_children(uid)
        # One that is going and has nothing is no rival.
        if entry is None or (entry.controls.deleted is not None and not has_children):
            return None
        valid = known is None or known.verdict.could_run
        return Rival(entry.controls.ref, entry.controls.created, has_children, valid=valid)

    def _has_children(self, uid: str) -> bool:
        return self._cache.stateful_set(uid) is not None or self._cache.pod(uid) is not None


def _settled(entry: Entry) -> bytes:
    """What a verdict rests on: not on a throttle, switch or rearm that can be read."""
    spec = section(entry.obj, "spec")
    plain = () if entry.controls.faults else _CONTROLS
    return blake2b(compact({name: value for name, value in spec.items() if name not in plain})).digest()
