"""What is written: a status on meaningful change only, an Event once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import count

import pytest

from hedgegrid_api.control import LegTelemetry, Telemetry
from hedgegrid_api.v1alpha1 import EscalationAction
from hedgegrid_operator.control.client import Failure, PodUnreachableError
from hedgegrid_operator.kube import ApiError
from hedgegrid_operator.objects import HEDGE_GRID, SERVICE, STATEFUL_SET, Json, Kind
from tests.unit.brain_parts import World, run, until
from tests.unit.operator_parts import UID

POLLS = 40


async def _moving_figures(world: World) -> None:
    """Equity, profit, rate and bar move with each poll: no write. A leg or the number of orders does: one."""
    ticks = count()
    quantities, orders = ["0.002"], [8]

    def figures() -> Telemetry:
        tick = next(ticks)
        return Telemetry(
            long=LegTelemetry(quantity=Decimal(quantities[-1]), entry_price=Decimal(50_000)),
            equity=Decimal(10_000 + tick),
            net_quote=Decimal(tick),
            margin_ratio=tick / 1000,
            open_orders=orders[-1],
        )

    world.pods.obey(telemetry=figures)
    await world.trading()
    polls = world.pods.polls
    await until(lambda: world.pods.polls > polls + 3)
    writes, polls = world.writes(), world.pods.polls
    await until(lambda: world.pods.polls > polls + POLLS)
    assert world.writes() == writes
    quantities.append("0.004")
    await until(lambda: world.writes() == writes + 1)
    assert world.status["telemetry"]["long"]["quantity"] == "0.004"
    orders.append(9)
    await until(lambda: world.writes() == writes + 2)


async def _idle(world: World) -> None:
    """Nothing happens: the reports are read, the objects are listed, and nothing at all is written."""
    world.pods.obey()
    await world.trading()
    await until(lambda: world.pods.polls > 3)
    before, polls = world.objects.asked.copy(), world.pods.polls
    await until(lambda: world.pods.polls > polls + POLLS)
    await world.brain.resync_watched()
    world.brain.wake_all()
    await until(lambda: world.brain.objects.depth == 0)
    polls = world.pods.polls
    await until(lambda: world.pods.polls > polls + 5)
    writes = {verb for (verb, _), number in (world.objects.asked - before).items() if number}
    assert not writes & {"patch", "create", "delete"}


async def _dead_pod(world: World) -> None:
    """A pod that doesn't answer, whatever it says each time: one change of the status, one Event."""
    world.pods.obey()
    await world.trading()
    tries = count()

    def answer(_: object) -> object:
        raise PodUnreachableError(Failure.TIMEOUT, f"no answer, try {next(tries)}")

    world.pods.answer = answer  # pyright: ignore[reportAttributeAccessIssue] — it never answers
    world.grid(generation=2, killSwitch="flattenBoth")
    await until(lambda: world.brain.courier.link(UID).failures >= 4)
    writes = world.writes()
    await until(lambda: world.brain.courier.link(UID).failures >= 6)
    assert world.writes() <= writes + 1
    assert Counter(event["reason"] for event in world.objects.events)["PodUnreachable"] == 1
    assert world.objects.deleted_pods == []


async def _events_once(world: World) -> None:
    """Each step of a kill is told once, however often it is looked at."""
    world.pods.obey()
    await world.trading()
    world.grid(generation=2, killSwitch="flattenBoth")
    await until(lambda: world.reason("Ready") == "Flat")
    for _ in range(20):
        world.brain.wake_all()
        await asyncio.sleep(0.01)
    await until(lambda: any(event["reason"] == "KillFlat" for event in world.objects.events))
    told = Counter(event["reason"] for event in world.objects.events)
    assert told["KillRequested"] == told["KillDelivered"] == told["KillFlat"] == told["PodCreated"] == 1
    for event in world.objects.events:
        assert "\n" not in event["note"]
        assert event["regarding"]["kind"] == HEDGE_GRID.kind


async def _escalation(world: World) -> None:
    """The count stands in the status before the pod is deleted, and it is deleted by its uid."""
    world.pods.obey()
    await world.trading(escalation={"action": EscalationAction.RESTART_POD.value, "afterSeconds": 5})
    world.pods.silent()
    world.grid(generation=2, killSwitch="flattenBoth", escalation={"action": "RestartPod", "afterSeconds": 5})
    link = world.brain.courier.link(UID)
    await until(lambda: link.undelivered_since is not None)
    assert world.objects.deleted_pods == []
    link.undelivered_since = (link.undelivered_since or 0) - 5
    world.brain.wake_all()
    await until(lambda: world.objects.deleted_pods)
    assert world.objects.deleted_pods == ["pod-1"]
    assert world.status["control"]["killSwitch"]["escalated"]["restarts"] == 1
    assert world.reason("KillSwitchEngaged") == "Escalated"
    await until(lambda: any(event["reason"] == "Escalated" for event in world.objects.events))
    # The next pod has its full time again.
    world.pod(uid="pod-2")
    await until(lambda: link.pod_uid == "pod-2" and link.undelivered_since is not None)
    world.brain.wake_all()
    world.pods.obey()
    world.pod(uid="pod-2", startTime="2026-03-01T12:00:00Z")
    await until(lambda: world.reason("KillSwitchEngaged") == "Flat")
    assert world.objects.deleted_pods == ["pod-1"]


def _refusing(world: World, refused: Kind, error: ApiError) -> None:
    """Nothing of a kind can be applied from now on."""
    shipped = world.objects.apply

    async def apply(kind: Kind, manifest: Json, subresource: str | None = None) -> Json:
        if kind is refused:
            raise error
        return await shipped(kind, manifest, subresource)

    world.objects.apply = apply  # type: ignore[method-assign] # only of this world


async def _untyped_child(world: World) -> None:
    """What Server-Side Apply can't read is shown to a person, as any other refusal is."""
    _refusing(
        world,
        STATEFUL_SET,
        ApiError(500, "", "failed to create typed patch object (…): .spec.a: field not declared in schema"),
    )
    world.pods.obey()
    world.grid()
    await until(lambda: world.reason("Progressing") == "Creating")
    message = next(item["message"] for item in world.status["conditions"] if item["type"] == "Progressing")
    assert "field not declared in schema" in message


async def _kill_beside_trouble(world: World) -> None:
    """How far a kill has got is told while a child can't be applied, and the rollout is told as it was."""
    world.pods.obey()
    await world.trading()
    progress = world.reason("Progressing")
    _refusing(world, SERVICE, ApiError(503, "ServiceUnavailable", "etcd is busy"))
    (service,) = world.brain.children.names(UID, SERVICE)
    world.brain.children.forget(UID, SERVICE, service)
    world.grid(generation=2, killSwitch="flattenBoth")
    await until(lambda: world.reason("KillSwitchEngaged") == "Flat")
    assert world.status["control"]["killSwitch"]["state"] == "Flat"
    assert world.reason("Progressing") == progress


_STORIES = (_moving_figures, _idle, _dead_pod, _events_once, _escalation, _untyped_child, _kill_beside_trouble)


@pytest.mark.parametrize("story", _STORIES)
def test_what_is_written(story: Callable[[World], Awaitable[None]]) -> None:
    run(story)
