"""How often reports are read: so many a second of all pods together, and never so seldom that connections end."""

from typing import Any

import pytest

from hedgegrid_operator.control import client, courier, plan
from naut_hedgegrid.ops.servers import KEEP_ALIVE_SECONDS
from tests.unit.operator_parts import grid, report
from tests.unit.test_courier_behind import Rig

LARGEST_JITTER = 1.2


@pytest.mark.parametrize(("pods", "least"), [(1, 0.01), (1000, 10), (5000, 50), (20_000, 50)])
async def test_the_more_pods_the_less_often_each_is_read(
    pods: int, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def delay(*_: object, **given: Any) -> float:
        asked.append(given["least"])
        return 60

    monkeypatch.setattr(plan, "poll_delay", delay)
    rig = Rig(held=report(), newest=grid(generation=1))  # 100 a second
    for number in range(1, pods):
        rig.courier.link(f"other-{number}")
    await rig.run()
    assert set(asked) == {least}


def test_a_connection_outlives_the_longest_pause_and_is_closed_before_the_pod_does() -> None:
    longest = courier._LEAST_MAX * LARGEST_JITTER  # pyright: ignore[reportPrivateUsage]
    kept = client._KEEP_ALIVE  # pyright: ignore[reportPrivateUsage]
    assert longest < kept < KEEP_ALIVE_SECONDS
