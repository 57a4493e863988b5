"""F32: thousands of requests, right and wrong, made from the API's own description by schemathesis.

None makes the pod fail, every answer is what the description promises, and what is refused changes nothing: neither
what GET /control says nor anything at the venue.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.strategy.asgi import Reply
from tests.strategy.watched import WatchedPod

SEED = 20260302
CASES = 360
"""For each route that takes something, right ones and wrong ones each: 5,040 together."""
FRESH = 60
"""Requests after which a new pod takes over, so that documents aren't all older than one that came early."""

CONFORM = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
TOLERANT = {"PUT /control"}
"""Takes what it can read of a newer or damaged document: a kill gets through."""
RELATED = {"GET /history"}
"""Refuses what fits the schema field by field: an end before the start, a year 30000."""
WITH_INPUT = (
    "GET /history",
    "GET /fills",
    "GET /audit",
    "PUT /control",
    "POST /flatten",
    "POST /throttle",
    "POST /resume",
)


class Pods:
    """One pod after the other."""

    def __init__(self) -> None:
        self._pod = WatchedPod()
        self._asked = 0

    def close(self) -> None:
        self._pod.close()

    def latch(self) -> str | None:
        """Id of a latch that stands."""
        latches = self._pod.rig.strategy.report().latches
        return latches[0].id if latches else None

    def ask(self, request: requests.PreparedRequest) -> Reply:
        """Send a request as it is."""
        self._asked += 1
        if self._asked % FRESH == 0:
            self._pod.close()
            self._pod = WatchedPod()
        url = urlsplit(str(request.url))
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else bytes(body)
        return self._pod.ask(str(request.method), unquote(url.path), data, dict(request.headers), url.query)


@pytest.fixture
def pods() -> Iterator[Pods]:
    pods = Pods()
    yield pods
    pods.close()


def operations() -> list[Any]:
    """The routes of a pod's description."""
    pod = WatchedPod()
    description = pod.ask("GET", "/openapi.json").json
    pod.close()
    return [result.ok() for result in schemathesis.openapi.from_dict(description).get_all_operations()]


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", WITH_INPUT)
def test_f32_no_request_made_from_the_description_fails_or_changes_what_it_may_not(
    pods: Pods, label: str, mode: GenerationMode
) -> None:
    print(f"seed {SEED}")
    operation = next(found for found in operations() if found.label == label)
    checks = list(CONFORM)
    if label not in TOLERANT:
        checks.append(negative_data_rejection)
    if label not in RELATED:
        checks.append(positive_data_acceptance)
    found: Counter[int] = Counter()

    @seed(SEED)
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode), aimed=st.booleans())
    def send(case: Case, aimed: bool) -> None:
        if aimed and label == "POST /resume" and mode is GenerationMode.POSITIVE:
            pods.ask(_flatten())
            case.body = {"id": pods.latch()}
        request = _prepared(case)
        reply = pods.ask(request)
        found[reply.status] += 1
        case.validate_response(_response(reply, request), checks=checks)

    send()
    print(dict(found))
    assert sum(found.values()) >= CASES
    if mode is GenerationMode.NEGATIVE:
        assert found[422] > CASES / 2
    else:
        assert found[200] > CASES / 20, "hardly any request got through"


def test_every_route_that_takes_something_is_fuzzed() -> None:
    found = {operation.label: operation for operation in operations()}
    with_input = {
        label for label, it in found.items() if it.body or it.query or it.path_parameters or it.headers or it.cookies
    }
    assert with_input == set(WITH_INPUT)
    assert len(WITH_INPUT) * len(GenerationMode) * CASES >= 5_000


def _flatten() -> requests.PreparedRequest:
    return requests.Request("POST", "http://pod/flatten", json={"side": "both"}).prepare()


def _prepared(case: Case) -> requests.PreparedRequest:
    wanted = case.as_transport_kwargs(base_url="http://pod")
    taken = {"method", "url", "headers", "params", "json", "data", "cookies", "files"}
    return requests.Request(**{name: value for name, value in wanted.items() if name in taken}).prepare()


def _response(reply: Reply, request: requests.PreparedRequest) -> Response:
    headers = {name: [value] for name, value in reply.headers.items()}
    return Response(reply.status, headers, reply.body, request, elapsed=0.0, verify=False)
