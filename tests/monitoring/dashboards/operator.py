"""The operator: who leads, how fast kills arrive, what it asks of the API server."""

from tests.monitoring.dashboards.model import SECONDS, Dashboard, Panel, Query, Row, Variable

_S = 'grid_namespace=~"$namespace"'
_O = "hedgegrid_operator"
_BY = "by (grid_namespace, grid)"
_NAME = "{{grid_namespace}}/{{grid}}"


def _quantiles(metric: str, by: str = "") -> list[Query]:
    rate = f"sum by (le{', ' + by if by else ''}) (rate({_O}_{metric}_bucket[$__rate_interval]))"
    legend = f"{{{{{by}}}}} " if by else ""
    return [Query(f"histogram_quantile({q}, {rate})", f"{legend}p{q * 100:g}") for q in (0.5, 0.99)]


def _stat(title: str, query: Query, unit: str = "short", text: str = "") -> Panel:
    return Panel(title, [query], unit, kind="stat", width=4, height=4, text=text)


OPERATOR = Dashboard(
    uid="hedgegrid-operator",
    title="HedgeGrid / operator",
    text="Who leads, how fast kills arrive, what waits, and what is asked of the API server.",
    variables=[Variable("namespace", f"label_values({_O}_condition, grid_namespace)", several=True)],
    rows=[
        Row(
            "Now",
            [
                _stat("Leaders", Query(f"sum({_O}_leader)"), text="One for each installation."),
                _stat("Operators", Query(f"count({_O}_build_info)")),
                _stat("Version", Query(f"max by (version) ({_O}_build_info)", "{{version}}")),
                _stat("Changes last seen", Query(f"max({_O}_watch_age_seconds)"), SECONDS),
                _stat("Pods that don't answer", Query(f"max({_O}_pods_unreachable)")),
                _stat("Oldest kill that waits", Query(f"max({_O}_kill_pending_seconds)"), SECONDS),
                Panel(
                    "Grids by state",
                    [
                        Query(
                            f'count by (status, reason) ({_O}_condition{{{_S}, type="Ready"}})',
                            "{{status}}: {{reason}}",
                        )
                    ],
                    width=12,
                    text="By the condition Ready.",
                ),
                Panel(
                    "Conditions that don't hold",
                    [
                        Query(
                            "max by (grid_namespace, grid, type, reason) ("
                            f'{_O}_condition{{{_S}, type!~"Progressing|KillSwitchEngaged|Paused", status!="True"}})'
                        )
                    ],
                    kind="table",
                    width=12,
                    names={"grid_namespace": "Namespace", "grid": "Grid", "type": "Condition", "reason": "Reason"},
                    unknown="none",
                ),
            ],
        ),
        Row(
            "Kills",
            [
                Panel(
                    "Seen to stored",
                    _quantiles("kill_delivery_seconds"),
                    SECONDS,
                    text="From seeing a kill in the object until the pod had stored it.",
                    unknown="no kill",
                ),
                Panel(
                    "Kills that wait",
                    [Query(f"max {_BY} ({_O}_kill_pending_seconds)", _NAME)],
                    SECONDS,
                ),
                Panel(
                    "Failed deliveries a minute",
                    [
                        Query(
                            f"sum {_BY} (rate({_O}_kill_delivery_failures_total[$__rate_interval])) * 60",
                            _NAME,
                        )
                    ],
                    unknown="none",
                ),
                Panel(
                    "Pods restarted for a kill",
                    [Query(f"sum {_BY} ({_O}_kill_escalations_total)", _NAME)],
                    unknown="none",
                ),
                Panel(
                    "Deletions under way",
                    [Query(f"max {_BY} ({_O}_deletion_pending_seconds)", _NAME)],
                    SECONDS,
                    unknown="none",
                ),
                Panel(
                    "Changes that wait to roll out",
                    [Query(f"max {_BY} ({_O}_rollout_waiting_seconds)", _NAME)],
                    SECONDS,
                    unknown="none",
                ),
            ],
        ),
        Row(
            "Work",
            [
                Panel(
                    "Rounds a minute, by result",
                    [
                        Query(
                            f"sum by (result) (rate({_O}_reconcile_seconds_count[$__rate_interval])) * 60", "{{result}}"
                        )
                    ],
                ),
                Panel("Time of a round", _quantiles("reconcile_seconds", "result"), SECONDS),
                Panel("Grids that wait, by lane", [Query(f"max by (lane) ({_O}_queue_depth)", "{{lane}}")]),
                Panel(
                    "Longest wait, by lane",
                    [Query(f"max by (lane) ({_O}_queue_oldest_seconds)", "{{lane}}")],
                    SECONDS,
                ),
                Panel("Pods that don't answer", [Query(f"max({_O}_pods_unreachable)", "pods")]),
                Panel(
                    "Changes last seen",
                    [Query(f"max({_O}_watch_age_seconds)", "age")],
                    SECONDS,
                    text="Age of the last event of a watch, or of the last complete LIST.",
                ),
            ],
        ),
        Row(
            "API server and certificates",
            [
                Panel(
                    "Requests a minute, by answer",
                    [Query(f"sum by (code) (rate({_O}_api_requests_total[$__rate_interval])) * 60", "{{code}}")],
                ),
                Panel(
                    "Requests a minute, by kind",
                    [
                        Query(
                            f"sum by (verb, resource) (rate({_O}_api_requests_total[$__rate_interval])) * 60",
                            "{{verb}} {{resource}}",
                        )
                    ],
                ),
                Panel(
                    "Certificates end in",
                    [
                        Query(
                            f"min by (certificate, grid_namespace, grid) ({_O}_certificate_expiry_seconds)",
                            "{{certificate}} " + _NAME,
                        )
                    ],
                    SECONDS,
                    text="The pods' authority, and the pod's certificate that ends first.",
                ),
                Panel("Leads", [Query(f"max by (pod, instance) ({_O}_leader)", "{{pod}} {{instance}}")]),
            ],
        ),
    ],
)
