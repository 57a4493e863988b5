"""What a person sees at `kubectl`, and what probes and scrapes tell while things go wrong."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kube import wait_until
from tests.operator.grid_parts import Field, Grid, condition


@pytest.fixture
def grid(field: Field) -> Grid:
    """A grid that trades and has a position on both legs."""
    return field.with_positions()


def test_kubectl_get_wide_and_describe_tell_the_story(field: Field, grid: Grid) -> None:
    generation = grid.patch(killSwitch="flattenBoth")
    grid.wait_phase("Flat")
    grid.wait_event("KillFlat")
    kubectl = field.cluster.kubectl
    head, row = kubectl("get", "hg", grid.name, "-n", grid.namespace, "-o", "wide").splitlines()
    columns = re.split(r"\s{2,}", head.strip())
    assert columns[-8:] == ["AGE", "REASON", "TRIP", "REGIME", "ORDERS", "POD", "CONFIG", "MESSAGE"]
    for told in ("flattenBoth", "Flat", f"{grid.child}-0", "the venue shows no order and no position"):
        assert told in row
    narrow = kubectl("get", "hg", grid.name, "-n", grid.namespace).splitlines()[0]
    assert "MESSAGE" not in narrow
    text = kubectl("describe", "hg", grid.name, "-n", grid.namespace)
    for told in ("KillRequested", "KillDelivered", "KillFlat", f"generation {generation}", "Accepted", "ControlSynced"):
        assert told in text
    # As GitOps tools wait for it: what was asked for is reached.
    found = grid.get() or {}
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert condition(found["status"], "Ready")["status"] == "True"
    for item in found["status"]["conditions"]:
        assert item["observedGeneration"] == generation
        assert item["message"]


def test_probes_and_scrapes_of_an_operator_whose_pod_is_out_of_reach(field: Field, grid: Grid) -> None:
    grid.pod.freeze()
    grid.patch(killSwitch="flattenBoth")
    grid.wait_condition("ControlReachable", "Timeout", "False")
    assert field.operator.probe("/healthz") == "ok"
    assert field.operator.probe("/readyz") == "ok"
    families = {
        family.name: family for family in text_string_to_metric_families(f"{field.operator.probe('/metrics')}\n")
    }
    ready = [
        sample.labels["reason"]
        for sample in families["hedgegrid_operator_condition"].samples
        if sample.labels["type"] == "Ready" and sample.labels["grid"] == grid.name
    ]
    assert ready == ["NotReachable"]
    (leads,) = families["hedgegrid_operator_leader"].samples
    assert leads.value == 1
    (age,) = families["hedgegrid_operator_watch_age_seconds"].samples
    assert 0 <= age.value < 60
    assert sum(sample.value for sample in families["hedgegrid_operator_api_requests"].samples) > 10
    grid.pod.thaw()
    grid.wait_phase("Flat")


def test_events_that_were_told_are_not_told_again_by_an_operator_that_starts_anew(field: Field, grid: Grid) -> None:
    generation = grid.patch(killSwitch="haltEntries")
    grid.wait_phase("Halted")
    # Events are written in the background, in order: this is the last one of this kill.
    assert grid.told("KillHalted", f"generation {generation}") == 1
    reasons = ("Accepted", "PodCreated", "KillRequested", "KillDelivered", "KillHalted", "ThrottleApplied")
    before = {reason: len(grid.events(reason)) for reason in reasons}
    epoch = grid.call("GET", "/control")[1]["epoch"]
    field.operator.kill()
    field.start()
    wait_until(lambda: grid.call("GET", "/control")[1]["epoch"] > epoch, 40, "the new leader's epoch")
    field.operator.stop()
    assert {reason: len(grid.events(reason)) for reason in reasons} == before
    found = grid.get() or {}
    assert condition(found["status"], "Ready")["reason"] == "Halted"
