"""The operator's metrics: conventions of Prometheus, and that each one moves when what it measures does."""

import math
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hedgegrid_api import __version__
from hedgegrid_api.control import PodCondition
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, GridRef
from tests.unit.brain_parts import World, run, until
from tests.unit.operator_parts import NOW, UID

GRID = 'grid="btc",grid_namespace="default"'
PREFIX = "hedgegrid_operator_"
EXPECTED = {
    "kill_pending_seconds": ("gauge", {"grid_namespace", "grid"}),
    "kill_delivery_failures": ("counter", {"grid_namespace", "grid"}),
    "kill_escalations": ("counter", {"grid_namespace", "grid"}),
    "kill_delivery_seconds": ("histogram", set[str]()),
    "reconcile_seconds": ("histogram", {"result"}),
    "queue_depth": ("gauge", {"lane"}),
    "queue_oldest_seconds": ("gauge", {"lane"}),
    "rollout_waiting_seconds": ("gauge", {"grid_namespace", "grid"}),
    "pods_unreachable": ("gauge", set[str]()),
    "watch_age_seconds": ("gauge", set[str]()),
    "api_requests": ("counter", {"verb", "resource", "code"}),
    "leader": ("gauge", set[str]()),
    "condition": ("gauge", {"grid_namespace", "grid", "type", "status", "reason"}),
    "build_info": ("gauge", {"version"}),
}
"""Kind and labels by name; those that other files test may stand beside them."""


async def _a_bit_of_everything(world: World) -> None:
    world.pods.obey()
    await world.trading()
    world.pods.silent()
    world.grid(generation=2, killSwitch="flattenBoth")
    await until(lambda: world.brain.courier.link(UID).failures > 1)
    world.brain.measure()
    world.metrics.kill_escalations.labels("default", "btc").inc()
    world.metrics.rollouts.show(GridRef("default", "btc", UID), NOW)
    world.metrics.api_requests.labels("get", "pods", "200").inc()


@pytest.fixture(scope="module")
def exposition() -> str:
    """A scrape of an operator that has seen something of everything."""
    return run(_a_bit_of_everything).metrics.exposition().decode()


def test_the_exposition_keeps_the_conventions(exposition: str) -> None:
    families = {family.name: family for family in text_string_to_metric_families(exposition)}
    for name, family in families.items():
        assert re.fullmatch(r"hedgegrid_operator_[a-z][a-z0-9_]*", name)
        assert len(family.documentation) > 10, name
        assert family.type in {"gauge", "counter", "histogram"}, name
        for sample in family.samples:
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels), sample
            assert sample.name.endswith("_total") is (family.type == "counter"), sample
        # Base units, and no unit that the value hasn't.
        assert not re.search(r"_(ms|millis|milliseconds|minutes|percent)$", name)
    assert "_created" not in exposition
    for name, (kind, labels) in EXPECTED.items():
        family = families[PREFIX + name]
        assert family.type == kind, name
        shown = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert shown == labels, name


def test_a_standby_shows_nothing_that_it_does_not_know() -> None:
    text = Metrics().exposition().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name in ("pods_unreachable", "watch_age_seconds"):
        (only,) = families[PREFIX + name].samples
        assert math.isnan(only.value), name
    assert families[f"{PREFIX}kill_pending_seconds"].samples == []
    assert families[f"{PREFIX}condition"].samples == []
    assert families[f"{PREFIX}rollout_waiting_seconds"].samples == []
    (leader,) = families[f"{PREFIX}leader"].samples
    assert leader.value == 0
    (build,) = families[f"{PREFIX}build_info"].samples
    assert (build.labels, build.value) == ({"version": __version__}, 1)


def found(world: World, name: str, labels: str = "") -> float | None:
    """A sample, None where there is no such series."""
    return world.samples().get(f"{PREFIX}{name}{{{labels}}}" if labels else PREFIX + name)


async def _tell_delivery(world: World) -> None:
    """A kill that waits is as old as it is, its failures are counted, and both end with its delivery."""
    world.pods.obey()
    await world.trading()
    assert found(world, "kill_pending_seconds", GRID) == 0
    assert found(world, "pods_unreachable") == 0
    world.pods.silent()
    world.grid(generation=2, killSwitch="haltEntries")
    await until(lambda: (found(world, "kill_delivery_failures_total", GRID) or 0) >= 2)
    assert (found(world, "kill_pending_seconds", GRID) or 0) > 0.1
    assert found(world, "pods_unreachable") == 1
    assert found(world, "kill_delivery_seconds_count") == 0
    # Another change of the object doesn't make the kill younger.
    age = found(world, "kill_pending_seconds", GRID) or 0
    world.grid(generation=3, killSwitch="haltEntries", throttle=0.5)
    assert (found(world, "kill_pending_seconds", GRID) or 0) >= age
    world.pods.obey()
    await until(lambda: found(world, "kill_pending_seconds", GRID) == 0)
    assert found(world, "pods_unreachable") == 0
    assert found(world, "kill_delivery_seconds_count") == 1
    assert (found(world, "kill_delivery_seconds_sum") or 0) >= age


