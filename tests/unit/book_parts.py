"""A book in a temporary folder, and short words for what happens to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.values import (
    FundingSettled,
    Instrument,
    Leg,
    OrderEnded,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Quote,
    Side,
)
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.faults import Faults
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.settlement import FundingRates

D = Decimal
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
NOON = 1_700_049_600 * SECOND
"""2023-11-15 12:00 UTC: a settlement of a four-hour interval, between two of an eight-hour one."""
TICK = D("0.1")


def rules(**changes: Any) -> VenueRules:
    """BTCUSDT with 10,000 USDT at leverage 5, unless said otherwise."""
    return replace(VenueRules.of(VenueFile(instrument="BTCUSDT-PERP.BINANCE")), **changes)


@dataclass
class Desk:
    """Somebody who trades on a book and watches the clock."""

    book: Book
    ts: int = NOON
    events: list[BookEvent] = field(default_factory=list)

    def price(self, bid: str | Decimal, *, ask: str | Decimal | None = None, seconds: float = 1) -> list[BookEvent]:
        """The market moves; the ask is a tick above the bid unless given."""
        self.ts += int(seconds * SECOND)
        bid = D(bid)
        ask = bid + TICK if ask is None else D(ask)
        return self.saw(self.book.on_quote(Quote(bid, ask, (bid + ask) / 2, self.ts), Place("test", str(self.ts))))

    def limit(
        self, identity: str, leg: Leg, quantity: str, price: str, *, close: bool = False, post_only: bool = False
    ) -> list[BookEvent]:
        """Send a limit order."""
        return self.send(
            OrderRequest(identity, leg, _side(leg, close), OrderKind.LIMIT, D(quantity), D(price), post_only)
        )

    def stop(self, identity: str, leg: Leg, quantity: str, trigger: str, *, close: bool = True) -> list[BookEvent]:
        """Send a stop that closes at market."""
        side = _side(leg, close)
        return self.send(
            OrderRequest(identity, leg, side, OrderKind.STOP_MARKET, D(quantity), trigger_price=D(trigger))
        )

    def market(self, identity: str, leg: Leg, quantity: str, *, close: bool = False) -> list[BookEvent]:
        """Send a market order."""
        return self.send(OrderRequest(identity, leg, _side(leg, close), OrderKind.MARKET, D(quantity)))

    def send(self, order: OrderRequest) -> list[BookEvent]:
        """Send an order."""
        return self.saw(self.book.submit(order, self.ts))

    def cancel(self, identity: str) -> list[BookEvent]:
        """Cancel an order."""
        return self.saw(self.book.cancel(identity, self.ts))

    def saw(self, events: list[BookEvent]) -> list[BookEvent]:
        """Something happened at the venue."""
        self.events += events
        return events

    def open(self) -> list[str]:
        """Ids of the open orders, oldest first."""
        return [order.client_order_id for order in self.book.state(10**12).open_orders]

    def quantity(self, leg: Leg) -> Decimal:
        """A leg's position."""
        return self.book.state(0).positions[leg].quantity


def _side(leg: Leg, close: bool) -> Side:
    return leg.closing if close else leg.opening


@contextmanager
def desk(
    path: Path, faults: Faults | None = None, funding_rates: FundingRates | None = None, **changes: Any
) -> Iterator[Desk]:
    """A desk at the book of that path."""
    book = Book(path, rules(**changes), faults, funding_rates=funding_rates)
    try:
        yield Desk(book, ts=max(NOON, book.standing.ts))
    finally:
        book.close()


def fills(events: Sequence[BookEvent]) -> list[OrderFilled]:
    """The fills among events."""
    return [event for event in events if isinstance(event, OrderFilled)]


def told(events: Sequence[BookEvent]) -> list[tuple[str, str]]:
    """Client order id and kind of event (the ending of an order's end), in order."""
    found: list[tuple[str, str]] = []
    for event in events:
        assert not isinstance(event, FundingSettled | Instrument)
        kind = event.ending.value if isinstance(event, OrderEnded) else type(event).__name__
        found.append((event.client_order_id, kind))
    return found


def reason(events: Sequence[BookEvent]) -> str:
    """Why the one order was refused."""
    (event,) = events
    assert isinstance(event, OrderRejected), event
    return event.reason
