"""Runs the market: book first, then the engine, tick after tick.

A replay waits after each tick until the strategy has seen it, is idle, and nothing is under way: then two runs give
the same fills, at any speed, and the market never outruns the strategy.
"""

import asyncio
import logging
import sqlite3
import time

from naut_hedgegrid.engine.data_client import SimDataClient
from naut_hedgegrid.engine.execution_client import SimExecutionClient
from naut_hedgegrid.engine.polling import poll
from naut_hedgegrid.engine.venue import SimVenue
from naut_hedgegrid.venues.sim.market import Market, Tick

_log = logging.getLogger(__name__)
_LATE_SECONDS = 1.0


class MarketFeed:
    """One run of a market from where the book has it."""

    def __init__(
        self,
        market: Market,
        venue: SimVenue,
        data: SimDataClient,
        execution: SimExecutionClient,
        patience_seconds: float,
    ) -> None:
        """`patience_seconds` bounds each wait for the strategy."""
        self._market = market
        self._ticks = market.ticks(venue.book.standing.place)
        self._venue = venue
        self._data = data
        self._execution = execution
        self._patience = patience_seconds
        self._waits_for_idle = True

    async def run(self) -> None:
        """Play to the end of the market, and tell the strategy. Raises BarFileError at a bad line of a file."""
        due = asyncio.get_running_loop().time()
        for tick in self._ticks:
            due = await self._pace(due + tick.wait_seconds)
            await self._play(tick)
        self._venue.delivery.market_end()
        await self._rest()

    async def _pace(self, due: float) -> float:
        """Sleep until a tick is due; a market that is far behind doesn't hurry to catch up."""
        now = asyncio.get_running_loop().time()
        if due > now:
            await asyncio.sleep(due - now)
        return max(due, now - _LATE_SECONDS)

    async def _play(self, tick: Tick) -> None:
        venue = self._venue
        faults, last = venue.book.faults, venue.book.standing.quote
        if faults.silent:
            return
        quote = tick.quote(time.time_ns())
        if faults.frozen and last is not None:
            quote = last._replace(ts=quote.ts)
        try:
            events = venue.book.on_quote(quote, tick.place)
        except sqlite3.Error as error:
            venue.errors.report("market", error)  # for the venue this tick hasn't happened
            return
        self._execution.emit(events)
        if events and not self._market.wall_clock:
            await self._rest()
        self._data.publish(quote)
        await self._rest()

    async def _rest(self) -> None:
        """Wait for the strategy: until it has seen the quote; in a replay, until all is done that follows from it."""
        traffic = self._venue.traffic
        if self._market.wall_clock:
            await traffic.until(lambda: traffic.quotes_seen, self._patience)
            return
        loop, idle = asyncio.get_running_loop(), self._venue.delivery.idle
        deadline = loop.time() + self._patience
        while not (traffic.at_rest and (not self._waits_for_idle or idle())):
            left = deadline - loop.time()
            if left <= 0:
                _log.warning("the replay goes on after %s s: %s; strategy idle: %s", self._patience, traffic, idle())
                traffic.forget()
                self._waits_for_idle = False
                return
            if traffic.at_rest:
                # What makes a strategy idle, an answer of its store, say, may come without any traffic.
                await poll(lambda: idle() or not traffic.at_rest, left)
            else:
                await traffic.until(lambda: traffic.at_rest, left)
        self._waits_for_idle = self._waits_for_idle or idle()
