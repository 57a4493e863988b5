"""F32: bodies, headers and query strings that somebody thought of, not a generator. `WatchedPod` sees to it that each
refusal is a sentence and changes nothing."""

import json
from collections.abc import Iterator

import pytest

from naut_hedgegrid.ops.bodies import LARGEST_BODY
from tests.strategy.asgi import JSON
from tests.strategy.watched import WatchedPod

ROUTES = {
    ("PUT", "/control"): b'{"uid":"uid-1","generation":1,"killSwitch":"flattenBoth","throttle":0.5}',
    ("POST", "/flatten"): b'{"side":"both"}',
    ("POST", "/throttle"): b'{"throttle":0.5}',
    ("POST", "/resume"): b'{"id":"op-1"}',
}
"""Routes with a body that would be taken (or find no latch)."""
DEEP = 40_000


def spoiled(body: bytes) -> dict[str, bytes]:
    """Bodies made of a good one that are to be refused, by what is wrong with them."""
    inner = body[1:-1]
    return {
        "empty": b"",
        "spaces": b"   ",
        "cut off": body[:-1],
        "twice": body + body,
        "trailing": body + b"x",
        "comment": body[:-1] + b"/* */}",
        "single quotes": body.replace(b'"', b"'"),
        "null": b"null",
        "list": b"[" + body + b"]",
        "text": json.dumps(body.decode()).encode(),
        "number": b"1",
        "deep lists": b"[" * DEEP + b"]" * DEEP,
        "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "deep in an unknown field": body[:-1] + b',"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
        "too many digits": body[:-1] + b',"x":' + b"9" * 5_000 + b"}",
        "name twice": body[:-1] + b"," + inner + b"}",
        "unknown name twice": body[:-1] + b',"x":1,"x":2}',
        "name twice further in": body[:-1] + b',"x":{"y":1,"y":2}}',
        "invalid UTF-8": body[:-1] + b',"x":"\xff\xfe"}',
        "overlong UTF-8": body[:-1] + b',"x":"\xc0\xaf"}',
        "UTF-16": body.decode().encode("utf-16"),
        "UTF-32": body.decode().encode("utf-32"),
        "byte order mark": b"\xef\xbb\xbf" + body,
        "half a surrogate pair": body[:-1] + b',"x":"\\ud800"}',
        "half a surrogate pair as a name": body[:-1] + b',"\\udfff":1}',
        "raw control character": body[:-1] + b',"x":"\x00"}',
    }


WRONG_VALUES = {
    ("PUT", "/control"): {
        "uid": ("", None, 5, True, ["uid-1"], {}),
        "generation": (-1, None, "1", True, 1.5, [1], {}, 2**53, 10**400),
        "epoch": (-1, "0", True, 0.5, 10**30),
        "rearm": (-1, "0", True, 2**64),
        "killSwitch": (None, 5, True, ["flattenBoth"], {"value": "flattenBoth"}),
        "throttle": (-0.1, 1.1, "0.5", True, None, [], {}, 10**400),
        "rearmLatches": ("op-1", 5, {"a": 1}, [5], [None]),
        "deletion": (None, 5, True, ["Flatten"], {"policy": "Flatten"}),
    },
    ("POST", "/flatten"): {
        "side": (
            "",
            "LONG",
            "Both",
            " both",
            "both\x00",
            "bοth",
            None,
            5,
            True,
            ["both"],
            {"side": "both"},
            "x" * 99_999,
        ),
        "reason": (5, True, ["a"], {"a": 1}),
    },
    ("POST", "/throttle"): {"throttle": (-1e-9, 1.0000001, -1, 2, "0.5", "", True, False, None, [], {}, 10**400)},
    ("POST", "/resume"): {
        "id": (None, 5, True, ["op-1"], {}, "x" * 254),
        "side": ("LONG", "", None, 5, True, ["both"]),
    },
}
"""By route and field; the others stay as they are."""


@pytest.fixture(scope="module")
def pod() -> Iterator[WatchedPod]:
    pod = WatchedPod()
    yield pod
    pod.close()


@pytest.mark.parametrize("what", spoiled(b"{}"))
@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_f32_a_body_without_one_reading_is_refused(pod: WatchedPod, verb: str, path: str, what: str) -> None:
    reply = pod.ask(verb, path, spoiled(ROUTES[verb, path])[what])
    assert reply.status == 422
    assert reply.json["detail"].endswith("nothing was changed")


@pytest.mark.parametrize(
    ("verb", "path", "field", "value"),
    [
        (verb, path, field, value)
        for (verb, path), fields in WRONG_VALUES.items()
        for field, values in fields.items()
        for value in values
    ],
)
def test_f32_a_wrong_value_is_refused_and_named(
    pod: WatchedPod, verb: str, path: str, field: str, value: object
) -> None:
    body = json.dumps({**json.loads(ROUTES[verb, path]), field: value}).encode()
    reply = pod.ask(verb, path, body)
    assert reply.status == 422
    assert field in reply.json["detail"]


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
@pytest.mark.parametrize("path", ["/throttle", "/control"])
def test_f32_numbers_that_are_none_are_refused(pod: WatchedPod, path: str, constant: bytes) -> None:
    verb = "PUT" if path == "/control" else "POST"
    for field in (b"throttle", b"generation") if path == "/control" else (b"throttle",):
        names = {b"uid": b'"uid-1"', b"generation": b"1", field: constant}
        body = b"{" + b",".join(b'"' + name + b'":' + value for name, value in names.items()) + b"}"
        reply = pod.ask(verb, path, body)
        assert reply.status == 422
        assert field.decode() in reply.json["detail"]


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_f32_a_body_that_is_too_large_is_refused_before_it_is_read(pod: WatchedPod, verb: str, path: str) -> None:
    good = ROUTES[verb, path]
    huge = good[:-1] + b',"x":"' + b"x" * LARGEST_BODY + b'"}'
    for headers in (JSON, {**JSON, "content-length": str(len(huge))}, {**JSON, "content-length": str(10**12)}):
        assert pod.ask(verb, path, huge, headers).status == 413
    endless = [huge[at : at + 50_000] for at in range(0, len(huge), 50_000)]
    assert pod.ask(verb, path, endless).status == 413


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_f32_a_body_that_isnt_declared_as_json_is_refused(pod: WatchedPod, verb: str, path: str) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "json",
        "\xff",
    ):
        reply = pod.ask(verb, path, ROUTES[verb, path], {"content-type": kind})
        assert reply.status == 422
        assert "Content-Type: application/json" in reply.json["detail"]
    assert pod.ask(verb, path, ROUTES[verb, path], {}).status == 422


