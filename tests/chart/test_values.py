"""Values: a wrong or unknown one is refused by its name, each is in the schema, and each does something."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hedgegrid_operator.settings import Settings
from tests.chart.chart_parts import CHART, Json, render
from tests.kube.helm import Helm, HelmFailed

VALUES: Json = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: Json = json.loads((CHART / "values.schema.json").read_text())

WRONG: dict[str, tuple[Json, str]] = {
    "unknown": ({"replica": 3}, "replica"),
    "unknown inside": ({"image": {"repo": "x"}}, "repo"),
    "unknown setting": ({"settings": {"pollIntervall": 5}}, "pollIntervall"),
    "a setting that has a value of its own": ({"settings": {"watchNamespaces": "a"}}, "watchNamespaces"),
    "no replica": ({"replicas": 0}, "replicas"),
    "text for a number": ({"replicas": "2"}, "replicas"),
    "a digest without its algorithm": ({"image": {"digest": "0a" * 32}}, "digest"),
    "a namespace that can't be": ({"watchNamespaces": ["Grids"]}, "watchNamespaces"),
    "root": ({"runAsUser": 0}, "runAsUser"),
    "root in strategy pods": ({"strategyPods": {"runAsUser": 0}}, "runAsUser"),
    "pull policy": ({"strategyImage": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "an address for a network": ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "cidrs"),
    "an interval without a unit": ({"monitoring": {"podMonitor": {"interval": "15"}}}, "interval"),
    "a list for a text": ({"imageRegistry": ["x"]}, "imageRegistry"),
    "log level": ({"settings": {"logLevel": "debug"}}, "logLevel"),
    "more priority than the system": ({"priorityClass": {"value": 2000000000}}, "value"),
}


@pytest.mark.parametrize(("values", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, values: Json, name: str) -> None:
    with pytest.raises(HelmFailed) as refused:
        render(helm, values)
    assert name in str(refused.value).partition("template ")[2]
    assert "values don't meet the specifications of the schema" in str(refused.value)


def _leaves(found: Json, schema: Json, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, value and schema of everything down to where the schema names no further property."""
    for name in sorted({*found, *schema.get("properties", {})} - {"global"}):
        inner = schema.get("properties", {}).get(name)
        where = f"{path}{name}"
        if isinstance(found.get(name), dict) and inner and "properties" in inner and where != "resources":
            yield from _leaves(found[name], inner, f"{where}.")
        else:
            yield where, found.get(name, LookupError), inner


@pytest.mark.parametrize(("path", "value", "schema"), [*_leaves(VALUES, SCHEMA)], ids=lambda item: str(item)[:30])
def test_values_and_schema_name_the_same(path: str, value: Any, schema: Any) -> None:
    if path.startswith("settings."):
        return
    assert value is not LookupError, f"{path} is in values.schema.json and not in values.yaml"
    assert schema is not None, f"{path} is in values.yaml and not in values.schema.json"


def test_every_group_of_the_schema_refuses_what_it_doesnt_know() -> None:
    def groups(schema: Json, path: str) -> Iterator[str]:
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield path
        for name, inner in schema.get("properties", {}).items():
            yield from groups(inner, f"{path}.{name}")

    assert list(groups(SCHEMA, "")) == []


def test_settings_without_a_value_of_their_own_are_in_the_schema() -> None:
    own = {
        *("kubeconfig", "context", "service_account_dir", "namespace", "watch_namespaces", "installation"),
        *("lease_name", "keys_secret", "ca_secret", "health_port", "runbook_url"),
    }
    left = {
        name
        for name in Settings.__dataclass_fields__
        if name not in own and not name.startswith(("strategy_", "network_policy"))
    }
    known = SCHEMA["properties"]["settings"]["properties"]
    assert {_snake(name) for name in known} == left


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
