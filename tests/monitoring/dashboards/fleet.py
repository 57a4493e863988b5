"""All grids beside each other."""

from tests.monitoring.dashboards.model import RATIO, SECONDS, USDT, Dashboard, Panel, Query, Row, Variable

_S = 'grid_namespace=~"$namespace"'
_BY = "by (grid_namespace, grid)"
_NAME = "{{grid_namespace}}/{{grid}}"
_NONE = "0 * sum(hedgegrid_operator_leader == 1)"
"""0 while an operator leads, and nothing while nobody knows."""

_UNDER_WAY = f'hedgegrid_kill_switch_state{{{_S}, state=~"Requested|Delivered|Flattening|Failed"}}'
_REFUSED = f'hedgegrid_orders_total{{{_S}, outcome="rejected"}}'


def _stat(title: str, expr: str, unit: str = "short", text: str = "", unknown: str = "unknown") -> Panel:
    return Panel(title, [Query(expr)], unit, kind="stat", width=4, height=4, text=text, unknown=unknown)


def _each(title: str, metric: str, unit: str = "short", text: str = "", line: float | None = None) -> Panel:
    return Panel(title, [Query(f"max {_BY} ({metric}{{{_S}}})", _NAME)], unit, text=text, line=line)


_NEAREST = (
    f"max {_BY} (\n"
    f'  hedgegrid_risk_observed{{{_S}, rule!="liquidationDistance"}} / hedgegrid_risk_limit\n'
    "  or\n"
    f'  hedgegrid_risk_limit{{{_S}, rule="liquidationDistance"}} / hedgegrid_risk_observed\n'
    ")"
)

FLEET = Dashboard(
    uid="hedgegrid-fleet",
    title="HedgeGrid / fleet",
    text="All grids beside each other: which one isn't as its object asks, what they earn, how near a limit they are.",
    variables=[Variable("namespace", "label_values(hedgegrid_info, grid_namespace)", several=True)],
    rows=[
        Row(
            "Now",
            [
                _stat("Grids that run", f"count(hedgegrid_info{{{_S}}})", text="Pods that Prometheus scrapes."),
                _stat(
                    "Not as asked",
                    f'count(hedgegrid_operator_condition{{{_S}, type="Ready", status!="True"}}) or {_NONE}',
                    text="Grids whose condition Ready isn't True.",
                ),
                _stat(
                    "Kills under way",
                    f"count(max {_BY} ({_UNDER_WAY}) == 1) or 0 * count(hedgegrid_info{{{_S}}})",
                ),
                _stat(
                    "Equity",
                    f"sum(hedgegrid_equity_usdt{{{_S}}})",
                    USDT,
                    text="Unknown as soon as that of one grid is.",
                ),
                _stat("Profit", f"sum(hedgegrid_total_pnl_usdt{{{_S}}})", USDT, text="Realized and unrealized."),
                _stat("Net inventory", f"sum(hedgegrid_net_inventory_usdt{{{_S}}})", USDT),
                Panel(
                    "Firing alerts",
                    [
                        Query(
                            "max by (alertname, severity, grid_namespace, grid, reason) "
                            '(ALERTS{alertname=~"HedgeGrid.*", alertstate="firing"})'
                        )
                    ],
                    kind="table",
                    width=24,
                    height=6,
                    names={
                        "severity": "Severity",
                        "alertname": "Alert",
                        "grid_namespace": "Namespace",
                        "grid": "Grid",
                        "reason": "Reason",
                    },
                    unknown="none",
                ),
                Panel(
                    "Grids",
                    [
                        Query(
                            "max by (grid_namespace, grid, status, reason) "
                            f'(hedgegrid_operator_condition{{{_S}, type="Ready"}})'
                        ),
                        Query(f"max {_BY} (hedgegrid_throttle{{{_S}}})"),
                        Query(f"max {_BY} (hedgegrid_equity_usdt{{{_S}}})"),
                        Query(f"max {_BY} (hedgegrid_total_pnl_usdt{{{_S}}})"),
                        Query(f"max {_BY} (hedgegrid_net_inventory_usdt{{{_S}}})"),
                        Query(f"max {_BY} (hedgegrid_open_orders{{{_S}}})"),
                        Query(f"max {_BY} (hedgegrid_drawdown_ratio{{{_S}}})"),
                        Query(f"max {_BY} (hedgegrid_margin_ratio{{{_S}}})"),
                    ],
                    kind="table",
                    width=24,
                    height=10,
                    names={
                        "grid_namespace": "Namespace",
                        "grid": "Grid",
                        "status": "Ready",
                        "reason": "Reason",
                        "Value #B": "Throttle",
                        "Value #C": "Equity, USDT",
                        "Value #D": "Profit, USDT",
                        "Value #E": "Net, USDT",
                        "Value #F": "Orders",
                        "Value #G": "Drawdown",
                        "Value #H": "Margin ratio",
                    },
                ),
            ],
        ),
        Row(
            "Money",
            [
                _each("Equity", "hedgegrid_equity_usdt", USDT),
                _each(
                    "Profit",
                    "hedgegrid_total_pnl_usdt",
                    USDT,
                    "Realized and unrealized, since each grid's first start.",
                ),
                _each("Net inventory", "hedgegrid_net_inventory_usdt", USDT, "LONG less SHORT notional."),
            ],
        ),
        Row(
            "Risk",
            [
                Panel(
                    "Nearest limit",
                    [Query(_NEAREST, _NAME)],
                    RATIO,
                    text="How much of its limit the rule that is nearest to it has used; at 100 % the grid is stopped.",
                    line=1.0,
                ),
                _each("Drawdown", "hedgegrid_drawdown_ratio", RATIO),
                _each("Margin ratio", "hedgegrid_margin_ratio", RATIO, "At 100 % the venue liquidates.", 1.0),
            ],
        ),
        Row(
            "Trading",
            [
                Panel(
                    "Fills a minute",
                    [Query(f"sum {_BY} (rate(hedgegrid_fills_total{{{_S}}}[$__rate_interval])) * 60", _NAME)],
                ),
                Panel(
                    "Refused orders a minute",
                    [
                        Query(
                            f"sum {_BY} (rate({_REFUSED}[$__rate_interval])) * 60",
                            _NAME,
                        )
                    ],
                    text="Post-only orders that would have taken aren't counted.",
                ),
                _each("Age of the newest quote", "hedgegrid_data_age_seconds", SECONDS),
            ],
        ),
    ],
)
