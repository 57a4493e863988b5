"""The HedgeGrid object: every field with its type, unit, bounds, default and meaning.

The CustomResourceDefinition is generated from these models (`schema.py`); what a user reads in
`kubectl explain` is the text below the fields, to which the generator adds range, default and rules. Rules that span
several fields sit on the smallest object that holds them all; those that compare with the old object sit on the
parent of the field, since a rule on a field is skipped when the field is added or removed.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from hedgegrid_api.monitoring import Monitoring, PrometheusRule, ServiceMonitor
from hedgegrid_api.pieces import LABEL_VALUE
from hedgegrid_api.pod import Affinity, Image, Json, LocalObjectReference, Pod, PullPolicy, Resources, Toleration
from hedgegrid_api.risk import Risk, RiskAction
from hedgegrid_api.rules import Rule, Written, formatted
from hedgegrid_api.simulation import Fees, Filters, Market, Replay, Sim, SimMarket, VenueTerms
from hedgegrid_api.trading import (
    STRATEGY_RULES,
    Execution,
    Exits,
    Funding,
    Grid,
    Leverage,
    MarginType,
    Placement,
    PlacementPolicy,
    Regime,
)
from hedgegrid_api.types import Flag, Integer, KillSwitch, Mode, Model, Number

__all__ = [
    "NAME_RULE",
    "PRINTER_COLUMNS",
    "SCOPE",
    "STRATEGY_RULES",
    "Account",
    "Affinity",
    "Deletion",
    "DeletionPolicy",
    "Escalation",
    "EscalationAction",
    "Execution",
    "Exits",
    "Fees",
    "Filters",
    "Funding",
    "Grid",
    "HedgeGridSpec",
    "Image",
    "InstrumentId",
    "Json",
    "Leverage",
    "LocalObjectReference",
    "MarginType",
    "Market",
    "Monitoring",
    "OnTimeout",
    "Placement",
    "PlacementPolicy",
    "Pod",
    "PrometheusRule",
    "PullPolicy",
    "Regime",
    "Replay",
    "Resources",
    "Risk",
    "RiskAction",
    "ServiceMonitor",
    "Sim",
    "SimMarket",
    "Storage",
    "Toleration",
    "Update",
    "UpdateStrategy",
    "VenueTerms",
]

InstrumentId = Annotated[
    str,
    Written(
        r"^[A-Z0-9]{2,20}USDT-PERP[.]BINANCE$",
        "a USDT-margined perpetual of Binance, like BTCUSDT-PERP.BINANCE",
        max_length=64,
    ),
]
"""Symbol and venue of a perpetual."""


class Account(Model):
    """Who trades."""

    name: Annotated[str, LABEL_VALUE]
    """Name of the trading account. With mode and instrument it is the target that only one HedgeGrid may have.
    Immutable."""


class Storage(Model):
    """The volume of the store: latches, ladder and, in mode sim, the venue's book. Immutable."""

    RULES = (
        Rule(
            at="storageClassName",
            cel="!self.ephemeral || !has(self.storageClassName)",
            holds=lambda storage: not storage.ephemeral or storage.storage_class_name is None,
            message="storageClassName has no meaning with ephemeral: true; remove one of them",
        ),
    )

    size: Annotated[
        str,
        Written(
            r"^([0-9]*[1-9][0-9]*([.][0-9]+)?|[0-9]+[.][0-9]*[1-9][0-9]*)([KMGTPE]i|[kMGTPE])?$",
            "a quantity greater than 0, like 1Gi",
        ),
    ] = "1Gi"
    """Size of the PersistentVolumeClaim, in bytes."""
    storage_class_name: (
        Annotated[
            str,
            Written(
                r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
                "the name of a storage class: lower-case letters, digits, '-' and '.'",
                max_length=253,
            ),
        ]
        | None
    ) = None
    """Storage class of the claim; absent: the cluster's default."""
    ephemeral: Flag = False
    """true: no claim, and everything is lost with the pod. Only for mode sim."""


class UpdateStrategy(StrEnum):
    """When a changed pod template may restart the pod."""

    WHEN_FLAT = "WhenFlat"
    IMMEDIATE = "Immediate"
    MANUAL = "Manual"


