"""A node with a strategy that does what a test tells it, on a market that a test draws."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.ports import VenueGateway
from naut_hedgegrid.domain.values import (
    CancelRejected,
    FundingSettled,
    Instrument,
    Leg,
    OrderAccepted,
    OrderEnded,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderRequest,
    Quote,
    VenueState,
)
from naut_hedgegrid.engine.agreement import differences
from naut_hedgegrid.engine.bridge import BridgeStrategy
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.venues.sim.audit import Audit
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.faults import Faults

D = Decimal
DEADLINE_SECONDS = 10.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110  conditions of any kind
            await asyncio.sleep(0.001)


def bars_of(path: Path, prices: Sequence[str | Decimal]) -> Path:
    """A bar file that plays these prices, four a minute, from 2022-01-01 00:00 UTC on."""
    padded = [D(price) for price in prices]
    padded += [padded[-1]] * (-len(padded) % 4)
    lines = ["open_time,open,high,low,close,volume,close_time"]
    for row, start in enumerate(range(0, len(padded), 4)):
        open_, high, low, close = padded[start : start + 4]
        opened = 1_640_995_200_000 + 60_000 * row
        lines.append(f"{opened},{open_},{high},{low},{close},1,{opened + 59_999}")
    path.write_text("\n".join(lines) + "\n")
    return path


def zigzag(count: int, centre: int = 50_000, width: int = 300) -> list[Decimal]:
    """Prices that go up and down around a centre, four to a bar that a bar file can hold."""
    prices: list[Decimal] = []
    for number in range(count):
        base = centre + (width if number % 2 else -width) // 2 + (number * 37) % 60
        prices += [D(base), D(base + width // 3), D(base - width // 3), D(base + 10)]
    return prices


def replay_file(path: Path, *, speed: float = 1_000_000, **values: Any) -> VenueFile:
    """A venue file that plays a bar file."""
    sim = {"market": "replay", "replay": {"path": str(path), "speed": speed}, **values.pop("sim", {})}
    base = {"instrument": "BTCUSDT-PERP.BINANCE", "startingBalance": "100000", "sim": sim}
    return VenueFile.model_validate(base | values)


def synthetic_file(*, ticks_per_second: float = 100, latency_ms: int = 0, volatility: float = 0.6) -> VenueFile:
    """A venue file with a synthetic market."""
    sim = {"ticksPerSecond": ticks_per_second, "latencyMs": latency_ms, "annualVolatility": volatility}
    return VenueFile.model_validate({"instrument": "BTCUSDT-PERP.BINANCE", "startingBalance": "100000", "sim": sim})


@dataclass
class Recorder:
    """A strategy that keeps what it hears and calls back."""

    react: Callable[["Recorder", Any], None] | None = None
    """Called with each quote, event and state."""
    heard: list[Any] = field(default_factory=list)
    """All of it, in order."""
    gateway: VenueGateway | None = None
    idle: bool = True
    stopped: int = 0
    market_ended: int = 0

    def on_start(self, gateway: VenueGateway) -> None:
        self.gateway = gateway

    def on_quote(self, quote: Quote) -> None:
        self._hear(quote)

    def on_order_event(self, event: OrderEvent) -> None:
        self._hear(event)

    def on_venue_state(self, state: VenueState) -> None:
        self._hear(state)

    def on_funding(self, settled: FundingSettled) -> None:
        self._hear(settled)

    def on_instrument(self, instrument: Instrument | None) -> None:
        self._hear(instrument)

    def on_market_end(self) -> None:
        self.market_ended += 1

    def on_stop(self) -> None:
        self.stopped += 1

    def _hear(self, what: Any) -> None:
        self.heard.append(what)
        if self.react is not None:
            self.react(self, what)

    @property
    def venue(self) -> VenueGateway:
        """The gateway."""
        assert self.gateway is not None
        return self.gateway

    @property
    def events(self) -> list[OrderEvent]:
        """Order events heard."""
        kinds = OrderAccepted | OrderRejected | OrderFilled | OrderEnded | CancelRejected
        return [what for what in self.heard if isinstance(what, kinds)]

    @property
    def fills(self) -> list[OrderFilled]:
        """Fills heard."""
        return [what for what in self.heard if isinstance(what, OrderFilled)]

    @property
    def quotes(self) -> list[Quote]:
        """Quotes heard."""
        return [what for what in self.heard if isinstance(what, Quote)]

    @property
    def states(self) -> list[VenueState]:
        """Answers heard."""
        return [what for what in self.heard if isinstance(what, VenueState)]

    def told(self, identity: str) -> list[str]:
        """Names of the events of one order, in order."""
        return [type(event).__name__ for event in self.events if event.client_order_id == identity]

    def limit(
        self,
        identity: str,
        leg: Leg,
        quantity: str,
        price: str | Decimal,
        *,
        close: bool = False,
        post_only: bool = False,
    ) -> None:
        """Send a limit order."""
        side = leg.closing if close else leg.opening
        self.venue.submit(OrderRequest(identity, leg, side, OrderKind.LIMIT, D(quantity), D(price), post_only))

    def stop(self, identity: str, leg: Leg, quantity: str | Decimal, trigger: str | Decimal) -> None:
        """Send a stop that closes."""
        order = OrderRequest(identity, leg, leg.closing, OrderKind.STOP_MARKET, D(quantity), trigger_price=D(trigger))
        self.venue.submit(order)

    def market(self, identity: str, leg: Leg, quantity: str | Decimal, *, close: bool = False) -> None:
        """Send a market order."""
        side = leg.closing if close else leg.opening
        self.venue.submit(OrderRequest(identity, leg, side, OrderKind.MARKET, D(quantity)))


FLAT_MARKET = ["50000"] * 8


class NodeRig:
    """A node at the end of its replay: the price stands still, orders work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.book_path = folder / "book"
        self.strategy = Recorder()
        self.errors: list[tuple[str, str]] = []
        self.faults = Faults()
        self.node: SimNode | None = None

    async def start(self, prices: list[str] | None = None, file: VenueFile | None = None, **values: Any) -> Recorder:
        """Play the market to its end."""
        if file is None:
            file = replay_file(bars_of(self.folder / "bars.csv", prices or FLAT_MARKET), **values)
        self.node = SimNode(
            file,
            self.strategy,
            self.book_path,
            faults=self.faults,
            on_error=lambda where, error: self.errors.append((where, str(error))),
        )
        await self.node.start()
        if file.sim.replay is not None:
            await self.node.wait_for_market_end()
        return self.strategy

    async def restart(self) -> Recorder:
        """Another process on the same book. Raises where engine and venue differ after the start."""
        await self.stop()
        self.strategy = Recorder()
        return await self.start(file=replay_file(self.folder / "bars.csv"))

    async def stop(self) -> None:
        """Stop the node."""
        if self.node is not None:
            await self.node.stop()

    async def rest(self) -> None:
        """Wait until nothing is on its way."""
        traffic = self.running.traffic
        await until(lambda: traffic.at_rest)

    async def move(self, bid: str | Decimal, *, spread: str = "0", seconds: float = 1) -> None:
        """The market moves at the venue; the mark is the mid."""

        def moved(book: Book) -> Sequence[BookEvent]:
            best = D(bid), D(bid) + D(spread)
            place = book.standing.place
            assert place is not None
            return book.on_quote(Quote(*best, sum(best) / 2, book.standing.ts + int(seconds * 1e9)), place)

        await self.happen(moved)

    async def happen(self, change: Callable[[Book], Sequence[BookEvent] | None]) -> None:
        """Something happens at the venue that no order of the strategy brings about."""
        self.running.intervene(change)
        await self.rest()

    @property
    def running(self) -> SimNode:
        """The node."""
        assert self.node is not None
        return self.node

    @property
    def bridge(self) -> BridgeStrategy:
        """The engine's side."""
        assert self.running._assembly is not None
        return self.running._assembly.bridge

    def differences(self) -> list[str]:
        """What differs between the engine and the venue."""
        venue = self.running._venue
        assert venue is not None
        return differences(self.bridge.cache, venue.book.state(10**12), venue.translation)

    def audit(self) -> Audit:
        """The venue's side of the story."""
        return Audit(self.book_path)


