"""The HedgeGrid object: every field with its type, unit, bounds, default and meaning.

The CustomResourceDefinition is generated from these models (`schema.py`); what a user reads in
`kubectl explain` is the text below the fields. Rules that span several fields are CEL rules and sit on the
smallest object that holds them all.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from hedgegrid_api.types import (
    KillSwitch,
    Mode,
    Model,
    PositiveDecimal,
    SignedDecimal,
    UnsignedDecimal,
)

type Json = Any
"""A piece of a core Kubernetes object that is passed on as it is and validated by the API server."""


def _rules(*rules: tuple[str, str]) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def _with_rules(*rules: tuple[str, str]) -> ConfigDict:
    return ConfigDict(json_schema_extra=_rules(*rules))


class Account(Model):
    """Who trades."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
    """Name of the trading account. With mode and instrument it is the target that only one HedgeGrid may
    have. Immutable. A label value: letters, digits, '-', '_', '.', at most 63."""


class Grid(Model):
    """The two ladders: LONG rungs below the centre, SHORT rungs above."""

    model_config = _with_rules(
        ("self.levelsLong + self.levelsShort >= 1", "levelsLong + levelsShort must be at least 1"),
        ("self.levelsLong + self.levelsShort <= 100", "levelsLong + levelsShort must be at most 100"),
        (
            "double(self.levelsLong) * double(self.stepBps) < 10000.0",
            "levelsLong * stepBps must be less than 10000: the lowest rung would have no price above 0",
        ),
        (
            "double(self.recenterTriggerBps) >= double(self.stepBps)",
            "recenterTriggerBps must be at least stepBps, or the ladder would be rebuilt within one step",
        ),
    )

    step_bps: Annotated[float, Field(ge=1, le=1000)]
    """Distance between two rungs, in basis points of the centre price (arithmetic ladder). 1 to 1000."""
    levels_long: Annotated[int, Field(ge=0, le=100)]
    """Number of LONG rungs below the centre. 0 to 100; both legs together 1 to 100."""
    levels_short: Annotated[int, Field(ge=0, le=100)]
    """Number of SHORT rungs above the centre. 0 to 100; both legs together 1 to 100."""
    base_qty: PositiveDecimal
    """Quantity of the first rung, in base currency (BTC for BTCUSDT). A decimal string greater than 0."""
    qty_scale: Annotated[float, Field(ge=0.1, le=3)] = 1
    """Quantity of rung i is baseQty * qtyScale^(i-1). 0.1 to 3."""
    recenter_trigger_bps: Annotated[float, Field(ge=1, le=10000)] = 200
    """Distance of the mid price from the centre that moves the ladder, in basis points. 1 to 10000, at least
    stepBps."""
    max_inventory_quote: PositiveDecimal
    """Cap on the notional of each leg, position plus open entries, in quote currency (USDT). A decimal string
    greater than 0."""


class Exits(Model):
    """What closes each fill again."""

    take_profit_steps: Annotated[int, Field(ge=1, le=100)] = 2
    """Distance of the take-profit from the entry, in grid steps. 1 to 100."""


class Execution(Model):
    """Data and orders."""

    model_config = _with_rules(
        (
            "self.staleDataSeconds >= 2 * self.barSeconds",
            "staleDataSeconds must be at least 2 * barSeconds, or every bar would look stale",
        ),
    )

    bar_seconds: Annotated[int, Field(ge=1, le=1800)] = 60
    """Length of the bar that drives the ladder, in seconds. 1 to 1800."""
    stale_data_seconds: Annotated[int, Field(ge=5, le=3600)] = 120
    """Without data for this long, in seconds, entries stop; exits stay. 5 to 3600, at least 2 * barSeconds."""


