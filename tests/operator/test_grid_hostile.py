"""F32: hostile pods and hostile objects: one grid's trouble costs another nothing, and kills get through all the same.

The pods are played by the farm. Figures are printed, never asserted: what is asserted is what came, and in which order.
"""

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.farm.server import Fault
from tests.kube import ApiError, Cluster, wait_until
from tests.operator.fleet_parts import Fleet
from tests.operator.grid_parts import API, Grid, condition

BOTH = "flattenBoth"
GRIDS = 90
GOOD = "grid-0"
HOSTILE = {f"grid-{10 + number}": fault for number, fault in enumerate(Fault) if fault is not Fault.NONE}
SILENT = [f"grid-{number}" for number in range(20, GRIDS)]
"""More than the calm lane has places."""


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stranger(fleet_cluster: Cluster) -> str:
    """A namespace that is watched, too, and in which somebody else works."""
    name = f"strangers-{secrets.token_hex(4)}"
    fleet_cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    fleet_cluster.api.wait("v1", "ServiceAccount", "default", name, lambda _: True)
    return name


@pytest.fixture(scope="module")
def shared_fleet(fleet_cluster: Cluster, stranger: str) -> Iterator[Fleet]:
    found = Fleet(fleet_cluster)
    try:
        both = {"HEDGEGRID_OPERATOR_WATCH_NAMESPACES": f"{found.namespace},{stranger}"}
        found.lead(found.operator("operator", **both, HEDGEGRID_OPERATOR_LOG_LEVEL="DEBUG"))
        found.grow(GRIDS)
        yield found
    finally:
        found.close()


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    """All grids well before and after."""
    yield shared_fleet
    shared_fleet.farm.afflict(list(shared_fleet.grids), Fault.NONE)


def kill_and_release(fleet: Fleet, name: str = GOOD) -> float:
    """Kill a good grid and let it go again; the milliseconds from the patch's answer until its pod got the document."""
    since = fleet.farm.counts()["documents"]
    fleet.grids[name].patch(killSwitch=BOTH)
    patched = time.time_ns()

    def arrived() -> int | None:
        return next(
            (
                found.at
                for found in fleet.farm.arrivals(since)
                if (found.pod, found.kill_switch) == (f"hedgegrid-{name}-0", BOTH)
            ),
            None,
        )

    at = wait_until(arrived, 60, f"the kill of {name}")
    fleet.grids[name].patch(killSwitch="none")
    fleet.wait_held([name], value="none")
    return (at - patched) / 1e6


def told(name: str, *figures: float) -> None:
    """A figure for whoever runs the file with -s."""
    found = sorted(figures)
    print(f"{name}: median {found[len(found) // 2]:.1f} ms, worst {found[-1]:.1f} ms")


def everything_shown(fleet: Fleet) -> str:
    """All that a person or a program may read: statuses, Events, the operator's log and metrics."""
    events = fleet.cluster.api.list("events.k8s.io/v1", "Event", fleet.namespace)
    statuses = [found.get("status") for found in fleet.objects().values()]
    operator = fleet.newest
    return json.dumps([events, statuses]) + operator.process.log() + (operator.probe("/metrics") or "")


def test_pods_that_answer_with_anything_but_a_report_are_told_and_leak_nothing(fleet: Fleet) -> None:
    for name, fault in HOSTILE.items():
        fleet.farm.afflict([name], fault)
    fleet.patch(list(HOSTILE), throttle=0.5)
    reasons = {}
    for name, fault in HOSTILE.items():
        found = wait_until(lambda seen=name: _unreachable(fleet.grids[seen]), 60, f"{name} ({fault}) to be unreachable")
        reasons[fault] = found["message"]
        assert found["message"].isprintable()
        assert len(found["message"]) < 1_000
    assert "500" in reasons[Fault.ECHO]
    assert "307" in reasons[Fault.REDIRECT]
    assert "65536" in reasons[Fault.FLOOD]
    assert "no answer within" in reasons[Fault.DRIP]
    assert "another object" in reasons[Fault.ANOTHER]
    assert "not an answer of the control API" in reasons[Fault.NONSENSE]
    # The good ones are told apart from them: a kill gets through, and what was echoed stands nowhere.
    kill_and_release(fleet)
    shown = everything_shown(fleet)
    for name in HOSTILE:
        assert fleet.grids[name].key("operator") not in shown
    assert fleet.farm.counts()["elsewhere"] == 0
    fleet.farm.afflict(list(HOSTILE), Fault.NONE)
    fleet.wait_held(list(HOSTILE), "throttle", 0.5, timeout=120)


def _unreachable(grid: Grid) -> dict[str, Any] | None:
    found = condition((grid.get() or {}).get("status") or {}, "ControlReachable")
    return found if found.get("status") == "False" else None