class Update(Model):
    """When a change that the running pod can't take over restarts it."""

    strategy: UpdateStrategy = UpdateStrategy.WHEN_FLAT
    """WhenFlat: as soon as both legs are flat and no kill is under way; evictions are refused until then. Immediate: at
    once, exits kept; evictions pass. Manual: when the annotation hedgegrid.io/rollout names the revision that the
    condition Progressing shows; evictions are refused while not flat."""
    max_wait_seconds: Annotated[Integer, Field(ge=0, le=2592000)] = 0
    """With WhenFlat: after waiting for so long, in seconds, the pod is restarted with its exits kept; 0 waits for
    ever."""


class DeletionPolicy(StrEnum):
    """What happens to orders and positions when the object is deleted."""

    FLATTEN = "Flatten"
    CANCEL_ORDERS = "CancelOrders"
    ORPHAN = "Orphan"


class OnTimeout(StrEnum):
    """What happens when a deletion doesn't get there in time."""

    BLOCK = "Block"
    ORPHAN = "Orphan"


class Deletion(Model):
    """What `kubectl delete` does before the object goes."""

    policy: DeletionPolicy | None = None
    """Flatten: every order gone and both legs closed, verified at the venue. CancelOrders: entries verified gone;
    positions stay, and their exits rest at the venue with no pod behind them. Orphan: the pod is stopped, which cancels
    entries, and nothing is verified. Absent: Flatten. May be changed while the deletion is under way."""
    timeout_seconds: Annotated[Integer, Field(ge=0, le=3600)] = 300
    """How long to wait for that, in seconds since the deletion was asked for; 0 waits for ever."""
    on_timeout: OnTimeout = OnTimeout.BLOCK
    """Block: keep the object and go on trying. Orphan: give up, stop the pod and say in an Event what is left."""


class EscalationAction(StrEnum):
    """What is done about a pod that doesn't take the kill switch."""

    NONE = "None"
    RESTART_POD = "RestartPod"


class Escalation(Model):
    """What happens when the pod can't be told of the kill switch, or of the flatten of a deletion."""

    after_seconds: Annotated[Integer, Field(ge=5, le=3600)] = 30
    """How long the pod may fail to take it before it is restarted, in seconds."""
    action: EscalationAction = EscalationAction.NONE
    """None: it is sent again and again, and a person has to see to the pod. RestartPod: the pod is deleted, with its
    grace period and at most 3 times until the kill switch is released; it comes back halted and takes the kill."""


