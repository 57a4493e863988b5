"""The alert rules: promtool sees each one fire and not fire; each has a runbook and names metrics that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.names import asked, exported, of_kube_state_metrics
from tests.monitoring.places import CHECKOUT, PAGE, RULE_TESTS, RULES, RUNBOOKS

type Json = dict[str, Any]

FILES = sorted(RULES.glob("*.yaml"))
SEVERITIES = {"critical", "warning"}
BY_HAND = {"kill-by-hand", "release-by-hand"}


def rules_of(path: Path) -> list[Json]:
    """All rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALL = {rule["alert"]: rule for path in FILES for rule in rules_of(path)}
GRIDS_OWN = {rule["alert"]: rule for rule in rules_of(RULES / "hedgegrid.yaml")}
NAMED = sorted(ALL)


def run(promtool: Path, *arguments: str | Path) -> None:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_prometheus_reads_the_rules(promtool: Path, path: Path) -> None:
    run(promtool, "check", "rules", path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(promtool: Path, path: Path) -> None:
    run(promtool, "test", "rules", RULE_TESTS / path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(path: Path) -> None:
    fires, never = set[str](), set[str]()
    for case in yaml.safe_load((RULE_TESTS / path.name).read_text())["tests"]:
        checks = case["alert_rule_test"]
        (alert,) = {check["alertname"] for check in checks}
        assert case["name"].startswith(f"{alert}: ")
        assert case["input_series"]
        if any(check["exp_alerts"] for check in checks):
            fires.add(alert)
        else:
            never.add(alert)
    of_file = {rule["alert"] for rule in rules_of(path)}
    assert fires == of_file
    assert never == of_file


def test_no_alert_has_two_rules() -> None:
    assert sum(len(rules_of(path)) for path in FILES) == len(ALL)


@pytest.mark.parametrize("name", NAMED)
def test_an_alert_says_what_is_the_matter_and_has_its_page(name: str) -> None:
    rule = ALL[name]
    assert re.fullmatch(r"HedgeGrid([A-Z][a-z]+)+", name)
    assert rule["labels"]["severity"] in SEVERITIES
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert len(notes["summary"]) < 120
    assert notes["description"].endswith(".")
    assert notes["runbook_url"] == f"docs/runbooks/{name}.md"
    page = (CHECKOUT / notes["runbook_url"]).read_text()
    assert page.startswith(f"# {name}\n\n{rule['labels']['severity']}")
    for part in ("**Why it matters.**", "**Look.**", "**Do.**", "**Quiet again**"):
        assert part in page, part


@pytest.mark.parametrize("name", NAMED)
def test_an_alert_names_metrics_that_are_exported(name: str) -> None:
    names = asked(ALL[name]["expr"])
    assert names or "up{" in ALL[name]["expr"]
    assert names <= exported() | of_kube_state_metrics()


@pytest.mark.parametrize("name", NAMED)
def test_labels_of_the_scrape_do_not_reach_an_alert(name: str) -> None:
    """Another pod of the same grid goes on with the same alert, in `for` and in Alertmanager."""
    expression = ALL[name]["expr"]
    outer = re.match(r"(max|min|sum) by \(([a-z_, ]+)\)|absent", expression)
    assert outer is not None
    assert set((outer[2] or "").replace(" ", "").split(",")).isdisjoint({"pod", "instance", "job", "container"})


@pytest.mark.parametrize("name", sorted(GRIDS_OWN))
def test_rules_of_one_grid_need_no_operator_and_can_be_narrowed_to_the_grid(name: str) -> None:
    """The operator writes a grid's labels into each selector of a metric named hedgegrid_…"""
    expression = GRIDS_OWN[name]["expr"]
    assert all(not metric.startswith("hedgegrid_operator_") for metric in asked(expression))
    others = set(re.findall(r"\b([a-z_:]+)\s*(?=\{)", expression)) - asked(expression)
    assert others == set(), "a selector of another metric can't be narrowed"
    assert "hedgegrid_" not in "".join(re.findall(r'"[^"]*"', expression))


def test_every_page_is_about_an_alert_or_a_way_out_by_hand() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(ALL) | BY_HAND


def test_links_of_the_pages_lead_somewhere() -> None:
    for path in (*RUNBOOKS.glob("*.md"), PAGE):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_page_on_monitoring_lists_every_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(HedgeGrid\w+)\]\(runbooks/(\w+)\.md\) \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert {(alert, page) for alert, page, _ in rows} == {(name, name) for name in ALL}
    assert {alert: severity for alert, _, severity in rows} == {
        name: r["labels"]["severity"] for name, r in ALL.items()
    }
