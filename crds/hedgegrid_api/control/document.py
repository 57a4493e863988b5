"""What is asked of a pod: the whole desired state of its controls."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self, cast

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from hedgegrid_api.control.fields import Counter, Latch, known_switch
from hedgegrid_api.risk import RiskLimits
from hedgegrid_api.types import KillSwitch, Message, Number, complaints


class DeletionIntent(StrEnum):
    """What the deletion of the object asks of the pod."""

    NONE = "none"
    CANCEL_ORDERS = "CancelOrders"
    """Entries are cancelled and stay out; exits and positions stay."""
    FLATTEN = "Flatten"
    """Both legs are closed, and no order stays."""


def _known_intent(value: Any) -> Any:
    """A newer operator's deletion stops entries here, and closes nothing that it may not have asked to close."""
    known = {intent.value for intent in DeletionIntent}
    return value if not isinstance(value, str) or value in known else DeletionIntent.CANCEL_ORDERS


class Author(Message):
    """Who changed the spec, for the audit log."""

    manager: str | None = None
    """Field manager, from managedFields."""
    time: AwareDatetime | None = None
    """When."""
    reason: str | None = None
    """Annotation `hedgegrid.io/reason`."""


_ASIDE = frozenset({"by", "risk", "latches", "faults"})
"""Fields of a document that must never keep its switch from the pod."""


class ControlDocument(Message):
    """The whole desired state of one grid's controls, sent by `PUT /control`."""

    uid: Annotated[str, Field(min_length=1)]
    """UID of the HedgeGrid; a pod refuses another object's (409)."""
    generation: Counter
    """metadata.generation; a pod refuses a lower one than it holds (409)."""
    epoch: Counter = 0
    """The leader's epoch, raised at each acquisition of the Lease; a pod refuses a lower one (409)."""
    by: Author = Author()
    """Who changed the spec."""
    kill_switch: Annotated[KillSwitch, BeforeValidator(known_switch, json_schema_input_type=KillSwitch | str)] = (
        KillSwitch.NONE
    )
    """spec.killSwitch; an unknown value counts as haltEntries."""
    throttle: Annotated[Number, Field(ge=0, le=1)] = 1
    """spec.throttle."""
    rearm: Counter = 0
    """spec.rearm."""
    rearm_latches: tuple[str, ...] = ()
    """Ids of the latches that status showed when this rearm was first seen: what it may release."""
    risk: RiskLimits | None = None
    """spec.risk; null: the pod keeps the limits that it holds."""
    latches: tuple[Latch, ...] = ()
    """Latches of risk and api that status last showed: for a pod whose store was lost."""
    deletion: Annotated[DeletionIntent, BeforeValidator(_known_intent, json_schema_input_type=DeletionIntent | str)] = (
        DeletionIntent.NONE
    )
    """What the deletion of the object asks for; outranks the spec. An unknown value counts as CancelOrders."""
    faults: tuple[str, ...] = ()
    """What of this document couldn't be read, each with its field; the rest counts. Written by either side."""

    @model_validator(mode="wrap")
    @classmethod
    def _a_kill_gets_through(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """What can't be read beside the controls is left out and named in `faults`."""
        try:
            return handler(data)
        except ValidationError as error:
            readable = _readable(cast("Mapping[str, Any]", data), error) if isinstance(data, Mapping) else None
            if readable is None:
                raise
            return handler(readable)


def _readable(data: Mapping[str, Any], error: ValidationError) -> dict[str, Any] | None:
    """A document without what an error names, None where that isn't beside the controls."""
    places = [item["loc"] for item in error.errors(include_url=False)]
    aside = {place: told for place, told in zip(places, complaints(error), strict=True) if place[0] in _ASIDE}
    if not aside:
        return None
    kept = dict(data)
    for field in {str(place[0]) for place in aside}:
        value = kept.pop(field)
        unread = {place[1] for place in aside if place[0] == field and len(place) > 1}
        if field == "latches" and unread:
            kept[field] = [latch for index, latch in enumerate(value) if index not in unread]
    return kept | {"faults": [*kept.get("faults", ()), *aside.values()]}
