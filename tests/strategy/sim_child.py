"""A process to be killed: a node with a grid on a lively market.

Run as `python -m tests.strategy.sim_child BOOK JOURNAL`. The journal gets one line for the state at the start and one
for each fill, as the strategy hears of them.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.ports import VenueGateway
from naut_hedgegrid.domain.values import Leg, OrderEnded, OrderEvent, OrderFilled, Quote, VenueState
from naut_hedgegrid.engine.node import SimNode
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

    def on_start(self, gateway: VenueGateway) -> None:
        self.gateway = gateway
        gateway.request_state(self.last_seen)

    def on_venue_state(self, state: VenueState) -> None:
        if self.states:
            self.live = [order.client_order_id for order in state.open_orders]
            super().on_venue_state(state)
            return
        self.heard.append(state)
        open_orders = {order.client_order_id: [str(order.quantity), str(order.filled)] for order in state.open_orders}
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

    def on_order_event(self, event: OrderEvent) -> None:
        if isinstance(event, OrderFilled):
            self._write({"fill": event.trade_id})
        if len(self.states) < 2:
            return  # the state that is asked for includes it
        super().on_order_event(event)
        if isinstance(event, OrderEnded):
            _, _, place, role, _ = event.client_order_id.split("-")
            if not self.filled.get(event.client_order_id):
                self._send(Leg.LONG if place[0] == "L" else Leg.SHORT, int(place[1:]), role)

    def _send(self, leg: Leg, level: int, role: str) -> None:
        self.number += 1
        identity = f"hg-00000000-{leg[0]}{level}-{role}-{self.number}"
        distance = leg.sign * level * (1 if role == "T" else -1)
        self.live.append(identity)
        self.limit(identity, leg, self.quantity, self.price + distance, close=role == "T")

    def _write(self, line: dict[str, Any]) -> None:
        self.journal.write(json.dumps(line) + "\n")
        self.journal.flush()


def _last_seen(journal: Path) -> int:
    seen = 0
    for line in journal.read_text().splitlines():
        told = json.loads(line)
        seen = max([seen, told.get("fill", 0), *told.get("fills", [])])
    return seen


async def _main(strategy: Journalist, book: Path) -> None:
    faults = Faults(largest_tick_fill=D("0.004"))
    async with SimNode(VenueFile.model_validate(_FILE), strategy, book, faults=faults) as node:
        await node.wait()


def _run(book: Path, journal: Path) -> None:
    journal.touch()
    last_seen = _last_seen(journal)
    with journal.open("a") as lines:
        asyncio.run(_main(Journalist(journal=lines, last_seen=last_seen), book))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), Path(sys.argv[2]))
