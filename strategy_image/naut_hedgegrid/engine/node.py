"""The node of mode sim: engine, simulated venue and strategy on the caller's loop."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from nautilus_trader.common import LogLevel

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.ports import TradingStrategy
from naut_hedgegrid.engine.agreement import VenueDisagreementError, differences
from naut_hedgegrid.engine.assembly import Assembly, assembled
from naut_hedgegrid.engine.delivery import Delivery
from naut_hedgegrid.engine.errors import ErrorHook, ErrorReports
from naut_hedgegrid.engine.feed import MarketFeed
from naut_hedgegrid.engine.gateway import EngineGateway
from naut_hedgegrid.engine.polling import poll
from naut_hedgegrid.engine.traffic import Traffic
from naut_hedgegrid.engine.translation import Translation
from naut_hedgegrid.engine.venue import SimVenue
from naut_hedgegrid.engine.wire import Wire
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.market import Market
from naut_hedgegrid.venues.sim.markets import market_of
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.settlement import FundingRates

_log = logging.getLogger(__name__)
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PATIENCE_SECONDS = 5.0


class NodeError(RuntimeError):
    """The engine didn't start, or ended by itself."""


class SimNode:
    """Runs a strategy against the simulated venue.

    All of it lives on the loop that `start` is called on: strategy, gateway and engine objects may only be touched
    there. One node a thread at a time; a book has one node.
    """

    def __init__(
        self,
        file: VenueFile,
        strategy: TradingStrategy,
        book_path: Path,
        *,
        faults: Faults | None = None,
        funding_rates: FundingRates | None = None,
        on_error: ErrorHook | None = None,
        log_level: LogLevel = LogLevel.ERROR,
    ) -> None:
        """Nothing happens before `start`. Without `funding_rates` the rate is the venue file's.

        `on_error(where, error)` hears of exceptions in the strategy's callbacks and in background work; they never
        end the node. `log_level` is that of the engine's own log on stdout.
        """
        self._file = file
        self._strategy = strategy
        self._book_path = book_path
        self._faults = faults
        self._funding_rates = funding_rates
        self._log_level = log_level
        self.errors = ErrorReports(on_error)
        """Exceptions so far, counted by where they happened."""
        self.traffic = Traffic()
        """What is on its way between strategy and venue."""
        self._market_ended = asyncio.Event()
        self._stopping = False
        self._failure: NodeError | None = None
        self._venue: SimVenue | None = None
        self._assembly: Assembly | None = None
        self._gateway: EngineGateway | None = None
        self._engine: asyncio.Future[None] | None = None
        self._feeding: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def running(self) -> bool:
        """Whether the engine runs and the strategy may trade."""
        return self._feeding is not None and self._engine is not None and not self._engine.done()

    @property
    def book(self) -> Book:
        """The venue. Raises NodeError unless the node was started and not stopped."""
        if self._venue is None:
            raise NodeError("the node isn't started")
        return self._venue.book

    async def start(self) -> None:
        """Return once the engine runs, has taken over the venue's orders and positions, and the market moves.

        Raises BarFileError or MarketError for the market, BookFileError for the book, NodeError where the engine
        doesn't start, and VenueDisagreementError where it didn't take over what the venue holds. Nothing was sent
        then, and nothing is left running.
        """
        if self._engine is not None:
            raise NodeError("a node starts once; make another")
        market = market_of(self._file)
        venue = self._venue = self._connected(market)
        try:
            assembly, engine = await self._running_engine(venue)
            feed = MarketFeed(market, venue, assembly.data, assembly.execution, _PATIENCE_SECONDS + 5 * self._latency)
            self._gateway = EngineGateway(assembly.bridge, venue)
            venue.delivery.begin(self._gateway)
            self._feeding = asyncio.get_running_loop().create_task(feed.run())
            self._feeding.add_done_callback(self._fed)
            engine.add_done_callback(self._ended)
        except BaseException:
            await self.stop()
            raise

    def intervene(self, change: Callable[[Book], Sequence[BookEvent] | None]) -> None:
        """Have something happen at the venue that no order of the strategy brings about, and tell what follows."""
        if self._assembly is None:
            raise NodeError("the node isn't started")
        self._assembly.execution.emit(change(self.book) or ())

    async def stop(self) -> None:
        """Stop the market, let what is under way arrive, stop strategy and engine, close the book.

        Orders and positions stay at the venue. Harmless when repeated.
        """
        venue, assembly = self._venue, self._assembly
        if venue is None or self._stopping:
            return
        self._stopping = True
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])
        await self.traffic.until(lambda: self.traffic.at_rest, 1.0 + 2 * self._latency)
        if self._gateway is not None:
            self._gateway.close()
        venue.delivery.end()
        if assembly is not None and self._engine is not None:
            assembly.handle.stop()
            await asyncio.wait([self._engine], timeout=_STOP_SECONDS)
            self._engine.cancel()
            assembly.drop()
        venue.book.close()
        self._venue = self._assembly = self._feeding = self._gateway = None
        self._stopping = False
        del venue, assembly
        gc.collect()  # engine objects in cycles must end on this thread, and the collector runs on any

    async def wait(self) -> None:
        """Return when the node was stopped. Raises NodeError if the engine ended by itself."""
        engine = self._engine
        if engine is None:
            return
        await asyncio.wait([engine])
        if self._failure is not None:
            raise self._failure

    async def wait_for_market_end(self) -> None:
        """Return when a replay is over and the strategy has come to rest."""
        await self._market_ended.wait()

    @property
    def _latency(self) -> float:
        return self._file.sim.latency_ms / 1000

    def _connected(self, market: Market) -> SimVenue:
        rules = VenueRules.of(self._file)
        book = Book(self._book_path, rules, self._faults, funding_rates=self._funding_rates)
        return SimVenue(
            book=book,
            wire=Wire(self._latency),
            now=time.time_ns if market.wall_clock else lambda: book.standing.ts,
            translation=Translation(rules.instrument),
            traffic=self.traffic,
            delivery=Delivery(self._strategy, self.traffic, self.errors),
            errors=self.errors,
        )

    async def _running_engine(self, venue: SimVenue) -> tuple[Assembly, asyncio.Future[None]]:
        assembly = self._assembly = assembled(venue, self._file.sim.latency_ms, self._log_level)
        handle = assembly.handle
        engine = self._engine = asyncio.ensure_future(assembly.run())
        await poll(lambda: handle.is_running or engine.done(), _START_SECONDS)
        if engine.done() or not handle.is_running:
            error = _error_of(engine)
            raise NodeError(f"the engine doesn't run after its start: {error or handle.state}") from error
        found = differences(
            assembly.bridge.cache, venue.book.state(venue.book.standing.last_trade_id), venue.translation
        )
        if found:
            _log.error("engine and venue differ after the start, nothing is traded: %s", "; ".join(found))
            raise VenueDisagreementError("engine and venue differ after the start: " + "; ".join(found))
        return assembly, engine

    def _fed(self, feeding: asyncio.Task[None]) -> None:
        if feeding.cancelled():
            return
        if isinstance(error := feeding.exception(), Exception):
            self.errors.report("market", error)
        else:
            self._market_ended.set()

    def _ended(self, engine: asyncio.Future[None]) -> None:
        error = _error_of(engine)
        if self._stopping and error is None:
            return
        self._failure = NodeError(f"the engine has ended by itself: {error or 'it says nothing'}")
        self._failure.__cause__ = error
        self.errors.report("engine", self._failure)
        if self._feeding is not None:
            self._feeding.cancel()


def _error_of(engine: asyncio.Future[None]) -> BaseException | None:
    return engine.exception() if engine.done() and not engine.cancelled() else None
