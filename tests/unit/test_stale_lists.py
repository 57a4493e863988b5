"""A LIST older than what was applied meanwhile, as a slow API server answers it, tells of no change by others."""

from collections.abc import AsyncIterator

from hedgegrid_operator.objects import CONFIG_MAP, DISRUPTION_BUDGET, ROLE, GridRef, Json, Kind, resource_version
from tests.unit.brain_parts import NAME, NAMESPACE, World, run
from tests.unit.operator_parts import UID

REF = GridRef(NAMESPACE, NAME, UID)


def _lists_from_before(world: World) -> None:
    """Whatever is listed from now on is of a time at which there was nothing."""

    async def pages(kind: Kind, *_: object, **__: object) -> AsyncIterator[tuple[list[Json], int]]:
        yield [], 1

    world.objects.pages = pages  # type: ignore[method-assign] # only of this world


def test_what_was_applied_after_a_list_was_made_counts_as_it_was_applied() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        _lists_from_before(world)
        world.objects.asked.clear()
        assert not (await world.brain.resync.children()).stale
        world.brain.children.rewind()
        assert (await world.brain.resync.children()).stale == {UID}, "after a restore there is nothing newer"

    run(story)


def test_a_child_that_counts_as_changed_and_stands_is_not_put_back() -> None:
    """However often: it would be said that somebody else keeps changing it."""

    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        children = world.brain.children
        for kind in (ROLE, CONFIG_MAP, DISRUPTION_BUDGET):
            (name,) = children.names(UID, kind)
            known = children.applied(UID, kind, name)
            assert known is not None
            before = resource_version(world.objects.held[kind.plural, NAMESPACE, name])
            for _ in range(5):
                assert not children.seen(UID, kind, name, None)
                assert await children.ensure(REF, kind, known.manifest) is None
                assert known.intact
            assert resource_version(world.objects.held[kind.plural, NAMESPACE, name]) == before

    run(story)


def test_one_that_was_made_anew_by_somebody_else_is_put_back() -> None:
    """Its generation begins anew, and may be the same."""

    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        children = world.brain.children
        (name,) = children.names(UID, DISRUPTION_BUDGET)
        known = children.applied(UID, DISRUPTION_BUDGET, name)
        assert known is not None
        world.objects.held[DISRUPTION_BUDGET.plural, NAMESPACE, name]["metadata"]["uid"] = "another"
        assert not children.seen(UID, DISRUPTION_BUDGET, name, None)
        assert await children.ensure(REF, DISRUPTION_BUDGET, known.manifest) is not None

    run(story)
