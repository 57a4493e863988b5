"""A rig for each test that asks for one, closed afterwards."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.strategy.direct import Rig
from tests.strategy.node_parts import NodeRig


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Builds rigs with the options of `Rig`."""
    rigs: list[Rig] = []

    def build(**options: Any) -> Rig:
        rigs.append(Rig(tmp_path, **options))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[NodeRig]:
    """A node that a test starts."""
    found = NodeRig(tmp_path)
    yield found
    await found.stop()
