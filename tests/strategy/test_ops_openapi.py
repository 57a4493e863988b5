"""The API's description of itself: every message has an example that is one, every status its model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from hedgegrid_api.control import (
    ControlDocument,
    ControlReport,
    FlattenRequest,
    Refusal,
    ResumeRequest,
    ThrottleRequest,
)
from naut_hedgegrid.ops.api import control_api
from naut_hedgegrid.ops.auth import ApiKeys
from naut_hedgegrid.ops.guard import HEADER
from tests.strategy.asgi import Client
from tests.strategy.ops_support import alone

PROBES = {("get", "/livez"), ("get", "/readyz")}
SOMETIMES_NOT = {("get", "/readyz"), ("get", "/health"), ("get", "/history"), ("get", "/fills"), ("get", "/audit")}
"""Answer 503 when they can't."""
WITH_BODY = {("put", "/control"), ("post", "/flatten"), ("post", "/throttle"), ("post", "/resume")}
CHECKED = {("get", "/history"), ("get", "/fills"), ("get", "/audit")} | WITH_BODY
"""Take something that can be wrong."""


@pytest.fixture
def described(tmp_path: Path) -> dict[str, Any]:
    client = Client(control_api(alone(tmp_path), ApiKeys.single("k")))
    description = client.ask("GET", "/openapi.json").json
    client.close()
    return description


def operations(description: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, verbs in description["paths"].items():
        for verb, operation in verbs.items():
            yield (verb, path), operation


def validator(description: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for({"components": description["components"], **schema}, validate_formats=True)


def test_every_answer_has_an_example_that_fits_its_schema(described: dict[str, Any]) -> None:
    number = 0
    for name, operation in operations(described):
        for status, answer in operation["responses"].items():
            content = answer["content"]["application/json"]
            assert "example" in content, (name, status)
            errors = list(validator(described, content["schema"]).iter_errors(content["example"]))
            assert errors == [], (name, status)
            assert answer["description"], (name, status)
            number += 1
    assert number > 50


def test_every_body_has_examples_that_fit_its_schema(described: dict[str, Any]) -> None:
    with_body = {name: it["requestBody"] for name, it in operations(described) if "requestBody" in it}
    assert set(with_body) == WITH_BODY
    for name, body in with_body.items():
        content = body["content"]["application/json"]
        assert content["examples"], name
        for title, example in content["examples"].items():
            errors = list(validator(described, content["schema"]).iter_errors(example["value"]))
            assert errors == [], (name, title)


def test_every_route_tells_each_status_that_it_may_answer(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        expected = {"200"}
        expected |= set() if name in PROBES else {"401", "403"}
        expected |= {"503"} if name in SOMETIMES_NOT else set()
        expected |= {"413"} if name in WITH_BODY else set()
        expected |= {"422"} if name in CHECKED else set()
        expected |= {"409"} if name == ("put", "/control") else set()
        expected |= {"404"} if name == ("post", "/resume") else set()
        assert set(operation["responses"]) == expected, name


def test_every_route_has_a_group_a_summary_and_a_sentence(described: dict[str, Any]) -> None:
    groups = {tag["name"] for tag in described["tags"]}
    for name, operation in operations(described):
        assert set(operation["tags"]) <= groups, name
        assert operation["summary"], name
        assert operation["description"].endswith("."), (name, operation["description"])
    assert all(tag["description"] for tag in described["tags"])
    assert HEADER in described["info"]["description"]


def test_the_probes_ask_for_no_key_and_the_others_do(described: dict[str, Any]) -> None:
    assert {name for name, operation in operations(described) if "security" not in operation} == PROBES


def test_without_keys_none_is_described(tmp_path: Path) -> None:
    client = Client(control_api(alone(tmp_path)))
    described = client.ask("GET", "/openapi.json").json
    client.close()
    for name, operation in operations(described):
        assert "security" not in operation, name
        assert not {"401", "403"} & set(operation["responses"]), name


MODELS: dict[tuple[str, str], type[Any]] = {
    ("put", "/control"): ControlDocument,
    ("post", "/flatten"): FlattenRequest,
    ("post", "/throttle"): ThrottleRequest,
    ("post", "/resume"): ResumeRequest,
}


def test_examples_are_messages_of_the_contract(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        if name in WITH_BODY:
            for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
                MODELS[name].model_validate(example["value"])
    control = described["paths"]["/control"]
    for verb in ("get", "put"):
        example = control[verb]["responses"]["200"]["content"]["application/json"]["example"]
        assert ControlReport.model_validate(example).model_dump(mode="json", by_alias=True) == example
    refusal = control["put"]["responses"]["409"]["content"]["application/json"]["example"]
    assert Refusal.model_validate(refusal).held.applied_generation == 3
