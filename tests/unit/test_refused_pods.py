"""A pod that the API server refuses: only an Event of the StatefulSet says so."""

import asyncio
from typing import Any, cast

import pytest

from hedgegrid_operator.cache import Cache
from hedgegrid_operator.kube import ApiError, Kube
from hedgegrid_operator.objects import EVENT, HEDGE_GRID, STATEFUL_SET, UID_LABEL, GridRef, Json
from hedgegrid_operator.refusals import PATIENCE, PAUSE, Refusals
from tests.unit.brain_parts import NAME, NAMESPACE, Objects, World, run, until
from tests.unit.operator_parts import grid

QUOTA = 'create Pod x-0 in StatefulSet x failed error: pods "x-0" is forbidden: exceeded quota: small'
TOLD = f"there is no pod, the API server refuses it: {QUOTA}"
UID = f"statefulsets-hedgegrid-{NAME}"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before Events are looked at."""
    monkeypatch.setattr("hedgegrid_operator.refusals.PATIENCE", 0.01)
    monkeypatch.setattr("hedgegrid_operator.refusals.PAUSE", 0.01)


def event(reason: str = "FailedCreate", seconds: int = 0, uid: str = UID, note: str = QUOTA, **fields: Any) -> Json:
    """An Event of a StatefulSet's controller, as it is shown in the new API."""
    at = f"2026-01-01T00:00:{seconds:02}Z"
    return {
        "metadata": {"name": f"{reason}-{seconds}-{uid}", "namespace": NAMESPACE, "creationTimestamp": at},
        "eventTime": None,
        "deprecatedLastTimestamp": at,
        "reason": reason,
        "note": note,
        "regarding": {"kind": "StatefulSet", "uid": uid},
        **fields,
    }


def message(world: World, kind: str) -> str:
    """Message of a condition."""
    return next((item["message"] for item in world.status.get("conditions", []) if item["type"] == kind), "")


async def refused(world: World, **fields: Any) -> None:
    """A grid whose StatefulSet gets no pod."""
    world.pods.obey()
    world.grid(**fields)
    await until(lambda: ("statefulsets", NAMESPACE, f"hedgegrid-{NAME}") in world.objects.held)
    world.objects.put(EVENT, event())
    await until(lambda: message(world, "PodReady") == TOLD)


def test_why_there_is_no_pod_is_told_until_there_is_one() -> None:
    async def story(world: World) -> None:
        await refused(world)
        assert message(world, "ControlReachable") == message(world, "Ready") == TOLD
        await until(lambda: [told["note"] for told in world.objects.events if told["reason"] == "ChildRefused"])
        assert [told["note"] for told in world.objects.events if told["reason"] == "ChildRefused"] == [TOLD]
        world.pod()
        await until(lambda: world.reason("Ready") == "Trading")
        assert all(TOLD not in item["message"] for item in world.status["conditions"])

    run(story)


def test_a_kill_and_a_deletion_that_wait_for_it_say_so() -> None:
    async def story(world: World) -> None:
        await refused(world, killSwitch="flattenBoth")
        assert world.reason("KillSwitchEngaged") == "Requested"
        assert TOLD in message(world, "KillSwitchEngaged")
        obj = world.grid_object(killSwitch="flattenBoth")
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        world.see(world.objects.put(HEDGE_GRID, obj))
        await until(lambda: world.reason("Ready") == "Deleting")
        await until(lambda: TOLD in message(world, "Ready"))

    run(story)


def test_without_the_right_to_list_events_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        world.objects.refuses[EVENT.plural] = ApiError(403, "Forbidden", 'cannot list resource "events"')
        world.grid()
        await until(lambda: "why pods are missing in namespace default can't be looked up" in caplog.text)
        assert message(world, "PodReady") == "there is no pod yet"
        world.pod()
        await until(lambda: world.reason("Ready") == "Trading")

    run(story)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([event()], TOLD, id="refused"),
        pytest.param([event(), event("SuccessfulCreate", 1)], None, id="made since"),
        pytest.param([event("SuccessfulCreate", 1), event(seconds=2)], TOLD, id="refused since"),
        pytest.param([event("SuccessfulCreate", 1), event(seconds=1)], TOLD, id="in the same second"),
        pytest.param(
            [event("SuccessfulCreate", 5), event(series={"lastObservedTime": "2026-01-01T00:00:09.000001Z"})],
            TOLD,
            id="again and again",
        ),
        pytest.param([event(uid="another")], None, id="of another one"),
        pytest.param([event(regarding={"kind": "Pod", "uid": UID})], None, id="of another kind"),
        pytest.param(
            [{"metadata": {"name": "odd", "namespace": NAMESPACE}, "regarding": {"kind": "StatefulSet"}}],
            None,
            id="odd",
        ),
    ],
)
async def test_the_newest_event_counts(events: list[Json], expected: str | None) -> None:
    refusals, ref, _ = lacking(events)
    assert (await refusals.look(ref))[0] is None
    await asyncio.sleep(0.02)
    assert await refusals.look(ref) == (expected, 0.01)


async def test_all_grids_of_a_namespace_share_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgegrid_operator.refusals.PATIENCE", 0)
    monkeypatch.setattr("hedgegrid_operator.refusals.PAUSE", PAUSE)
    refusals, ref, objects = lacking([event()])
    assert await asyncio.gather(*(refusals.look(ref) for _ in range(5))) == [(TOLD, PAUSE)] * 5
    assert objects.asked["list", "events"] == 1


async def test_a_pod_gets_time_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgegrid_operator.refusals.PATIENCE", PATIENCE)
    refusals, ref, objects = lacking([event()])
    why, again = await refusals.look(ref)
    assert why is None
    assert again == pytest.approx(PATIENCE, abs=0.1)
    assert not objects.asked


def lacking(events: list[Json]) -> tuple[Refusals, GridRef, Objects]:
    """A grid with a StatefulSet, no pod, and these Events in its namespace."""
    objects, cache = Objects(), Cache()
    made = objects.put(HEDGE_GRID, grid())
    cache.observe(HEDGE_GRID, made)
    ref = GridRef(NAMESPACE, NAME, made["metadata"]["uid"])
    about = {"name": f"hedgegrid-{NAME}", "namespace": NAMESPACE, "labels": {UID_LABEL: ref.uid}}
    cache.observe(STATEFUL_SET, objects.put(STATEFUL_SET, {"metadata": about, "spec": {}}))
    for found in events:
        objects.put(EVENT, found)
    return Refusals(cast("Kube", objects), cache), ref, objects