class Market(StrEnum):
    """Where the prices of mode sim come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"


class Replay(Model):
    """Bars of a file as market."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    """File of bars in the pod: CSV (timestamp, open, high, low, close, volume), plain or gzip. Mount it with
    pod.volumes and pod.volumeMounts."""
    speed: Annotated[float, Field(ge=1, le=1_000_000)] = 60
    """How many times faster than the recorded time the bars are played. 1 to 1000000."""


class Filters(Model):
    """The venue's limits on orders of the instrument. Defaults are those of BTCUSDT."""

    tick_size: PositiveDecimal = Decimal("0.1")
    """Smallest price difference, in quote currency."""
    step_size: PositiveDecimal = Decimal("0.001")
    """Smallest quantity difference, in base currency."""
    min_qty: PositiveDecimal = Decimal("0.001")
    """Smallest quantity of an order, in base currency."""
    max_qty: PositiveDecimal = Decimal(1000)
    """Largest quantity of a limit order, in base currency."""
    market_max_qty: PositiveDecimal = Decimal(120)
    """Largest quantity of a market order, in base currency; a larger position is closed in parts."""
    min_notional: UnsignedDecimal = Decimal(50)
    """Smallest notional of an opening order, in quote currency."""
    max_orders: Annotated[int, Field(ge=20, le=10000)] = 200
    """Largest number of open orders."""


class Fees(Model):
    """Commission rates of the venue, as fractions of the notional."""

    maker: SignedDecimal = Decimal("0.0002")
    """Rate of a fill that added liquidity; negative for a rebate."""
    taker: UnsignedDecimal = Decimal("0.0005")
    """Rate of a fill that took liquidity."""


class Sim(Model):
    """Market and venue of mode sim. Immutable. Same seed, same ticks."""

    model_config = _with_rules(
        (
            "self.market != 'replay' || has(self.replay)",
            "market: replay needs replay.path, the file of bars in the pod",
        ),
        ("self.market == 'replay' || !has(self.replay)", "replay is only for market: replay"),
    )

    market: Market = Market.SYNTHETIC
    """synthetic: a random walk from the seed. replay: the bars of a file."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 1
    """Seed of the synthetic market."""
    start_price: PositiveDecimal = Decimal(50000)
    """First price of the synthetic market, in quote currency."""
    annual_volatility: Annotated[float, Field(ge=0, le=10)] = 0.6
    """Standard deviation of the synthetic market's yearly log return; 0.6 is 60 %. 0 to 10."""
    annual_drift: Annotated[float, Field(ge=-10, le=10)] = 0
    """Mean of the synthetic market's yearly log return. -10 to 10."""
    ticks_per_second: Annotated[float, Field(ge=0.1, le=1000)] = 10
    """Quotes of the synthetic market each second. 0.1 to 1000."""
    latency_ms: Annotated[int, Field(ge=0, le=10000)] = 0
    """Time that each order command takes to the simulated venue, in milliseconds. 0 to 10000."""
    replay: Replay | None = None
    """File and speed of market: replay."""
    starting_balance: PositiveDecimal = Decimal(10000)
    """Wallet balance of the account at the venue's first start, in quote currency."""
    funding_rate: Annotated[float, Field(ge=-0.05, le=0.05)] = 0.0001
    """Funding rate of every settlement, as a fraction of the notional; above 0 LONG pays SHORT."""
    funding_interval_hours: Annotated[int, Field(ge=1, le=24)] = 8
    """Hours between two settlements, aligned to 00:00 UTC. 1 to 24."""
    filters: Filters = Filters()
    """The venue's limits on orders."""
    fees: Fees = Fees()
    """The venue's commission rates."""


