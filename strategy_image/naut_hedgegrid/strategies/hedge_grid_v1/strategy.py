"""HedgeGridV1: the strategy as the engine drives it and as people and programs control it.

The shell around the pure parts: it hands events to the core, has changes stored before orders leave, keeps the
controls, and answers questions. It lives on one event loop; its documented methods may be called from any thread.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from hedgegrid_api.control import ControlDocument, ControlReport
from hedgegrid_api.files import StrategyFile
from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.grid import WorkingOrder
from naut_hedgegrid.domain.ports import VenueGateway
from naut_hedgegrid.domain.values import (
    FundingSettled,
    Instrument,
    Leg,
    OrderEvent,
    OrderRejected,
    Quote,
    Regime,
    VenueState,
)
from naut_hedgegrid.grid.bars import SECOND, Bar
from naut_hedgegrid.grid.ledger import Ledger
from naut_hedgegrid.grid.records import Snapshot
from naut_hedgegrid.ops.port import LoopPort
from naut_hedgegrid.risk.limits import Rule
from naut_hedgegrid.store.protocol import Archive
from naut_hedgegrid.strategies.hedge_grid_v1 import control, snapshots
from naut_hedgegrid.strategies.hedge_grid_v1 import report as reports
from naut_hedgegrid.strategies.hedge_grid_v1.actions import Action, Cancel, Submit
from naut_hedgegrid.strategies.hedge_grid_v1.clock import Clock, WallClock
from naut_hedgegrid.strategies.hedge_grid_v1.control import Controls
from naut_hedgegrid.strategies.hedge_grid_v1.core import NOT_SENT, GridCore
from naut_hedgegrid.strategies.hedge_grid_v1.custody import Custody
from naut_hedgegrid.strategies.hedge_grid_v1.figures import Figures, RiskFigure, figures
from naut_hedgegrid.strategies.hedge_grid_v1.health import STORE_FAILED, Store, StoreHealth
from naut_hedgegrid.strategies.hedge_grid_v1.inputs import checked_throttle, legs_of
from naut_hedgegrid.strategies.hedge_grid_v1.outbox import Outbox
from naut_hedgegrid.strategies.hedge_grid_v1.own_object import OwnObject
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.settings import core_settings
from naut_hedgegrid.strategies.hedge_grid_v1.switchboard import Switchboard, new_operation_id
from naut_hedgegrid.strategies.hedge_grid_v1.telemetry import Counts, Telemetry

log = logging.getLogger(__name__)

TIMER_SECONDS = 0.05
"""Interval of the timer that deadlines, pauses and stale data rest on."""
HELD_SECONDS = 30.0
"""Without a document for so long after a start, resting entries are cancelled."""
AUDIT_SECONDS = 60.0
"""The venue's books are compared so often though nothing says that they differ."""
LOOK_BACK_TRADES = 50
NO_DOCUMENT = "NoControlDocument"
CALLBACK_ERROR = "CallbackErrors"


class KillSwitchMonitor(Protocol):
    """A risk monitor that may call `flatten_side`."""

    def attached(self, strategy: "HedgeGridV1") -> None:
        """The strategy that it watches."""
        ...


