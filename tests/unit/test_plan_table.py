"""The control plan, as a table over everything that decides it, and as steps that a pod and the API server see.

Where each sentence of the controls' design is tested. (The pod's half is in tests/strategy/test_ops_*.py, real
processes in tests/operator/test_grid_kill.py; words in brackets are cases of `test_steps`.)

* order, uid, epoch, generation: `test_the_whole_table`; test_operator_plan.py (`ahead`); test_grid_kill.py
  (409)
* strengthening never waits, weakening is checked by a consistent read: `test_the_whole_table`, [a kill is sent
  before the API server is asked anything], [what allows more is read again first], [an old view never weakens],
  [nothing that allows more is sent while the object can't be read]
* to pods that aren't Ready, too; a Pod event ends a back-off: [a pod that isn't ready gets its kill]
* restart by bootID and by pod uid: [a pod that restarted gets its document again], [another pod gets the
  document again]
* rearm releases what status showed when it was first seen: `test_a_rearm_names_what_was_shown`,
  `test_a_rearm_is_checked_even_beside_a_lower_throttle`; latches are carried: test_operator_plan.py (F38)
* back-off and polls: `test_the_pauses`
* `reconcile: disabled`: [paused, only kills and deletions are sent]; `release: orphan` and deletion:
  `test_a_deletion_that_the_pod_has_not_stored_is_a_kill_whatever_else_it_holds`, the files about deletion
* a rejected object: [a rejected object is killed, too]; skew: test_contract_skew.py; levels and sources:
  test_operator_status.py, test_condition_reasons.py; escalation: test_escalation.py
* a weakening in mode live whose rearm isn't higher: no object can ask for it, the mode isn't there yet
"""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hedgegrid_api.control import ControlReport, Latch
from hedgegrid_api.types import KillSwitch, LegLevel, Source
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.link import Link
from hedgegrid_operator.control.plan import Urgency
from hedgegrid_operator.kube import ApiError
from hedgegrid_operator.observed import controls_of
from tests.unit.brain_parts import World, run, until
from tests.unit.operator_parts import NOW, UID, grid, leg, report

RANKS = {
    KillSwitch.NONE: (0, 0),
    KillSwitch.HALT_ENTRIES: (1, 1),
    KillSwitch.FLATTEN_LONG: (2, 0),
    KillSwitch.FLATTEN_SHORT: (0, 2),
    KillSwitch.FLATTEN_BOTH: (2, 2),
}
DELETED = {"deletionTimestamp": "2026-03-01T11:59:00Z"}
LATCH = Latch(id="trip-1", source=Source.RISK, leg="BOTH", level=LegLevel.FLAT, since=NOW)


def _expected(wanted: KillSwitch, held: KillSwitch | None, *, newer: bool, throttle: int, epoch: bool) -> Urgency:
    """By the sentences, not by the code: stronger at once, weaker only checked, the rest in its turn."""
    ours = RANKS[wanted]
    if held is None:
        return Urgency.KILL if any(ours) else Urgency.WEAKER
    theirs = RANKS[held]
    if any(one > other for one, other in zip(ours, theirs, strict=True)):
        return Urgency.KILL
    if any(one < other for one, other in zip(ours, theirs, strict=True)) or throttle > 0:
        return Urgency.WEAKER
    if throttle < 0:
        return Urgency.THROTTLE
    if newer:
        return Urgency.WEAKER
    return Urgency.REFRESH if epoch else Urgency.HELD


def test_the_whole_table() -> None:
    """Every switch × what the pod holds (or nothing since its start) × generation × throttle × epoch."""
    rows = 0
    space = itertools.product(KillSwitch, [*KillSwitch, None], (False, True), (-1, 0, 1), (False, True))
    for wanted, held, newer, throttle, epoch in space:
        spec: dict[str, Any] = {
            "generation": 7 if newer else 6,
            "killSwitch": wanted.value,
            "throttle": 0.5 + 0.25 * throttle,
        }
        sent = plan.document(controls_of(grid(**spec)), epoch=2 if epoch else 1, rearm_latches=(), report=None)
        told = report(held or KillSwitch.NONE, applied_generation=6, throttle=0.5, synced=held is not None)
        expected = _expected(wanted, held, newer=newer, throttle=throttle, epoch=epoch)
        assert plan.urgency(sent, told) is expected, (wanted, held, newer, throttle, epoch)
        # A pod of which nothing is known, or that holds another object's document, is like one that has just started.
        unknown = _expected(wanted, None, newer=newer, throttle=throttle, epoch=epoch)
        assert plan.urgency(sent, None) is unknown
        assert plan.urgency(sent, report(held or KillSwitch.NONE, uid="another")) is unknown
        rows += 1
    assert rows == 5 * 6 * 2 * 3 * 2