def test_a_kill_isnt_behind_those_of_pods_that_dont_answer(fleet: Fleet) -> None:
    alone = [kill_and_release(fleet) for _ in range(10)]
    fleet.farm.afflict(SILENT, Fault.SILENT)
    since = fleet.farm.counts()["documents"]
    fleet.patch(SILENT, killSwitch=BOTH)
    beside = [kill_and_release(fleet) for _ in range(10)]
    arrived = {found.pod for found in fleet.farm.arrivals(since)}
    assert arrived == {f"hedgegrid-{GOOD}-0"}
    # What isn't urgent goes on for the others, too.
    fleet.patch(["grid-1", "grid-2"], throttle=0.25)
    fleet.wait_held(["grid-1", "grid-2"], "throttle", 0.25)
    assert {found.pod for found in fleet.farm.arrivals(since)} & {f"hedgegrid-{name}-0" for name in SILENT} == set()
    fleet.farm.afflict(SILENT, Fault.NONE)
    fleet.wait_held(SILENT, value=BOTH, timeout=120)
    fleet.patch(SILENT, killSwitch="none")
    fleet.wait_held(SILENT, value="none", timeout=120)
    told("kill alone", *alone)
    told(f"kill beside {len(SILENT)} silent pods with a kill each", *beside)


@contextmanager
def going_on(work: Callable[[int], object]) -> Iterator[Callable[[], int]]:
    """Repeats something until the end; gives how often it was done so far."""
    done, over = 0, threading.Event()

    def repeat() -> None:
        nonlocal done
        while not over.wait(0.02):
            with suppress(ApiError):
                work(done)
            done += 1

    with ThreadPoolExecutor(1) as pool:
        repeating = pool.submit(repeat)
        try:
            yield lambda: done
        finally:
            over.set()
            repeating.result(60)


def test_a_grid_that_is_patched_without_end_and_children_that_are_fought_over_cost_another_nothing(
    fleet: Fleet,
) -> None:
    flapping, fought = fleet.grids["grid-3"], fleet.grids["grid-4"]
    api = fleet.cluster.api
    alone = [kill_and_release(fleet) for _ in range(10)]

    def flap(turn: int) -> None:
        flapping.patch(throttle=(turn % 100) / 100, killSwitch=BOTH if turn % 2 else "none")

    def fight(turn: int) -> None:
        labels = {"app.kubernetes.io/component": f"taken-{turn}"}
        for version, kind in (("v1", "Service"), ("apps/v1", "StatefulSet"), ("v1", "ServiceAccount")):
            api.patch(version, kind, fought.child, fought.namespace, {"metadata": {"labels": labels}})

    with going_on(flap) as flaps, going_on(fight) as fights:
        wait_until(lambda: flaps() > 20 and fights() > 5, 60, "the trouble")
        beside = []
        for _ in range(10):
            before = flaps()
            beside.append(kill_and_release(fleet))
            wait_until(lambda before=before: flaps() > before, 60, "the trouble to go on")
        fought.wait_condition("Progressing", "ApplyConflict")
        fleet.wait_all("Ready", "Trading", ["grid-5", "grid-6"])
    told("kill alone", *alone)
    told("kill beside a flapping grid and children that are fought over", *beside)
    # It says what happened, and doesn't fill the cluster with it.
    events = api.list("events.k8s.io/v1", "Event", fleet.namespace)
    assert 0 < sum(event["regarding"]["name"] == flapping.name for event in events) <= 120
    flapping.patch(throttle=1, killSwitch="none")
    fleet.wait_held([flapping.name], "throttle", 1)


HUGE = "x" * 240_000
LATCH = {"id": "op-1", "source": "risk", "leg": "BOTH", "level": "flat", "since": "2026-03-01T11:00:00Z"}
UNSEEN = "\u202eevil\u2066\x1b[31m\n\r\x00\x07".replace("\x00", "")
OBJECTS: dict[str, dict[str, Any]] = {
    "huge annotations": {"metadata": {"annotations": {"example.com/a": HUGE}}},
    "a reason of many lines": {"metadata": {"annotations": {"hedgegrid.io/reason": UNSEEN + HUGE}}},
    "annotations of ours with garbage": {
        "metadata": {"annotations": {f"hedgegrid.io/{name}": UNSEEN for name in ("reconcile", "release", "rollout")}}
    },
    "many labels": {"metadata": {"labels": {f"example.com/{number}": "x" * 63 for number in range(2_000)}}},
    "finalizers of others": {"metadata": {"finalizers": ["hedgegrid.io/flatten", "example.com/a", "example.com/b"]}},
    "deep JSON in the pod": {"spec": {"pod": {"affinity": {"nodeAffinity": {"a": [[[[{"b": [{}] * 50}]]]]}}}}},
    "environment of any Unicode": {"spec": {"pod": {"env": [{"name": "A", "value": UNSEEN + "日本" * 5_000}]}}},
}
STATUSES: dict[str, Any] = {
    "latches of any kind": {"control": {"latches": [{"id": "x" * 900}] * 500 + [LATCH], "rearm": -7}},
    "a status without sense": {
        "phase": "Exploded",
        "conditions": [{"type": "Ready"}, {"type": UNSEEN, "status": "?", "message": UNSEEN}],
        "control": {
            "appliedGeneration": -1,
            "killSwitch": {"state": "?", "legs": {"long": {"quantity": "1e999999999"}}},
        },
        "telemetry": {"long": {"quantity": "NaN"}, "openOrders": -4},
    },
    "a status that says it is flat": {"phase": "Flat", "control": {"killSwitch": {"state": "Flat", "attempts": 2**60}}},
    "a status of a megabyte": {"conditions": [{"type": f"C{n}", "message": "m" * 30_000} for n in range(30)]},
}