class HedgeGridV1:
    """A LONG and a SHORT ladder of post-only orders, with controls."""

    def __init__(
        self,
        config: StrategyFile,
        instrument: Instrument,
        owner: str,
        store: Store,
        snapshot: Snapshot,
        values: dict[str, Any],
        *,
        await_control: bool,
        clock: Clock | None = None,
        backtest: bool = False,
    ) -> None:
        """`owner` is the grid's part of the client order ids; `snapshot` and `values` are what the store knows;
        with `await_control` nothing is added until the first document of this start; `backtest` says that the venue
        is the engine's, where a stop may turn a leg round, and that nothing outlives the process."""
        self.instrument = instrument
        self.owner = owner
        self.port = LoopPort()
        self.boot_id = secrets.token_hex(8)
        self.errors = 0
        """Exceptions in callbacks since the start."""
        self.synced = not await_control
        self.running = False
        self.archive = store if isinstance(store, Archive) else None
        """Where history, fills and audit log are kept; None where nobody keeps them."""
        self._config = config
        self._clock = clock or WallClock()
        self._gateway: VenueGateway | None = None
        self._began = self._audited = self._clock.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._monitor: KillSwitchMonitor | None = None
        self._values = values
        self._keeps_state = not backtest
        settings = core_settings(config, backtest=backtest)
        ledger = Ledger(owner, snapshot, settings.grid.step_bps)
        self._core = GridCore(settings, instrument, ledger, self._clock)
        self._core.restore(values)
        self._telemetry: Telemetry | None = None
        self._store = StoreHealth(store, self._clock.monotonic, self._store_changed)
        self._switchboard = Switchboard(self._store, values, self._clock, self._close_gates, self.port.post)
        self.own_object = OwnObject(self._switchboard, self._clock, self._act)
        self._outbox = Outbox(self._store, self._send, self._dropped, self.port.post)
        self._custody = Custody(
            self._core, self._switchboard, self._clock, config.risk, self._act, keeps_state=self._keeps_state
        )
        self._core.fault(STORE_FAILED, self._store.failure)
        self._core.control(**self._core_controls())

    # -- the documented methods, any thread

    def get_operational_metrics(self) -> dict[str, float]:
        """The documented metrics; NaN where unknown."""
        return self.port.call(
            lambda: snapshots.operational_metrics(self._core, self.figures(), self._clock.monotonic() - self._began)
        )

    def attach_kill_switch(self, kill_switch: "KillSwitchMonitor | RiskMonitor") -> None:
        """Attach the risk monitor that may call `flatten_side`.

        A `RiskMonitor` is asked by the strategy itself, every second or with each bar, and entries are held until it
        has had its say; any other is told whom it watches, if it has a method `attached`, and acts by itself.
        """
        self.port.call(lambda: self._attach(kill_switch))

    @property
    def kill_switch(self) -> "KillSwitchMonitor | RiskMonitor | None":
        """The risk monitor attached, if any."""
        return self._monitor or self._custody.monitor

    def flatten_side(self, side: str) -> dict[str, Any]:
        """Flatten `"long"`, `"short"` or `"both"` and hold it flat until it is resumed.

        Returns once the latch is stored and the cancels are requested, with the number of orders that are being
        cancelled and the positions that will be closed. Calling it again changes nothing.

        Raises:
            ValueError: any other side.
        """
        legs = legs_of(side)
        return self.port.call(lambda: self._flatten_now(legs))

    def set_throttle(self, throttle: float) -> None:
        """Scale entries by 0.0 to 1.0, in effect while it is below the configured throttle.

        Raises:
            ValueError: outside 0.0..1.0, NaN included.
        """
        checked = checked_throttle(throttle)
        self.port.call(lambda: self._scale_now(checked))

    def get_ladders_snapshot(self) -> dict[str, Any]:
        """Both ladders as last computed; empty before the first."""
        return self.port.call(lambda: snapshots.ladders_snapshot(self._core))

    # -- further control, on the loop

    async def apply(self, document: ControlDocument) -> ControlReport:
        """Take a control document; the report once it is stored and cancels are requested.

        Raises:
            StaleDocumentError: another object's, or older than what is held.
        """
        held = self._switchboard.controls
        after = self.own_object.again(control.with_document(held, document, self._clock.wall(), new_operation_id))
        self.synced = True
        self._step(self._core.fault(NO_DOCUMENT, None))
        await self._switchboard.put(after)
        self._custody.on_released(held, after)
        self._act()
        return self.report()

    async def flatten(self, side: str) -> dict[str, Any]:
        """`flatten_side` without blocking the loop; with the operation ids of the legs.

        Raises:
            ValueError: an unknown side.
        """
        legs = legs_of(side)
        answer = snapshots.flatten_answer(self._core, legs)
        after = self._with_flatten(legs)
        await self._switchboard.put(after)
        self._act()
        return {**answer, "operationID": {leg.value: after.engagements[leg].operation_id for leg in legs}}

    async def scale(self, throttle: float) -> ControlReport:
        """`set_throttle` without blocking the loop.

        Raises:
            ValueError: outside 0.0..1.0, NaN included.
        """
        await self._switchboard.put(control.with_api_throttle(self._switchboard.controls, checked_throttle(throttle)))
        self._act()
        return self.report()

    async def resume(self, latch_id: str, side: str) -> ControlReport:
        """Release a latch by its id.

        Raises:
            UnknownLatchError: no such latch stands.
            ValueError: an unknown side.
        """
        legs = legs_of(side)
        held = self._switchboard.controls
        after = control.with_resume(held, latch_id, legs, self._clock.wall(), new_operation_id)
        await self._switchboard.put(after)
        self._custody.on_released(held, after)
        self._act()
        return self.report()

    def report(self) -> ControlReport:
        """The whole state, as `GET /control` gives it."""
        self._note_reached()
        identity = reports.Identity(self.boot_id, self.synced, self._config.throttle)
        return reports.control_report(
            identity,
            self._core,
            self._switchboard.controls,
            self.figures(),
            monotonic=self._clock.monotonic(),
            last_error=self._switchboard.error,
            pod_conditions=reports.conditions(
                self._core, self._switchboard.controls, self._store.failure or self._switchboard.error
            ),
        )

    def figures(self) -> Figures:
        """The grid's figures at the newest quote."""
        found = figures(self._core, self._gateway.account() if self._gateway is not None else None)
        if self._custody.monitor is None:
            return found
        rules = self._custody.monitor.figures()
        drawdown, distance = rules[Rule.DRAWDOWN.value].observed, rules[Rule.LIQUIDATION_DISTANCE.value].observed
        return replace(
            found,
            drawdown=None if drawdown is None else drawdown / 100,
            liquidation_distance=None if distance is None else distance / 100,
        )

    def unprotected(self, leg: Leg) -> Decimal | None:
        """Held quantity of a leg that no exit stands for; None until the venue's books are read."""
        return self._core.exits.unprotected(leg) if self._core.started else None

    def start_counting(self) -> None:
        """Count orders, fills and latencies from now on; nothing is counted before (a backtest never does)."""
        if self._telemetry is None:
            ledger = self._core.ledger
            self._telemetry = Telemetry((lot for leg in Leg for lot in ledger.lots_of(leg)), ledger.orders.values())

    def counts(self) -> Counts | None:
        """What has been counted; None where nothing is."""
        return self._telemetry.counts() if self._telemetry is not None else None

    @property
    def regime(self) -> Regime | None:
        """The market's regime in effect; None where it isn't followed."""
        return self._core.plan.regime

    def risk_figures(self) -> Mapping[str, RiskFigure]:
        """What the risk rules observe, by rule; empty where none is watched."""
        return {} if self._custody.monitor is None else self._custody.monitor.figures()

    @property
    def data_age(self) -> float | None:
        """Age of the newest quote in market time, seconds; None before the first."""
        quote = self._core.quote
        return None if quote is None else max(0.0, (self._clock.market() - quote.ts) / SECOND)

    def orders(self) -> list[dict[str, Any]]:
        """Orders that aren't terminal."""
        return snapshots.orders_snapshot(self._core)

    @property
    def ready(self) -> bool:
        """The venue's books are adopted and a quote has come."""
        return self.running and self._core.started and self._core.quote is not None

    @property
    def data_fresh(self) -> bool:
        """The market can be traded on."""
        return "StaleData" not in self._core.gates.faults

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return self._core.idle and self._outbox.empty

    # -- what the engine calls

    def on_start(self, gateway: VenueGateway) -> None:
        """The engine has taken over the venue's orders; read its books."""
        self.running = True
        self._gateway = gateway
        self._core.account = gateway.account
        self._schedule()
        self._request_state(gateway)

    def on_venue_state(self, state: VenueState) -> None:
        """Positions, open orders and missed fills as the venue has them."""
        self._guard(lambda: self._core.on_venue_state(state) if self._core.started else self._core.start(state))

    def on_quote(self, quote: Quote) -> None:
        """A new best bid and ask."""
        if self._telemetry is not None:
            self._tell(self._telemetry.on_quote, quote)
        self._guard(lambda: self._core.on_quote(quote))

    def on_bar(self, bar: Bar) -> None:
        """A bar has closed, where the market comes in bars. Risk is judged first: what trips opens nothing any more."""
        try:
            actions, account = self._custody.on_bar(bar)
            self._step(actions)
            self._step(self._core.on_bar(bar, account))
        except Exception as error:  # noqa: BLE001  as in `_guard`
            self.on_error(error)

    def on_order_event(self, event: OrderEvent) -> None:
        """Something happened to an order."""
        if self._telemetry is not None:
            self._tell(self._telemetry.on_order_event, event, self._clock.monotonic())
        self._guard(lambda: self._core.on_order_event(event))

    def on_funding(self, settled: FundingSettled) -> None:
        """Funding was settled."""
        self._guard(lambda: self._core.on_funding(settled))

    def on_instrument(self, instrument: Instrument | None) -> None:
        """The venue's limits on orders have changed; None while they are unknown."""
        self.instrument = instrument or self.instrument
        self._guard(lambda: self._core.on_instrument(instrument))

    def on_market_end(self) -> None:
        """The market has no more data."""
        self._guard(self._core.on_market_end)

    def on_timer(self) -> None:
        """Time has passed; called every `TIMER_SECONDS` on the strategy's loop."""
        now = self._clock.monotonic()
        if not self.synced and now - self._began > HELD_SECONDS:
            self._guard(lambda: self._core.fault(NO_DOCUMENT, f"no control document for {HELD_SECONDS:.0f} s"))
        self._guard(self._core.on_timer)
        self._store.check()
        self._guard(self._custody.on_timer)
        if now - self._audited > AUDIT_SECONDS:
            self._audited = now
            self._guard(self._core.audit)
        self._switchboard.pump()
        self._outbox.pump(now)

    def on_error(self, error: Exception) -> None:
        """A callback of the engine failed: entries stop until the process is restarted."""
        self.errors += 1
        log.error("callback failed: %r", error, exc_info=error)
        message = f"{self.errors} errors in callbacks, the last: {error!r}; restart the pod after reading its log"
        self._step(self._core.fault(CALLBACK_ERROR, message))

    def halt(self) -> None:
        """The process is about to stop: entries are cancelled, exits stay. Not stored."""
        self._guard(lambda: self._core.fault("Stopping", "the process is stopping"))

    @property
    def entries_gone(self) -> bool:
        """No entry rests or is on its way."""
        return not any(self._core.ledger.entries(leg) for leg in Leg)

    @property
    def holding(self) -> bool:
        """A leg has a position."""
        return any(self._core.ledger.positions.values())

    @property
    def flattening(self) -> bool:
        """A flatten is under way."""
        return any(not loop.done for loop in self._core.loops.values())

    def on_stop(self) -> None:
        """The node stops: nothing is sent any more."""
        self.running = False
        self._gateway = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- inside: controls

    def _attach(self, kill_switch: "KillSwitchMonitor | RiskMonitor") -> None:
        if isinstance(kill_switch, RiskMonitor):
            self._custody.watch(kill_switch, self._values)
            self._act()
            return
        self._monitor = kill_switch
        if hasattr(kill_switch, "attached"):
            kill_switch.attached(self)

    def _act(self) -> None:
        """Have the core act on the controls as they are."""
        self._custody.on_controls()
        self._step(self._core.control(**self._core_controls()))

    def _core_controls(self) -> dict[str, Any]:
        controls = self._switchboard.controls
        throttle, _ = controls.throttle(self._config.throttle)
        levels: dict[Leg, LegLevel] = {leg: controls.level(leg) for leg in Leg}
        return {
            "levels": levels,
            "throttle": Decimal(str(throttle)),
            "held": not (self.synced and self._custody.settled),
        }

    def _store_changed(self) -> None:
        if self._store.failure is None:
            self._switchboard.recovered()
        self._guard(lambda: self._core.fault(STORE_FAILED, self._store.failure))

    def _close_gates(self, controls: Controls) -> None:
        self._core.gates.bar({leg: controls.level(leg) for leg in Leg})

    def _with_flatten(self, legs: tuple[Leg, ...]) -> Controls:
        return control.with_api_flatten(self._switchboard.controls, legs, self._clock.wall(), new_operation_id)

    def _flatten_now(self, legs: tuple[Leg, ...]) -> dict[str, Any]:
        answer = snapshots.flatten_answer(self._core, legs)
        self._switchboard.put_now(self._with_flatten(legs))
        self._act()
        return answer

    def _scale_now(self, throttle: float) -> None:
        self._switchboard.put_now(control.with_api_throttle(self._switchboard.controls, throttle))
        self._act()

    def _note_reached(self) -> None:
        now, controls = self._clock.monotonic(), self._switchboard.controls
        self._switchboard.note_reached(
            {leg: reports.leg_state(self._core, controls, leg, now) in reports.FINISHED for leg in controls.engagements}
        )

    # -- inside: events

    def _guard(self, handle: Callable[[], list[Action]]) -> None:
        """An exception in a handler must not vanish in the engine: it stops entries and is reported."""
        try:
            self._step(handle())
        except Exception as error:  # noqa: BLE001
            self.on_error(error)

    def _step(self, actions: list[Action]) -> None:
        changes = self._core.ledger.drain()
        if changes is not None or actions:
            now = self._clock.monotonic()
            if changes is not None and self._telemetry is not None:
                self._tell(self._telemetry.on_booked, changes, now)
            self._outbox.put(changes if self._keeps_state else None, actions, now)
        if requests := self._core.latch_requests:
            self._core.latch_requests = []
            self._custody.latch(requests)
        if self._switchboard.controls.engagements:
            self._note_reached()

    def _tell[*Args](self, tell: Callable[[*Args], None], *what: *Args) -> None:
        """Counting must never be in the way of trading: where it fails, its figures are unknown from then on."""
        try:
            tell(*what)
        except Exception:
            self._telemetry = None
            log.exception("counting failed: counters are unknown until the process is restarted")

    def _send(self, action: Action) -> None:
        gateway = self._gateway
        if gateway is None:
            return
        match action:
            case Submit(order=order):
                if self._core.may_send(order):
                    if self._telemetry is not None:
                        self._tell(self._telemetry.on_sent, order, self._clock.monotonic())
                    gateway.submit(order.request())
                else:
                    self._dropped(order, "its gate closed before it was sent")
            case Cancel(order=order):
                gateway.cancel(order.client_order_id)
            case _:
                self._request_state(gateway)

    def _request_state(self, gateway: VenueGateway) -> None:
        """Fills are asked for again from some way back: one that was overtaken by a later one may still be missing."""
        ledger = self._core.ledger
        gateway.request_state(max(0, ledger.last_trade_id - LOOK_BACK_TRADES), ledger.last_funding_ts)

    def _dropped(self, order: WorkingOrder, reason: str) -> None:
        """An order that never left counts as refused."""
        event = OrderRejected(order.client_order_id, NOT_SENT + reason, post_only=False, ts=self._clock.market())
        self.port.post(lambda: self.on_order_event(event))

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self.port.bind()
        self._timer = loop.call_later(TIMER_SECONDS, self._tick)

    def _tick(self) -> None:
        self.on_timer()
        if self._gateway is not None:
            self._timer = asyncio.get_running_loop().call_later(TIMER_SECONDS, self._tick)
