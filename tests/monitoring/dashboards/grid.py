"""One grid in all its parts."""

from tests.monitoring.dashboards.model import BPS, RATIO, SECONDS, USDT, Dashboard, Panel, Query, Row, Variable

_S = 'grid_namespace="$namespace", grid="$grid"'


def _of(metric: str, legend: str = "", more: str = "") -> Query:
    return Query(f"hedgegrid_{metric}{{{_S}{more}}}", legend)


def _stat(title: str, query: Query, unit: str = "short", text: str = "", unknown: str = "unknown") -> Panel:
    return Panel(title, [query], unit, kind="stat", width=4, height=4, text=text, unknown=unknown)


def _quantiles(metric: str) -> list[Query]:
    rate = f"sum by (le) (rate(hedgegrid_{metric}_bucket{{{_S}}}[$__rate_interval]))"
    return [Query(f"histogram_quantile({q}, {rate})", f"p{q * 100:g}") for q in (0.5, 0.99)]


_MARKOUT = f'sum by (le, leg) (rate(hedgegrid_markout_bps_bucket{{{_S}, seconds="10"}}[$__range]))'
_CONDITION = "hedgegrid_operator_condition"

GRID = Dashboard(
    uid="hedgegrid-grid",
    title="HedgeGrid / grid",
    text="One grid: its state, money, exposure, risk limits, orders and latencies.",
    variables=[
        Variable("namespace", "label_values(hedgegrid_info, grid_namespace)"),
        Variable("grid", 'label_values(hedgegrid_info{grid_namespace="$namespace"}, grid)'),
    ],
    rows=[
        Row(
            "State",
            [
                _stat(
                    "Ready",
                    Query(f'max by (status, reason) ({_CONDITION}{{{_S}, type="Ready"}})', "{{status}}: {{reason}}"),
                    text="The operator's summary; the value is always 1.",
                ),
                _stat(
                    "Kill switch",
                    Query(f"max by (leg, state) (hedgegrid_kill_switch_state{{{_S}}} == 1)", "{{leg}}: {{state}}"),
                    text="By the pod's own word; the value is always 1.",
                ),
                _stat("Throttle", _of("throttle")),
                _stat("Regime", Query(f"max by (regime) (hedgegrid_regime{{{_S}}} == 1)", "{{regime}}")),
                _stat("Version", Query(f"max by (version, mode) (hedgegrid_info{{{_S}}})", "{{version}} {{mode}}")),
                _stat("Runs since", _of("uptime_seconds"), SECONDS),
                Panel(
                    "Conditions",
                    [Query(f"max by (type, status, reason) ({_CONDITION}{{{_S}}})")],
                    kind="table",
                    width=12,
                    names={"type": "Condition", "status": "Status", "reason": "Reason"},
                ),
                Panel(
                    "Kill switch",
                    [Query(f"max by (leg, state) (hedgegrid_kill_switch_state{{{_S}}})", "{{leg}} {{state}}")],
                    width=12,
                    text="1 for the state that a leg is in.",
                ),
            ],
        ),
        Row(
            "Money",
            [
                Panel("Mark price", [_of("mark_price", "mark price")], USDT),
                Panel(
                    "Equity and balance", [_of("equity_usdt", "equity"), _of("account_balance_usdt", "balance")], USDT
                ),
                Panel(
                    "Profit",
                    [
                        _of("realized_pnl_usdt", "realized"),
                        _of("unrealized_pnl_usdt", "unrealized"),
                        _of("total_pnl_usdt", "total"),
                    ],
                    USDT,
                ),
                Panel("Drawdown", [_of("drawdown_ratio", "drawdown")], RATIO),
                Panel(
                    "Fees and funding paid",
                    [_of("fees_usdt_total", "fees"), _of("funding_paid_usdt", "funding")],
                    USDT,
                    text="Since the grid's first start; below 0 we received.",
                ),
                Panel("Funding rate", [_of("funding_rate_current", "rate")], RATIO, width=4),
                Panel(
                    "Funding of an hour",
                    [_of("funding_cost_1h_projected_usdt", "projected")],
                    USDT,
                    width=4,
                    text="What the positions would pay; above 0 we pay.",
                ),
            ],
        ),
        Row(
            "Exposure and risk",
            [
                Panel(
                    "Inventory",
                    [
                        _of("long_inventory_usdt", "LONG"),
                        _of("short_inventory_usdt", "SHORT"),
                        _of("net_inventory_usdt", "net"),
                    ],
                    USDT,
                ),
                Panel("Without an exit", [_of("unprotected_quantity", "{{leg}}")], text="Quantity in base currency."),
                Panel(
                    "Share of each limit",
                    [
                        Query(
                            f'hedgegrid_risk_observed{{{_S}, rule!="liquidationDistance"}} / hedgegrid_risk_limit'
                            "\nor\n"
                            f'hedgegrid_risk_limit{{{_S}, rule="liquidationDistance"}} / hedgegrid_risk_observed',
                            "{{rule}}",
                        )
                    ],
                    RATIO,
                    text="At 100 % the grid is stopped as risk.action says. Rules without a limit aren't drawn.",
                    line=1.0,
                ),
                Panel(
                    "Margin ratio",
                    [_of("margin_ratio", "margin ratio"), _of("risk_limit", "limit", ', rule="marginRatio"')],
                    RATIO,
                ),
                Panel(
                    "Distance to the liquidation price",
                    [_of("liquidation_distance_ratio", "distance")],
                    RATIO,
                    text="Of the mark price; infinite where no price liquidates.",
                ),
                Panel(
                    "Limits",
                    [_of("risk_observed", "", ""), _of("risk_limit", "", ""), _of("risk_trips_total", "", "")],
                    kind="table",
                    names={
                        "rule": "Rule",
                        "Value #A": "Observed",
                        "Value #B": "Limit",
                        "Value #C": "Trips since the start",
                    },
                    text="In the unit of the limit's field.",
                ),
            ],
        ),
        Row(
            "Orders",
            [
                Panel(
                    "Orders",
                    [
                        _of("open_orders", "open"),
                        _of("active_rungs_long", "rungs LONG"),
                        _of("active_rungs_short", "rungs SHORT"),
                    ],
                ),
                Panel(
                    "Fills a minute",
                    [
                        Query(
                            f"sum by (leg, liquidity) (rate(hedgegrid_fills_total{{{_S}}}[$__rate_interval])) * 60",
                            "{{leg}} {{liquidity}}",
                        )
                    ],
                ),
                Panel(
                    "Orders a minute, by outcome",
                    [
                        Query(
                            f"sum by (outcome) (rate(hedgegrid_orders_total{{{_S}}}[$__rate_interval])) * 60",
                            "{{outcome}}",
                        )
                    ],
                ),
                Panel(
                    "Refusals a minute, by code",
                    [
                        Query(
                            f"sum by (reason) (rate(hedgegrid_order_rejects_total{{{_S}}}[$__rate_interval])) * 60",
                            "{{reason}}",
                        )
                    ],
                    text="Post-only ones that would have taken are counted here.",
                    unknown="none",
                ),
                Panel(
                    "Round trips",
                    [Query(f"sum by (leg) (hedgegrid_round_trips_total{{{_S}}})", "{{leg}}")],
                    text="Lots closed by their exits since the pod's start.",
                ),
                Panel(
                    "Profit of the round trips",
                    [Query(f"sum by (leg) (hedgegrid_round_trip_profit_usdt{{{_S}}})", "{{leg}}")],
                    USDT,
                    text="Since the pod's start, before commissions and funding.",
                ),
                Panel("Maker share", [_of("maker_ratio", "maker")], RATIO, text="Of the notional of all fills."),
                Panel("Send to answer", _quantiles("order_latency_seconds"), SECONDS),
                Panel("Fill to take-profit", _quantiles("fill_to_take_profit_seconds"), SECONDS),
                Panel(
                    "Price 10 s after our fills",
                    [Query(f"histogram_quantile(0.5, {_MARKOUT})", "{{leg}}")],
                    BPS,
                    text="Median over the time shown, in the fill's favour: below 0 the price ran through us.",
                ),
            ],
        ),
        Row(
            "Health",
            [
                Panel(
                    "Ages",
                    [
                        _of("data_age_seconds", "newest quote"),
                        _of("own_watch_age_seconds", "own watch"),
                        Query(f"time() - (hedgegrid_last_bar_timestamp{{{_S}}} > 0)", "newest bar"),
                    ],
                    SECONDS,
                ),
                Panel("Errors in callbacks", [_of("callback_errors_total", "errors")], text="Any stops entries."),
                Panel(
                    "Kill that waits",
                    [
                        Query(
                            f"max(hedgegrid_operator_kill_pending_seconds{{{_S}}})",
                            "not stored by the pod for",
                        )
                    ],
                    SECONDS,
                ),
            ],
        ),
    ],
)
