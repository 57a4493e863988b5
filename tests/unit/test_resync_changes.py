"""What a LIST finds changed is read, and nothing else; what a control changes isn't judged anew."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hedgegrid_api.types import KillSwitch
from hedgegrid_operator import admission
from hedgegrid_operator.objects import HEDGE_GRID, Json, Kind
from tests.unit.brain_parts import NAME, NAMESPACE, World, run, until
from tests.unit.operator_parts import UID


def _lists(world: World) -> list[tuple[str, str]]:
    """From now on: every LIST by resource, and what of it is asked for."""
    asked: list[tuple[str, str]] = []
    shipped = world.objects.pages

    async def pages(
        kind: Kind, namespace: str | None, selector: str = "", *, fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[tuple[list[Json], int]]:
        asked.append(
            (kind.plural, fields.removeprefix("metadata.name=") or ("metadata" if metadata_only else "everything"))
        )
        async for page in shipped(kind, namespace, selector, fields=fields, metadata_only=metadata_only):
            yield page

    world.objects.pages = pages  # type: ignore[method-assign] # only of this world
    return asked


def test_a_change_that_no_watch_told_is_found_by_its_version_and_only_it_is_read() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.brain.resync_watched()
        await world.trading()
        asked = _lists(world)
        await world.brain.resync_watched()
        assert asked == [(kind, "metadata") for kind in ("hedgegrids", "statefulsets", "pods")]
        world.grid_object(generation=2, killSwitch="flattenBoth")
        await world.brain.resync_watched()
        assert (HEDGE_GRID.plural, NAME) in asked
        assert "everything" not in {what for _, what in asked}
        await until(lambda: world.pods.sent[-1].kill_switch is KillSwitch.FLATTEN_BOTH)

    run(story)


def test_a_throttle_or_a_switch_is_not_judged_anew_and_a_spec_is(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Any] = []
    shipped = admission.admit

    def counted(*what: Any) -> Any:
        judged.append(what)
        return shipped(*what)

    monkeypatch.setattr(admission, "admit", counted)

    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        before = len(judged)
        world.grid(generation=2, throttle=0.5)
        world.grid(generation=3, throttle=0.5, killSwitch="haltEntries")
        await until(lambda: world.status.get("observedGeneration") == 3)
        await until(lambda: world.reason("KillSwitchEngaged") == "Halted")
        assert len(judged) == before
        world.grid(generation=4, instrument="btcusdt")
        await until(lambda: world.reason("Accepted") == "InvalidSpec")
        world.grid(generation=5, throttle=0.25)
        await until(lambda: world.status.get("observedGeneration") == 5)
        assert world.reason("Accepted") == "Valid"

    run(story)


def test_a_watch_that_misses_what_two_lists_know_is_started_anew() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.brain.resync_watched()
        await world.trading()
        renewed: list[str] = []
        world.brain.resync.silent = lambda: renewed.append("renewed")
        world.grid_object(generation=2, throttle=0.5)
        await world.brain.resync_watched()
        assert renewed == [], "its event may be on its way"
        await world.brain.resync_watched()
        assert renewed == ["renewed"]
        late = world.grid_object(generation=3, throttle=0.25)
        await world.brain.resync_watched()
        world.brain.witness(HEDGE_GRID, late, deleted=False)
        await world.brain.resync_watched()
        await world.brain.resync_watched()
        assert renewed == ["renewed"]

    run(story)


def test_an_object_that_is_older_than_it_was_tells_of_a_restored_store() -> None:
    """F39: though the list's own version isn't lower than the last one's."""

    async def story(world: World) -> None:
        world.pods.obey()
        await world.brain.resync_watched()
        await world.trading()
        old = copy.deepcopy(world.objects.held[HEDGE_GRID.plural, NAMESPACE, NAME])
        world.grid(generation=2, killSwitch="flattenBoth")
        await until(lambda: world.reason("KillSwitchEngaged") == "Flat")
        world.objects.held[HEDGE_GRID.plural, NAMESPACE, NAME] = old
        await world.brain.resync_watched()
        await until(lambda: world.brain.cache.grid(UID).controls.generation == 1)  # type: ignore[union-attr]

    run(story)
