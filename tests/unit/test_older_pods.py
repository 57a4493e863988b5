"""An operator that is newer than a pod gets a deletion through to it all the same, and asks for nothing more. (F52)"""

import asyncio
from collections.abc import Callable

import pytest

from hedgegrid_api.control import ControlDocument, ControlReport, DeletionIntent
from hedgegrid_api.types import KillSwitch, LegLevel, levels_of
from hedgegrid_operator.cache import Cache, Entry
from hedgegrid_operator.control import plan
from hedgegrid_operator.control.answer import DocumentRefusedError
from hedgegrid_operator.control.courier import Courier
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import HEDGE_GRID, POD, Json
from tests.unit.operator_parts import UID, grid, report

DELETED = {"deletionTimestamp": "2026-03-01T11:59:00Z"}


class Outside:
    """A leader of epoch 1."""

    epoch = 1

    async def outrun(self, epoch: int) -> bool:
        return True

    async def confirm(self, uid: str) -> Entry | None:
        return None

    def news(self, uid: str) -> None:
        pass


class OldPod:
    """Knows no deletion but Flatten."""

    def __init__(self) -> None:
        self.taken: list[ControlDocument] = []
        self.refused = 0

    async def put(self, address: str, document: ControlDocument, *_: object) -> ControlReport:
        if document.deletion is DeletionIntent.CANCEL_ORDERS:
            self.refused += 1
            raise DocumentRefusedError("invalid", "deletion: Input should be 'none' or 'Flatten'", None)
        self.taken.append(document)
        return report(document.kill_switch, applied_generation=document.generation)

    async def get(self, address: str, uid: str, *_: object) -> ControlReport:
        return report()


def pod() -> Json:
    labels = {"hedgegrid.io/uid": UID}
    about = {
        "name": "hedgegrid-btc-0",
        "namespace": "default",
        "uid": "pod-1",
        "resourceVersion": "7",
        "labels": labels,
    }
    return {"metadata": about, "status": {"podIP": "127.0.0.9"}}


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 — nothing tells when
        await asyncio.sleep(0.01)


async def test_an_older_pod_is_told_to_halt_its_entries() -> None:
    cache, client = Cache(), OldPod()
    courier = Courier(cache, client, Outside(), Metrics(), idle=5, busy=0.25, polls_per_second=80)  # type: ignore[arg-type]
    cache.observe(HEDGE_GRID, grid(generation=2, metadata=DELETED, deletion={"policy": "CancelOrders"}))
    cache.observe(POD, pod())
    courier.look(UID, pod_event=True)
    async with asyncio.timeout(10):
        await until(lambda: client.taken)
    entry = cache.grid(UID)
    assert entry is not None
    assert client.refused == 1
    assert {(taken.kill_switch, taken.deletion) for taken in client.taken} == {
        (KillSwitch.HALT_ENTRIES, DeletionIntent.NONE)
    }
    async with asyncio.timeout(10):
        await until(lambda: courier.link(UID).report)
    found = courier.link(UID).report
    assert found is not None
    assert plan.verified(found, courier.document(entry))
    for lane in (courier.kills, courier.calm):
        await lane.close(1)


@pytest.mark.parametrize("switch", list(KillSwitch))
def test_what_an_older_pod_is_told_asks_for_as_much_of_each_leg(switch: KillSwitch) -> None:
    wanted = ControlDocument(uid=UID, generation=1, kill_switch=switch, deletion=DeletionIntent.CANCEL_ORDERS)
    plain = plan.plainly(wanted)
    assert plan.wanted_levels(plain) == plan.wanted_levels(wanted)
    assert LegLevel.OPEN not in plan.wanted_levels(plain)
    assert (plain == wanted) is (len(set(levels_of(switch))) > 1)
