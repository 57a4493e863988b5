"""A pod whose ConfigMap is gone never starts: a revision that nobody knows can't be held, and one that may still be
needed isn't taken away."""

import copy

from hedgegrid_operator.desired.kept import CONFIG_VOLUME
from hedgegrid_operator.objects import CONFIG_MAP, POD, REVISION_ANNOTATION, GridRef, Json
from tests.unit.brain_parts import NAME, NAMESPACE, World, run, until
from tests.unit.operator_parts import UID

REF = GridRef(NAMESPACE, NAME, UID)
UNREADY = [{"type": "Ready", "status": "False"}]
NEVER_RAN = [{"state": {"waiting": {"reason": "ContainerCreating"}}}]


def earlier_template(world: World) -> Json:
    """A template that was applied before the present one, with a configuration that is gone."""
    template = copy.deepcopy(world.objects.held["statefulsets", NAMESPACE, f"hedgegrid-{NAME}"]["spec"]["template"])
    template["metadata"]["annotations"][REVISION_ANNOTATION] = "earlier"
    (volume,) = (found for found in template["spec"]["volumes"] if found["name"] == CONFIG_VOLUME)
    volume["configMap"]["name"] = f"hedgegrid-{NAME}-earlier"
    return template


def test_a_revision_is_lost_once_no_pod_runs_it_and_nobody_has_its_configuration() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        revisions, children = world.brain.provisioner._revisions, world.brain.children
        (name,) = children.names(UID, CONFIG_MAP)
        content = world.objects.held.pop((CONFIG_MAP.plural, NAMESPACE, name))
        assert not await revisions.lost(REF), "a ready pod has it mounted"
        world.pod("pod-2", conditions=UNREADY)
        assert not await revisions.lost(REF), "this process knows what was in it"
        children.forget(UID, CONFIG_MAP, name)
        assert await revisions.lost(REF)
        world.objects.held[CONFIG_MAP.plural, NAMESPACE, name] = content
        assert not await revisions.lost(REF), "it is there"

    run(story)


def test_a_pod_of_an_earlier_template_that_cannot_start_makes_way_for_a_deletion() -> None:
    """Made from what the cluster's controller had read before the present template was applied, it would hold the
    deletion for ever."""

    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        world.pods.silent()
        world.pod("pod-2", template=earlier_template(world), conditions=UNREADY)
        world.grid(metadata={"deletionTimestamp": "2026-03-01T12:00:00Z", "generation": 2})
        assert not await world.brain.provisioner._revisions.lost(REF), "one that ran has it mounted"
        assert "pod-2" not in world.objects.deleted_pods
        world.pod("pod-2", template=earlier_template(world), conditions=UNREADY, containerStatuses=NEVER_RAN)
        await until(lambda: "pod-2" in world.objects.deleted_pods)

    run(story)


def test_no_configuration_goes_before_the_pod_of_the_present_template_is_seen() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        revisions, wanted = world.brain.provisioner._revisions, world.brain.admission.wanted(UID)
        assert wanted is not None
        assert not revisions.needed(REF, wanted, "of-an-earlier-spec")
        (name,) = world.brain.children.names(UID, CONFIG_MAP)
        assert revisions.needed(REF, wanted, name)
        world.pod("pod-1", template=earlier_template(world))
        assert revisions.needed(REF, wanted, "of-an-earlier-spec")
        world.brain.observe(POD, world.objects.held[POD.plural, NAMESPACE, f"hedgegrid-{NAME}-0"], deleted=True)
        assert revisions.needed(REF, wanted, "of-an-earlier-spec")

    run(story)
