"""The faults of a chaos run: as many as promised, of each kind, and the same ones for the same seed."""

import json
from collections import Counter

import pytest

from tests.chaos.diary import Diary
from tests.chaos.evidence import Violation
from tests.chaos.report import Report, Wrong
from tests.chaos.schedule import Kind, schedule


@pytest.mark.parametrize("seed", range(20))
def test_three_minutes_hold_thirty_faults_a_minute_and_five_of_each_kind(seed: int) -> None:
    faults = schedule(seed, 3, 5)
    assert len(faults) >= 90
    assert min(Counter(fault.kind for fault in faults).values()) >= 5
    assert {fault.kind for fault in faults} == set(Kind)
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert faults[-1].at == pytest.approx(180)
    assert {fault.target for fault in faults} == set(range(5))


def test_the_seed_decides() -> None:
    assert schedule(7, 3, 5) == schedule(7, 3, 5)
    assert schedule(7, 3, 5) != schedule(8, 3, 5)
    assert schedule(7, 0, 5) == []


def test_the_report_counts_and_tells_what_happened_around_a_violation() -> None:
    diary = Diary()
    diary.fault("pod killed", "chaos-1")
    diary.patch("kill", "chaos-1: flattenBoth, generation 7")
    report = Report(
        seed=7,
        minutes=3,
        seconds=120,
        rest_seconds=4,
        faults={"pod killed": 61},
        patches={"kill": 3},
        lives=6,
        commands=100,
        fills=10,
        sightings=20,
        held=2,
        reached=2,
        diary=tuple(diary.lines),
        wrong=(Wrong(Violation("orphan", "chaos-1", None, "Service x"), diary.around(None)),),
    )
    assert report.rate == 30.5
    text = report.text()
    assert "seed 7" in text
    assert "orphan: chaos-1: Service x\n    " in text
    assert "chaos-1: flattenBoth, generation 7" in text
    assert text.endswith("\n1 violations\norphan: chaos-1: Service x")
    assert json.loads(report.json())["faults"] == {"pod killed": 61}
