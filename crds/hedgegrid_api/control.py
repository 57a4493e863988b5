"""The messages between operator and strategy pod: `PUT /control`, `GET /control` and the emergency operations.

One document carries the whole desired state and one report the whole observed state, so that a lost, repeated or
late message changes nothing. Numbers that are not known are null.
"""

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

from hedgegrid_api.risk import RiskLimits
from hedgegrid_api.tolerance import pruned
from hedgegrid_api.types import (
    Integer,
    KillSwitch,
    LegLevel,
    LegState,
    Message,
    Number,
    SignedFigure,
    Source,
    UnsignedFigure,
    complaints,
)

LARGEST = 2**53 - 1
"""Every reader of JSON has whole numbers exact up to here; no generation gets there."""


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Counter = Annotated[Integer, Field(ge=0, le=LARGEST), BeforeValidator(_whole)]
"""A whole number from 0 on; 3.0 is one in JSON, text and true aren't."""

AnySide = Annotated[str, Field(max_length=16, json_schema_extra={"enum": ["long", "short", "both"]})]
"""Which legs an operation is for."""


class DeletionIntent(StrEnum):
    """What the deletion of the object asks of the pod."""

    NONE = "none"
    CANCEL_ORDERS = "CancelOrders"
    """Entries are cancelled and stay out; exits and positions stay."""
    FLATTEN = "Flatten"
    """Both legs are closed, and no order stays."""


def _known_switch(value: Any) -> Any:
    """A value of a newer schema can only be more than this side knows: entries stop."""
    known = {switch.value for switch in KillSwitch}
    return value if not isinstance(value, str) or value in known else KillSwitch.HALT_ENTRIES


def _known_intent(value: Any) -> Any:
    """A newer operator's deletion stops entries here, and closes nothing that it may not have asked to close."""
    known = {intent.value for intent in DeletionIntent}
    return value if not isinstance(value, str) or value in known else DeletionIntent.CANCEL_ORDERS


def _known_level(value: Any) -> Any:
    """What a newer side calls otherwise is held back: nothing is said to be open, and nothing to be flat."""
    known = {level.value for level in LegLevel}
    return value if not isinstance(value, str) or value in known else LegLevel.HALTED


def _known_source(value: Any) -> Any:
    """A source of a newer side: nobody that this side can name."""
    known = {source.value for source in Source}
    return value if not isinstance(value, str) or value in known else None


def _latching_source(value: Any) -> Any:
    """Whoever latched it, it stands until it is released, like what risk latches."""
    return _known_source(value) or Source.RISK


Level = Annotated[LegLevel, BeforeValidator(_known_level)]
"""How far a leg is held back; an unknown value counts as halted."""

Asker = Annotated[Source | None, BeforeValidator(_known_source)]
"""Who asks; none where nobody does, or where this side doesn't know them."""


class Author(Message):
    """Who changed the spec, for the audit log."""

    manager: str | None = None
    """Field manager, from managedFields."""
    time: AwareDatetime | None = None
    """When."""
    reason: str | None = None
    """Annotation `hedgegrid.io/reason`."""


class Latch(Message):
    """What stands until it is released by id (`POST /resume`) or by a rearm."""

    id: str
    """Operation id."""
    source: Annotated[Source, BeforeValidator(_latching_source)]
    """Who engaged it; an unknown value counts as risk: it stands until it is released."""
    leg: str
    """LONG, SHORT or BOTH."""
    level: Level
    """What it holds the leg at."""
    since: AwareDatetime
    """When it was engaged, wall time."""
    reason: str | None = None
    """Why, as a condition's reason; none for what somebody asked for through the API."""
    message: str | None = None
    """Why, in words."""


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
    kill_switch: Annotated[KillSwitch, BeforeValidator(_known_switch, json_schema_input_type=KillSwitch | str)] = (
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

    desired: Annotated[KillSwitch, BeforeValidator(_known_switch)]
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


class LegTelemetry(Message):
    """One leg's position."""

    quantity: UnsignedFigure | None = None
    """Base currency."""
    entry_price: UnsignedFigure | None = None
    """Average entry; none when flat."""


class PnL(Message):
    """Profit and loss of this grid since its first start, quote currency."""

    realized: SignedFigure | None = None
    """Closed trades, less commissions, plus funding received."""
    unrealized: SignedFigure | None = None
    """At mark."""
    total: SignedFigure | None = None
    """Sum of both."""


class Telemetry(Message):
    """Figures of the grid; null where unknown."""

    long: LegTelemetry = LegTelemetry()
    """The LONG leg."""
    short: LegTelemetry = LegTelemetry()
    """The SHORT leg."""
    net_quote: SignedFigure | None = None
    """(long − short)·mark."""
    open_orders: int | None = None
    """All open orders of this grid."""
    pnl: PnL = PnL()
    """Profit and loss."""
    margin_ratio: float | None = None
    """Maintenance margin / margin balance."""
    equity: SignedFigure | None = None
    """Wallet + unrealized."""
    funding_rate: float | None = None
    """Rate of the coming settlement."""
    regime: str | None = None
    """UP, DOWN or SIDEWAYS; none while unknown."""
    last_bar_time: AwareDatetime | None = None
    """Close of the newest bar, market time."""


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


class FlattenRequest(Message):
    """`POST /flatten`."""

    side: AnySide
    """long, short or both."""
    reason: str | None = None
    """For the audit log."""


class ThrottleRequest(Message):
    """`POST /throttle`."""

    throttle: Annotated[Number, Field(ge=0, le=1)]
    """0 to 1; 1 ends the API's throttle."""


class ResumeRequest(Message):
    """`POST /resume`."""

    id: Annotated[str, Field(max_length=253)]
    """Id of the latch, from the report's `latches`."""
    side: AnySide = "both"
    """long, short or both: which legs of the latch to release."""


class Refusal(Message):
    """Body of a 409: what the pod holds."""

    reason: str
    """uid, generation or epoch."""
    message: str
    """One sentence."""
    held: ControlReport
    """The pod's state."""
