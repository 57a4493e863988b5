"""Whatever happens, in whatever order: the identities hold at every event, and once engaged nothing opens.

A Hypothesis state machine drives market, controls, partial fills, refusals, crashes and delayed deliveries against the
real strategy and the real book.
"""

import asyncio
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hedgegrid_api.types import KillSwitch, LegLevel, LegState, levels_of
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.venues.sim.faults import Faults
from tests.strategy.direct import SECOND, Rig, strategy_file, venue_file

D = Decimal


class Grid(RuleBasedStateMachine):
    """Spec changes × market × faults × crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hedgegrid-"))
        self.rig: Rig
        self.generation = 0
        self.switch = KillSwitch.NONE
        self.price = 42000

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.close()
        shutil.rmtree(self.folder)

    @initialize(
        part=st.sampled_from([None, "0.001", "0.003"]),
        scale=st.sampled_from([1, 1.5]),
        steps=st.integers(1, 6),
        cap=st.sampled_from(["900", "3000", "100000"]),
    )
    def begin(self, part: str | None, scale: float, steps: int, cap: str) -> None:
        faults = Faults(
            largest_tick_fill=None if part is None else D(part), largest_market_fill=None if part is None else D(part)
        )
        config = strategy_file(
            baseQty="0.004",
            qtyScale=scale,
            takeProfitSteps=steps,
            maxInventoryQuote=cap,
            execution={"barSeconds": 5, "staleDataSeconds": 60},
        )
        self.rig = Rig(self.folder, config, venue_file(), stored=True, faults=faults)
        self.rig.quote(self.price)

    @rule(moves=st.lists(st.integers(-130, 130), min_size=1, max_size=6))
    def market(self, moves: list[int]) -> None:
        for move in moves:
            self.price = max(38000, min(46000, self.price + move))
            self.rig.quote(self.price)

    @rule()
    def bar(self) -> None:
        self.rig.bar()

    @rule(seconds=st.floats(0.1, 4))
    def time(self, seconds: float) -> None:
        self.rig.wait(seconds, step=0.1)

    @rule(switch=st.sampled_from(list(KillSwitch)), throttle=st.sampled_from([0, 0.3, 0.5, 1]))
    def control(self, switch: KillSwitch, throttle: float) -> None:
        self.generation += 1
        self.switch = switch
        asyncio.run(self.rig.control(self.generation, killSwitch=switch.value, throttle=throttle))

    @rule(refusals=st.integers(1, 3), code=st.sampled_from(["-1008 overloaded", "-4131 none", "-2022 reduce only"]))
    def refuse(self, refusals: int, code: str) -> None:
        self.rig.faults.refusals, self.rig.faults.refusal = refusals, code

    @rule(moves=st.lists(st.integers(-200, 200), min_size=1, max_size=3), deliver=st.integers(0, 6))
    def late(self, moves: list[int], deliver: int) -> None:
        """The venue runs ahead of what the strategy has heard."""
        self.rig.venue.lazy = True
        for move in moves:
            self.price = max(38000, min(46000, self.price + move))
            self.rig.clock.ts += SECOND // 10
            self.rig.market(self.price)
        self.rig.timer()
        for _ in range(deliver):
            self.rig.venue.deliver()
        self.rig.venue.lazy = False
        self.rig.pump()

    @rule(deliver=st.integers(0, 4), switch=st.sampled_from(list(KillSwitch)), wait=st.booleans())
    def crash(self, deliver: int, switch: KillSwitch, wait: bool) -> None:
        """A control change is under way when the process dies."""
        self.rig.venue.lazy = True
        self.control(switch, 1)
        for _ in range(deliver):
            self.rig.venue.deliver()
        self.rig.crash()
        self.rig.boot(await_control=wait)
        self.rig.quote(self.price)

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "rig"):
            self.rig.check()

    @invariant()
    def what_is_held_back_has_no_entry(self) -> None:
        if not hasattr(self, "rig") or not self.rig.strategy.idle:
            return
        for leg, level in zip(Leg, levels_of(self.switch), strict=True):
            if level is not LegLevel.OPEN:
                assert self.rig.resting(leg, opening=True) == {}, leg
        legs = self.rig.strategy.report().kill_switch.legs
        for leg, report in ((Leg.LONG, legs.long), (Leg.SHORT, legs.short)):
            if report.state is LegState.FLAT:
                assert self.rig.position(leg) == 0
                assert self.rig.resting(leg, opening=False) == {}

    @invariant()
    def nothing_opens_while_engaged(self) -> None:
        if not hasattr(self, "rig"):
            return
        seen, self.rig.venue.submitted = self.rig.venue.submitted, []
        self.rig.venue.cancelled = []
        for leg, level in zip(Leg, levels_of(self.switch), strict=True):
            if level is not LegLevel.OPEN and getattr(self, "engaged", None) is self.switch:
                assert not [order for order in seen if order.leg is leg and not order.reduce_only]
        self.engaged = self.switch


Grid.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestGrid = Grid.TestCase
