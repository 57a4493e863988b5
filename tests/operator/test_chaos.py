"""Three minutes of chaos on a fixed schedule: nothing lost, nothing doubled, no orphan.

`make chaos MINUTES=30` runs longer, on another schedule each time. HEDGEGRID_CHAOS_SEED chooses one here too.
"""

import os

import pytest

from tests.chaos.run import run
from tests.kube import Cluster

SEED = int(os.environ.get("HEDGEGRID_CHAOS_SEED", "5"))
MINUTES = float(os.environ.get("HEDGEGRID_CHAOS_MINUTES", "3"))


@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_orphaned(own_cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print()
        report = run(own_cluster, seed=SEED, minutes=MINUTES, say=print)
        print(report.text())
    if report.wrong:
        pytest.fail(report.verdict(), pytrace=False)
    assert sum(report.faults.values()) >= 30 * MINUTES
    assert min(report.faults.values()) >= 5 * MINUTES / 3
    assert report.held > 0
    assert report.fills > 0
