"""What a pod answers: its whole observed state."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from hedgegrid_api.control.fields import Asker, Latch, Level, known_switch
from hedgegrid_api.control.telemetry import Telemetry
from hedgegrid_api.tolerance import pruned
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Message, SignedFigure, UnsignedFigure


class ThrottleReport(Message):
    """Throttle as asked for and as it acts."""

    desired: float
    """From the newest document."""
    effective: float
    """The smaller of document and API."""
    source: Asker = None
    """Whose value acts."""


class LegReport(Message):
    """One leg's engagement."""

    level: Level
    """Highest level that any source asks for."""
    source: Asker = None
    """Who asks for it; none while open."""
    state: LegState
    """How far it has got; Flat only when the venue says so."""
    operation_id: Annotated[str | None, Field(alias="operationID")] = None
    """One id an engagement; none while open."""
    quantity: UnsignedFigure | None = None
    """The leg's position at the venue, base currency; none while unknown."""
    open_orders: int | None = None
    """Open orders of the leg, regular and conditional; none while unknown."""
    dust: UnsignedFigure | None = None
    """Quantity that can't be closed because it is below the smallest order."""
    attempts: int = 0
    """Rounds of closing so far."""
    last_error: str | None = None
    """What went wrong last, in words."""
    since: AwareDatetime | None = None
    """When the engagement began, wall time."""
    delivered: AwareDatetime | None = None
    """When the pod had stored it, wall time."""
    reached: AwareDatetime | None = None
    """When Halted, Flat or Dust was reached, wall time."""

    @model_validator(mode="before")
    @classmethod
    def _no_further_than_known(cls, data: Any) -> Any:
        """A state of a newer side counts as asked for and not reached, whatever it means there."""
        if not isinstance(data, Mapping) or not _unknown_state(told := cast("Mapping[str, Any]", data)):
            return cast("Any", data)
        if told.get("level") == LegLevel.OPEN:
            return {**told, "state": LegState.RELEASED}
        why = f"the pod reports the state {told['state']}, which this side doesn't know"
        return {**told, "state": LegState.REQUESTED, "lastError": told.get("lastError") or why}


def _unknown_state(told: Mapping[str, Any]) -> bool:
    state = told.get("state")
    return isinstance(state, str) and state not in {known.value for known in LegState}


class LegReports(Message):
    """Both legs."""

    long: LegReport
    """The LONG leg."""
    short: LegReport
    """The SHORT leg."""


class KillSwitchReport(Message):
    """The kill switch as asked for and as it acts."""

    desired: Annotated[KillSwitch, BeforeValidator(known_switch)]
    """From the newest document; none before the first. An unknown value counts as haltEntries."""
    effective: str
    """Value that asks for the effective levels, or `long=…,short=…` where no single value does."""
    state: LegState
    """The least finished leg."""
    source: Asker = None
    """Of the least finished engaged leg."""
    operation_id: Annotated[str | None, Field(alias="operationID")] = None
    """The newest one."""
    legs: LegReports
    """Leg by leg."""

    @model_validator(mode="before")
    @classmethod
    def _no_further_than_known(cls, data: Any) -> Any:
        """A state of a newer side counts as asked for and not reached, unless no leg is held back at all."""
        if not isinstance(data, Mapping) or not _unknown_state(told := cast("Mapping[str, Any]", data)):
            return cast("Any", data)
        legs = LegReports.model_validate(told.get("legs"))
        held = {legs.long.level, legs.short.level} != {LegLevel.OPEN}
        return {**told, "state": LegState.REQUESTED if held else LegState.RELEASED}


class Trip(Message):
    """A limit of `risk` that was exceeded, and stopped the grid."""

    id: str
    """Id of its latch."""
    reason: str
    """The limit: its field under `risk`, like maxDrawdownPercent."""
    observed: SignedFigure | None = None
    """What was found, in the unit of the limit; none where there is no number for it."""
    limit: SignedFigure | None = None
    """What was allowed."""
    time: AwareDatetime
    """When it tripped, wall time."""


class PodCondition(Message):
    """A condition of the pod, copied into the object's status."""

    type: str
    """Like VenueReady."""
    status: bool
    """True or False."""
    reason: str
    """CamelCase word."""
    message: str = ""
    """One sentence."""


_BESIDE = frozenset({"latches", "trip", "conditions", "telemetry"})
"""Fields of a report that must never keep the rest from the operator."""
_ROUNDS = 8
"""What is left out may be missed further up, so it is tried again."""


class ControlReport(Message):
    """The pod's whole state, the answer to `PUT /control` and `GET /control`."""

    boot_id: Annotated[str, Field(alias="bootID")]
    """Random, new at each start of the process."""
    uid: str | None = None
    """UID of the HedgeGrid whose document the pod holds; null before the first."""
    applied_generation: int | None = None
    """Of the newest document; null before the first one since the store was made."""
    due_generation: int | None = None
    """Lowest generation of a document that is taken in, where the pod's own watch has engaged by an object newer than
    that of the newest document; null where that document says everything."""
    epoch: int | None = None
    """Of the newest document."""
    rearm: int = 0
    """Highest rearm consumed."""
    synced: bool
    """True when a document came since this start; entries are held until then."""
    throttle: ThrottleReport
    """Throttle."""
    kill_switch: KillSwitchReport
    """Kill switch."""
    latches: tuple[Latch, ...] = ()
    """What stands until released."""
    trip: Trip | None = None
    """The newest trip of a risk limit whose latch still stands."""
    conditions: tuple[PodCondition, ...] = ()
    """Conditions of the pod."""
    telemetry: Telemetry = Telemetry()
    """Figures."""

    @model_validator(mode="wrap")
    @classmethod
    def _a_newer_pod_is_understood(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """What can't be read of conditions, latches, trip and figures is left out: it never hides the controls."""
        for _ in range(_ROUNDS):
            try:
                return handler(data)
            except ValidationError as error:
                if not {item["loc"][0] for item in error.errors() if item["loc"]} <= _BESIDE:
                    raise
                data = pruned(data, error)
        return handler(data)


class Refusal(Message):
    """Body of a 409: what the pod holds."""

    reason: str
    """uid, generation or epoch."""
    message: str
    """One sentence."""
    held: ControlReport
    """The pod's state."""
