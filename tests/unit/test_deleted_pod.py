"""What is said of a pod that somebody deletes: it isn't a rollout to another revision."""

from hedgegrid_operator.objects import REVISION_ANNOTATION
from tests.unit.brain_parts import NAME, NAMESPACE, World, run, until


def test_a_deleted_pod_comes_back_as_it_was() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading()
        template = world.objects.held["statefulsets", NAMESPACE, f"hedgegrid-{NAME}"]["spec"]["template"]
        revision = template["metadata"]["annotations"][REVISION_ANNOTATION]
        world.pod(deleted="2026-03-01T12:00:00Z")
        await until(lambda: world.reason("Progressing") == "RollingOut")
        (told,) = (item["message"] for item in world.status["conditions"] if item["type"] == "Progressing")
        assert told == f"pod hedgegrid-{NAME}-0 was deleted; the next one, of the same revision {revision}, follows it"
        world.pod("pod-2")
        await until(lambda: world.reason("Progressing") == "Idle")

    run(story)
