"""Whatever happens, in whatever order: the identities hold at every event, and once engaged nothing opens.

A Hypothesis state machine drives market, controls, regime, risk limits, partial fills, refusals, exits that the venue
takes away, closes from outside, transfers, crashes and delayed deliveries against the real strategy and the real book.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hedgegrid_api.types import KillSwitch, LegLevel, LegState
from naut_hedgegrid.domain.values import Ending, Leg, OrderRequest
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from tests.strategy.direct import SECOND, DirectVenue, Rig, strategy_file, venue_file

D = Decimal
TOLERANCE = D("1.02")
QUICK = {"emaFast": 2, "emaSlow": 4, "adxLength": 2, "adxThreshold": 10, "hysteresisBps": 1}


class Watched(DirectVenue):
    """Looks at venue and strategy after each event, and at the venue with each order and cancel that arrives."""

    cap = D(0)

    def deliver(self) -> None:
        super().deliver()
        assert self.strategy is not None
        assert self.strategy.errors == 0
        ledger = self.strategy._core.ledger
        for leg in Leg:
            assert ledger.unexplained(leg) == 0, f"lots of {leg} are not its position"

    def submit(self, order: OrderRequest) -> None:
        before = len(self.submitted)
        super().submit(order)
        if order.reduce_only or len(self.submitted) == before:
            return
        state = self.book.state(10**12)
        live = [other for other in state.open_orders if other.leg is order.leg and other.side is order.leg.opening]
        at = [other.price for other in live]
        assert len(at) == len(set(at)), f"two live entries at one price: {sorted(map(str, at))}"
        total = state.positions[order.leg].quantity + sum((other.leaves for other in live), D(0))
        assert order.price is not None
        assert total * order.price <= self.cap * TOLERANCE, f"{total} of {order.leg} at {order.price}"


class WatchedRig(Rig):
    """A rig with that venue."""

    def gateway(self) -> DirectVenue:
        venue = Watched(self.book, self.clock)
        venue.cap = self.config.grid.max_inventory_quote
        return venue


class Grid(RuleBasedStateMachine):
    """Spec changes × market × faults × crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hedgegrid-"))
        self.rig: Rig
        self.generation = 0
        self.switch = KillSwitch.NONE
        self.throttle: float = 1
        self.limits: dict[str, Any] = {}
        self.price = 42000
        self.held: dict[Leg, bool] = dict.fromkeys(Leg, False)

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.close()
        shutil.rmtree(self.folder)

    @initialize(
        part=st.sampled_from([None, "0.001", "0.003"]),
        scale=st.sampled_from([1, 1.5]),
        steps=st.integers(1, 6),
        stops=st.sampled_from([0, 0, 2, 5]),
        cap=st.sampled_from(["900", "3000", "100000"]),
        policy=st.sampled_from(["symmetric", "throttledCounter", "coreAndScalp"]),
        retries=st.integers(0, 2),
    )
    def begin(
        self, part: str | None, scale: float, steps: int, stops: int, cap: str, policy: str, retries: int
    ) -> None:
        faults = Faults(
            largest_tick_fill=None if part is None else D(part), largest_market_fill=None if part is None else D(part)
        )
        config = strategy_file(
            baseQty="0.004",
            qtyScale=scale,
            takeProfitSteps=steps,
            stopLossSteps=stops,
            maxInventoryQuote=cap,
            regime=QUICK,
            placement={"policy": policy, "counterLevels": 2},
            execution={"barSeconds": 5, "staleDataSeconds": 60, "postOnlyRetries": retries},
        )
        self.rig = WatchedRig(self.folder, config, venue_file(), stored=True, faults=faults, risk=True)
        self.rig.quote(self.price)
        self.rig.wait(3, step=0.5)

    # -- market, time

    def _move(self, move: int) -> None:
        self.price = max(38000, min(46000, self.price + move))

    @rule(moves=st.lists(st.integers(-130, 130), min_size=1, max_size=6))
    def market(self, moves: list[int]) -> None:
        for move in moves:
            self._move(move)
            self.rig.quote(self.price)

    @rule(moves=st.lists(st.integers(-40, 40), min_size=1, max_size=5))
    def bars(self, moves: list[int]) -> None:
        """Re-centres and changes of regime among them: where nothing fills they cost no exit."""
        for move in moves:
            self._move(move)
            before, held = self._covered(), {leg: self.rig.position(leg) for leg in Leg}
            self.rig.bar(self.price)
            if held == {leg: self.rig.position(leg) for leg in Leg}:
                self._none_lost(before)

    @rule(seconds=st.floats(0.1, 4))
    def time(self, seconds: float) -> None:
        self.rig.wait(seconds, step=0.1)

    @rule(moves=st.lists(st.integers(-200, 200), min_size=1, max_size=3), deliver=st.integers(0, 6))
    def late(self, moves: list[int], deliver: int) -> None:
        """The venue runs ahead of what the strategy has heard."""
        self.rig.venue.lazy = True
        for move in moves:
            self._move(move)
            self.rig.clock.ts += SECOND // 10
            self.rig.market(self.price)
        self.rig.timer()
        for _ in range(deliver):
            self.rig.venue.deliver()
        self.rig.venue.lazy = False
        self.rig.pump()

    # -- controls

    @rule(switch=st.sampled_from(list(KillSwitch)), throttle=st.sampled_from([0, 0.3, 0.5, 1]))
    def control(self, switch: KillSwitch, throttle: float) -> None:
        self.switch, self.throttle = switch, throttle
        self._document()

    @rule(throttle=st.sampled_from([0, 0.3, 0.5, 1]))
    def throttle_alone(self, throttle: float) -> None:
        """No exit of a leg that isn't flattened is lost by it; the rest of an entry may join one."""
        before = self._covered()
        self.throttle = throttle
        self._document()
        self._none_lost(before)

    @rule(loss=st.sampled_from([None, "3", "50"]), action=st.sampled_from(["haltEntries", "flattenBoth"]))
    def limit(self, loss: str | None, action: str) -> None:
        self.limits = {"action": action} if loss is None else {"action": action, "maxLossQuote": loss}
        self._document()

    @rule()
    def release(self) -> None:
        for latch in self.rig.strategy.report().latches:
            asyncio.run(self.rig.strategy.resume(latch.id, "both"))
            self.rig.pump()

    def _document(self) -> None:
        self.generation += 1
        values: dict[str, Any] = {"killSwitch": self.switch.value, "throttle": self.throttle}
        asyncio.run(self.rig.control(self.generation, **values, risk=self.limits))

    # -- what the venue does

    @rule(refusals=st.integers(1, 3), code=st.sampled_from(["-1008 overloaded", "-4131 none", "-2022 reduce only"]))
    def refuse(self, refusals: int, code: str) -> None:
        self.rig.faults.refusals, self.rig.faults.refusal = refusals, code

    @rule(count=st.integers(1, 4), expire=st.booleans())
    def refuse_post_only(self, count: int, expire: bool) -> None:
        if expire:
            self.rig.faults.post_only_expiries = count
        else:
            refused = RefuseNext(refusals.WOULD_TAKE, lambda order: order.post_only, count)
            self.rig.faults.refuse_next = [refused]

    @rule(data=st.data(), ending=st.sampled_from([Ending.EXPIRED, Ending.EXPIRED_IN_MATCH, Ending.CANCELED]))
    def take_exit_away(self, data: st.DataObject, ending: Ending) -> None:
        if names := sorted(self._exits()):
            name = data.draw(st.sampled_from(names))
            self.rig.happen(lambda book: book.expire_resting(name, ending))

    @rule(data=st.data(), leg=st.sampled_from(list(Leg)))
    def close_from_outside(self, data: st.DataObject, leg: Leg) -> None:
        thousandths = int(self.rig.position(leg) * 1000)
        if thousandths:
            quantity = D(data.draw(st.integers(1, thousandths))) / 1000
            self.rig.happen(lambda book: book.deleverage(leg, quantity, D(self.price)))

    @rule(amount=st.sampled_from([-20000, -500, 700, 30000]))
    def transfer(self, amount: int) -> None:
        if self.rig.book.account().wallet + amount > 60000:
            self.rig.happen(lambda book: book.transfer(D(amount)))

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

    @rule()
    def stop(self) -> None:
        """SIGTERM: entries go, exits stay; a start goes on."""
        before = self._covered()
        self.rig.strategy.halt()
        self.rig.pump()
        if self.rig.strategy.idle and not self.rig.strategy._core.loops:
            self._none_lost(before)
            assert all(self.rig.resting(leg, opening=True) == {} for leg in Leg)
        self.rig.crash()
        self.rig.boot()
        self.rig.quote(self.price)

    @rule(changed=st.sampled_from([{"step_bps": 40}, {"levels_long": 3}, {"base_qty": D("0.006")}]))
    def configure(self, changed: dict[str, Any]) -> None:
        """A rollout: another grid goes on with the exits of the one before."""
        before = self._covered()
        self.rig.crash()
        grid = self.rig.config.grid.model_copy(update=changed)
        self.rig.config = self.rig.config.model_copy(update={"grid": grid})
        self.rig.boot()
        self._none_lost(before)
        self.rig.quote(self.price)

    # -- what holds

    def _none_lost(self, before: Counter[tuple[Leg, bool]]) -> None:
        """But where the venue refused it: a rest that joins an exit (R15) costs that one until the next bar then."""
        if self.rig.strategy._core.exits.refused:
            return
        after = self._covered()
        assert all(after[key] >= quantity for key, quantity in before.items() if key[0] not in self._flattened())

    def _flattened(self) -> set[Leg]:
        return set(self.rig.strategy._core.loops)

    def _exits(self) -> set[str]:
        """Ids of open orders that close, of legs that aren't flattened."""
        loops = self.rig.strategy._core.loops
        orders = self.rig.book.state(10**12).open_orders
        return {o.client_order_id for o in orders if o.side is o.leg.closing and o.leg not in loops}

    def _covered(self) -> Counter[tuple[Leg, bool]]:
        """Quantity of the open take-profits and of the open stops of each leg that isn't flattened, in thousandths."""
        names, found = self._exits(), Counter[tuple[Leg, bool]]()
        for order in self.rig.book.state(10**12).open_orders:
            if order.client_order_id in names:
                found[order.leg, order.trigger_price is None] += int(order.leaves * 1000)
        return found

    def _level(self, leg: Leg) -> LegLevel:
        return self.rig.strategy._switchboard.controls.level(leg)

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "rig"):
            self.rig.check()

    @invariant()
    def exits_never_stand_for_more_than_is_held(self) -> None:
        if not hasattr(self, "rig") or not self.rig.strategy.idle:
            return
        orders = self.rig.book.state(10**12).open_orders
        for leg in Leg:
            closing = [order for order in orders if order.leg is leg and order.side is leg.closing]
            takes = sum((order.leaves for order in closing if order.trigger_price is None), D(0))
            stops = sum((order.leaves for order in closing if order.trigger_price is not None), D(0))
            assert takes <= self.rig.position(leg), leg
            assert stops <= self.rig.position(leg), leg

    @invariant()
    def what_is_held_back_has_no_entry(self) -> None:
        if not hasattr(self, "rig") or not self.rig.strategy.idle:
            return
        for leg in Leg:
            if self._level(leg) is not LegLevel.OPEN:
                assert self.rig.resting(leg, opening=True) == {}, leg
        legs = self.rig.strategy.report().kill_switch.legs
        for leg, report in ((Leg.LONG, legs.long), (Leg.SHORT, legs.short)):
            if report.state is LegState.FLAT:
                assert self.rig.position(leg) == 0
                assert not [order for order in self.rig.book.state(10**12).open_orders if order.leg is leg]

    @invariant()
    def nothing_opens_while_engaged(self) -> None:
        if not hasattr(self, "rig"):
            return
        seen, self.rig.venue.submitted = self.rig.venue.submitted, []
        self.rig.venue.cancelled = []
        for leg in Leg:
            held = self._level(leg) is not LegLevel.OPEN
            if held and self.held[leg]:
                assert not [order for order in seen if order.leg is leg and not order.reduce_only]
            self.held[leg] = held


Grid.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestGrid = Grid.TestCase
