"""Write docs/monitoring-*.svg anew, from a run that takes some 6 minutes."""

import argparse
import re
import sys

from tests.monitoring.dashboards import ALL
from tests.monitoring.dashboards.model import Query
from tests.monitoring.pictures.plot import Chart, Line, svg
from tests.monitoring.pictures.story import NAMESPACE, Told, told
from tests.monitoring.places import PAGE

STEP_SECONDS = 2.0
GRID = "btc"
SHOWN = {
    "fleet": ("Equity", "Profit", "Net inventory", "Nearest limit", "Drawdown", "Fills a minute"),
    "grid": (
        "Profit",
        "Inventory",
        "Share of each limit",
        "Orders",
        "Fills a minute",
        "Orders a minute, by outcome",
        "Send to answer",
        "Fill to take-profit",
        "Ages",
    ),
    "operator": (
        "Grids by state",
        "Seen to stored",
        "Kills that wait",
        "Failed deliveries a minute",
        "Rounds a minute, by result",
        "Requests a minute, by answer",
    ),
}
"""Panels of each dashboard that are drawn."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.monitoring.pictures", description=__doc__)
    parser.add_argument("--pause", type=float, default=45.0, help="seconds between two acts of the story [45]")
    with told(lambda line: print(line, flush=True), parser.parse_args().pause) as found:
        for name in SHOWN:
            path = PAGE.with_name(f"monitoring-{name}.svg")
            path.write_text(svg(list(_charts(name, found)), found.end - found.start, STEP_SECONDS))
            print(path)
        for at, text in found.events:
            print(f"{at / 60:.2f} min: {text}")
    return 0


def _charts(name: str, found: Told) -> list[Chart]:
    panels = {panel.title: panel for panel in ALL[name].panels if panel.kind == "timeseries"}
    return [
        Chart(title, panels[title].unit, [line for query in panels[title].queries for line in _lines(query, found)])
        for title in SHOWN[name]
    ]


def _lines(query: Query, found: Told) -> list[Line]:
    values = {"$__rate_interval": "30s", "$__range": "10m", "$namespace": NAMESPACE, "$grid": GRID}
    question = re.sub(r"\$\w+", lambda it: values[it[0]], query.expr)
    answers = found.prometheus.over(question, found.start, found.end, STEP_SECONDS)
    lines = [
        Line(
            re.sub(r"\{\{(\w+)\}\}", lambda it: labels.get(it[1], ""), query.legend),  # noqa: B023 - used at once
            [(at - found.start, value) for at, value in points],
        )
        for labels, points in answers
    ]
    return [line for line in lines if any(value for _, value in line.points)] or lines[:1]


if __name__ == "__main__":
    sys.exit(main())
