"""The metrics that a pod exports: names, kinds, labels, units and where each figure comes from."""

from dataclasses import dataclass
from enum import StrEnum

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg, Regime, Role
from naut_hedgegrid.risk.limits import Rule
from naut_hedgegrid.strategies.hedge_grid_v1.markout import HORIZONS
from naut_hedgegrid.strategies.hedge_grid_v1.snapshots import ROLE_NAMES
from naut_hedgegrid.strategies.hedge_grid_v1.telemetry import Outcome

type Series = tuple[str, ...]
"""Values of a metric's own labels, in their order."""


class Kind(StrEnum):
    """How Prometheus reads a metric."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric."""

    name: str
    """Without `hedgegrid_`; a counter's ends with `_total`."""
    kind: Kind
    text: str
    """Help: what it is, its unit, where it comes from."""
    labels: tuple[str, ...] = ()
    """Beside those that every metric has."""
    series: tuple[Series, ...] = ((),)
    """Always exported, as NaN where unknown; further ones appear with their first value."""

    @property
    def exported(self) -> str:
        """The name in Prometheus."""
        return f"hedgegrid_{self.name}"


_LEGS: tuple[Series, ...] = tuple((leg.value,) for leg in Leg)
_RULES: tuple[Series, ...] = tuple((rule.value,) for rule in Rule)
LIQUIDITY = {True: "maker", False: "taker"}
"""Whether a fill added liquidity, as the label says it."""


def _gauge(name: str, text: str) -> Definition:
    return Definition(name, Kind.GAUGE, text)


DOCUMENTED = (
    _gauge("long_inventory_usdt", "Notional of the LONG leg, USDT: quantity · mark price"),
    _gauge("short_inventory_usdt", "Notional of the SHORT leg, USDT: quantity · mark price"),
    _gauge("net_inventory_usdt", "LONG less SHORT notional, USDT"),
    _gauge("active_rungs_long", "Entries of the LONG leg that aren't terminal, from the grid's own books"),
    _gauge("active_rungs_short", "Entries of the SHORT leg that aren't terminal, from the grid's own books"),
    _gauge("open_orders", "Orders of this grid that aren't terminal, exits included, from its own books"),
    _gauge(
        "margin_ratio",
        "Maintenance margin / margin balance, from the venue's account; not the used/available ratio",
    ),
    _gauge("maker_ratio", "Maker notional / notional of all fills since the grid's first start; NaN with no fill"),
    _gauge("funding_rate_current", "Funding rate of the coming settlement as a fraction, from the venue"),
    _gauge(
        "funding_cost_1h_projected_usdt",
        "What the positions would pay in an hour, USDT, above 0 we pay: rate · net notional / interval in hours",
    ),
    _gauge(
        "realized_pnl_usdt",
        "Closed trades less commissions plus signed funding since the grid's first start, USDT, from its own ledger",
    ),
    _gauge("unrealized_pnl_usdt", "Profit of both legs at the mark price, USDT: quantity · (mark − average entry)"),
    _gauge("total_pnl_usdt", "Realized plus unrealized, USDT"),
    _gauge("uptime_seconds", "Seconds since the strategy started"),
    _gauge("last_bar_timestamp", "Close of the newest bar in market time, seconds since the epoch; 0 before the first"),
)
"""The gauges of the first release, whose names others script against."""

