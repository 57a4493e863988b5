"""A backtest of a few bars that the test writes down."""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from hedgegrid_api.files import StrategyFile, VenueFile
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.funding import Funding, constant_rate
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.venue import BarStrategy
from naut_hedgegrid.domain.ports import VenueGateway
from naut_hedgegrid.domain.values import (
    FundingSettled,
    Instrument,
    OrderEvent,
    OrderFilled,
    OrderRequest,
    Quote,
    VenueState,
)
from naut_hedgegrid.engine.backtest_engine import FillRule
from naut_hedgegrid.engine.backtest_run import Market, Outcome, run
from naut_hedgegrid.grid.bars import SECOND, Bar
from naut_hedgegrid.grid.records import Snapshot
from naut_hedgegrid.store.null import NullStore
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.instrument import instrument_of
from tests.strategy.direct import OWNER

D = Decimal
MINUTE = 60 * SECOND
FIRST = 1_641_024_060 * SECOND
"""2022-01-01 08:01 UTC: the first bar's close."""


def bars(*rows: tuple[float | str, ...], first: int = FIRST) -> list[Bar]:
    """Minute bars of (open, high, low, close)."""
    return [Bar(*(D(str(price)) for price in row), ts) for row, ts in zip(rows, count(first, MINUTE), strict=False)]


@dataclass
class Scripted:
    """A strategy that does with each bar what the test says, and writes down what it is told."""

    script: dict[int, list[OrderRequest | str]]
    """By number of the bar, from 1: orders to send, ids to cancel, `state` to read the venue."""
    told: list[Any] = field(default_factory=list)
    at_fill: dict[str, list[OrderRequest | str]] = field(default_factory=dict)
    """By the id of an order that has filled, at that moment."""
    gateway: VenueGateway | None = None
    seen: int = 0

    def on_start(self, gateway: VenueGateway) -> None:
        self.gateway = gateway

    def on_bar(self, bar: Bar) -> None:
        self.seen += 1
        self.carry_out(self.script.get(self.seen, []))

    def carry_out(self, commands: list[OrderRequest | str]) -> None:
        assert self.gateway is not None
        for command in commands:
            if isinstance(command, OrderRequest):
                self.gateway.submit(command)
            elif command == "state":
                self.gateway.request_state(0)
            else:
                self.gateway.cancel(command)

    def on_timer(self) -> None: ...

    def on_quote(self, quote: Quote) -> None: ...

    def on_order_event(self, event: OrderEvent) -> None:
        self.told.append(event)
        if isinstance(event, OrderFilled):
            self.carry_out(self.at_fill.pop(event.client_order_id, []))

    def on_venue_state(self, state: VenueState) -> None:
        self.told.append(state)

    def on_funding(self, settled: FundingSettled) -> None:
        self.told.append(settled)

    def on_instrument(self, instrument: Instrument | None) -> None: ...

    def on_market_end(self) -> None: ...

    def on_stop(self) -> None: ...

    @property
    def idle(self) -> bool:
        return True


def replay(
    strategy: BarStrategy, market: list[Bar], venue: VenueFile, fill: FillRule = FillRule.TOUCH, volume: str = "1000"
) -> Outcome:
    """Run a strategy through bars that all have one volume. Raises what a callback raised."""
    rate, first = D(str(venue.funding_rate)), market[0].ts
    interval = venue.funding_interval_hours
    funding = Funding(constant_rate(rate, interval, first - 1), interval)
    return run(strategy, venue, Market(table_of(market, venue, volume), funding), fill, MarketClock(first))


def table_of(market: list[Bar], venue: VenueFile, volume: str) -> BarTable:
    """Bars on the tick as a table."""
    tick, step = venue.filters.tick_size, venue.filters.step_size
    table = BarTable(tick, step)
    for bar in market:
        table.ts.append(bar.ts)
        for column, price in (
            (table.open, bar.open),
            (table.high, bar.high),
            (table.low, bar.low),
            (table.close, bar.close),
        ):
            assert price % tick == 0
            column.append(int(price / tick))
        table.volume.append(int(D(volume) / step))
    return table


def grid(config: StrategyFile, venue: VenueFile, clock: MarketClock) -> HedgeGridV1:
    """The strategy itself, without a store."""
    return HedgeGridV1(
        config,
        instrument_of(venue),
        OWNER,
        NullStore(),
        Snapshot(),
        {},
        await_control=False,
        clock=clock,
        backtest=True,
    )
