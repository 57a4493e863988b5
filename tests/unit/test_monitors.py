"""A grid's ServiceMonitor and PrometheusRule depend on kinds that the cluster may lack; no grid depends on them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from hedgegrid_operator.kube import ApiError, ApiUnreachableError, NotServedError
from hedgegrid_operator.objects import NETWORK_POLICY, PROMETHEUS_RULE, SERVICE, SERVICE_MONITOR, UID_LABEL, Json, Kind
from hedgegrid_operator.served import left_out
from tests.unit.brain_parts import NAME, NAMESPACE, SETTINGS, World, run, until
from tests.unit.operator_parts import UID

CHILD = f"hedgegrid-{NAME}"
KINDS = {SERVICE_MONITOR.plural, PROMETHEUS_RULE.plural}
BOTH: dict[str, Any] = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}


def made(world: World, kind: Kind) -> Json | None:
    return world.objects.held.get((kind.plural, NAMESPACE, CHILD))


def told(world: World) -> Json:
    found: list[Json] = world.status.get("conditions", [])
    nothing: Json = {}
    return next((item for item in found if item["type"] == "Monitoring"), nothing)


def warnings(world: World) -> list[str]:
    return [event["note"] for event in world.objects.events if event["reason"] == "MonitoringUnavailable"]


def test_a_grid_trades_where_the_kinds_are_missing_and_gets_its_own_ones_when_they_appear() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        await until(lambda: told(world).get("reason") == "KindsMissing")
        assert told(world)["status"] == "False"
        assert "ServiceMonitor and PrometheusRule (monitoring.coreos.com/v1)" in told(world)["message"]
        await until(lambda: warnings(world))
        # Said once, looked for again and again.
        for _ in range(3):
            await world.brain.check_children()
        assert len(warnings(world)) == 1
        assert made(world, SERVICE_MONITOR) is None
        world.objects.served |= KINDS
        await world.brain.check_children()
        await until(lambda: told(world)["reason"] == "Made")
        assert told(world)["status"] == "True"
        for kind in (SERVICE_MONITOR, PROMETHEUS_RULE):
            found = made(world, kind)
            assert found is not None
            assert found["metadata"]["labels"][UID_LABEL] == UID
        assert world.reason("Ready") == "Trading"

    run(story)


def test_kinds_that_go_are_told_and_come_back_by_themselves() -> None:
    async def story(world: World) -> None:
        world.objects.served |= KINDS
        await world.brain.check_children()
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        await until(lambda: told(world).get("reason") == "Made")
        world.objects.served.clear()
        del world.objects.held[SERVICE_MONITOR.plural, NAMESPACE, CHILD]
        await world.brain.check_children()
        await until(lambda: told(world)["reason"] == "KindsMissing")
        assert world.reason("Ready") == "Trading"
        world.objects.served |= KINDS
        await world.brain.check_children()
        await until(lambda: told(world)["reason"] == "Made")
        assert made(world, SERVICE_MONITOR) is not None

    run(story)


def test_kinds_that_go_and_come_between_two_looks_are_not_missed() -> None:
    async def story(world: World) -> None:
        world.objects.served |= KINDS
        await world.brain.check_children()
        world.objects.served.clear()
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        await until(lambda: told(world).get("reason") == "KindsMissing")
        world.objects.served |= KINDS
        await world.brain.check_children()
        await until(lambda: told(world)["reason"] == "Made")

    run(story)


def test_what_is_not_asked_for_any_more_is_taken_away_and_not_told_any_more() -> None:
    async def story(world: World) -> None:
        world.objects.served |= KINDS
        await world.brain.check_children()
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        await until(lambda: told(world).get("reason") == "Made")
        world.grid(generation=2, monitoring={"prometheusRule": {"enabled": True}})
        await until(lambda: world.objects.asked["delete", SERVICE_MONITOR.plural] == 1)
        await until(lambda: told(world)["message"].startswith("PrometheusRule hedgegrid-btc"))
        world.grid(generation=3)
        await until(lambda: world.objects.asked["delete", PROMETHEUS_RULE.plural] == 1)
        await until(lambda: not told(world))
        service = made(world, SERVICE)
        assert service is not None

    run(story)


def test_what_an_earlier_process_made_and_nobody_asks_for_is_taken_away() -> None:
    """The opt-in, or the operator's setting, was taken back while no operator ran."""

    async def story(world: World) -> None:
        world.objects.served |= KINDS
        world.pods.obey()
        await world.trading()
        labels = (made(world, SERVICE) or {})["metadata"]["labels"]
        for kind in (SERVICE_MONITOR, PROMETHEUS_RULE, NETWORK_POLICY):
            world.objects.put(kind, {"metadata": {"name": CHILD, "namespace": NAMESPACE, "labels": labels}})
        await world.brain.check_children()
        for kind in (SERVICE_MONITOR, PROMETHEUS_RULE, NETWORK_POLICY):
            assert world.objects.asked["delete", kind.plural] == 1, kind.kind

    run(story)


