"""The HedgeGrid object: every field with its type, unit, bounds, default and meaning.

The CustomResourceDefinition is generated from these models (`schema.py`); what a user reads in
`kubectl explain` is the text below the fields, to which the generator adds range, default and rules. Rules that span
several fields sit on the smallest object that holds them all; those that compare with the old object sit on the
parent of the field, since a rule on a field is skipped when the field is added or removed.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from hedgegrid_api.pieces import ANNOTATIONS, ENV, LABEL_VALUE, LABELS, QUANTITIES, VOLUME_MOUNTS, VOLUMES
from hedgegrid_api.rules import Rule, Written, formatted
from hedgegrid_api.types import (
    Flag,
    Integer,
    KillSwitch,
    Mode,
    Model,
    Number,
    PositiveDecimal,
    SignedDecimal,
    UnsignedDecimal,
)

type Json = Any
"""A piece of a core Kubernetes object that is passed on as it is and validated by the API server."""

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


class Grid(Model):
    """The two ladders: LONG rungs below the centre, SHORT rungs above."""

    RULES = (
        Rule(
            at="levelsLong",
            cel="self.levelsLong + self.levelsShort >= 1 && self.levelsLong + self.levelsShort <= 100",
            holds=lambda grid: 1 <= grid.levels_long + grid.levels_short <= 100,
            message="levelsLong + levelsShort must be 1 to 100",
            shows=("self.levelsLong", "self.levelsShort"),
        ),
        Rule(
            at="levelsLong",
            cel="double(self.levelsLong) * double(self.stepBps) < 10000.0",
            holds=lambda grid: grid.levels_long * grid.step_bps < 10000,
            message="levelsLong * stepBps must be less than 10000, or the lowest rung would have no price above 0",
            shows=("self.levelsLong", "self.stepBps"),
        ),
        Rule(
            at="recenterTriggerBps",
            cel="double(self.recenterTriggerBps) >= double(self.stepBps)",
            holds=lambda grid: grid.recenter_trigger_bps >= grid.step_bps,
            message="recenterTriggerBps must be at least stepBps, or the ladder would move within one step",
            shows=("self.recenterTriggerBps", "self.stepBps"),
        ),
    )

    step_bps: Annotated[Number, Field(ge=1, le=1000)]
    """Distance between two rungs, in basis points of the centre price (arithmetic ladder)."""
    levels_long: Annotated[Integer, Field(ge=0, le=100)]
    """Number of LONG rungs, below the centre."""
    levels_short: Annotated[Integer, Field(ge=0, le=100)]
    """Number of SHORT rungs, above the centre."""
    base_qty: PositiveDecimal
    """Quantity of the first rung, in base currency (BTC for BTCUSDT)."""
    qty_scale: Annotated[Number, Field(ge=0.1, le=3)] = 1
    """Ratio of the quantities of two neighbouring rungs: rung i has baseQty * qtyScale^(i-1)."""
    recenter_trigger_bps: Annotated[Number, Field(ge=1, le=10000)] = 200
    """Distance of the mid price from the centre at which the ladder moves, in basis points of the centre."""
    max_inventory_quote: PositiveDecimal
    """Cap on the notional of each leg, its position plus its open entries, in quote currency (USDT)."""


class Exits(Model):
    """What closes each fill again."""

    take_profit_steps: Annotated[Integer, Field(ge=1, le=100)] = 2
    """Distance of a fill's take-profit from its entry, in grid steps."""


TAKE_PROFIT_RULE = Rule(
    at="exits.takeProfitSteps",
    cel="double(self.exits.takeProfitSteps) * double(self.grid.stepBps) < 10000.0",
    holds=lambda spec: spec.exits.take_profit_steps * spec.grid.step_bps < 10000,
    message="exits.takeProfitSteps * grid.stepBps must be less than 10000, or the take-profit of a SHORT would have no "
    "price above 0",
    shows=("self.exits.takeProfitSteps", "self.grid.stepBps"),
)
"""Rule of every object that has the groups `grid` and `exits`."""


class Execution(Model):
    """Data and orders."""

    RULES = (
        Rule(
            at="staleDataSeconds",
            cel="self.staleDataSeconds >= 2 * self.barSeconds",
            holds=lambda execution: execution.stale_data_seconds >= 2 * execution.bar_seconds,
            message="staleDataSeconds must be at least 2 * barSeconds, or every bar would look stale",
            shows=("self.staleDataSeconds", "self.barSeconds"),
        ),
    )

    bar_seconds: Annotated[Integer, Field(ge=1, le=1800)] = 60
    """Length of the bar that drives the ladder, in seconds of market time."""
    stale_data_seconds: Annotated[Integer, Field(ge=5, le=3600)] = 120
    """Age of the newest market data, in seconds of market time, at which entries stop; exits stay."""