class PullPolicy(StrEnum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Image(Model):
    """The strategy image; what is absent comes from the operator's settings."""

    repository: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    """Repository, registry included."""
    tag: Annotated[str | None, Field(pattern=r"^[\w][\w.-]{0,127}$")] = None
    """Tag; ignored by the kubelet where a digest is given."""
    digest: Annotated[str | None, Field(pattern=r"^sha256:[0-9a-f]{64}$")] = None
    """Digest, sha256:…"""
    pull_policy: PullPolicy | None = None
    """Always, IfNotPresent or Never."""


class LocalObjectReference(Model):
    """Name of an object in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""


_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY = rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$"
_QUANTITIES = WithJsonSchema(
    {
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
        },
    }
)


class Resources(Model):
    """Compute resources of the strategy container."""

    limits: Annotated[dict[str, str | int], _QUANTITIES] = Field(default_factory=dict)
    """Upper bounds, like {cpu: "1", memory: 512Mi}."""
    requests: Annotated[dict[str, str | int], _QUANTITIES] = Field(default_factory=dict)
    """What the scheduler reserves."""


def _metadata_map(what: str, reserved: str) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {"type": "string", "maxLength": 4096},
            "x-kubernetes-validations": [
                {
                    "rule": f"self.all(k, !k.matches('{reserved}'))",
                    "message": f"{what} under hedgegrid.io/ and app.kubernetes.io/ are the operator's own",
                }
            ],
        }
    )


_RESERVED_KEY = "^([a-z0-9.-]+[.])?hedgegrid[.]io/|^app[.]kubernetes[.]io/"


def _named_list(required: tuple[str, ...], items: int, rule: str, message: str) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "array",
            "maxItems": items,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [required[0]],
            "items": {
                "type": "object",
                "required": list(required),
                "properties": {key: {"type": "string", "minLength": 1, "maxLength": 4096} for key in required},
                "x-kubernetes-preserve-unknown-fields": True,
                "x-kubernetes-validations": [{"rule": rule, "message": message}],
            },
        }
    )


class Pod(Model):
    """Additions to the strategy pod. They can't override what the operator sets."""

    resources: Resources = Resources()
    """Compute resources of the strategy container."""
    env: Annotated[
        list[Json],
        _named_list(
            ("name",),
            64,
            "!self.name.matches('^(HEDGEGRID_|POD_)')",
            "variables whose names start with HEDGEGRID_ or POD_ are the operator's own",
        ),
    ] = Field(default_factory=list)
    """Environment variables of the strategy container, as in a Pod."""
    labels: Annotated[dict[str, str], _metadata_map("labels", _RESERVED_KEY)] = Field(default_factory=dict)
    """Labels of the pod."""
    annotations: Annotated[dict[str, str], _metadata_map("annotations", _RESERVED_KEY)] = Field(default_factory=dict)
    """Annotations of the pod."""
    volumes: Annotated[
        list[Json],
        _named_list(
            ("name",),
            32,
            "!self.name.startsWith('hedgegrid-')",
            "volumes whose names start with hedgegrid- are the operator's own",
        ),
    ] = Field(default_factory=list)
    """Volumes of the pod, as in a Pod."""
    volume_mounts: Annotated[
        list[Json],
        _named_list(
            ("mountPath", "name"),
            32,
            "!self.name.startsWith('hedgegrid-') && !self.mountPath.matches('^/(etc|var/lib)/hedgegrid(/|$)')",
            "mounts at /etc/hedgegrid and /var/lib/hedgegrid, and of volumes hedgegrid-*, are the operator's own",
        ),
    ] = Field(default_factory=list)
    """Mounts of the strategy container, as in a Pod."""


class Storage(Model):
    """The volume of the store: latches, ladder and, in mode sim, the venue's book. Immutable."""

    model_config = _with_rules(
        (
            "isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0'))",
            "size must be a quantity greater than 0, like 1Gi",
        ),
        (
            "!self.ephemeral || !has(self.storageClassName)",
            "storageClassName has no meaning with ephemeral: true",
        ),
    )

    size: Annotated[str, Field(max_length=32)] = "1Gi"
    """Size of the PersistentVolumeClaim, a quantity like 1Gi."""
    storage_class_name: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    """Storage class of the claim; absent: the cluster's default."""
    ephemeral: bool = False
    """True: no claim; everything is lost with the pod. Only for mode sim."""


class DeletionPolicy(StrEnum):
    """What happens to orders and positions when the object is deleted."""

    FLATTEN = "Flatten"


class OnTimeout(StrEnum):
    """What happens when a deletion doesn't get flat in time."""

    BLOCK = "Block"
    ORPHAN = "Orphan"


class Deletion(Model):
    """What `kubectl delete` does before the object goes."""

    policy: DeletionPolicy = DeletionPolicy.FLATTEN
    """Flatten: every order gone and both legs closed, verified at the venue."""
    timeout_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """How long to wait for flat, in seconds; 0 waits for ever. 0 to 3600."""
    on_timeout: OnTimeout = OnTimeout.BLOCK
    """Block: keep the object and go on trying. Orphan: give up, stop the pod and say in an Event what is
    left."""


class HedgeGridSpec(Model):
    """How a hedge-mode grid is to be. Every field is a level, none is a command."""

    model_config = _with_rules(
        ("self.account.name == oldSelf.account.name", "account.name is immutable; create another HedgeGrid"),
        ("self.instrument == oldSelf.instrument", "instrument is immutable; create another HedgeGrid"),
        ("self.mode == oldSelf.mode", "mode is immutable; create another HedgeGrid"),
        ("self.storage == oldSelf.storage", "storage is immutable; create another HedgeGrid"),
        (
            "has(self.sim) == has(oldSelf.sim) && (!has(self.sim) || self.sim == oldSelf.sim)",
            "sim is immutable; create another HedgeGrid",
        ),
        (
            "double(self.exits.takeProfitSteps) * double(self.grid.stepBps) < 10000.0",
            "exits.takeProfitSteps * grid.stepBps must be less than 10000: a SHORT's take-profit would have no "
            "price above 0",
        ),
        (
            "self.rearm >= oldSelf.rearm || self.killSwitch != 'none'",
            "rearm only grows; write a value of at least the present one",
        ),
    )

    account: Account
    """Who trades."""
    instrument: Annotated[str, Field(max_length=64, pattern=r"^[A-Z0-9]{2,20}USDT-PERP\.BINANCE$")]
    """USDT-margined perpetual, like BTCUSDT-PERP.BINANCE; the suffix names the venue. Immutable."""
    mode: Mode
    """sim: simulated market and venue, no network at all. Immutable."""
    grid: Grid
    """The two ladders."""
    exits: Exits = Exits()
    """What closes each fill again."""
    execution: Execution = Execution()
    """Data and orders."""
    throttle: Annotated[float, Field(ge=0, le=1)] = 1
    """Scales the quantity of entries, 0 to 1; 0 means no new entries. Exits never change. Takes effect
    without a restart."""
    kill_switch: KillSwitch = KillSwitch.NONE
    """none, haltEntries (no entry stays open), flattenLong, flattenShort, flattenBoth (no order of that leg,
    position closed). Stands until it is changed; takes effect without a restart."""
    rearm: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Only grows. A higher value releases what was engaged through the pod's API."""
    sim: Sim | None = None
    """Market and venue of mode sim; absent: its defaults. Immutable."""
    image: Image = Image()
    """The strategy image."""
    image_pull_secrets: Annotated[tuple[LocalObjectReference, ...], Field(max_length=16)] = ()
    """Secrets for the registry of the image."""
    pod: Pod = Pod()
    """Additions to the strategy pod."""
    storage: Storage = Storage()
    """The volume of the store."""
    deletion: Deletion | None = None
    """What `kubectl delete` does before the object goes; absent: Flatten, 300 s, Block."""


NAME_RULE = {
    "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$')",
    "message": "the name must be at most 40 lower-case letters, digits and '-' (it becomes part of Service names)",
}
"""CEL rule of the whole object: names that its children can carry."""

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
)
"""What `kubectl get hg` shows."""

SCOPE: Literal["Namespaced"] = "Namespaced"
