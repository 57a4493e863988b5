"""Who asks what of each leg: the controls as a pure state that documents, API calls and restarts act on.

Each leg has a level (open < halted < flat); the effective one is the highest that any source asks for. The object's own
say comes by documents and, where they are late, by the pod's own watch (`Heeded`): the stronger of both. An engagement
begins when a leg's level rises and keeps its operation id until the leg is open again, whoever else joins in.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from hedgegrid_api.asked import Asked
from hedgegrid_api.control import ControlDocument, DeletionIntent, Latch, Trip
from hedgegrid_api.deletion import LEVELS
from hedgegrid_api.types import KillSwitch, LegLevel, Message, Source, levels_of
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.strategies.hedge_grid_v1.heeded import NOTHING, Heeded, higher

BOTH = "BOTH"
"""Leg of a latch that holds both."""


class StaleDocumentError(ValueError):
    """A document that an older leader, an older list or another object's operator has sent."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """uid, generation or epoch."""


class UnknownLatchError(ValueError):
    """No latch of that id stands."""


class Engagement(Message):
    """One leg held back, from the rise of its level to its release."""

    operation_id: Annotated[str, Field(alias="operationID")]
    level: LegLevel
    source: Source
    since: AwareDatetime
    """When it began."""
    delivered: AwareDatetime | None = None
    """When it was in the store; None while it isn't."""
    reached: AwareDatetime | None = None
    """When Halted, Flat or Dust was reached first at this level."""


class Controls(Message):
    """Everything the controls have to remember across a restart."""

    document: ControlDocument | None = None
    """The newest one taken."""
    own: Heeded | None = None
    """By the pod's own watch, since that document."""
    latches: tuple[Latch, ...] = ()
    """Engaged by risk or through the API; each stands until it is released by its id."""
    trip: Trip | None = None
    """The newest trip, while its latch stands."""
    api_throttle: float | None = None
    """Set through the API; None where it doesn't act."""
    rearm: int = 0
    """Highest rearm consumed."""
    engagements: dict[Leg, Engagement] = Field(default_factory=dict[Leg, Engagement])
    """Legs that aren't open."""

    def asked(self, leg: Leg) -> dict[Source, LegLevel]:
        """Level that each source asks of a leg."""
        document, own = self.document, self.own or NOTHING
        switch = document.kill_switch if document is not None else KillSwitch.NONE
        spec = levels_of(switch)[0 if leg is Leg.LONG else 1]
        deletion = document.deletion if document is not None else DeletionIntent.NONE
        return {
            Source.DELETION: higher(LEVELS[deletion], own.by_deletion()),
            Source.SPEC: higher(spec, own.level(leg)),
            Source.RISK: self._latched(leg, Source.RISK),
            Source.API: self._latched(leg, Source.API),
        }

    def _latched(self, leg: Leg, source: Source) -> LegLevel:
        levels = (latch.level for latch in self.latches if latch.source is source and latch.leg in (leg, BOTH))
        return max(levels, key=lambda level: level.rank, default=LegLevel.OPEN)

    def level(self, leg: Leg) -> LegLevel:
        """Effective level of a leg."""
        return max(self.asked(leg).values(), key=lambda level: level.rank)

    def source(self, leg: Leg) -> Source | None:
        """Who asks for the effective level; None while the leg is open. A tie goes to deletion, spec, risk, API."""
        asked = self.asked(leg)
        level = self.level(leg)
        return next((who for who, wants in asked.items() if wants is level), None) if level.rank else None

    def throttle(self, configured: float) -> tuple[float, Source]:
        """Effective throttle and whose it is; `configured` counts where there is no document."""
        spec = self.spec_throttle(configured)
        if self.api_throttle is not None and self.api_throttle < spec:
            return self.api_throttle, Source.API
        return spec, Source.SPEC

    def spec_throttle(self, configured: float) -> float:
        """What the object asks for; `configured` counts where there is no document."""
        document = self.document.throttle if self.document is not None else configured
        return min(document, self.own.throttle) if self.own is not None else document


