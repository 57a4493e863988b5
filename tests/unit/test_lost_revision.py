"""A revision whose ConfigMap is gone, with an operator that never knew it, can't be held: its pod would never start."""

from hedgegrid_operator.objects import CONFIG_MAP, GridRef
from tests.unit.brain_parts import NAME, NAMESPACE, World, run
from tests.unit.operator_parts import UID

REF = GridRef(NAMESPACE, NAME, UID)


def test_a_revision_is_lost_once_no_pod_runs_it_and_nobody_has_its_configuration() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        revisions, children = world.brain.provisioner._revisions, world.brain.children
        (name,) = children.names(UID, CONFIG_MAP)
        content = world.objects.held.pop((CONFIG_MAP.plural, NAMESPACE, name))
        assert not await revisions.lost(REF), "a ready pod has it mounted"
        world.pod("pod-2", conditions=[{"type": "Ready", "status": "False"}])
        assert not await revisions.lost(REF), "this process knows what was in it"
        children.forget(UID, CONFIG_MAP, name)
        assert await revisions.lost(REF)
        world.objects.held[CONFIG_MAP.plural, NAMESPACE, name] = content
        assert not await revisions.lost(REF), "it is there"

    run(story)