class Market(StrEnum):
    """Where the prices of mode sim come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"


class Replay(Model):
    """Bars of a file as market."""

    path: Annotated[str, Written(r"^.+$", "the path of a file, at most 4096 characters", max_length=4096)]
    """File of bars in the pod: CSV with timestamp, open, high, low, close, volume, plain or gzip. Mount it with
    pod.volumes and pod.volumeMounts."""
    speed: Annotated[Number, Field(ge=1, le=1_000_000)] = 60
    """How many times faster than recorded the bars are played."""


class SimMarket(Model):
    """Where the prices of mode sim come from."""

    RULES = (
        Rule(
            at="replay",
            cel="self.market != 'replay' || has(self.replay)",
            holds=lambda sim: sim.market is not Market.REPLAY or sim.replay is not None,
            message="market: replay needs replay.path, a file of bars in the pod",
        ),
        Rule(
            at="replay",
            cel="self.market == 'replay' || !has(self.replay)",
            holds=lambda sim: sim.market is Market.REPLAY or sim.replay is None,
            message="replay has a meaning only with market: replay; remove it or set the market",
        ),
    )

    market: Market = Market.SYNTHETIC
    """synthetic: a random walk from the seed; same seed, same ticks. replay: the bars of a file."""
    seed: Annotated[Integer, Field(ge=0, le=2**53)] = 1
    """Seed of the synthetic market."""
    start_price: PositiveDecimal = Decimal(50000)
    """First price of the synthetic market, in quote currency (USDT)."""
    annual_volatility: Annotated[Number, Field(ge=0, le=10)] = 0.6
    """Standard deviation of the synthetic market's yearly log return; 0.6 is 60 %."""
    annual_drift: Annotated[Number, Field(ge=-10, le=10)] = 0
    """Mean of the synthetic market's yearly log return; 0.1 is 10 %."""
    ticks_per_second: Annotated[Number, Field(ge=0.1, le=1000)] = 10
    """Quotes of the synthetic market in each second."""
    latency_ms: Annotated[Integer, Field(ge=0, le=10000)] = 0
    """Time that each order command takes to the simulated venue, in milliseconds."""
    replay: Replay | None = None
    """File and speed of market: replay."""


class Filters(Model):
    """The venue's limits on orders of the instrument. The defaults are those of BTCUSDT."""

    RULES = (
        Rule(
            at="minQty",
            cel="[self.maxQty, self.marketMaxQty].all(q, quantity(self.minQty).compareTo(quantity(q)) <= 0)",
            holds=lambda filters: filters.min_qty <= min(filters.max_qty, filters.market_max_qty),
            message="minQty must be at most maxQty and marketMaxQty",
            shows=("self.minQty", "self.maxQty", "self.marketMaxQty"),
        ),
    )

    tick_size: PositiveDecimal = Decimal("0.1")
    """Smallest difference of two prices, in quote currency (USDT)."""
    step_size: PositiveDecimal = Decimal("0.001")
    """Smallest difference of two quantities, in base currency."""
    min_qty: PositiveDecimal = Decimal("0.001")
    """Smallest quantity of an order, in base currency."""
    max_qty: PositiveDecimal = Decimal(1000)
    """Largest quantity of a limit order, in base currency."""
    market_max_qty: PositiveDecimal = Decimal(120)
    """Largest quantity of a market order, in base currency; a larger position is closed in parts."""
    min_notional: UnsignedDecimal = Decimal(50)
    """Smallest notional of an opening order, in quote currency (USDT)."""
    max_orders: Annotated[Integer, Field(ge=20, le=10000)] = 200
    """Largest number of open orders."""


class Fees(Model):
    """Commission rates of the venue."""

    maker: SignedDecimal = Decimal("0.0002")
    """Rate of a fill that added liquidity, as a fraction of its notional; negative for a rebate."""
    taker: UnsignedDecimal = Decimal("0.0005")
    """Rate of a fill that took liquidity, as a fraction of its notional."""


