"""F32: objects of any content. Nothing pure that reads them ever raises, and what comes out fits where it goes."""

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedgegrid_api.control import ControlDocument, Latch
from hedgegrid_api.risk import RiskLimits
from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_api.types import KillSwitch, LegLevel
from hedgegrid_operator.admit import Rival, Verdict, admit
from hedgegrid_operator.cache import Cache, Entry, target_of
from hedgegrid_operator.contention import taken_field
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.events import notes
from hedgegrid_operator.facts import Doing, Facts, Progress
from hedgegrid_operator.finalize import deletion_of, stage
from hedgegrid_operator.finalizer import is_on
from hedgegrid_operator.objects import HEDGE_GRID, POD, STATEFUL_SET, Json
from hedgegrid_operator.observed import controls_of, pod_of, stateful_set_of
from hedgegrid_operator.parting import awaited, last_words, overdue
from hedgegrid_operator.status import build, last_known_flat, loud, previous_status, written
from naut_hedgegrid.ops.bodies import LARGEST_BODY
from tests.unit.operator_parts import NOW, UID, grid, report

# What somebody may write where something else is expected.
_DEEP: Any = []
for _ in range(200):
    _DEEP = [_DEEP]
_VALUES: list[Any] = [
    *(
        "",
        "none",
        "flattenBoth",
        "True",
        "1e999999999",
        "NaN",
        "-1",
        "NO",
        "~",
        "\x1b[2J\u202e\n\x00",
        "é" * 9,
        "x" * 9_000,
    ),
    *(
        "\ud800",
        "2026-03-01T11:00:00Z",
        "9999-12-31T23:59:59+00:00",
        "0001-01-01T00:00:00+14:00",
        "²",
        "١٢",
        "9" * 5_000,
    ),
    *(None, True, False, 0, -1, 2, 2**53, 2**64, 10**400, -(10**30), 0.5, float("nan"), float("inf"), -0.0, 1e308),
    *([], {}, [[]], [{}], {"": {}}, [None], ["a", 1, {}], {"name": {}}, [{"name": []}], [{"type": "Ready"}], _DEEP),
    *(
        {"f:spec": []},
        [{"id": 5}],
        [{"time": 5, "fieldsV1": "f:spec"}],
        [{"name": "data"}],
        {"a" * 300: "b"},
        [1] * 1_000,
    ),
    *([{"type": "Ready", "status": "True"}] * 3, {"waiting": 5}, [{"state": []}], {"long": None, "short": 7}),
]
JSON = st.one_of(st.sampled_from(_VALUES), st.sampled_from(_VALUES), st.text(max_size=8), st.integers(), st.floats())
GRID = grid(
    metadata={
        "deletionTimestamp": "2026-03-01T11:59:00Z",
        "finalizers": ["hedgegrid.io/flatten"],
        "labels": {"a": "b"},
        "annotations": {
            "hedgegrid.io/reason": "drill",
            "hedgegrid.io/reconcile": "disabled",
            "hedgegrid.io/release": "orphan",
        },
        "managedFields": [
            {"manager": "kubectl", "time": "2026-03-01T11:00:00Z", "fieldsV1": {"f:spec": {"f:throttle": {}}}},
        ],
    },
    killSwitch="flattenLong",
    throttle=0.5,
    rearm=1,
    risk={"maxDrawdownPercent": 5},
    deletion={"policy": "Flatten", "timeoutSeconds": 30, "onTimeout": "Block"},
    storage={"ephemeral": True},
    pod={"env": [{"name": "A", "value": "b"}], "labels": {"x": "y"}, "volumes": [{"name": "v", "emptyDir": {}}]},
    sim={"seed": 1, "startPrice": "50000"},
)
GRID["status"] = {
    **written(
        HedgeGridStatus.model_validate(
            {
                "observedGeneration": 1,
                "phase": "Running",
                "podName": "hedgegrid-btc-0",
                "configHash": "0123456789",
                "conditions": [
                    {"type": name, "status": "True", "reason": "Is", "message": "so", "lastTransitionTime": NOW}
                    for name in ("Accepted", "PodReady", "Progressing", "ControlReachable")
                ],
            }
        )
    ),
    "control": {
        "bootID": "boot",
        "appliedGeneration": 1,
        "rearm": 0,
        "latches": [{"id": "op-1", "source": "risk", "leg": "BOTH", "level": "flat", "since": "2026-03-01T11:00:00Z"}],
        "trip": {
            "id": "op-1",
            "reason": "maxDrawdownPercent",
            "observed": "6",
            "limit": "5",
            "time": "2026-03-01T11:00:00Z",
        },
        "killSwitch": json.loads(report(KillSwitch.FLATTEN_LONG).kill_switch.model_dump_json(by_alias=True)),
    },
    "telemetry": {"long": {"quantity": "1"}, "short": {"quantity": "0"}, "openOrders": 3},
}
CHILD = {"name": "hedgegrid-btc-0", "namespace": "default", "uid": "pod-1", "resourceVersion": "7", "generation": 1}
CHILD_LABELS = {"labels": {"hedgegrid.io/uid": UID}, "annotations": {"hedgegrid.io/revision": "abc"}}
A_POD: Json = {
    "metadata": {**CHILD, **CHILD_LABELS},
    "spec": {"containers": [{"name": "strategy", "image": "image:1"}]},
    "status": {
        "podIP": "127.0.0.9",
        "reason": "Evicted",
        "message": "why",
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "PodScheduled", "status": "True", "message": ""}],
        "containerStatuses": [
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }
        ],
    },
}