def test_a_policy_stands_before_the_pod_does() -> None:
    async def story(world: World) -> None:
        world.objects.refuses[NETWORK_POLICY.plural] = ApiError(403, "Forbidden", "no right to make it")
        world.pods.obey()
        world.grid()
        await until(lambda: world.reason("Progressing") == "Creating")
        assert "no right to make it" in str(world.status)
        assert ("statefulsets", NAMESPACE, CHILD) not in world.objects.held

    run(story, replace(SETTINGS, network_policy="on"))


@pytest.mark.parametrize(
    "error",
    [
        ApiError(403, "Forbidden", "no right"),
        ApiError(500, "InternalError", "failed calling webhook"),
        ApiError(422, "Invalid", "no"),
    ],
)
def test_a_refusal_stands_in_its_own_condition_and_keeps_nothing_from_the_grid(error: ApiError) -> None:
    async def story(world: World) -> None:
        world.objects.served |= KINDS
        await world.brain.check_children()
        world.objects.refuses[PROMETHEUS_RULE.plural] = error
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        await until(lambda: told(world).get("reason") == "Refused")
        assert told(world)["status"] == "False"
        assert "the API server doesn't take PrometheusRule hedgegrid-btc: " in told(world)["message"]
        assert made(world, SERVICE_MONITOR) is not None
        assert made(world, PROMETHEUS_RULE) is None
        world.grid(generation=2, monitoring=BOTH, throttle=0.5)
        await until(lambda: world.status["control"]["throttle"]["effective"] == 0.5)
        assert world.reason("Ready") == "Trading"
        del world.objects.refuses[PROMETHEUS_RULE.plural]
        world.grid(generation=3, monitoring=BOTH)
        await until(lambda: told(world)["reason"] == "Made")

    run(story)


def test_one_who_takes_for_ever_to_answer_holds_up_no_status() -> None:
    """A webhook of whoever checks such objects, say: how far a kill has got is told all the while."""

    async def story(world: World) -> None:
        world.objects.served |= KINDS
        await world.brain.check_children()
        world.objects.slow.add(PROMETHEUS_RULE.plural)
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        world.grid(generation=2, monitoring=BOTH, killSwitch="flattenBoth")
        await until(lambda: world.reason("KillSwitchEngaged") == "Flat")
        assert made(world, PROMETHEUS_RULE) is None

    run(story)


def test_while_paused_what_was_told_stands() -> None:
    async def story(world: World) -> None:
        world.pods.obey()
        await world.trading(monitoring=BOTH)
        await until(lambda: told(world))
        before = told(world)
        paused = {"annotations": {"hedgegrid.io/reconcile": "disabled"}}
        world.grid(metadata=paused, monitoring=BOTH)
        await until(lambda: world.reason("Paused"))
        assert told(world) == before

    run(story)


GONE, BUSY = NotServedError("404 page not found"), ApiError(503, "ServiceUnavailable", "busy")
FORBIDDEN = ApiError(403, "Forbidden", "no right")


@pytest.mark.parametrize(
    ("kind", "error", "expected"),
    [
        (SERVICE_MONITOR, GONE, nullcontext()),
        (PROMETHEUS_RULE, FORBIDDEN, nullcontext()),
        # What may pass is tried again, like everything else.
        (SERVICE_MONITOR, BUSY, pytest.raises(ApiError)),
        (SERVICE_MONITOR, ApiUnreachableError("no answer"), pytest.raises(ApiUnreachableError)),
        # And no grid goes without its own children.
        (SERVICE, GONE, pytest.raises(NotServedError)),
        (NETWORK_POLICY, FORBIDDEN, pytest.raises(ApiError)),
    ],
)
def test_only_kinds_that_a_cluster_may_lack_are_left_out(
    kind: Kind, error: Exception, expected: AbstractContextManager[Any]
) -> None:
    with expected, left_out(kind):
        raise error
