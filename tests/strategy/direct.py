"""The strategy and the venue's book in one thread, without an engine between them: every event is a line of the test.

The strategy, its core and the book are the real ones; only the engine's queues are replaced by a list, so that a test
can stop, reorder or lose what is on its way.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedgegrid_api.control import ControlDocument
from hedgegrid_api.files import StrategyFile, VenueFile
from naut_hedgegrid.domain.values import (
    AccountState,
    FundingSettled,
    Instrument,
    Leg,
    OrderKind,
    OrderRequest,
    Quote,
    Side,
    VenueState,
)
from naut_hedgegrid.grid.records import Changes, Snapshot
from naut_hedgegrid.store.null import NullStore
from naut_hedgegrid.store.protocol import GridStore
from naut_hedgegrid.store.start import open_store
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.strategies.hedge_grid_v1.switchboard import stored_controls
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.rules import VenueRules

D = Decimal
SECOND = 1_000_000_000
START = 1_700_000_040 * SECOND
"""A full minute."""
OWNER = "0badcafe"
INSTRUMENT = "BTCUSDT-PERP.BINANCE"


def strategy_file(**grid: Any) -> StrategyFile:
    """5 + 5 rungs of 25 bps around the price, take profit 2 steps, bars of 60 s; fields of the grid and the exits, and
    whole groups, by name."""
    values = {
        "stepBps": 25,
        "levelsLong": 5,
        "levelsShort": 5,
        "baseQty": "0.010",
        "maxInventoryQuote": "5000",
        "recenterTriggerBps": 200,
        **grid,
    }
    groups = {name: values.pop(name) for name in ("regime", "placement", "funding", "risk") if name in values}
    exits = {"takeProfitSteps": values.pop("takeProfitSteps", 2), "stopLossSteps": values.pop("stopLossSteps", 0)}
    execution = {"barSeconds": 60, "staleDataSeconds": 120, **values.pop("execution", {})}
    return StrategyFile.model_validate({"grid": values, "exits": exits, "execution": execution, **groups})


def venue_file(**values: Any) -> VenueFile:
    """BTCUSDT with 100,000 USDT."""
    return VenueFile.model_validate({"instrument": INSTRUMENT, "startingBalance": "100000", **values})


@dataclass
class TestClock:
    """All times move together, and only when told."""

    __test__ = False
    ts: int = START

    def market(self) -> int:
        return self.ts

    def monotonic(self) -> float:
        return self.ts / SECOND

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.ts / SECOND, UTC)

    def saw(self, ts: int) -> None:
        pass


class MemoryStore(NullStore):
    """Keeps single values; can hang and fail."""

    def __init__(self) -> None:
        self.failure = None
        self.values: dict[str, Any] = {}
        self.hung = False
        self.waiting: list[tuple[Changes, Future[None]]] = []

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        future: Future[None] = Future()
        if self.failure is not None:
            future.set_exception(OSError(self.failure))
        elif self.hung:
            self.waiting.append((changes, future))
        else:
            self.values |= changes.values
            future.set_result(None)
        return future


class WaitingStore:
    """A real store, or what stands in for one; a write is awaited, since there is no loop to come back to."""

    def __init__(self, store: GridStore) -> None:
        self.store = store
        self.hangs = False
        """Writes aren't awaited; their answers come with `catch_up`, on the test's thread."""
        self._unanswered: list[tuple[Future[None], Future[None]]] = []

    @property
    def path(self) -> Path | None:
        return self.store.path

    @property
    def failure(self) -> str | None:
        return self.store.failure

    def commit(self, changes: Changes, *, durable: bool = False) -> Future[None]:
        future = self.store.commit(changes, durable=durable)
        if not self.hangs:
            future.exception(10)
            return future
        answer: Future[None] = Future()
        self._unanswered.append((future, answer))
        return answer

    def catch_up(self) -> bool:
        """Pass on the answers that have come; whether there are no more to come."""
        while self._unanswered and self._unanswered[0][0].done():
            future, answer = self._unanswered.pop(0)
            answer.set_result(future.result())
        return not self._unanswered

    def close(self) -> None:
        self.store.close()


@dataclass
class DirectVenue:
    """A gateway straight into the book. Events wait in a queue until `pump`, or are delivered at once."""

    book: Book
    clock: TestClock
    strategy: HedgeGridV1 | None = None
    lazy: bool = False
    """Events stay in the queue until `pump` is called."""
    lost: bool = False
    """Commands go nowhere."""
    queue: deque[BookEvent | VenueState] = field(default_factory=deque)
    submitted: list[OrderRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def submit(self, order: OrderRequest) -> None:
        if self.lost:
            return
        self.submitted.append(order)
        self.queue.extend(self.book.submit(order, self.clock.ts))

    def cancel(self, client_order_id: str) -> None:
        if self.lost:
            return
        self.cancelled.append(client_order_id)
        self.queue.extend(self.book.cancel(client_order_id, self.clock.ts))

    def request_state(self, after_trade_id: int, after_funding_ts: int = 0) -> None:
        if not self.lost:
            self.queue.append(self.book.state(after_trade_id, after_funding_ts))

    def account(self) -> AccountState:
        return self.book.account()

    def deliver(self) -> None:
        """Deliver the next event, if there is one."""
        assert self.strategy is not None
        if not self.queue:
            return
        event = self.queue.popleft()
        match event:
            case VenueState():
                self.strategy.on_venue_state(event)
            case FundingSettled():
                self.strategy.on_funding(event)
            case Instrument():
                self.strategy.on_instrument(event)
            case _:
                self.strategy.on_order_event(event)

    def pump(self) -> None:
        """Deliver what is queued, and what that brings about."""
        while self.queue:
            self.deliver()


class Rig:
    """A strategy on a book, with a market that the test moves."""

    def __init__(
        self,
        folder: Path,
        config: StrategyFile | None = None,
        venue: VenueFile | None = None,
        *,
        await_control: bool = False,
        stored: bool = False,
        faults: Faults | None = None,
        risk: bool = False,
    ) -> None:
        """With `risk` the built-in monitor is attached, as the runners do."""
        self.folder = folder
        self.config = config or strategy_file()
        self.file = venue or venue_file()
        self.rules = VenueRules.of(self.file)
        self.risk = risk
        self.faults = faults or Faults()
        self.clock = TestClock()
        self.book = Book(folder / "venue.sqlite", self.rules, self.faults, wall_clock=lambda: self.clock.ts)
        self.stored = stored
        self.price: Decimal | None = None
        self._tick = 0
        self.boot(await_control=await_control)

    def boot(self, *, await_control: bool = False) -> None:
        """A new process of the strategy on the same book (and store, if there is one)."""
        snapshot, values = Snapshot(), {}
        if self.stored:
            kept = open_store(self.folder / "grid.sqlite", OWNER, INSTRUMENT, stored_controls)
            self.store: Any = WaitingStore(kept.store)
            snapshot, values = kept.snapshot, kept.values
        else:
            self.store = MemoryStore()
        self.venue = self.gateway()
        self.strategy = HedgeGridV1(
            self.config,
            self.rules.instrument,
            OWNER,
            self.store,
            snapshot,
            values,
            await_control=await_control,
            clock=self.clock,
        )
        if self.risk:
            file = self.file
            self.strategy.attach_kill_switch(RiskMonitor(file.tiers, file.margin_type, file.leverage))
        self.venue.strategy = self.strategy
        self.strategy.on_start(self.venue)
        self.pump()

    def gateway(self) -> DirectVenue:
        """The venue as a new process sees it."""
        return DirectVenue(self.book, self.clock)

    def crash(self) -> None:
        """The process is gone; what was on its way to it with it."""
        self.strategy.on_stop()
        if self.stored:
            self.store.close()

    def close(self) -> None:
        self.crash()
        self.book.close()

    # -- market and time

    def quote(self, price: Decimal | str | int, *, seconds: float = 1) -> None:
        """The market is at a price: bid = ask = mid = mark, so that it touches exactly the orders at that price."""
        self.clock.ts += int(seconds * SECOND)
        self.price = price = D(price)
        self._tick += 1
        quote = self.market(price)
        self.pump()
        self.strategy.on_quote(quote)
        self.pump()

    def market(self, price: Decimal | str | int) -> Quote:
        """The market moves at the venue; the strategy isn't told."""
        quote = Quote(D(price), D(price), D(price), self.clock.ts)
        self.venue.queue.extend(self.book.on_quote(quote, Place("test", str(self._tick))))
        return quote

    def happen(self, change: Callable[[Book], Sequence[BookEvent] | None]) -> None:
        """Something happens at the venue that no order of the strategy brings about."""
        self.venue.queue.extend(change(self.book) or ())
        self.pump()

    def foreign(self, side: Side, leg: Leg, price: str | int, quantity: str, name: str = "by-hand") -> None:
        """Somebody else sends a limit order."""
        order = OrderRequest(name, leg, side, OrderKind.LIMIT, D(quantity), D(price))
        self.book.submit(order, self.clock.ts)

    def bar(self, price: Decimal | str | int | None = None) -> None:
        """Go on to the close of the present bar, at a price."""
        interval = self.config.execution.bar_seconds * SECOND
        boundary = (self.clock.ts // interval + 1) * interval
        at = self.price if price is None else D(price)
        assert at is not None
        self.quote(at, seconds=(boundary - 1 - self.clock.ts) / SECOND)
        self.quote(at, seconds=2 / SECOND)

    def wait(self, seconds: float, *, step: float = 0.05) -> None:
        """Time passes without a quote; the timer runs."""
        end = self.clock.ts + int(seconds * SECOND)
        while self.clock.ts < end:
            self.clock.ts += int(step * SECOND)
            self.timer()

    def timer(self) -> None:
        self.strategy.on_timer()
        self.pump()

    def pump(self) -> None:
        if not self.venue.lazy:
            self.venue.pump()

    # -- control

    async def control(self, generation: int = 1, **values: Any) -> Any:
        """PUT /control."""
        document = ControlDocument.model_validate({"uid": "uid-1", "generation": generation, **values})
        report = await self.strategy.apply(document)
        self.pump()
        return report

    # -- what the venue says

    def resting(self, leg: Leg, *, opening: bool) -> dict[Decimal, Decimal]:
        """Price → leaves of the open orders of a leg."""
        found: dict[Decimal, Decimal] = {}
        for order in self.book.state(10**12).open_orders:
            if order.leg is leg and (order.side is leg.opening) == opening and order.price is not None:
                found[order.price] = found.get(order.price, D(0)) + order.leaves
        return found

    def position(self, leg: Leg) -> Decimal:
        return self.book.state(10**12).positions[leg].quantity

    def lots(self, leg: Leg) -> Decimal:
        return sum((lot.open for lot in self.strategy._core.ledger.lots_of(leg)), D(0))

    def check(self) -> None:
        """The identities that hold at every event, read from the venue's side."""
        assert self.strategy.errors == 0
        ledger = self.strategy._core.ledger
        for leg in Leg:
            assert self.lots(leg) == self.position(leg) == ledger.positions[leg], leg
            if self.strategy.idle and leg not in self.strategy._core.loops:
                exits = sum(self.resting(leg, opening=False).values(), D(0))
                assert exits + self.strategy._core.exits.unprotected(leg) == self.position(leg), leg
