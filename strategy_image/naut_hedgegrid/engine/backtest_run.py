"""One backtest from bars to books."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat, takewhile
from operator import mul

from nautilus_trader.backtest import BacktestEngine
from nautilus_trader.model import Bar as EngineBar
from nautilus_trader.model import BarType, Price, Quantity

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.backtest.accountant import Accountant
from naut_hedgegrid.backtest.books import Books
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.curve import Curve
from naut_hedgegrid.backtest.funding import Settlement
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.backtest.venue import BacktestVenue, BarStrategy
from naut_hedgegrid.engine.backtest import Carrier
from naut_hedgegrid.engine.backtest_engine import FillRule, engine_for, words_of
from naut_hedgegrid.engine.translation import Translation


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
    table: BarTable,
    settlements: Iterable[Settlement],
    fill: FillRule,
    clock: MarketClock,
) -> Outcome:
    """Run a strategy through bars; `settlements` in order, those after the last bar are left out.

    Raises:
        Exception: what the strategy or a callback has raised.
    """
    words = words_of(file)
    carrier = Carrier(words)
    books, curve = Books(Accountant(file.starting_balance)), Curve()
    end = table.ts[-1]
    venue = BacktestVenue(
        strategy,
        carrier,
        books,
        curve,
        clock,
        takewhile(lambda settlement: settlement.ts <= end, settlements),
        tiers=file.tiers,
        funding_interval_hours=file.funding_interval_hours,
    )
    carrier.connect(venue, table.bars())
    engine = engine_for(file, words, carrier, fill)
    engine.add_data(list(_engine_bars(table, carrier.bar_type, words)))
    engine.run()
    if carrier.failure is not None:
        raise carrier.failure
    venue.finish()
    outcome = Outcome(books, curve, _balance(engine, words))
    engine.dispose()
    return outcome


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
