"""What the strategy is told, and in which order.

Events come through the engine and are passed on one by one. Answers that bypass it (a state of the venue, a refusal
that never got as far) wait until the strategy has seen all events that were sent before them, and for each other.
"""

import asyncio
from collections.abc import Callable, Coroutine

from naut_hedgegrid.domain.ports import TradingStrategy, VenueGateway
from naut_hedgegrid.domain.values import FundingSettled, Instrument, OrderEvent, Quote, VenueState
from naut_hedgegrid.engine.errors import ErrorReports
from naut_hedgegrid.engine.inbox import Inbox
from naut_hedgegrid.engine.polling import poll
from naut_hedgegrid.engine.traffic import Traffic

_PATIENCE_SECONDS = 1.0


class Delivery:
    """The callbacks of one strategy."""

    def __init__(self, strategy: TradingStrategy, traffic: Traffic, errors: ErrorReports) -> None:
        """Nothing is delivered before `begin`."""
        self._strategy = strategy
        self._traffic = traffic
        self._errors = errors
        self._inbox = Inbox(errors)
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Lock()
        self._behind = 0
        """Answers that wait."""
        self._began = False

    def idle(self) -> bool:
        """Whether the strategy says that nothing of it is under way."""
        return self._strategy.idle

    def begin(self, gateway: VenueGateway) -> None:
        """Start the strategy, and deliver from now on."""
        self._began = True
        self._inbox.open()
        self._errors.guarded("on_start", self._strategy.on_start, gateway)

    def end(self) -> None:
        """Stop the strategy; nothing is delivered any more. Harmless when repeated."""
        self._inbox.close()
        for task in self._tasks:
            task.cancel()
        if self._began:
            self._began = False
            self._errors.guarded("on_stop", self._strategy.on_stop)

    def quote(self, quote: Quote) -> None:
        """A quote out of the engine."""

        def deliver() -> None:
            try:
                self._strategy.on_quote(quote)
            finally:
                self._traffic.quote_seen()

        self._inbox.post("on_quote", deliver)

    def order_event(self, event: OrderEvent, *, announced: bool = True) -> None:
        """An event out of the engine; `announced`: the traffic counts it as sent."""

        def deliver() -> None:
            try:
                self._strategy.on_order_event(event)
            finally:
                if announced:
                    self._traffic.event_seen()

        self._inbox.post("on_order_event", deliver)

    def order_event_aside(self, event: OrderEvent) -> None:
        """An event that the engine doesn't carry."""
        self._aside("on_order_event", lambda: self._strategy.on_order_event(event))

    def venue_state_aside(self, state: VenueState) -> None:
        """The answer to a question for the venue's state."""
        self._aside("on_venue_state", lambda: self._strategy.on_venue_state(state))

    def funding_aside(self, settled: FundingSettled) -> None:
        """Funding was settled."""
        self._aside("on_funding", lambda: self._strategy.on_funding(settled))

    def instrument_aside(self, instrument: Instrument | None, known: Callable[[], bool]) -> None:
        """The venue's limits on orders have changed; None while they are unknown.

        `known`: whether the engine goes by them by now. It denies what is finer than the limits that it knows.
        """
        self._aside("on_instrument", lambda: self._strategy.on_instrument(instrument), known)

    def market_end(self) -> None:
        """The market has no more data."""
        self._aside("on_market_end", self._strategy.on_market_end)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run work in the background until it is done or the strategy stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._errors.report("background", error)

    def _aside(self, name: str, call: Callable[[], None], ready: Callable[[], bool] = lambda: True) -> None:
        traffic = self._traffic
        traffic.answer_due()
        seen = traffic.events_so_far_seen()

        def deliver() -> None:
            try:
                call()
            finally:
                traffic.answered()

        async def deliver_behind() -> None:
            async with self._turns:
                await traffic.until(seen, _PATIENCE_SECONDS)
                await poll(ready, _PATIENCE_SECONDS)
                self._behind -= 1
                self._inbox.post(name, deliver)

        if not self._behind and seen() and ready():
            self._inbox.post(name, deliver)
        else:
            self._behind += 1
            self.spawn(deliver_behind())
