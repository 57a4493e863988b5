"""A process to be killed: a node with a grid on a lively market.

Run as `python -m tests.strategy.sim_child BOOK JOURNAL`. The journal gets one line for the state at the start and one
for each fill, as the strategy hears of them.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.ports import VenueGateway
from naut_hedgegrid.domain.values import Leg, OrderEnded, OrderEvent, OrderFilled, OrderRejected, Quote, VenueState
from naut_hedgegrid.engine.node import SimNode
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.faults import Faults
from tests.strategy.node_parts import D, ZigzagGrid

_MARKET = {"ticksPerSecond": 1000, "annualVolatility": 10, "startPrice": "50000"}
_FILE = {"instrument": "BTCUSDT-PERP.BINANCE", "startingBalance": "1000000", "fundingIntervalHours": 1, "sim": _MARKET}


@dataclass
class Journalist(ZigzagGrid):
    """Writes down what it hears before it acts; keeps its orders near the price, so that there is always something."""

    journal: TextIO = field(default=sys.stdout)
    last_seen: int = 0
    price: Decimal = Decimal(0)
    live: list[str] = field(default_factory=list)
    node: SimNode | None = None

    def on_start(self, gateway: VenueGateway) -> None:
        self.gateway = gateway
        gateway.request_state(self.last_seen)

    def on_venue_state(self, state: VenueState) -> None:
        if self.states:
            orders = tuple(order for order in state.open_orders if _of_grid(order.client_order_id))
            fills = tuple(fill for fill in state.fills if _of_grid(fill.client_order_id))
            self.live = [order.client_order_id for order in orders]
            super().on_venue_state(replace(state, open_orders=orders, fills=fills))
            return
        self.heard.append(state)
        open_orders = {
            order.client_order_id: [str(order.quantity), str(order.filled), str(order.trigger_price)]
            for order in state.open_orders
        }
        positions = {leg: str(position.quantity) for leg, position in state.positions.items()}
        self._write({"positions": positions, "open": open_orders, "fills": [fill.trade_id for fill in state.fills]})

    def on_quote(self, quote: Quote) -> None:
        self.price = quote.bid
        self.heard.append(quote)
        number = len(self.quotes)
        if number == 5:
            self.venue.request_state(0)  # what each level has come to
        elif number % 5 == 0 and self.live:
            self.venue.cancel(self.live.pop(0))
        elif number % 7 == 0:
            self._close_some(list(Leg)[number % 2])
        elif number % 31 == 0:
            self._happen(lambda book: book.transfer(D(number % 5 - 2)))

    def _close_some(self, leg: Leg) -> None:
        """A market order that may meet own ones, or now and then the venue's own close."""
        if self._held(leg) < D("0.002"):
            return
        if len(self.quotes) % 3:
            self.market(f"hg-00000000-{leg[0]}0-F-{self.quotes[-1].ts}", leg, "0.002", close=True)
        else:
            self._happen(lambda book: book.deleverage(leg, D("0.002"), self.price))

    def _happen(self, change: Callable[[Book], Sequence[BookEvent] | None]) -> None:
        if self.node is not None:
            self.node.intervene(change)

    def _held(self, leg: Leg) -> Decimal:
        return D(0) if self.node is None else self.node.book.standing.account.positions[leg].quantity

    def on_order_event(self, event: OrderEvent) -> None:
        if isinstance(event, OrderFilled):
            self._write({"fill": event.trade_id})
        if len(self.states) < 2:
            return  # the state that is asked for includes it
        if not _of_grid(event.client_order_id):
            return
        _, _, place, role, _ = event.client_order_id.split("-")
        leg, level = Leg.LONG if place[0] == "L" else Leg.SHORT, int(place[1:])
        if isinstance(event, OrderFilled) and role == "E" and not self.filled.get(event.client_order_id):
            distance = leg.sign * level * D("1.5")
            self.stop(f"hg-00000000-{place}-S-{event.trade_id}", leg, event.quantity, self.price - distance)
        super().on_order_event(event)
        if isinstance(event, OrderEnded) and not self.filled.get(event.client_order_id):
            self._send(leg, level, role)
        elif isinstance(event, OrderEnded | OrderRejected):
            self._send(leg, level, "E")  # what it was to close is gone

    def _send(self, leg: Leg, level: int, role: str) -> None:
        self.number += 1
        identity = f"hg-00000000-{leg[0]}{level}-{role}-{self.number}"
        distance = leg.sign * (level if role == "T" else 1 - level)
        self.live.append(identity)
        self.limit(identity, leg, self.quantity, self.price + distance, close=role == "T")

    def _write(self, line: dict[str, Any]) -> None:
        self.journal.write(json.dumps(line) + "\n")
        self.journal.flush()


def _of_grid(identity: str) -> bool:
    """Entries and take profits; stops, market closes and the venue's own orders just happen."""
    return "-E-" in identity or "-T-" in identity


def _last_seen(journal: Path) -> int:
    seen = 0
    for line in journal.read_text().splitlines():
        told = json.loads(line)
        seen = max([seen, told.get("fill", 0), *told.get("fills", [])])
    return seen


async def _main(strategy: Journalist, book: Path) -> None:
    faults = Faults(largest_tick_fill=D("0.004"))
    async with SimNode(VenueFile.model_validate(_FILE), strategy, book, faults=faults) as node:
        strategy.node = node
        await node.wait()


def _run(book: Path, journal: Path) -> None:
    journal.touch()
    last_seen = _last_seen(journal)
    with journal.open("a") as lines:
        asyncio.run(_main(Journalist(journal=lines, last_seen=last_seen), book))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), Path(sys.argv[2]))
