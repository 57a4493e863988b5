"""A kill isn't lost by the watch, nor held up by whatever else is between the operator and the API server.

The pods are played by the farm, which takes documents and watches nothing: what gets there came by the operator.
"""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.kube import wait_until
from tests.kube.api_proxy import Answer, ApiProxy, Call, watches, writes
from tests.kube.installation import Operator
from tests.operator.fleet_parts import SHIPPED, Fleet
from tests.operator.grid_parts import kill_of

pytestmark = pytest.mark.timeout(600)
BOTH = "flattenBoth"
_CHANCES = 3
LEASE_TIMES = {name: value for name, value in SHIPPED.items() if not name.endswith("_INTERVAL")}
GONE = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Expired",
    "code": 410,
    "message": "too old",
}


def lists(call: Call) -> bool:
    """LISTs of grids."""
    return call.method == "GET" and not call.watch and call.path.endswith("/hedgegrids")


def grid_watches(call: Call) -> bool:
    """Streams of events of grids."""
    return call.watch and call.path.endswith("/hedgegrids")


@pytest.fixture(scope="module")
def behind(fleet: Fleet) -> Iterator[tuple[Operator, ApiProxy]]:
    """The only operator, that leads with the Lease times that it ships with, and the proxy that it is behind."""
    with ApiProxy(fleet.cluster) as proxy:
        yield fleet.lead(fleet.operator("behind", proxy, **LEASE_TIMES)), proxy


@pytest.fixture
def proxy(behind: tuple[Operator, ApiProxy]) -> Iterator[ApiProxy]:
    """The proxy, which lets everything pass; the watch through it works."""
    _, found = behind
    wait_until(lambda: any(call.status == 200 for call in found.calls if grid_watches(call)), 60, "the watch")
    yield found
    found.heal()


@pytest.fixture
def operator(behind: tuple[Operator, ApiProxy], proxy: ApiProxy) -> Iterator[Operator]:
    """The operator; nothing of it may have failed."""
    found, _ = behind
    yield found
    assert found.process.running
    assert [event for event in found.events() if "hedgegrid" in event["logger"] and "exception" in event] == []


def the_watch_delivers(fleet: Fleet, proxy: ApiProxy) -> None:
    """A kill arrives although no LIST can be read.

    Watches that are still ending, of a fault before, begin anew with a LIST: those get another chance.
    """
    for _ in range(_CHANCES):
        (name,) = fleet.take(1)
        proxy.freeze(lists)
        fleet.grids[name].patch(killSwitch=BOTH)
        try:
            fleet.wait_held([name], timeout=20)
        except TimeoutError:
            proxy.heal()
            fleet.wait_held([name])
        else:
            proxy.heal()
            return
    pytest.fail("what the watches should tell arrives by LISTs only")


def test_a_silent_watch_costs_a_resync_interval_at_most(fleet: Fleet, proxy: ApiProxy, operator: Operator) -> None:
    """F29: accepted, and no event comes any more."""
    proxy.freeze(watches)
    (name,) = fleet.take(1)
    fleet.grids[name].patch(killSwitch=BOTH)
    fleet.wait_held([name])
    assert operator.probe("/healthz") == "ok"
    proxy.heal()
    fleet.wait_all("Ready", "Flat", [name])
    the_watch_delivers(fleet, proxy)