def test_f32_an_unknown_switch_halts_entries_and_what_is_unknown_beside_it_is_ignored() -> None:
    pod = WatchedPod()
    body = {"uid": "uid-1", "generation": 1, "killSwitch": "flattenTheMoon", "fleet": {"of": [1, 2]}}
    assert pod.ask("PUT", "/control", json.dumps(body).encode()).status == 200
    report = pod.report
    assert report["killSwitch"]["desired"] == "haltEntries"
    assert {leg["level"] for leg in report["killSwitch"]["legs"].values()} == {"halted"}
    pod.close()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=1e3",
        "limit=NaN",
        "limit=" + "9" * 5_000,
        "limit=",
        "limit=%00",
        "limit=%ff%fe",
        "limit=5;drop",
        b"limit=\xff\xfe",
    ],
)
@pytest.mark.parametrize("path", ["/history", "/fills", "/audit"])
def test_f32_a_limit_out_of_range_is_refused(pod: WatchedPod, path: str, query: str | bytes) -> None:
    reply = pod.ask("GET", path, query=query)
    assert reply.status == 422
    assert "limit" in reply.json["detail"]


@pytest.mark.parametrize("cursor", ["0", "-1", "x", "1.5", "", str(2**63), "9" * 5_000, "1'%20or%201=1"])
@pytest.mark.parametrize("path", ["/fills", "/audit"])
def test_f32_a_cursor_that_is_none_is_refused(pod: WatchedPod, path: str, cursor: str) -> None:
    reply = pod.ask("GET", path, query=f"before={cursor}")
    assert reply.status == 422
    assert "before" in reply.json["detail"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("resolution=5m", "resolution"),
        ("resolution=", "resolution"),
        ("start=yesterday", "start"),
        ("start=2026-01-01T00:00:00", "start"),
        ("start=1e300", "start"),
        ("start=NaN", "start"),
        ("end=" + "9" * 5_000, "end"),
        ("end=1969-12-31T00:00:00Z", "before end"),
        ("start=9999-12-31T23:59:59Z", "before end"),
        ("start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "before end"),
    ],
)
def test_f32_a_span_that_is_none_is_refused(pod: WatchedPod, query: str, named: str) -> None:
    reply = pod.ask("GET", "/history", query=query)
    assert reply.status == 422
    assert named in reply.json["detail"]


def test_f32_a_span_at_the_ends_of_time_is_empty(pod: WatchedPod) -> None:
    for query in ("start=0001-01-01T00:00:00Z&end=9999-12-31T23:59:59Z&resolution=1d", "start=0&end=1"):
        reply = pod.ask("GET", "/history", query=query)
        assert reply.status == 200
        assert reply.json["points"] == []
    assert pod.ask("GET", "/fills", query=f"before={2**63 - 1}").status == 200


@pytest.mark.parametrize("path", ["/status", "/livez", "/readyz", "/control", "/ladders", "/history"])
def test_f32_long_query_strings_and_headers_change_nothing(pod: WatchedPod, path: str) -> None:
    headers = {"x-a": "a" * 60_000, "cookie": "b=" + "c" * 60_000, "x-api-key": b"\xff" * 60_000}
    assert pod.ask("GET", path, headers=headers, query="x=" + "y" * 60_000).status == 200
    assert pod.ask("GET", path, query="&".join(f"x{number}=1" for number in range(5_000))).status == 200


@pytest.mark.parametrize(
    "path", ["/" + "x" * 60_000, "/control/", "//control", "/control/../status", "/%00", "/\udcff", "/status;x=1", ""]
)
def test_f32_paths_that_are_none_get_a_sentence(pod: WatchedPod, path: str) -> None:
    for verb in ("GET", "PUT", "POST"):
        reply = pod.ask(verb, path, b"{}")
        assert reply.status == 404
        assert "/docs lists the routes" in reply.json["detail"]


@pytest.mark.parametrize("verb", ["DELETE", "PATCH", "TRACE", "OPTIONS", "HEAD", "BREW", "get"])
def test_f32_verbs_that_a_route_doesnt_take_are_refused(pod: WatchedPod, verb: str) -> None:
    for path in ("/control", "/flatten", "/status", "/audit"):
        assert pod.ask(verb, path, ROUTES["POST", "/flatten"]).status == 405


def test_f32_a_reason_of_any_length_keeps_no_flatten_from_being_carried_out() -> None:
    pod = WatchedPod()
    reply = pod.ask("POST", "/flatten", json.dumps({"side": "both", "reason": "x" * 200_000}).encode())
    assert reply.status == 200
    assert pod.report["killSwitch"]["effective"] == "flattenBoth"
    [line] = pod.ask("GET", "/audit").json["entries"]
    assert len(line["why"]) == 1_000
    pod.close()
