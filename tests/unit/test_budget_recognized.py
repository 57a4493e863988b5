"""A budget that an earlier process has made is recognized either way: which one it has to be isn't known yet."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from hedgegrid_operator.admission import Admission
from hedgegrid_operator.apply import Children, stamped
from hedgegrid_operator.cache import Cache
from hedgegrid_operator.desired.disruption_budget import disruption_budget
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.kube import Kube
from hedgegrid_operator.objects import DISRUPTION_BUDGET, HEDGE_GRID, GridRef, Kind, packed
from hedgegrid_operator.recognize import Recognition
from hedgegrid_operator.served import Served
from tests.unit.operator_parts import UID, grid

REF = GridRef("default", "btc", UID)


class Budgets:
    """An API server that has one budget and nothing else."""

    def __init__(self, **spec: Any) -> None:
        manifest = disruption_budget(REF, evictable=bool(spec.get("evictable")))
        found = stamped(manifest, packed(manifest))
        about = found["metadata"] | {"uid": "budget", "generation": 3}
        self._budget = found | {"metadata": about, "status": {"disruptionsAllowed": 0}}
        if "minAvailable" in spec:
            self._budget["spec"]["minAvailable"] = spec["minAvailable"]

    async def pages(self, kind: Kind, namespace: str | None, selector: str) -> AsyncIterator[tuple[list[Any], int]]:
        yield ([self._budget] if kind is DISRUPTION_BUDGET else []), 1


@pytest.mark.parametrize(
    ("budget", "known"),
    [
        pytest.param(Budgets(evictable=True), True, id="a drain may pass"),
        pytest.param(Budgets(evictable=False), True, id="a drain is refused"),
        pytest.param(Budgets(evictable=False, minAvailable=7), False, id="somebody changed it"),
    ],
)
def test_a_budget_of_an_earlier_process_is_recognized(budget: Budgets, known: bool) -> None:
    kube, cache = cast("Kube", budget), Cache()
    cache.observe(HEDGE_GRID, grid())
    children = Children(kube)
    admission = Admission(cache, ImageDefaults("strategy", "1", "IfNotPresent"))
    asyncio.run(Recognition(kube, cache, children, admission, Served(kube)).run((None,)))
    found = children.applied(UID, DISRUPTION_BUDGET, "hedgegrid-btc")
    assert (found is not None) is known
    # The disruption controller writes its status all the time.
    assert found is None or found.version == 3