CASES = [*OBJECTS, *STATUSES, "many managed fields"]


@pytest.mark.parametrize("what", CASES)
def test_beside_and_on_a_hostile_object_a_kill_gets_through(fleet: Fleet, what: str) -> None:
    name = f"grid-{20 + CASES.index(what)}"
    hostile, api = fleet.grids[name], fleet.cluster.api
    if what in OBJECTS:
        api.patch(API, "HedgeGrid", name, hostile.namespace, OBJECTS[what])
    elif what in STATUSES:
        api.patch(API, "HedgeGrid", name, hostile.namespace, {"status": STATUSES[what]}, "status")
    else:
        _write_by_many_managers(fleet, hostile)
    kill_and_release(fleet)
    generation = hostile.patch(killSwitch=BOTH)
    fleet.wait_held([name])
    found = hostile.wait(lambda seen: seen.get("observedGeneration") == generation, "its status")
    status = hostile.wait(lambda seen: seen.get("phase") == "Flat", "it to be flat")["status"]
    assert all(item["message"].isprintable() for item in status["conditions"] if item["type"] == "KillSwitchEngaged")
    assert status["control"]["killSwitch"]["state"] == "Flat"
    assert found["metadata"]["uid"] == hostile.uid
    hostile.delete()
    wait_until(lambda: _finished(hostile), 60, "its deletion")


def _finished(grid: Grid) -> bool:
    """Gone, but for what somebody else's finalizers hold."""
    found = grid.get()
    if found is not None and "hedgegrid.io/flatten" not in found["metadata"].get("finalizers", []):
        grid.cluster.api.patch(API, "HedgeGrid", grid.name, grid.namespace, {"metadata": {"finalizers": None}})
    return found is None


def _write_by_many_managers(fleet: Fleet, grid: Grid) -> None:
    """Each of them owns a label, and is named for as long as it does."""
    path = fleet.cluster.api.path(API, "HedgeGrid", grid.name, grid.namespace)
    for number in range(150):
        body = {
            "apiVersion": API,
            "kind": "HedgeGrid",
            "metadata": {"name": grid.name, "labels": {f"example.com/{number}": "x"}},
        }
        fleet.cluster.api.request(
            "PATCH", path, body, "application/apply-patch+yaml", fieldManager=f"manager-{number}", force="true"
        )


def test_what_somebody_else_labels_as_ours_is_neither_called_nor_adopted_nor_removed(
    fleet: Fleet, stranger: str
) -> None:
    api, grid = fleet.cluster.api, fleet.grids["grid-5"]
    labels = {"hedgegrid.io/uid": grid.uid}
    with socket.create_server(("127.0.0.77", 8080)) as listener:
        listener.setblocking(False)
        places = [(stranger, f"{grid.child}-0"), (stranger, "other"), (fleet.namespace, "other")]
        for namespace, name in places:
            about = {"name": name, "namespace": namespace, "labels": labels}
            container = {"name": "a", "image": "a"}
            spec = {"containers": [container], "automountServiceAccountToken": False}
            api.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
            address = {"podIP": "127.0.0.77", "podIPs": [{"ip": "127.0.0.77"}], "phase": "Running"}
            api.patch("v1", "Pod", name, namespace, {"status": address}, "status")
        sets = {
            "selector": {"matchLabels": labels},
            "serviceName": "a",
            "replicas": 0,
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}},
        }
        for uid in (grid.uid, "nobodys"):
            about = {"name": f"hedgegrid-{uid[:8]}", "namespace": stranger, "labels": {"hedgegrid.io/uid": uid}}
            api.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": about, "spec": sets})
        before = fleet.newest.process.log().count("kill delivered")
        for _ in range(3):
            kill_and_release(fleet, grid.name)
        wait_until(lambda: fleet.newest.process.log().count("kill delivered") >= before + 3, 30, "the kills' log lines")
        with pytest.raises(BlockingIOError):
            listener.accept()
    # Several rounds of the sweep later.
    assert fleet.newest.probe("/healthz") == "ok"
    assert len(api.list("apps/v1", "StatefulSet", stranger)) == 2
    assert {pod["metadata"]["name"] for pod in api.list("v1", "Pod", stranger)} == {f"{grid.child}-0", "other"}
    assert condition((grid.get() or {})["status"], "Ready")["reason"] == "Trading"