class HedgeGridSpec(Model):
    """How a hedge-mode grid is to be. Every field is a level, none is a command."""

    RULES = (
        Rule(
            at="account.name",
            cel="self.account.name == oldSelf.account.name",
            holds=None,
            message="account.name is immutable; create another HedgeGrid",
            shows=("oldSelf.account.name", "self.account.name"),
        ),
        Rule(
            at="instrument",
            cel="self.instrument == oldSelf.instrument",
            holds=None,
            message="instrument is immutable; create another HedgeGrid",
            shows=("oldSelf.instrument", "self.instrument"),
        ),
        Rule(
            at="mode",
            cel="self.mode == oldSelf.mode",
            holds=None,
            message="mode is immutable; create another HedgeGrid",
            shows=("oldSelf.mode", "self.mode"),
        ),
        Rule(
            at="storage",
            cel="self.storage == oldSelf.storage",
            holds=None,
            message="storage is immutable; create another HedgeGrid",
        ),
        Rule(
            at="sim",
            cel="has(self.sim) == has(oldSelf.sim) && (!has(self.sim) || self.sim == oldSelf.sim)",
            holds=None,
            message="sim is immutable; create another HedgeGrid",
        ),
        *STRATEGY_RULES,
        Rule(
            at="rearm",
            cel="self.rearm >= oldSelf.rearm || self.killSwitch != 'none'",
            holds=None,
            message="rearm only grows; write at least the present value",
            shows=("oldSelf.rearm", "self.rearm"),
        ),
    )

    account: Account
    """Who trades."""
    instrument: InstrumentId
    """What is traded: symbol, and after the dot the venue. Immutable."""
    mode: Mode
    """sim: simulated market and venue, no network at all. Immutable."""
    grid: Grid
    """The two ladders: LONG rungs below the centre, SHORT rungs above."""
    exits: Exits = Exits()
    """What closes each fill again."""
    regime: Regime = Regime()
    """Whether the market trends, from closed bars."""
    placement: Placement = Placement()
    """What a trend does to the ladders."""
    funding: Funding = Funding()
    """Scales down the entries of the leg that would pay too much funding."""
    execution: Execution = Execution()
    """Data and orders."""
    leverage: Leverage = 5
    """Leverage of both legs: the initial margin is notional / leverage."""
    margin_type: MarginType = MarginType.CROSSED
    """CROSSED: both legs share the account's margin. ISOLATED: each leg has its own."""
    risk: Risk = Risk()
    """Limits whose breach stops the grid. What trips stands until rearm grows. Takes effect without a restart."""
    throttle: Annotated[Number, Field(ge=0, le=1)] = 1
    """Factor on the quantity of entries; 0 means no new entries. Exits never change. Takes effect without a
    restart."""
    kill_switch: KillSwitch = KillSwitch.NONE
    """none: trade. haltEntries: no entry stays open, exits live on. flattenLong, flattenShort, flattenBoth: no order of
    that leg and its position closed. Stands until it is changed. Takes effect without a restart."""
    rearm: Annotated[Integer, Field(ge=0, le=2**31 - 1)] = 0
    """A higher value releases risk trips and what was engaged through the pod's API. It only grows. Takes effect
    without a restart."""
    escalation: Escalation = Escalation()
    """What happens when the kill switch can't be delivered. Takes effect without a restart."""
    sim: Sim | None = None
    """Market and venue of mode sim; absent: the defaults of its fields. Immutable."""
    image: Image = Image()
    """The strategy image; what is absent comes from the operator's settings."""
    image_pull_secrets: Annotated[tuple[LocalObjectReference, ...], Field(max_length=16)] = ()
    """Secrets, in the same namespace, for the registry of the image."""
    pod: Pod = Pod()
    """Additions to the strategy pod. They can't override what the operator sets."""
    storage: Storage = Storage()
    """The volume of the store: latches, ladder and, in mode sim, the venue's book. Immutable."""
    monitoring: Monitoring = Monitoring()
    """Objects of the Prometheus Operator for this grid alone. Takes effect without a restart."""
    update: Update = Update()
    """When a change that the running pod can't take over restarts it. Until then the pod keeps its revision, through
    crash and eviction. A restart cancels entries; exits and positions stay at the venue."""
    deletion: Deletion | None = None
    """What `kubectl delete` does before the object goes; absent: Flatten, and the defaults of its other fields."""


_NAME = Written(
    r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
    "at most 40 lower-case letters, digits and '-', beginning and ending with a letter or digit (it becomes part of "
    "Service names)",
    max_length=40,
)

NAME_RULE: dict[str, Json] = {
    "rule": _NAME.cel("self.metadata.name"),
    "message": f"must be {_NAME.meaning}",
    "messageExpression": formatted(f'must be {_NAME.meaning}; not "%s"', "self.metadata.name"),
    "fieldPath": ".metadata.name",
}
"""CEL rule of the whole object: names that its children can carry."""


def _wide(name: str, path: str, *, kind: str = "string") -> dict[str, Json]:
    return {"name": name, "type": kind, "priority": 1, "jsonPath": path}


PRINTER_COLUMNS: tuple[dict[str, Json], ...] = (
    {"name": "Instrument", "type": "string", "jsonPath": ".spec.instrument"},
    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Kill", "type": "string", "jsonPath": ".spec.killSwitch"},
    {"name": "State", "type": "string", "jsonPath": ".status.control.killSwitch.state"},
    {"name": "Throttle", "type": "number", "jsonPath": ".status.control.throttle.effective"},
    {"name": "Net", "type": "string", "jsonPath": ".status.telemetry.netQuote"},
    {"name": "PnL", "type": "string", "jsonPath": ".status.telemetry.pnl.total"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    _wide("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
    _wide("Trip", ".status.control.trip.reason"),
    _wide("Regime", ".status.telemetry.regime"),
    _wide("Orders", ".status.telemetry.openOrders", kind="integer"),
    _wide("Pod", ".status.podName"),
    _wide("Config", ".status.configHash"),
    _wide("Message", '.status.conditions[?(@.type=="Ready")].message'),
)
"""What `kubectl get hg` shows; those of priority 1 only with `-o wide`."""

SCOPE: Literal["Namespaced"] = "Namespaced"