def with_document(held: Controls, document: ControlDocument, now: datetime, new_id: Callable[[], str]) -> Controls:
    """The controls after a document.

    Raises:
        StaleDocumentError: another object's uid, a lower generation or a lower epoch than what is held.
    """
    before = held.document
    _check_order(held, document)
    if before is not None and document.risk is None:
        # Limits that couldn't be read must not be replaced by wider ones.
        document = document.model_copy(update={"risk": before.risk})
    latches = held.latches
    if before is None:
        # A store that has never seen a document may be a new one on a lost volume: what stood then still stands (F38).
        known = {latch.id for latch in latches}
        latches += tuple(latch for latch in document.latches if latch.id not in known)
    if document.rearm > held.rearm:
        latches = tuple(latch for latch in latches if latch.id not in document.rearm_latches)
    same_throttle = before is None or before.throttle == document.throttle
    return _engaged(
        held.model_copy(
            update={
                "document": document,
                "own": None,
                **_standing(held, latches),
                "rearm": max(held.rearm, document.rearm),
                "api_throttle": held.api_throttle if same_throttle else None,
            }
        ),
        now,
        new_id,
    )


def with_asked(held: Controls, asked: Asked, now: datetime, new_id: Callable[[], str]) -> Controls:
    """The controls after the pod's own watch has seen its object: what is stronger there is engaged, nothing released.

    An object no newer than the newest document changes nothing: that document has told it.
    """
    document = held.document
    if document is not None and asked.generation <= document.generation:
        return held
    after = held.model_copy(update={"own": (held.own or NOTHING).joined(asked)})
    return _engaged(after, now, new_id) if _stronger(after, held) else held


def with_object_gone(held: Controls, generation: int, now: datetime, new_id: Callable[[], str]) -> Controls:
    """The controls after the pod's own watch has found its object gone: no entry any more.

    `generation` is the newest that was known of it. Only a document of a higher one ends that: others are older.
    """
    own = held.own or NOTHING
    if own.gone:
        return held
    newest = max(generation, own.generation, held.document.generation if held.document is not None else 0)
    found = own.model_copy(update={"gone": True, "generation": newest + 1})
    return _engaged(held.model_copy(update={"own": found}), now, new_id)


def _stronger(after: Controls, before: Controls) -> bool:
    """Whether the object asks for more than before, of a leg or of the throttle."""
    rose = any(
        after.asked(leg)[source].rank > before.asked(leg)[source].rank
        for leg in Leg
        for source in (Source.SPEC, Source.DELETION)
    )
    return rose or after.spec_throttle(1.0) < before.spec_throttle(1.0)


def with_api_flatten(held: Controls, legs: tuple[Leg, ...], now: datetime, new_id: Callable[[], str]) -> Controls:
    """The controls after `POST /flatten`: a latch for each of the legs. One that stands already is kept."""
    taken = {latch.leg for latch in held.latches if latch.source is Source.API}
    missing = tuple(leg for leg in legs if leg not in taken and BOTH not in taken)
    if not missing:
        return held
    ids: dict[Leg, str] = {leg: held.engagements[leg].operation_id for leg in missing if _is_flat(held, leg)}
    fresh = new_id() if len(ids) < len(missing) else ""
    latches = tuple(
        Latch(id=ids.get(leg, fresh), source=Source.API, leg=leg.value, level=LegLevel.FLAT, since=now)
        for leg in missing
    )
    return _engaged(held.model_copy(update={"latches": held.latches + latches}), now, lambda: fresh)


def with_risk_latch(
    held: Controls, latch: Latch, trip: Trip | None, now: datetime, new_id: Callable[[], str]
) -> Controls:
    """The controls after risk has tripped, or the grid asked to be held back; `trip` says why it tripped."""
    latches = {"latches": (*held.latches, latch), "trip": trip or held.trip}
    return _engaged(held.model_copy(update=latches), now, new_id)


def with_resume(
    held: Controls, latch_id: str, legs: tuple[Leg, ...], now: datetime, new_id: Callable[[], str]
) -> Controls:
    """The controls after `POST /resume`: the legs of a latch are released.

    Raises:
        UnknownLatchError: no latch of that id stands for any of the legs.
    """
    kept: list[Latch] = []
    for latch in held.latches:
        covered = tuple(Leg) if latch.leg == BOTH else (Leg(latch.leg),)
        left = covered if latch.id != latch_id else tuple(leg for leg in covered if leg not in legs)
        if left:
            kept.append(latch if left == covered else latch.model_copy(update={"leg": left[0].value}))
    if tuple(kept) == held.latches:
        standing = ", ".join(f"{latch.id} ({latch.leg})" for latch in held.latches) or "none"
        raise UnknownLatchError(f"no latch {latch_id!r} stands for that side; standing: {standing}")
    return _engaged(held.model_copy(update=_standing(held, tuple(kept))), now, new_id)


