"""One backtest from bars to books."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, repeat
from operator import mul

from nautilus_trader.backtest import BacktestEngine
from nautilus_trader.model import Bar as EngineBar
from nautilus_trader.model import BarType, Price, Quantity

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.backtest.accountant import Accountant
from naut_hedgegrid.backtest.books import Books
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.curve import Curve
from naut_hedgegrid.backtest.funding import Funding
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.venue import BacktestVenue, BarStrategy, Feed, Terms
from naut_hedgegrid.engine.backtest import Carrier
from naut_hedgegrid.engine.backtest_engine import FillRule, engine_for, words_of
from naut_hedgegrid.engine.translation import Translation
from naut_hedgegrid.grid.bars import Bar

_PORTION = 5_000
"""Bars that are the engine's at a time: its bars are large."""


@dataclass(frozen=True, slots=True)
class Market:
    """What a run is played on."""

    table: BarTable
    funding: Funding
    grid_bars: Iterator[Bar] | None = None
    """What the strategy is told of; None: of every bar."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has left."""

    books: Books
    curve: Curve
    engine_balance: Decimal
    """The wallet as the engine counts it: in floats, without funding. Only to be compared with."""


def run(
    strategy: BarStrategy,
    file: VenueFile,
    market: Market,
    fill: FillRule,
    clock: MarketClock,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Run a strategy through a market; `progress` is told of the bars that are done.

    Raises:
        Exception: what the strategy or a callback has raised.
    """
    words = words_of(file)
    carrier = Carrier(words)
    books, curve = Books(Accountant(file.starting_balance)), Curve()
    table = market.table
    venue = BacktestVenue(
        strategy,
        carrier,
        books,
        curve,
        clock,
        Feed(table.bars(), market.grid_bars, market.funding),
        Terms(file.fees.maker, file.tiers),
    )
    carrier.connect(venue)
    engine = engine_for(file, words, carrier, fill)
    for done in fed(engine, table, carrier.bar_type, words):
        if carrier.failure is not None:
            raise carrier.failure
        progress(done)
    engine.end()
    venue.finish()
    outcome = Outcome(books, curve, _balance(engine, words))
    engine.dispose()
    return outcome


def fed(engine: BacktestEngine, table: BarTable, bar_type: BarType, words: Translation) -> Iterator[int]:
    """Run an engine through bars, portion by portion; how many are done, after each."""
    bars, done = _engine_bars(table, bar_type, words), 0
    while portion := list(islice(bars, _PORTION)):
        done += len(portion)
        engine.add_data(portion)
        del portion
        engine.run(streaming=True)
        engine.clear_data()
        yield done


def _engine_bars(table: BarTable, bar_type: BarType, words: Translation) -> Iterator[EngineBar]:
    prices = _Prices(words.price(table.tick))
    columns = (map(prices.__getitem__, column) for column in (table.open, table.high, table.low, table.close))
    step = words.quantity(table.step)
    volumes = map(Quantity.from_raw, map(mul, table.volume, repeat(step.raw)), repeat(step.precision))
    return map(EngineBar, repeat(bar_type), *columns, volumes, table.ts, table.ts)


class _Prices(dict[int, Price]):
    """Prices by their number of ticks, each made once."""

    def __init__(self, tick: Price) -> None:
        super().__init__()
        self._raw, self._precision = tick.raw, tick.precision

    def __missing__(self, ticks: int) -> Price:
        price = self[ticks] = Price.from_raw(ticks * self._raw, self._precision)
        return price


def _balance(engine: BacktestEngine, words: Translation) -> Decimal:
    account = engine.portfolio.account(words.venue)
    balance = None if account is None else account.balance_total(words.currency)
    if balance is None:
        raise RuntimeError("the engine has no account")
    return balance.as_decimal()
