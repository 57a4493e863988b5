"""F48: a pod whose own watch is ahead of the operator makes it read the object, before anything is told or sent."""

import asyncio
from typing import Any, cast

import pytest

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_api.types import KillSwitch, LegLevel
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control.client import PodClient
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, POD
from tests.unit.operator_parts import UID, grid, leg, report

FLAT = leg(LegLevel.FLAT)


class Rig:
    """A courier, its pod, and what the API server has. It notes what happens, in order."""

    def __init__(self, *, held: ControlReport, newest: dict[str, Any]) -> None:
        self.steps: list[str] = []
        self.held = held
        self.newest = newest
        self.epoch = 1
        self.cache = Cache()
        self.cache.observe(HEDGE_GRID, grid(generation=1))
        about: dict[str, Any] = {
            "name": "hedgegrid-btc-0",
            "namespace": "default",
            "uid": "pod-1",
            "resourceVersion": "9",
        }
        about |= {"labels": {"hedgegrid.io/uid": UID}}
        self.cache.observe(POD, {"metadata": about, "status": {"podIP": "127.0.0.1"}})
        self.courier = Courier(
            self.cache, cast("PodClient", self), self, Metrics(), idle=60, busy=60, polls_per_second=100
        )

    async def get(self, address: str, uid: str) -> ControlReport:
        self.steps.append("get")
        return self.held

    async def put(self, address: str, document: ControlDocument) -> ControlReport:
        self.steps.append(f"put {document.generation} {document.kill_switch}")
        self.held = report(document.kill_switch, applied_generation=document.generation)
        return self.held

    async def outrun(self, epoch: int) -> bool:
        raise AssertionError("no epoch is in question")

    async def confirm(self, uid: str) -> Entry | None:
        self.steps.append("read the object")
        self.cache.observe(HEDGE_GRID, self.newest)
        return self.cache.grid(uid)

    def news(self, uid: str) -> None:
        entry = self.cache.grid(uid)
        self.steps.append(f"tell generation {entry.controls.generation if entry else None}")

    async def run(self) -> list[str]:
        """What happens until nothing is left to do."""
        self.courier.link(UID).follow("pod-1")
        self.courier.look(UID)
        for _ in range(200):
            await asyncio.sleep(0)
        for lane in (self.courier.kills, self.courier.calm):
            await lane.close(1)
        return self.steps


@pytest.fixture
def ahead() -> ControlReport:
    """A pod that holds the document of generation 1, and is flat by the object's generation 2."""
    return report(long=FLAT, short=FLAT, due_generation=2)


async def test_the_object_is_read_first_and_its_kill_is_sent(ahead: ControlReport) -> None:
    steps = await Rig(held=ahead, newest=grid(generation=2, killSwitch="flattenBoth")).run()
    assert steps[:2] == ["get", "read the object"]
    assert f"put 2 {KillSwitch.FLATTEN_BOTH}" in steps
    assert "tell generation 1" not in steps
    assert "tell generation 2" in steps


async def test_an_object_that_is_behind_its_pod_is_told_after_it_was_read_and_sends_nothing(
    ahead: ControlReport,
) -> None:
    """F45: the API server's store is an older copy of itself."""
    steps = await Rig(held=ahead, newest=grid(generation=1)).run()
    assert steps[:3] == ["get", "read the object", "tell generation 1"]
    assert [step for step in steps if step.startswith("put") and "flattenBoth" not in step] == []