@dataclass
class ZigzagGrid(Recorder):
    """Keeps an entry or its take profit at each of five levels of each leg; knows only what the venue tells it."""

    centre: int = 50_000
    step: int = 40
    quantity: str = "0.010"
    number: int = 0
    filled: dict[str, Decimal] = field(default_factory=dict)
    """Quantity filled by client order id."""

    def on_start(self, gateway: VenueGateway) -> None:
        super().on_start(gateway)
        self.idle = False
        gateway.request_state(0)

    def on_venue_state(self, state: VenueState) -> None:
        super().on_venue_state(state)
        self.idle = True
        last: dict[str, str] = {}
        for fill in state.fills:
            last[_place(fill.client_order_id)] = fill.client_order_id
            self.filled[fill.client_order_id] = self.filled.get(fill.client_order_id, D(0)) + fill.quantity
        live = {_place(order.client_order_id) for order in state.open_orders}
        known = [*self.filled, *(order.client_order_id for order in state.open_orders)]
        self.number = max((int(identity.rsplit("-", 1)[1]) for identity in known), default=0)
        for leg in Leg:
            for level in range(1, 6):
                place = f"{leg[0]}{level}"
                if place not in live:
                    self._send(leg, level, "T" if "-E-" in last.get(place, "") else "E")

    def on_order_event(self, event: OrderEvent) -> None:
        super().on_order_event(event)
        if isinstance(event, OrderFilled):
            identity = event.client_order_id
            self.filled[identity] = self.filled.get(identity, D(0)) + event.quantity
            if self.filled[identity] == D(self.quantity):
                self._send(event.leg, int(_place(identity)[1:]), "T" if "-E-" in identity else "E")

    def _send(self, leg: Leg, level: int, role: str) -> None:
        self.number += 1
        steps = level if role == "E" else level - 1
        price = D(self.centre - leg.sign * steps * self.step)
        identity = f"hg-00000000-{leg[0]}{level}-{role}-{self.number}"
        self.limit(identity, leg, self.quantity, price, close=role == "T")


def _place(identity: str) -> str:
    return identity.split("-")[2]