def _places(node: Any, *here: Any) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    if isinstance(node, dict):
        return found + [place for name, value in node.items() for place in _places(value, *here, name)]
    if isinstance(node, list):
        return found + [place for index, value in enumerate(node) for place in _places(value, *here, index)]
    return found


def spoiled(base: Json) -> st.SearchStrategy[Json]:
    """`base` with other values, or none, in up to four places, wherever they are."""
    change = st.tuples(st.sampled_from(_places(base)), st.one_of(JSON, JSON, st.just(...)))

    packed = pickle.dumps(base)  # copies quickest

    def changed(changes: list[tuple[tuple[Any, ...], Any]]) -> Json:
        found: Json = pickle.loads(packed)
        for place, value in changes:
            node: Any = found
            for step in place[:-1]:
                node = node[step] if isinstance(node, dict | list) and _has(node, step) else None
            if isinstance(node, dict | list) and _has(node, place[-1]):
                if value is ...:
                    del node[place[-1]]
                else:
                    node[place[-1]] = value
        return found

    return st.lists(change, min_size=1, max_size=4).map(changed)


def _has(node: Any, step: Any) -> bool:
    return step in node if isinstance(node, dict) else isinstance(step, int) and step < len(node)


def anything(base: Json) -> st.SearchStrategy[Json]:
    bare = st.fixed_dictionaries({"metadata": JSON, "spec": JSON, "status": JSON})
    return st.one_of(spoiled(base), spoiled(base), spoiled(base), bare)


def cases(count: int) -> Any:
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@cases(1200)
@given(found=anything(GRID))
def test_controls_are_read_from_any_object_and_their_document_fits_a_pod(found: Json) -> None:
    controls = controls_of(found)
    if not controls.ref.uid:
        return  # no object of the API server's
    assert 0 <= controls.throttle <= 1
    assert controls.generation >= 0
    document = plan.document(controls, epoch=1, rearm_latches=controls.shown_latches, report=None)
    body = document.model_dump_json(by_alias=True)
    assert ControlDocument.model_validate_json(body).kill_switch is controls.kill_switch
    assert len(body) < LARGEST_BODY
    for held in (None, report(), report(KillSwitch.FLATTEN_BOTH)):
        plan.urgency(document, held)
    target_of(found)
    is_on(Entry(found, controls))


@cases(800)
@given(found=anything(A_POD))
def test_any_pod_and_stateful_set_is_read(found: Json) -> None:
    view = pod_of(found)
    assert view.ip is None or set(view.ip) <= set("0123456789abcdef.:")
    assert view.message.isprintable()
    stateful_set_of(found)
    taken_field(found, {"spec": {"replicas": 1}, "metadata": {}})


@cases(800)
@given(found=anything(GRID))
def test_any_status_is_read_and_what_is_right_in_it_stands(found: Json) -> None:
    status = previous_status(found)
    assert previous_status({"status": written(status)}) == status
    loud(status)
    last_known_flat(None, status)


def test_one_wrong_part_of_a_status_takes_nothing_else_with_it() -> None:
    """Were all of it lost, a grid that once ran would be let go unflattened."""
    for place in _places(GRID["status"]):
        if place[0] in {"configHash", "observedGeneration"}:
            continue
        found = copy.deepcopy(GRID)
        node: Any = found["status"]
        for step in place[:-1]:
            node = node[step]
        node[place[-1]] = [{"wrong": ["type"]}]
        status = previous_status(found)
        assert (status.config_hash, status.observed_generation) == ("0123456789", 1)
        assert len(status.conditions) >= 3 or place == ("conditions",)


@cases(700)
@given(found=anything(GRID), other=anything(GRID))
def test_any_object_is_judged(found: Json, other: Json) -> None:
    controls = controls_of(found)
    own = Rival(controls.ref, controls.created, has_children=False, valid=True)
    theirs = Rival(controls_of(other).ref, controls_of(other).created, has_children=False, valid=True)
    verdict = admit(found, own, [theirs])
    assert verdict.message
    assert len(verdict.message) < 20_000