class VenueTerms(Model):
    """Terms of the simulated venue."""

    starting_balance: PositiveDecimal = Decimal(10000)
    """Wallet balance of the account at the venue's first start, in quote currency (USDT)."""
    funding_rate: Annotated[Number, Field(ge=-0.05, le=0.05)] = 0.0001
    """Funding rate of every settlement, as a fraction of the notional; above 0 LONG pays SHORT."""
    funding_interval_hours: Annotated[Integer, Field(ge=1, le=24)] = 8
    """Hours of market time between two settlements, aligned to 00:00 UTC."""
    filters: Filters = Filters()
    """The venue's limits on orders of the instrument. The defaults are those of BTCUSDT."""
    fees: Fees = Fees()
    """Commission rates of the venue."""


class Sim(VenueTerms, SimMarket):
    """Market and venue of mode sim. Immutable."""


class PullPolicy(StrEnum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Image(Model):
    """The strategy image; what is absent comes from the operator's settings."""

    repository: (
        Annotated[
            str,
            Written(
                r"^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$",
                "a repository without tag and digest, like registry.example.com/hedgegrid-strategy",
                max_length=255,
            ),
        ]
        | None
    ) = None
    """Repository, registry included."""
    tag: (
        Annotated[
            str,
            Written(
                r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
                "an image tag: at most 128 letters, digits, '_', '.' and '-'",
                max_length=128,
            ),
        ]
        | None
    ) = None
    """Tag; not used where there is a digest."""
    digest: (
        Annotated[
            str,
            Written(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 lower-case hexadecimal digits", max_length=71),
        ]
        | None
    ) = None
    """Digest; outranks the tag."""
    pull_policy: PullPolicy | None = None
    """When the kubelet pulls the image."""


class LocalObjectReference(Model):
    """Name of an object in the same namespace."""

    name: Annotated[
        str,
        Written(
            r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
            "the name of an object: lower-case letters, digits, '-' and '.'",
            max_length=253,
        ),
    ]
    """Name of the object."""


class Resources(Model):
    """Compute resources of the strategy container."""

    limits: Annotated[dict[str, str | int], QUANTITIES] = Field(default_factory=dict)
    """Upper bounds, like {cpu: "1", memory: 512Mi}."""
    requests: Annotated[dict[str, str | int], QUANTITIES] = Field(default_factory=dict)
    """What the scheduler reserves, like {cpu: 100m, memory: 256Mi}."""


class Pod(Model):
    """Additions to the strategy pod. They can't override what the operator sets."""

    resources: Resources = Resources()
    """Compute resources of the strategy container."""
    env: Annotated[list[Json], ENV] = Field(default_factory=list)
    """Environment variables of the strategy container, as in a Pod. Names that begin with HEDGEGRID_ or POD_ are the
    operator's own."""
    labels: Annotated[dict[str, str], LABELS] = Field(default_factory=dict)
    """Labels of the pod."""
    annotations: Annotated[dict[str, str], ANNOTATIONS] = Field(default_factory=dict)
    """Annotations of the pod."""
    volumes: Annotated[list[Json], VOLUMES] = Field(default_factory=list)
    """Volumes of the pod, as in a Pod. Names that begin with hedgegrid- are the operator's own."""
    volume_mounts: Annotated[list[Json], VOLUME_MOUNTS] = Field(default_factory=list)
    """Mounts of volumes into the strategy container, as in a Pod. /etc/hedgegrid and /var/lib/hedgegrid are the
    operator's own."""


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
    timeout_seconds: Annotated[Integer, Field(ge=0, le=3600)] = 300
    """How long to wait for flat, in seconds; 0 waits for ever."""
    on_timeout: OnTimeout = OnTimeout.BLOCK
    """Block: keep the object and go on trying. Orphan: give up, stop the pod and say in an Event what is left."""


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
        TAKE_PROFIT_RULE,
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
    execution: Execution = Execution()
    """Data and orders."""
    throttle: Annotated[Number, Field(ge=0, le=1)] = 1
    """Factor on the quantity of entries; 0 means no new entries. Exits never change. Takes effect without a
    restart."""
    kill_switch: KillSwitch = KillSwitch.NONE
    """none: trade. haltEntries: no entry stays open, exits live on. flattenLong, flattenShort, flattenBoth: no order of
    that leg and its position closed. Stands until it is changed. Takes effect without a restart."""
    rearm: Annotated[Integer, Field(ge=0, le=2**31 - 1)] = 0
    """A higher value releases what was engaged through the pod's API. It only grows. Takes effect without a
    restart."""
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
    deletion: Deletion | None = None
    """What `kubectl delete` does before the object goes; absent: the defaults of its fields."""


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