FURTHER = (
    _gauge("throttle", "Factor on the quantity of entries, 0 to 1, as it acts"),
    Definition(
        "kill_switch_state",
        Kind.GAUGE,
        "1 for the state of the leg's kill switch, 0 for the others",
        ("leg", "state"),
        tuple((leg.value, state.value) for leg in Leg for state in LegState),
    ),
    Definition(
        "regime",
        Kind.GAUGE,
        "1 for the market's regime in effect, 0 for the others",
        ("regime",),
        tuple((regime.value,) for regime in Regime),
    ),
    _gauge("mark_price", "Mark price of the newest quote, quote currency"),
    _gauge("equity_usdt", "Wallet balance plus unrealized profit, USDT: the venue's account and the mark price"),
    _gauge("account_balance_usdt", "Wallet balance, USDT, from the venue's account"),
    _gauge("drawdown_ratio", "(peak − equity) / peak as a fraction; the peak is stored and moved with transfers"),
    _gauge(
        "liquidation_distance_ratio",
        "Distance from the mark to the liquidation price / mark, as a fraction; +Inf where no price liquidates; "
        "the venue's liquidation price where it gives one, else the formula",
    ),
    Definition(
        "fees_usdt_total",
        Kind.COUNTER,
        "Commissions of all fills since the grid's first start, less rebates, USDT, from the venue's fills",
    ),
    _gauge(
        "funding_paid_usdt",
        "Funding paid since the grid's first start, USDT, below 0 received; from the settlements it has booked",
    ),
    Definition(
        "unprotected_quantity", Kind.GAUGE, "Held quantity that no exit stands for, base currency", ("leg",), _LEGS
    ),
    _gauge("data_age_seconds", "Age of the newest quote, seconds of market time"),
    Definition(
        "risk_limit",
        Kind.GAUGE,
        "Limit of a risk rule, in the unit of its field; NaN where none is set",
        ("rule",),
        _RULES,
    ),
    Definition("risk_observed", Kind.GAUGE, "What a risk rule observed last, in its limit's unit", ("rule",), _RULES),
    Definition(
        "risk_tripped",
        Kind.GAUGE,
        "1 for the risk rule whose trip stands until it is released, the newest where there are several; else 0",
        ("rule",),
        _RULES,
    ),
    Definition("risk_trips_total", Kind.COUNTER, "Trips of a risk rule since the process started", ("rule",), _RULES),
    Definition(
        "orders_total",
        Kind.COUNTER,
        "Orders by role and by what became of them, since the process started; one order has several outcomes",
        ("role", "outcome"),
        tuple((ROLE_NAMES[role], outcome.value) for role in Role for outcome in Outcome),
    ),
    Definition(
        "order_rejects_total",
        Kind.COUNTER,
        "Refused orders since the process started, by the venue's code or the engine's word",
        ("reason",),
        (),
    ),
    Definition(
        "fills_total",
        Kind.COUNTER,
        "Fills since the process started, each trade once",
        ("leg", "liquidity"),
        tuple((leg.value, liquidity) for leg in Leg for liquidity in LIQUIDITY.values()),
    ),
    Definition(
        "round_trips_total", Kind.COUNTER, "Lots closed by their exits since the process started", ("leg",), _LEGS
    ),
    Definition(
        "round_trip_profit_usdt",
        Kind.GAUGE,
        "Profit of the round trips since the process started, USDT: Σ (exit − entry of the lot) · quantity by the "
        "leg's sign, before commissions and funding",
        ("leg",),
        _LEGS,
    ),
    Definition("order_latency_seconds", Kind.HISTOGRAM, "Time from a send to accepted or rejected, seconds"),
    Definition(
        "fill_to_take_profit_seconds",
        Kind.HISTOGRAM,
        "Time from an entry's fill to the venue's acceptance of its take-profit, seconds",
    ),
    Definition(
        "markout_bps",
        Kind.HISTOGRAM,
        "Move of the mid price after a fill in the fill's favour, bps of its price, after so many seconds of market "
        "time; a fill that no quote came after isn't counted",
        ("leg", "seconds"),
        tuple((leg.value, str(seconds)) for leg in Leg for seconds in HORIZONS),
    ),
    Definition(
        "callback_errors_total", Kind.COUNTER, "Exceptions in callbacks since the process started; any stops entries"
    ),
    _gauge(
        "own_watch_age_seconds",
        "Seconds since the API server last told this pod how its HedgeGrid is, or since the pod's own watch began; NaN "
        "where there is none",
    ),
    Definition(
        "condition",
        Kind.GAUGE,
        "Always 1, one series a condition: its status and reason as the pod sees them now",
        ("type", "status", "reason"),
        (),
    ),
    Definition("info", Kind.GAUGE, "Always 1: version of the strategy and mode of the grid", ("version", "mode"), ()),
)
"""What stands beside them."""

CATALOGUE = DOCUMENTED + FURTHER
"""Every metric, in the order in which it is exported."""
