"""A Hypothesis state machine over spec changes × pod faults × operator restarts, on real processes.

Once engaged, nothing opens until released, by the venue's order log; the last generation wins; one operationID an
engagement; nothing is left of a deleted grid. A sequence that fails is printed as JSON; HEDGEGRID_REPLAY plays it
again, HEDGEGRID_STATE_SEED chooses other sequences.
"""

import json
import os
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from hedgegrid_api.types import KillSwitch
from tests.kube import Cluster
from tests.operator.grid_parts import Field
from tests.operator.machine_parts import CHILDREN, Stage

SEED = int(os.environ.get("HEDGEGRID_STATE_SEED", "20261124"))
SEQUENCES = int(os.environ.get("HEDGEGRID_STATE_SEQUENCES", "100"))
STEPS = 21
SWITCHES = ["none", *(switch.value for switch in KillSwitch)]
CHANGES: list[tuple[object, ...]] = [
    *(("throttle", value) for value in (0, 0.3, 0.7, 1)),
    *(("rearm", switch, {}) for switch in ("none", "none", "haltEntries", "flattenBoth")),
    *(("risk", limits) for limits in ({"maxDrawdownPercent": 60}, {"confirmations": 5}, {"action": "haltEntries"})),
    *(("pause", value) for value in ("disabled", None)),
]
CALLS = [
    *(("flatten", side) for side in ("long", "short", "both")),
    *(("resume", side) for side in ("long", "both")),
    *(("throttle", value) for value in ("0.2", "1")),
]
RESTARTS: list[tuple[object, ...]] = [
    *(("operator", how) for how in ("kill", "stop", "replace")),
    *(("pod", "kill"), ("pod", "kill"), ("take_pod", 0)),
]
TEMPLATES: list[tuple[object, ...]] = [
    *(("take_pod", 1), ("take_stateful_set",), ("grid_field", 4), ("grid_field", 6), ("delete",), ("delete",)),
]


class Grids(RuleBasedStateMachine):
    """What may happen to a grid. What restarts a process is rarer: it costs a second of a core."""

    stage: ClassVar[Stage]

    @initialize(slow=st.sampled_from([False, False, False, False, False, False, True]))
    def begin(self, slow: bool) -> None:
        """On the next grid."""
        self.slow = slow
        """Whether pod templates change, and pods end in their own time, in this sequence."""
        self.restarts = self.templates = 0
        self.stage.run(self.stage.begin)

    def do(self, *step: object) -> None:
        self.stage.run(lambda: self.stage.do(*step))

    @rule(change=st.sampled_from(CHANGES))
    def change(self, change: tuple[object, ...]) -> None:
        """Of the object, by a person."""
        self.do(*change)

    @rule(switch=st.sampled_from(SWITCHES))
    def kill_switch(self, switch: str) -> None:
        """A level, another one perhaps than before."""
        self.do("kill_switch", switch)

    @rule(call=st.sampled_from(CALLS))
    def call(self, call: tuple[str, str]) -> None:
        """Of the pod's API, by a person."""
        self.do("api", *call)

    @rule(fault=st.sampled_from(["freeze", "thaw", "refuse", "drop", "delay", "heal", "heal"]))
    def break_pod(self, fault: str) -> None:
        """Its process, or the way to it."""
        self.do("pod", fault)

    @rule(kind=st.sampled_from([*sorted(CHILDREN), "stall", "wake", "wake"]))
    def break_others(self, kind: str) -> None:
        """A child goes, or the operator stands still for a while."""
        self.do(*(("take_child", kind) if kind in CHILDREN else ("operator", kind)))

    @precondition(lambda self: self.restarts < 2)
    @rule(what=st.sampled_from(RESTARTS))
    def restart(self, what: tuple[object, ...]) -> None:
        """What takes a new process."""
        self.restarts += 1
        self.do(*what)

    @precondition(lambda self: self.slow and self.templates < 2)
    @rule(what=st.sampled_from(TEMPLATES))
    def change_pod(self, what: tuple[object, ...]) -> None:
        """What takes a pod its time to end, too."""
        self.templates += 1
        self.do(*what)

    def teardown(self) -> None:
        self.stage.run(self.stage.end)


@pytest.fixture
def stage(own_cluster: Cluster) -> Iterator[Stage]:
    """Operators that hurry, and grids that trade."""
    field = Field(own_cluster)
    found = Stage(field)
    try:
        found.start()
        yield found
    finally:
        found.witness.close()
        found.operators.wake()
        field.close()


@pytest.mark.timeout(1800)
def test_sequences_of_changes_faults_and_restarts(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    replayed = os.environ.get("HEDGEGRID_REPLAY")
    if replayed:
        stage.replay(json.loads(replayed))
        return
    with capsys.disabled():
        print(f"\nstate machine: {SEQUENCES} sequences of {STEPS} steps, HEDGEGRID_STATE_SEED={SEED}")
    Grids.stage = stage
    run_state_machine_as_test(
        seed(SEED)(Grids),
        settings=settings(
            max_examples=SEQUENCES + SEQUENCES // 10,  # some are cut short
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
        _min_steps=STEPS,
    )
    if stage.failure is not None:
        raise stage.failure
    stage.close()
    with capsys.disabled():
        print(f"{stage.lengths} steps, {stage.operators.restarts} restarts of operators, {dict(stage.actions)}")
    assert len([length for length in stage.lengths if length >= 20]) >= SEQUENCES
