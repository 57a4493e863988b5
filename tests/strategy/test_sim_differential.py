"""The book against the engine's own matching: the same ticks and orders give the same fills and commissions.

Some things are different by intention. The engine knows no self-trade prevention, so it is off here. Its stops look at
bid and ask, the book's at the mark price between them: their triggers are sent a tick apart; and it goes by the age of
an order where the book has limits before stops: fills of one tick are compared as a set, and equity instead of the
wallet, which depends on what opens and what closes first.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig, LogLevel
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.model import (
    AccountType,
    BookType,
    ClientOrderId,
    Currency,
    Money,
    OmsType,
    OrderFilled,
    OrderSide,
    Quantity,
    QuoteTick,
    StrategyId,
)
from nautilus_trader.risk import RiskEngineConfig
from nautilus_trader.trading import Strategy, StrategyConfig

from naut_hedgegrid.domain.values import Leg, OrderKind, OrderRequest, Quote, Side
from naut_hedgegrid.domain.values import OrderFilled as BookFilled
from naut_hedgegrid.engine.translation import Translation
from naut_hedgegrid.venues.sim.book import Book
from naut_hedgegrid.venues.sim.changes import BookEvent
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.rules import VenueRules
from tests.strategy.node_parts import D, synthetic_file

TICKS = 6_000
LEVELS = range(1, 6)
STEP = 5
STOP = 8
TICK = D("0.1")
QUANTITY = D("0.013")
SECOND = 1_000_000_000
type Fill = tuple[int, str, Decimal, Decimal, Decimal]
"""Number of the tick, id, quantity, price, commission."""


@dataclass
class Grid:
    """Entry, take profit or stop, entry, … at five levels of each leg, whoever carries its orders."""

    send: Callable[[OrderRequest], None]
    cancel: Callable[[str], None]
    stopped: dict[tuple[Leg, int], int] = field(default_factory=dict)
    """Number of the coming entry, where the price has to come back first."""
    fills: list[Fill] = field(default_factory=list)

    def start(self) -> None:
        for leg in Leg:
            for level in LEVELS:
                self._put(leg, level, 0, "E")

    def quote(self, number: int, bid: Decimal) -> None:
        """Each hundredth tick a market order, in turn opening and closing a leg."""
        for (leg, level), coming in list(self.stopped.items()):
            if leg.sign * (bid - self._price(leg, level, "E")) > 1:
                del self.stopped[leg, level]
                self._put(leg, level, coming, "E")
        turn, rest = divmod(number, 100)
        if rest:
            return
        leg = (Leg.LONG, Leg.SHORT)[(turn - 1) // 2 % 2]
        side = leg.opening if turn % 2 else leg.closing
        self.send(OrderRequest(f"{leg}-0-M-{number}", leg, side, OrderKind.MARKET, D("0.005")))

    def filled(self, ts: int, identity: str, quantity: Decimal, price: Decimal, commission: Decimal) -> None:
        self.fills.append((ts // SECOND, identity, quantity, price, commission))
        name, level, role, number = identity.split("-")
        leg = Leg(name)
        match role:
            case "E":
                self._put(leg, int(level), int(number), "T")
                self._put(leg, int(level), int(number), "S")
            case "T":
                self.cancel(f"{leg}-{level}-S-{number}")
                self._put(leg, int(level), int(number) + 1, "E")
            case "S":
                self.cancel(f"{leg}-{level}-T-{number}")
                self.stopped[leg, int(level)] = int(number) + 1
            case _:
                pass

    def _put(self, leg: Leg, level: int, number: int, role: str) -> None:
        identity, price = f"{leg}-{level}-{role}-{number}", self._price(leg, level, role)
        if role == "S":
            stop = OrderKind.STOP_MARKET
            self.send(OrderRequest(identity, leg, leg.closing, stop, QUANTITY, trigger_price=price))
        else:
            side = leg.opening if role == "E" else leg.closing
            self.send(OrderRequest(identity, leg, side, OrderKind.LIMIT, QUANTITY, price))

    def _price(self, leg: Leg, level: int, role: str) -> Decimal:
        away = {"E": level * STEP, "T": (level - 1) * STEP, "S": level * STEP + STOP}[role]
        return D(50_000) - leg.sign * away


def walk(seed: int) -> list[Decimal]:
    chance, price, prices = random.Random(seed), D(50_000), []
    for _ in range(TICKS):
        price = max(D(49_950), min(D(50_050), price + D(chance.randint(-30, 30)) / 10))
        prices.append(price)
    return prices


def by_book(path: Path, rules: VenueRules, bids: list[Decimal]) -> tuple[list[Fill], Decimal]:
    """Fills and equity when the book matches."""
    book = Book(path, rules)
    waiting: list[OrderRequest | str] = []
    grid = Grid(waiting.append, waiting.append)
    for number, bid in enumerate(bids, 1):
        events = book.on_quote(Quote(bid, bid + D("0.1"), bid + D("0.05"), number * SECOND), Place("walk", str(number)))
        _told(grid, events)
        if number == 1:
            grid.start()
        grid.quote(number, bid)
        while waiting:
            order, ts = waiting.pop(0), number * SECOND
            _told(grid, book.cancel(order, ts) if isinstance(order, str) else book.submit(order, ts))
    account = book.standing.account
    book.close()
    return grid.fills, account.wallet + account.unrealized(bids[-1])


def _told(grid: Grid, events: list[BookEvent]) -> None:
    for event in events:
        if isinstance(event, BookFilled):
            grid.filled(event.ts, event.client_order_id, event.quantity, event.price, event.commission)


class EngineGrid(Strategy):
    """The same grid on the engine's side."""

    def __init__(self, words: Translation) -> None:
        super().__init__(StrategyConfig(strategy_id=StrategyId("GRID-001"), oms_type=OmsType.HEDGING))
        self.words = words
        self.grid = Grid(self._send, lambda identity: self.cancel_order(ClientOrderId(identity)))
        self.quotes = 0

    def on_start(self) -> None:
        self.subscribe_quotes(self.words.instrument_id)

    def on_quote(self, quote: QuoteTick) -> None:
        self.quotes += 1
        if self.quotes == 1:
            self.grid.start()
        self.grid.quote(self.quotes, quote.bid_price.as_decimal())

    def on_order_filled(self, event: OrderFilled) -> None:
        assert event.commission is not None
        quantity, price = event.last_qty.as_decimal(), event.last_px.as_decimal()
        self.grid.filled(event.ts_event, str(event.client_order_id), quantity, price, event.commission.as_decimal())

    def _send(self, order: OrderRequest) -> None:
        # The backtest engine would grow a reduce-only order to the whole position.
        words, factory, identity = self.words, self.order_factory, ClientOrderId(order.client_order_id)
        side, quantity = OrderSide.BUY if order.side is Side.BUY else OrderSide.SELL, words.quantity(order.quantity)
        if order.trigger_price is not None:
            apart = TICK if order.side is Side.BUY else -TICK
            trigger = words.price(order.trigger_price + apart)
            sent = factory.stop_market(words.instrument_id, side, quantity, trigger, client_order_id=identity)
        elif order.price is None:
            sent = factory.market(words.instrument_id, side, quantity, client_order_id=identity)
        else:
            sent = factory.limit(
                words.instrument_id, side, quantity, words.price(order.price), client_order_id=identity
            )
        self.submit_order(sent, position_id=self.words.position_ids[order.leg])


