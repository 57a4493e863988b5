"""The dashboards: the files are what the code says, each question names metrics that exist, no two panels overlap."""

import json
import re

import pytest

from tests.monitoring.dashboards import ALL
from tests.monitoring.dashboards.model import COLUMNS, Dashboard, built, text
from tests.monitoring.names import asked, exported
from tests.monitoring.places import DASHBOARDS

NAMES = sorted(ALL)
OF_PROMETHEUS = {"ALERTS"}


@pytest.fixture(params=NAMES)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    """One after another."""
    return ALL[request.param]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_what_the_code_says(name: str) -> None:
    path = DASHBOARDS / f"{name}.json"
    assert path.read_text() == text(ALL[name]), "write it anew: python -m tests.monitoring.dashboards"


def test_there_is_no_other_file() -> None:
    assert sorted(path.stem for path in DASHBOARDS.iterdir()) == NAMES


def test_each_question_names_metrics_that_are_exported(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.queries, panel.title
        for query in panel.queries:
            names = asked(query.expr)
            assert names or OF_PROMETHEUS & set(re.findall(r"\w+", query.expr)), query.expr
            assert names <= exported(), query.expr
    for variable in dashboard.variables:
        assert asked(variable.query) <= exported()


def test_questions_choose_by_the_labels_of_the_grid_and_never_by_those_of_the_scrape(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        for query in panel.queries:
            matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", query.expr))
            assert matched.isdisjoint({"namespace", "pod", "instance", "job", "service", "container"}), query.expr


def test_panels_lie_beside_each_other(dashboard: Dashboard) -> None:
    taken: dict[tuple[int, int], str] = {}
    panels = built(dashboard)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_tables_show_columns_that_their_answers_have(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        if panel.kind != "table":
            continue
        columns = {f"Value #{chr(ord('A') + index)}" for index in range(len(panel.queries))}
        labels = {label for query in panel.queries for label in re.findall(r"\b[a-z_]+\b", query.expr)}
        assert set(panel.names) <= columns | labels | {"rule"}, panel.title


def test_what_is_not_known_is_said_to_be_unknown_and_no_gap_is_drawn_over(dashboard: Dashboard) -> None:
    for panel in json.loads(text(dashboard))["panels"]:
        if panel["type"] == "row":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["noValue"]
        assert defaults["noValue"] != "0"
        if panel["type"] == "timeseries":
            assert defaults["custom"]["spanNulls"] is False
