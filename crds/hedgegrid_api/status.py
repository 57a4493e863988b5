"""The status of a HedgeGrid, as the operator writes it and `kubectl get` shows it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from hedgegrid_api.control import Latch, LegReports, Telemetry, Trip
from hedgegrid_api.types import LegState, Message, Source


class Phase(StrEnum):
    """One word for the whole grid."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    HALTED = "Halted"
    FLATTENING = "Flattening"
    FLAT = "Flat"
    DEGRADED = "Degraded"
    REJECTED = "Rejected"
    DELETING = "Deleting"


class Condition(Message):
    """A condition by the Kubernetes conventions."""

    type: Annotated[str, Field(max_length=316)]
    """Like Ready."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(max_length=1024)]
    """CamelCase word."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """One sentence, with the remedy where there is one."""
    last_transition_time: AwareDatetime
    """When the status last changed."""
    observed_generation: int | None = None
    """Generation that the condition is about."""


class ThrottleStatus(Message):
    """Throttle as the pod reports it."""

    desired: float | None = None
    """From the pod's newest document."""
    effective: float | None = None
    """The value that acts."""
    source: Source | None = None
    """Whose value acts."""
    applied_time: AwareDatetime | None = None
    """When the pod took the present value."""


class Escalated(Message):
    """Restarts of a pod that didn't take the kill switch."""

    restarts: int
    """Pods deleted for it since the kill switch was engaged."""
    pod_uid: Annotated[str, Field(alias="podUID")]
    """The last one that was deleted."""
    time: AwareDatetime
    """When that was."""


class KillSwitchStatus(Message):
    """Kill switch as the operator and the pod know it."""

    desired: str | None = None
    """spec.killSwitch."""
    effective: str | None = None
    """The value that acts in the pod."""
    state: LegState | None = None
    """The least finished leg; Requested while the pod hasn't stored it."""
    source: Source | None = None
    """Who asks for it."""
    operation_id: Annotated[str | None, Field(alias="operationID")] = None
    """The newest engagement's id."""
    engaged_time: AwareDatetime | None = None
    """When the operator first saw it asked for."""
    delivered_time: AwareDatetime | None = None
    """When the pod had stored it."""
    flat_time: AwareDatetime | None = None
    """When Halted, Flat or Dust was reached."""
    attempts: int | None = None
    """Deliveries tried since it was asked for."""
    last_error: str | None = None
    """Why the last delivery or closing failed."""
    escalated: Escalated | None = None
    """What spec.escalation has done; gone when the kill switch is released."""
    legs: LegReports | None = None
    """Leg by leg, as the pod reports them."""


class ControlStatus(Message):
    """The pod's controls."""

    boot_id: Annotated[str | None, Field(alias="bootID")] = None
    """Id of the pod's process, new at each start."""
    applied_generation: int | None = None
    """Generation of the document that the pod holds."""
    rearm: int | None = None
    """Highest rearm consumed."""
    throttle: ThrottleStatus | None = None
    """Throttle as the pod reports it."""
    kill_switch: KillSwitchStatus | None = None
    """Kill switch as the operator and the pod know it."""
    latches: tuple[Latch, ...] = ()
    """What stands until released: ids that POST /resume takes."""
    trip: Trip | None = None
    """The limit of spec.risk that stopped the grid; gone when its latch is released."""


class RolloutStatus(Message):
    """A changed pod template that waits until it may restart the pod."""

    revision: str | None = None
    """Hash of the template that waits."""
    approval: str | None = None
    """What the annotation hedgegrid.io/rollout has to say with update.strategy Manual."""
    since: AwareDatetime | None = None
    """Since when a changed template has been waiting; update.maxWaitSeconds counts from here."""


class HedgeGridStatus(Message):
    """What is known about a grid; what is not known is absent."""

    observed_generation: int | None = None
    """Generation that this status is about."""
    phase: Phase | None = None
    """One word for the whole grid."""
    pod_name: str | None = None
    """The strategy pod."""
    pod_uid: Annotated[str | None, Field(alias="podUID")] = None
    """UID of the strategy pod."""
    image: str | None = None
    """Image of the strategy pod."""
    config_hash: str | None = None
    """Hash of the configuration that is applied."""
    rollout: RolloutStatus | None = None
    """The changed pod template that waits until it may restart the pod; absent: none does."""
    control: ControlStatus | None = None
    """The pod's controls."""
    telemetry: Telemetry | None = None
    """Figures, written on change of a leg or the number of orders, otherwise at most every 5 minutes."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = ()
    """What holds and what doesn't, by the Kubernetes conventions; Ready sums it up."""