def released(before: Controls, after: Controls) -> frozenset[str]:
    """Ids of the risk latches that stood before and don't any more."""
    return _risk_ids(before) - _risk_ids(after)


def _risk_ids(controls: Controls) -> frozenset[str]:
    return frozenset(latch.id for latch in controls.latches if latch.source is Source.RISK)


def _standing(held: Controls, latches: tuple[Latch, ...]) -> dict[str, object]:
    """What is left when these latches stand: a trip ends with its latch."""
    trip = held.trip
    return {"latches": latches, "trip": trip if trip and any(latch.id == trip.id for latch in latches) else None}


def with_api_throttle(held: Controls, throttle: float) -> Controls:
    """The controls after `POST /throttle`; 1 ends the API's throttle."""
    return held.model_copy(update={"api_throttle": None if throttle == 1 else throttle})


def delivered(held: Controls, written: Controls, now: datetime) -> Controls:
    """The controls once `written` is in the store: its engagements are delivered."""
    ids = {engagement.operation_id for engagement in written.engagements.values()}
    changes = {
        leg: {"delivered": now}
        for leg, engagement in held.engagements.items()
        if engagement.delivered is None and engagement.operation_id in ids
    }
    return _updated(held, changes)


def reached(held: Controls, legs: Mapping[Leg, bool], now: datetime) -> Controls:
    """The controls once legs have reached (or lost again) what is asked of them."""
    changes = {
        leg: {"reached": now if legs[leg] else None}
        for leg, engagement in held.engagements.items()
        if (engagement.reached is not None) != legs[leg]
    }
    return _updated(held, changes)


def _updated(held: Controls, changes: Mapping[Leg, Mapping[str, object]]) -> Controls:
    if not changes:
        return held
    engagements = {
        leg: engagement.model_copy(update=changes.get(leg, {})) for leg, engagement in held.engagements.items()
    }
    return held.model_copy(update={"engagements": engagements})


def _check_order(held: Controls, document: ControlDocument) -> None:
    own, before = held.own, held.document
    if own is not None and document.generation < own.generation:
        why = "was found gone" if own.gone else "was engaged by its own watch"
        raise StaleDocumentError(
            "generation", f"generation {document.generation} is lower than {own.generation}: this pod's object {why}"
        )
    if before is None:
        return
    if document.uid != before.uid:
        raise StaleDocumentError("uid", f"this pod belongs to the HedgeGrid with uid {before.uid}, not {document.uid}")
    if document.epoch < before.epoch:
        raise StaleDocumentError("epoch", f"epoch {document.epoch} is lower than the pod's {before.epoch}")
    if document.generation < before.generation:
        raise StaleDocumentError(
            "generation", f"generation {document.generation} is lower than the pod's {before.generation}"
        )


def _is_flat(held: Controls, leg: Leg) -> bool:
    engagement = held.engagements.get(leg)
    return engagement is not None and engagement.level is LegLevel.FLAT


def _engaged(after: Controls, now: datetime, new_id: Callable[[], str]) -> Controls:
    """Begin, keep and end engagements so that they fit the effective levels. Legs that rise together share one id."""
    fresh: str | None = None
    engagements: dict[Leg, Engagement] = {}
    for leg in Leg:
        level, source = after.level(leg), after.source(leg)
        if source is None:
            continue
        before = after.engagements.get(leg)
        if before is None or level.rank > before.level.rank:
            fresh = fresh or new_id()
            engagements[leg] = Engagement(operation_id=fresh, level=level, source=source, since=now)
        elif level is before.level:
            engagements[leg] = before.model_copy(update={"source": source})
        else:
            engagements[leg] = before.model_copy(update={"level": level, "source": source, "reached": None})
    return after.model_copy(update={"engagements": engagements})
