"""The PrometheusRule of a grid that asks for one: the alerts about grids, for this grid alone.

They are the chart's: `alerts.yaml` is a copy of its rule file about grids, made by `make generate`. Here each selector
of one of our metrics gets the grid's own labels.
"""

import functools
import re
from importlib.resources import files

import yaml

from hedgegrid_api.monitoring import PrometheusRule
from hedgegrid_operator.desired.naming import child_name, labels
from hedgegrid_operator.objects import GridRef, Json, items, section

_SELECTOR = re.compile(r"\b(hedgegrid_[a-z0-9_]+)(\s*\{)?")
_RUNBOOK = "runbook_url"
_PAGES = "docs/runbooks"
"""Where the pages are, as the rule file says."""


@functools.cache
def alerts() -> tuple[Json, ...]:
    """The alerts in their groups, for every grid."""
    text = files("hedgegrid_operator.desired").joinpath("alerts.yaml").read_text("utf-8")
    return tuple(items(yaml.safe_load(text), "groups"))


def prometheus_rule(grid: GridRef, wanted: PrometheusRule, runbooks: str) -> Json:
    """The manifest. `runbooks` is the address of the folder with the alerts' pages, empty: its path."""
    groups = [
        {**group, "rules": [_of_grid(rule, grid, runbooks) for rule in items(group, "rules")]} for group in alerts()
    ]
    return {
        "metadata": {
            "name": child_name(grid.name),
            "namespace": grid.namespace,
            "labels": {**wanted.labels, **labels(grid)},
        },
        "spec": {"groups": groups},
    }


def _of_grid(rule: Json, grid: GridRef, runbooks: str) -> Json:
    this_grid = f'grid_namespace="{grid.namespace}",grid="{grid.name}"'
    notes = section(rule, "annotations")
    return {
        **rule,
        "expr": _SELECTOR.sub(lambda found: f"{found[1]}{{{this_grid}" + ("," if found[2] else "}"), str(rule["expr"])),
        "annotations": {**notes, _RUNBOOK: str(notes[_RUNBOOK]).replace(_PAGES, runbooks.rstrip("/") or _PAGES)},
    }
