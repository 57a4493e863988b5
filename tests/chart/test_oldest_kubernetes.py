"""The oldest Kubernetes that the chart is meant for takes the definition: it estimates higher what rules cost."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.chart_parts import OLDEST
from tests.kube.access import CHECKOUT
from tests.kube.gobuild import BuildError
from tests.kube.oldest import VERSION, find_accepts, objections

CRD = (CHECKOUT / "crds" / "hedgegrids.hedgegrid.io.yaml").read_text()


@pytest.fixture(scope="module")
def accepts() -> Path:
    try:
        return find_accepts()
    except BuildError as reason:
        pytest.skip(str(reason))


def test_it_is_the_oldest_that_the_chart_is_meant_for() -> None:
    assert VERSION.rpartition(".")[0] == OLDEST.rpartition(".")[0]


def test_it_takes_the_definition(accepts: Path) -> None:
    assert objections(accepts, CRD) == []


def test_it_takes_no_rule_that_costs_more_than_it_may(accepts: Path) -> None:
    definition: dict[str, Any] = yaml.safe_load(CRD)
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    limits = spec["properties"]["pod"]["properties"]["resources"]["properties"]["limits"]
    limits["additionalProperties"]["x-kubernetes-validations"][0]["rule"] = "string(self).matches('^[0-9]+[a-z]?$')"
    found = objections(accepts, yaml.safe_dump(definition))
    assert found
    assert "exceeds budget" in found[0]