def test_a_watch_that_is_dead_is_replaced(fleet: Fleet, proxy: ApiProxy, operator: Operator) -> None:
    """F29: its connection stays, and nothing comes by it; long before any time-out another one takes its place."""
    calls = proxy.calls
    dead = {id(call) for call in calls if call.watch}
    proxy.freeze(lambda call: id(call) in dead)
    missed, told = fleet.take(2)
    fleet.grids[missed].patch(killSwitch=BOTH)
    fleet.wait_held([missed])
    wait_until(lambda: any(map(grid_watches, proxy.calls[len(calls) :])), 60, "a new watch")
    wait_until(lambda: "they are started again" in operator.process.log(), 10, "a line about it")
    proxy.freeze(lambda call: id(call) in dead or lists(call))
    fleet.grids[told].patch(killSwitch=BOTH)
    fleet.wait_held([told])
    proxy.heal()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(410, json.dumps(GONE).encode()), id="instead of a watch"),
        pytest.param(Answer(200, json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n"), id="in the watch"),
    ],
)
def test_an_expired_watch_starts_again(fleet: Fleet, proxy: ApiProxy, operator: Operator, answer: Answer) -> None:
    """F30: 410, the version is too old."""
    begun = len(proxy.calls)
    proxy.answer(answer, watches)
    proxy.cut()
    (name,) = fleet.take(1)
    fleet.grids[name].patch(killSwitch=BOTH)
    fleet.wait_held([name])
    # The first kind that is refused ends the watches of all; that of grids, the longest list, may not get so far.
    wait_until(lambda: sum(map(watches, proxy.calls[begun:])) > 3, 60, "the watches to be tried again")
    proxy.heal()
    healed = len(proxy.calls)
    wait_until(lambda: any(map(grid_watches, proxy.calls[healed:])), 60, "a new watch")
    the_watch_delivers(fleet, proxy)


def test_a_slow_api_server_slows_no_kill(fleet: Fleet, proxy: ApiProxy, operator: Operator) -> None:
    """F30: each request takes 1 to 3 s."""
    proxy.delay(1, 3)
    epoch = operator.epoch
    first, second = fleet.take(2)
    fleet.grids[first].patch(throttle=0.5)
    fleet.grids[second].patch(killSwitch=BOTH)
    fleet.wait_held([second])
    fleet.wait_held([first], "throttle", 0.5)
    fleet.wait_all("Ready", "Flat", [second])
    assert operator.epoch == epoch
    proxy.heal()
    wait_until(lambda: operator.leading, 60, "the operator to be ready: a LIST takes longer than it may, so far")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(429, b'{"reason": "TooManyRequests"}', (("Retry-After", "1"),)), id="too many requests"),
        pytest.param(Answer(500, b'{"reason": "InternalError"}'), id="internal error"),
    ],
)
def test_refused_writes_hold_up_no_kill_and_make_no_storm(
    fleet: Fleet, proxy: ApiProxy, operator: Operator, answer: Answer
) -> None:
    """F30."""
    names = fleet.take(8)
    begun = len(proxy.calls)
    proxy.answer(answer, writes)
    fleet.patch(names[1:], throttle=0.5)
    fleet.grids[names[0]].patch(killSwitch=BOTH)
    fleet.wait_held(names[:1])
    fleet.wait_held(names[1:], "throttle", 0.5)

    def tries() -> Counter[str]:
        return Counter(call.path for call in proxy.calls[begun:] if writes(call) and call.path.endswith("/status"))

    wait_until(lambda: max(tries().values(), default=0) >= 6, 60, "six tries at a status")
    # Each pause is twice the one before: nobody is far ahead of the others, and six tries took 6 s at least.
    assert max(tries().values()) <= 7
    assert kill_of((fleet.grids[names[0]].get() or {})["status"]).get("state") == "Released"
    proxy.heal()
    fleet.wait_all("Ready", "Flat", names[:1])
    fleet.wait_all("Ready", "Trading", names[1:])


def test_a_dead_call_to_the_api_server_holds_up_no_kill(fleet: Fleet, proxy: ApiProxy, operator: Operator) -> None:
    """F29: every write hangs, those for the same object, too."""
    (name,) = fleet.take(1)
    begun = len(proxy.calls)
    proxy.freeze(writes)
    fleet.grids[name].patch(throttle=0.5)
    wait_until(lambda: any(map(writes, proxy.calls[begun:])), 30, "a write that hangs")
    fleet.grids[name].patch(killSwitch=BOTH)
    fleet.wait_held([name])
    proxy.heal()
    fleet.wait_all("Ready", "Flat", [name])