@cases(700)
@given(found=anything(GRID), ran=st.booleans(), verified=st.booleans())
def test_any_deletion_is_read(found: Json, ran: bool, verified: bool) -> None:
    controls = controls_of(found)
    if controls.deleted is None:
        return
    entry = Entry(found, controls)
    deletion = deletion_of(entry, ran=ran, verified=verified)
    where = stage(deletion, NOW)
    assert last_words(entry, deletion, where, None)
    assert awaited(entry, deletion.policy)
    assert overdue(entry, None, "it waits")


@cases(1000)
@given(
    found=anything(GRID), pod=anything(A_POD), held=st.sampled_from([None, KillSwitch.NONE, KillSwitch.FLATTEN_BOTH])
)
def test_a_status_is_built_from_anything_and_can_be_written(found: Json, pod: Json, held: KillSwitch | None) -> None:
    controls, before, link = controls_of(found), previous_status(found), Link()
    if not controls.ref.uid:
        return
    link.report = None if held is None else report(held)
    facts = Facts(
        now=NOW,
        controls=controls,
        previous=before,
        verdict=Verdict(*_judged(found)),
        progress=Progress(Doing.IDLE, "idle"),
        document=plan.document(controls, epoch=1, rearm_latches=(), report=link.report),
        link=link,
        pod=pod_of(pod),
        config_hash=before.config_hash,
        deletion="going" if controls.deleted else None,
    )
    status = build(facts)
    text = json.dumps(written(status), allow_nan=False)
    assert len(text) < 100_000
    assert all(item.message.isprintable() for item in status.conditions)
    list(notes(before, status, by=controls.by.manager, now=NOW))


def _judged(found: Json) -> tuple[Any, str]:
    controls = controls_of(found)
    verdict = admit(found, Rival(controls.ref, controls.created, has_children=False, valid=True), [])
    return verdict.reason, verdict.message


@cases(500)
@given(events=st.lists(st.tuples(st.sampled_from([HEDGE_GRID, POD, STATEFUL_SET]), anything(GRID)), max_size=4))
def test_the_cache_takes_any_object(events: list[tuple[Any, Json]]) -> None:
    cache = Cache()
    for kind, obj in events:
        uid, _ = cache.observe(kind, obj)
        cache.rivals(uid)
        cache.pod(uid)
        cache.observe(kind, obj, deleted=True)


def test_a_status_full_of_latches_never_makes_a_document_too_large_for_a_pod() -> None:
    """A megabyte of them, each as long as a text may be, beside a reason of a quarter of a megabyte."""
    found = copy.deepcopy(GRID)
    latch = {**GRID["status"]["control"]["latches"][0], "message": "m" * 1024, "reason": "r" * 1024, "id": "i" * 1024}
    found["status"]["control"]["latches"] = [{**latch, "id": f"{index}{'i' * 900}"} for index in range(5_000)]
    found["metadata"]["annotations"]["hedgegrid.io/reason"] = "\n" * 250_000
    found["metadata"]["managedFields"] *= 5_000
    found["spec"]["risk"] = {f"field{index}": "\u202e" * 1_000 for index in range(1_000)}
    controls = controls_of(found)
    document = plan.document(controls, epoch=1, rearm_latches=controls.shown_latches, report=None)
    assert document.kill_switch is KillSwitch.FLATTEN_LONG
    assert len(document.model_dump_json(by_alias=True)) < LARGEST_BODY


@pytest.mark.parametrize(
    "address", ["evil.example", "1.2.3.4/..", "1.2.3.4#", "user@1.2.3.4", "1.2.3.4:80", 7, [], "", "::1%eth0/"]
)
def test_a_key_is_sent_to_nothing_but_an_ip_address(address: object) -> None:
    assert pod_of({"status": {"podIP": address}}).ip is None


def test_thousands_of_managed_fields_and_a_huge_object_are_no_trouble() -> None:
    entry = {
        "manager": "m" * 128,
        "time": "2026-03-01T11:00:00Z",
        "fieldsV1": {"f:spec": {f"f:{n}": {} for n in range(5)}},
    }
    found = copy.deepcopy(GRID)
    found["metadata"]["managedFields"] = [entry] * 5_000
    found["metadata"]["annotations"] |= {f"example.com/{n}": "x" * 1_000 for n in range(250)}
    cache = Cache()
    uid, _ = cache.observe(HEDGE_GRID, found)
    kept = cache.grid(uid)
    assert kept is not None
    # What is kept of it for as long as the object lives is what we read.
    assert len(json.dumps(kept.obj)) < 10_000
    assert kept.controls.by.manager == "m" * 128


def test_limits_and_latches_that_can_be_read_are_what_they_were() -> None:
    controls = controls_of(GRID)
    assert controls.risk == RiskLimits.model_validate({"maxDrawdownPercent": 5})
    since = datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert controls.latches == (Latch(id="op-1", source="risk", leg="BOTH", level=LegLevel.FLAT, since=since),)
