"""The generated definition: in step with the models, structural, and with a manual in its descriptions."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedgegrid_api.schema import allowed, crd, fields, spec_schema, status_schema

ROOT = Path(__file__).parents[2]


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and everything in it."""
    yield schema
    for field in schema.get("properties", {}).values():
        yield from nodes(field)
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from nodes(schema[inner])


def version() -> dict[str, Any]:
    (only,) = crd()["spec"]["versions"]
    return only


def root() -> dict[str, Any]:
    return version()["schema"]["openAPIV3Schema"]


def field(path: str) -> dict[str, Any]:
    return next(found.schema for found in fields(root()) if found.path == path)


def test_generated_files_are_in_step_with_the_models() -> None:
    check = subprocess.run(
        [sys.executable, "crds/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


def test_committed_definition_is_what_the_models_say() -> None:
    text = (ROOT / "crds" / "hedgegrids.hedgegrid.io.yaml").read_text("utf-8")
    assert yaml.safe_load(text) == crd()
    assert text.startswith("# Generated")


def test_names() -> None:
    spec = crd()["spec"]
    assert crd()["metadata"]["name"] == "hedgegrids.hedgegrid.io"
    assert spec["names"]["shortNames"] == ["hg"]
    assert spec["names"]["categories"] == ["hedgegrid"]
    assert spec["scope"] == "Namespaced"
    assert version()["subresources"] == {"status": {}}
    columns: dict[int, list[str]] = {0: [], 1: []}
    for column in version()["additionalPrinterColumns"]:
        columns[column.get("priority", 0)].append(column["name"])
    assert columns[0] == ["Instrument", "Mode", "Phase", "Ready", "Kill", "State", "Throttle", "Net", "PnL", "Age"]
    assert columns[1] == ["Reason", "Trip", "Regime", "Orders", "Pod", "Config", "Message"]


def test_schema_is_structural() -> None:
    for node in nodes(root()):
        assert "$ref" not in node
        assert "title" not in node
        assert "type" in node or node.get("x-kubernetes-int-or-string")
        assert "anyOf" not in node or node["anyOf"] == [{"type": "integer"}, {"type": "string"}]
        assert node.get("default", 0) is not None


def test_defaults_of_groups_are_those_of_their_fields() -> None:
    groups = [node for node in nodes(root()) if node.get("type") == "object" and "default" in node]
    # exits, regime, placement, funding, execution, risk, escalation, storage, update, sim.filters, sim.fees,
    # monitoring, monitoring.serviceMonitor, monitoring.prometheusRule
    assert len(groups) == 14
    for group in groups:
        inner = {name: item["default"] for name, item in group["properties"].items() if "default" in item}
        assert group["default"] == inner


def test_presence_of_sim_and_deletion_says_something_so_they_have_no_default() -> None:
    assert "default" not in field("spec.sim")
    assert "default" not in field("spec.deletion")
    assert "default" not in field("spec.deletion.policy")


def test_every_number_of_the_spec_has_bounds() -> None:
    numbers = [node for node in nodes(spec_schema()) if node.get("type") in ("integer", "number")]
    assert len(numbers) > 15
    for node in numbers:
        assert node["minimum"] < node["maximum"]


def test_every_text_list_and_map_of_the_spec_is_limited() -> None:
    for node in nodes(spec_schema()):
        match node.get("type"):
            case "string":
                assert "maxLength" in node or "enum" in node
            case "array":
                assert "maxItems" in node
            case "object":
                # A piece of a core object is passed on as it is: its size is limited by that of the whole object.
                piece = node.get("x-kubernetes-preserve-unknown-fields")
                assert piece or "properties" in node or "maxProperties" in node


def test_status_refuses_no_value_of_the_right_type() -> None:
    for node in nodes(status_schema()):
        assert not {"enum", "minimum", "maximum", "maxLength", "x-kubernetes-validations", "default"} & node.keys()
        assert node.get("required", ["type"]) == ["type"]


def test_every_field_is_described_in_one_paragraph() -> None:
    described = [found for found in fields(root()) if not found.path.startswith("metadata")]
    assert len(described) > 120
    for found in described:
        text = found.schema.get("description", "")
        assert text.endswith((".", "…")), found.path
        assert text == " ".join(text.split())
        assert not {"null", "None", "pydantic", "dict"} & set(text.split()), found.path


@pytest.mark.parametrize(
    ("path", "description"),
    [
        (
            "spec.grid.stepBps",
            "Distance between two rungs, in basis points of the centre price (arithmetic ladder). Range: 1 to 1000.",
        ),
        (
            "spec.execution.barSeconds",
            "Length of the bar that drives the ladder, in seconds of market time. Range: 1 to 1800. Default: 60.",
        ),
        (
            "spec.storage.ephemeral",
            "true: no claim, and everything is lost with the pod. Only for mode sim. Default: false.",
        ),
        (
            "spec.storage",
            "The volume of the store: latches, ladder and, in mode sim, the venue's book. Immutable. "
            "Rule: storageClassName has no meaning with ephemeral: true; remove one of them.",
        ),
    ],
)
def test_description_says_unit_range_and_default(path: str, description: str) -> None:
    assert field(path)["description"] == description


def test_allowed_in_words() -> None:
    assert allowed(field("spec.throttle")) == "0 to 1"
    assert allowed(field("spec.deletion.onTimeout")) == "one of Block, Orphan"
    assert allowed(field("spec.mode")) == "sim"
    assert allowed(field("spec.grid.baseQty")) == 'a decimal number greater than 0, written as a string, like "0.002"'
    assert allowed(field("spec.grid")) is None


def test_reference_page_has_every_field() -> None:
    page = (ROOT / "docs" / "reference" / "hedgegrid.md").read_text("utf-8")
    for found in (*fields(spec_schema()), *fields(status_schema())):
        assert f"| `{found.path}` |" in page
    row = next(line for line in page.splitlines() if line.startswith("| `grid.qtyScale` |"))
    assert row.startswith("| `grid.qtyScale` | number | 0.1 to 3 | `1` | Ratio of the quantities")