@pytest.mark.parametrize("policy", ["Flatten", "CancelOrders"])
@pytest.mark.parametrize("held", KillSwitch)
def test_a_deletion_that_the_pod_has_not_stored_is_a_kill_whatever_else_it_holds(policy: str, held: KillSwitch) -> None:
    wanted = plan.document(
        controls_of(grid(generation=7, metadata=DELETED, killSwitch=held.value, deletion={"policy": policy})),
        epoch=1,
        rearm_latches=(),
        report=None,
    )
    assert plan.urgency(wanted, report(held, applied_generation=6)) is Urgency.KILL
    flat = leg(LegLevel.FLAT, source=Source.DELETION)
    assert plan.urgency(wanted, report(held, long=flat, short=flat, applied_generation=7)) is Urgency.HELD


def test_a_rearm_is_checked_even_beside_a_lower_throttle() -> None:
    """It may let a leg go, and an old view of the object must not."""
    spec: dict[str, Any] = {"generation": 2, "throttle": 0.2, "rearm": 1}
    sent = plan.document(controls_of(grid(**spec)), epoch=1, rearm_latches=("trip-1",), report=None)
    assert plan.urgency(sent, report(latches=(LATCH,))) is Urgency.WEAKER
    assert plan.urgency(sent, report()) is Urgency.THROTTLE
    assert plan.urgency(sent, report(latches=(LATCH,), rearm=1)) is Urgency.THROTTLE


def test_a_rearm_names_what_was_shown() -> None:
    """A trip that nobody had seen when rearm was written isn't cleared by it."""

    def controls(rearm: int, *latches: str, consumed: int = 0) -> Any:
        shown = [LATCH.model_copy(update={"id": name}).model_dump(mode="json", by_alias=True) for name in latches]
        return controls_of({**grid(rearm=rearm), "status": {"control": {"latches": shown, "rearm": consumed}}})

    link = Link()
    link.notice(controls(1, "a"))
    assert (link.rearm, link.rearm_latches) == (1, ("a",))
    # Another trip comes before the pod has taken it: the same rearm doesn't grow.
    link.notice(controls(1, "a", "b"))
    assert link.rearm_latches == ("a",)
    link.notice(controls(2, "a", "b"))
    assert (link.rearm, link.rearm_latches) == (2, ("a", "b"))
    # One that is not above the highest consumed releases nothing.
    link.notice(controls(3, "c", consumed=3))
    assert link.rearm == 2


def test_the_pauses() -> None:
    """A kill: 0.1, 0.2, 0.5, 1, 2, 5, 5 … for ever. The rest: 1 … 60 s. Polls: 5 s, 250 ms in a kill."""
    assert [plan.kill_delay(n) for n in (1, 2, 3, 4, 5, 6, 7, 10**6)] == [0.1, 0.2, 0.5, 1, 2, 5, 5, 5]
    assert [plan.retry_delay(n, 1) for n in (1, 2, 3, 7, 10**6)] == [1, 2, 4, 60, 60]
    assert plan.retry_delay(3, 0.8) == pytest.approx(3.2)

    def poll(told: ControlReport | None, *, waiting: bool = False, least: float = 0.01) -> float:
        return plan.poll_delay(told, idle=5, busy=0.25, least=least, waiting_for_flat=waiting, jitter=1)

    moving = report(KillSwitch.FLATTEN_BOTH, long=leg(LegLevel.FLAT, None, quantity="1"))
    assert poll(None) == poll(report()) == poll(moving) == 5
    for state in ("DELIVERED", "FLATTENING", "FAILED", "REQUESTED"):
        stuck = leg(LegLevel.FLAT, type(moving.kill_switch.state)[state])
        assert poll(report(KillSwitch.FLATTEN_BOTH, short=stuck), least=50) == 0.25
    assert poll(report(), waiting=True) == 1
    # Many pods: each is read less often.
    assert poll(report(), least=10) == poll(report(), waiting=True, least=10) == 10


# Steps, as pod and API server see them.


async def _kill_first(world: World) -> None:
    """It leaves within the event: the pod has it, and nothing was asked of the API server."""
    world.pods.obey()
    await world.trading()
    asked = world.objects.asked.copy()
    world.grid(generation=2, killSwitch="flattenBoth")
    assert world.pods.sent[-1].kill_switch is KillSwitch.FLATTEN_BOTH
    assert world.objects.asked == asked


async def _weaker_is_read_again(world: World) -> None:
    """A release waits for a consistent read."""
    world.pods.obey()
    await world.trading(killSwitch="haltEntries", ready="Halted")
    asked = world.objects.asked["get", "hedgegrids"]
    world.grid(generation=2, killSwitch="none")
    await until(lambda: world.pods.sent[-1].generation == 2)
    assert world.objects.asked["get", "hedgegrids"] > asked