async def _tell_conditions(world: World) -> None:
    """One series a condition: another one when status or reason change, none when the grid is gone."""
    trouble: list[PodCondition] = []

    def conditions() -> tuple[PodCondition, ...]:
        ready = PodCondition(type="VenueReady", status=True, reason="Reconciled", message="adopted")
        return tuple(trouble) or (ready,)

    world.pods.obey(conditions=conditions)
    await world.trading()

    def series(kind: str) -> list[str]:
        names = [
            name for name in world.samples() if name.startswith(f"{PREFIX}condition{{") and f'type="{kind}"' in name
        ]
        return [name.split('reason="')[1].split('"')[0] for name in names]

    assert series("Ready") == ["Trading"]
    assert series("VenueReady") == ["Reconciled"]
    assert found(world, "condition", f'{GRID},reason="Trading",status="True",type="Ready"') == 1
    trouble.append(PodCondition(type="VenueReady", status=False, reason="Disconnected", message="no stream"))
    await until(lambda: series("Ready") == ["Disconnected"])
    assert series("VenueReady") == ["Disconnected"]
    world.brain.observe(HEDGE_GRID, world.objects.held["hedgegrids", "default", "btc"], deleted=True)
    assert series("Ready") == []
    assert not [name for name in world.samples() if 'grid="btc"' in name]


async def _tell_rollouts(world: World) -> None:
    """A template that waits is as old as it is in the object's status, and its series goes with it."""
    world.pods.obey()
    await world.trading(update={"strategy": "Manual"})
    assert found(world, "rollout_waiting_seconds", GRID) is None
    manual = {"update": {"strategy": "Manual"}}
    world.grid(generation=2, pod={"env": [{"name": "A", "value": "b"}]}, **manual)
    await until(lambda: world.reason("Progressing") == "WaitingForAnnotation")
    since = datetime.fromisoformat(world.status["rollout"]["since"])
    before = (datetime.now(UTC) - since).total_seconds()
    shown = found(world, "rollout_waiting_seconds", GRID)
    assert shown is not None
    assert before <= shown <= (datetime.now(UTC) - since).total_seconds()
    world.grid(generation=3, **manual)
    await until(lambda: found(world, "rollout_waiting_seconds", GRID) is None)


async def _tell_rounds_and_queues(world: World) -> None:
    """Rounds are counted by how they ended."""
    world.pods.obey()
    await world.trading()
    done = found(world, "reconcile_seconds_count", 'result="done"')
    assert done
    assert done > 0
    assert found(world, "queue_depth", 'lane="kill"') == 0
    assert found(world, "queue_depth", 'lane="control"') == 0
    assert found(world, "queue_oldest_seconds", 'lane="reconcile"') == 0
    for number in range(40):
        world.brain.objects.wake(f"other-{number}", urgent=False)
    lane = world.brain.objects
    await until(lambda: lane.depth == 0)
    world.grid(generation=2, throttle=0.3)
    await until(lambda: (found(world, "reconcile_seconds_count", 'result="done"') or 0) > done)


async def _tell_the_watch(world: World) -> None:
    """The age of the last proof: an event of a watch, or a complete LIST; our own writes prove nothing."""
    age = f"{PREFIX}watch_age_seconds"
    world.grid()
    assert math.isnan(world.samples()[age])
    await world.brain.resync_watched()
    await until(lambda: world.samples()[age] > 0.05)
    world.brain.observe(HEDGE_GRID, world.objects.held["hedgegrids", "default", "btc"])
    assert world.samples()[age] > 0.05
    world.brain.witness(HEDGE_GRID, world.objects.held["hedgegrids", "default", "btc"], False)
    assert world.samples()[age] < 0.05


_STORIES = (_tell_delivery, _tell_conditions, _tell_rollouts, _tell_rounds_and_queues, _tell_the_watch)


@pytest.mark.parametrize("story", _STORIES)
def test_what_is_measured_moves(story: Callable[[World], Awaitable[None]]) -> None:
    run(story)


def test_a_grid_that_is_gone_leaves_no_series() -> None:
    metrics, grid = Metrics(), GridRef("default", "btc", UID)
    metrics.kill_pending_seconds.labels(grid.namespace, grid.name).set(3)
    metrics.kill_escalations.labels(grid.namespace, grid.name).inc()
    metrics.rollouts.show(grid, NOW)
    metrics.forget(grid)
    assert b'grid="btc"' not in metrics.exposition()
