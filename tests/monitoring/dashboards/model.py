"""Dashboards as plain data, and what Grafana reads of them. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

type Json = dict[str, Any]

COLUMNS = 24
"""A row of Grafana's grid."""
SCHEMA = 39
"""Of dashboards as Grafana 10.4 and later read them."""
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

USDT = "suffix: USDT"
BPS = "suffix: bps"
RATIO = "percentunit"
SECONDS = "s"
PLAIN = "short"


@dataclass(frozen=True)
class Query:
    """What a panel asks."""

    expr: str
    legend: str = ""
    """Grafana's pattern, like {{leg}}."""


@dataclass(frozen=True)
class Panel:
    """One panel; `text` says what it shows, where the title can't."""

    title: str
    queries: Sequence[Query]
    unit: str = PLAIN
    kind: str = "timeseries"
    """timeseries, stat or table; the last two show the present only."""
    width: int = 8
    height: int = 8
    text: str = ""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of a table: columns by what they are called in the answer; others are hidden."""
    line: float | None = None
    """Draw a limit here."""
    unknown: str = "unknown"
    """What stands there where nothing is known."""


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """Something to choose at the top; `query` asks Prometheus for the values."""

    name: str
    query: str
    several: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard."""

    uid: str
    title: str
    text: str
    variables: Sequence[Variable]
    rows: Sequence[Row]

    @property
    def panels(self) -> list[Panel]:
        """All panels."""
        return [panel for row in self.rows for panel in row.panels]


def text(dashboard: Dashboard) -> str:
    """The file."""
    return json.dumps(built(dashboard), indent=1, ensure_ascii=False) + "\n"


def built(dashboard: Dashboard) -> Json:
    """As Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.text,
        "tags": ["hedgegrid"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [_links()],
        "templating": {"list": [_datasource(), *(_variable(it) for it in dashboard.variables)]},
        "annotations": {"list": []},
        "panels": list(_laid_out(dashboard.rows)),
    }


def _links() -> Json:
    return {
        "title": "HedgeGrid",
        "type": "dashboards",
        "tags": ["hedgegrid"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }


def _datasource() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "definition": variable.query,
        "refresh": 2,
        "sort": 1,
        "multi": variable.several,
        "includeAll": variable.several,
        **({"allValue": ".*"} if variable.several else {}),
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[Json]:
    number, y = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height


def _panel(panel: Panel, number: int, place: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        **({"description": panel.text} if panel.text else {}),
        "gridPos": place,
        "datasource": DATASOURCE,
        "targets": [_target(panel, query, index) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        **({"transformations": _columns(panel)} if panel.kind == "table" else {}),
    }


def _target(panel: Panel, query: Query, index: int) -> Json:
    now = panel.kind != "timeseries"
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": now,
        "range": not now,
        **({"format": "table"} if panel.kind == "table" else {}),
    }


def _defaults(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit, "noValue": panel.unknown}
    if panel.kind == "timeseries":
        # Gaps stay gaps: what nobody knew isn't drawn.
        found["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "spanNulls": False}
    if panel.line is not None:
        found["custom"]["thresholdsStyle"] = {"mode": "dashed"}
        steps = [{"color": "transparent", "value": None}, {"color": "red", "value": panel.line}]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
    return found


_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "none",
        "graphMode": "none",
        "textMode": "auto",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}


def _columns(panel: Panel) -> list[Json]:
    """One line a grid, with the columns of `names` in their order."""
    order = {name: index for index, name in enumerate(panel.names)}
    return [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(panel.names)}}},
        {"id": "organize", "options": {"indexByName": order, "renameByName": dict(panel.names)}},
    ]