async def _old_view(world: World) -> None:
    """The watch shows a release; the object says by now that it is killed: the release is never sent."""
    world.pods.obey()
    await world.trading(killSwitch="haltEntries", ready="Halted")
    old = grid(generation=2, killSwitch="none")
    newest = world.grid_object(generation=3, killSwitch="flattenBoth")
    old["metadata"] |= {"resourceVersion": str(int(newest["metadata"]["resourceVersion"]) - 1)}
    world.see(old)
    await until(lambda: world.pods.sent[-1].generation == 3)
    assert {KillSwitch(document.kill_switch) for document in world.pods.sent} == {
        KillSwitch.HALT_ENTRIES,
        KillSwitch.FLATTEN_BOTH,
    }


async def _unreadable(world: World) -> None:
    """Without the API server nothing that allows more is sent; a kill is."""
    world.pods.obey()
    await world.trading(killSwitch="haltEntries", ready="Halted")
    world.objects.fails = ApiError(503, "ServiceUnavailable", "away")
    world.grid(generation=2, killSwitch="none")
    polls = world.pods.polls
    world.brain.courier.calm.wake(UID)
    await until(lambda: world.objects.asked["get", "hedgegrids"] > 0)
    world.grid(generation=3, killSwitch="flattenBoth")
    await until(lambda: world.pods.sent[-1].generation == 3)
    assert world.pods.sent[-1].kill_switch is KillSwitch.FLATTEN_BOTH
    assert all(document.kill_switch is not KillSwitch.NONE for document in world.pods.sent)
    assert world.pods.polls >= polls
    world.objects.fails = None


async def _not_ready(world: World) -> None:
    """Neither its readiness nor a back-off holds a kill up."""
    world.pods.obey()
    await world.trading()
    answers = world.pods.answer
    world.pods.silent()
    world.pod(conditions=[{"type": "Ready", "status": "False"}])
    world.grid(generation=2, killSwitch="flattenBoth")
    await until(lambda: world.brain.courier.link(UID).failures >= 3)
    world.pods.answer = answers
    world.pod(conditions=[{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}])
    assert world.pods.sent[-1].kill_switch is KillSwitch.FLATTEN_BOTH
    assert world.brain.courier.link(UID).kill_seen is None


async def _restarted(world: World) -> None:
    """A changed bootID means restarted: the document is sent again."""
    world.pods.obey()
    await world.trading()
    sent = len(world.pods.sent)
    answers = world.pods.answer
    world.pods.answer = lambda document: (
        answers(document) if document else report(boot_id="boot-2", synced=False, applied_generation=1)
    )
    await until(lambda: len(world.pods.sent) > sent)
    assert world.pods.sent[-1].generation == 1
    world.pods.answer = answers


async def _another_pod(world: World) -> None:
    """Another uid at the same name: nothing that was known of the old one counts."""
    world.pods.obey()
    await world.trading()
    sent = len(world.pods.sent)
    world.pods.obey()
    world.pod(uid="pod-2")
    assert world.brain.courier.link(UID).pod_uid == "pod-2"
    await until(lambda: len(world.pods.sent) > sent)


async def _paused(world: World) -> None:
    """The throttle stays, a kill works."""
    world.pods.obey()
    await world.trading()
    paused = {"annotations": {"hedgegrid.io/reconcile": "disabled"}}
    world.grid(generation=2, throttle=0.1, metadata=paused)
    await until(lambda: world.pods.sent[-1].generation == 2)
    assert world.pods.sent[-1].throttle == 1
    world.grid(generation=3, throttle=0.1, killSwitch="flattenBoth", metadata=paused)
    assert world.pods.sent[-1].kill_switch is KillSwitch.FLATTEN_BOTH
    assert world.pods.sent[-1].throttle == 1


async def _rejected(world: World) -> None:
    """An object that the full model refuses, as one of a newer schema, is killed, and says what isn't read."""
    world.pods.obey()
    await world.trading()
    world.grid(generation=2, killSwitch="flattenBoth", grid={"shape": "hexagonal"}, risk={"maxGamma": "1"})
    assert world.pods.sent[-1].kill_switch is KillSwitch.FLATTEN_BOTH
    await until(lambda: world.reason("Accepted") == "InvalidSpec")
    await until(lambda: world.reason("KillSwitchEngaged") == "Flat")


_STEPS = {
    "a kill is sent before the API server is asked anything": _kill_first,
    "what allows more is read again first": _weaker_is_read_again,
    "an old view never weakens": _old_view,
    "nothing that allows more is sent while the object can't be read": _unreadable,
    "a pod that isn't ready gets its kill": _not_ready,
    "a pod that restarted gets its document again": _restarted,
    "another pod gets the document again": _another_pod,
    "paused, only kills and deletions are sent": _paused,
    "a rejected object is killed, too": _rejected,
}


@pytest.mark.parametrize("story", _STEPS.values(), ids=_STEPS.keys())
def test_steps(story: Callable[[World], Awaitable[None]]) -> None:
    run(story)