def by_engine(words: Translation, rules: VenueRules, bids: list[Decimal]) -> tuple[list[Fill], Decimal]:
    """Fills and equity when the engine matches."""
    usdt, size = Currency.from_str("USDT"), Quantity.from_str("1000.000")
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggerConfig(stdout_level=LogLevel.OFF),
            run_analysis=False,
            risk_engine=RiskEngineConfig(bypass=True),
        )
    )
    engine.add_venue(
        venue=words.venue,
        oms_type=OmsType.HEDGING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money.from_decimal(rules.starting_balance, usdt)],
        default_leverage=D(rules.leverage),
        fee_model=MakerTakerFeeModel(rules.maker_rate, rules.taker_rate),
        book_type=BookType.L1_MBP,
    )
    engine.add_instrument(words.definition)
    quotes: list[QuoteTick] = []
    for number, bid in enumerate(bids, 1):
        best = words.price(bid), words.price(bid + D("0.1"))
        quotes.append(QuoteTick(words.instrument_id, *best, size, size, number * SECOND, number * SECOND))
    engine.add_data(quotes)
    strategy = EngineGrid(words)
    engine.add_strategy(strategy)
    engine.run()
    balance = engine.portfolio.account(words.venue).balance_total(usdt).as_decimal()
    last = words.price(bids[-1])
    open_ = sum((position.unrealized_pnl(last).as_decimal() for position in engine.cache.positions_open()), D(0))
    engine.dispose()
    return strategy.grid.fills, balance + open_


@pytest.mark.parametrize("seed", [5, 6])
def test_fills_commissions_and_equity_equal_the_engine_s(tmp_path: Path, seed: int) -> None:
    rules = replace(VenueRules.of(synthetic_file()), self_trade_prevention=False)
    words, bids = Translation(rules.instrument), walk(seed)
    fills, equity = by_book(tmp_path / "book", rules, bids)
    engine_fills, engine_equity = by_engine(words, rules, bids)
    assert len(fills) > 100
    assert sum("-S-" in identity for _, identity, *_ in fills) > 20
    assert sorted(fills) == sorted(engine_fills)
    # The engine books realized profits as floats rounded to 8 digits.
    assert abs(equity - engine_equity) <= D("1e-8") * len(fills)
