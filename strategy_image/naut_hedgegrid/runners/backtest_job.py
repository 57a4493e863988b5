"""A backtest from its files to its files."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from hedgegrid_api.files import StrategyFile, VenueFile, settled
from naut_hedgegrid.backtest import files
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.funding import Funding, FundingFileError, constant_rate, read_rates
from naut_hedgegrid.backtest.notes import funding_note
from naut_hedgegrid.backtest.reading import BarData, read_bars
from naut_hedgegrid.backtest.report import page
from naut_hedgegrid.backtest.results import Played, Results, results_of
from naut_hedgegrid.backtest.text import Times
from naut_hedgegrid.barfile import BarFileError
from naut_hedgegrid.config import ConfigError, load_strategy_file, load_venue_file
from naut_hedgegrid.engine.backtest_engine import FillRule
from naut_hedgegrid.engine.backtest_run import Market, run
from naut_hedgegrid.grid.bars import SECOND, Bar, BarSpacingError, aggregated
from naut_hedgegrid.grid.ids import owner_of
from naut_hedgegrid.grid.records import Snapshot
from naut_hedgegrid.runners.backtest import Options
from naut_hedgegrid.runners.backtest_table import show
from naut_hedgegrid.runners.progress import Progress
from naut_hedgegrid.store.null import NullStore
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.instrument import instrument_of


class BacktestError(RuntimeError):
    """The run can't be relied on."""


MISUSED = (ConfigError, BarFileError, BarSpacingError, FundingFileError)
"""Asked for something that can't be: exit status 2."""
FAILED = (BacktestError, OSError)
"""Told in a sentence: exit status 1."""


def job(options: Options, out: TextIO, err: TextIO) -> None:
    """Read, run, write, tell. Raises what `MISUSED` and `FAILED` name."""
    results = played(options, err)
    write(options.out, results)
    show(results, options.out, out)


def played(options: Options, err: TextIO) -> Results:
    """Read and run; progress goes to `err`. Raises what `MISUSED` and `FAILED` name."""
    began = time.monotonic()
    strategy_file = load_strategy_file(options.strategy_config)
    venue_file = settled(strategy_file, load_venue_file(options.venue_config))
    data = read_bars(options.data, venue_file.filters.tick_size, venue_file.filters.step_size)
    funding, notes = _funding(options.funding, venue_file, data)
    strategy, clock = strategy_for(strategy_file, venue_file, data)
    progress = Progress(len(data.table), "bars", err)
    market = Market(data.table, funding, _grid_bars(data, strategy_file))
    outcome = run(strategy, venue_file, market, FillRule(options.fill), clock, progress)
    progress.clear()
    if strategy.errors:
        raise BacktestError(f"{strategy.errors} errors in the strategy's callbacks, which are logged above")
    trip, wall_seconds = strategy.report().trip, time.monotonic() - began
    return results_of(
        Played(strategy_file, venue_file, data, outcome.books, outcome.curve, options.fill),
        trips=() if trip is None else (trip,),
        notes=notes,
        wall_seconds=wall_seconds,
    )


def strategy_for(config: StrategyFile, venue: VenueFile, data: BarData) -> tuple[HedgeGridV1, MarketClock]:
    """The strategy as a pod runs it, without a store and without an operator, and its clock."""
    clock = MarketClock(data.table.ts[0])
    strategy = HedgeGridV1(
        config,
        instrument_of(venue),
        owner_of(f"backtest/{venue.instrument}"),
        NullStore(),
        Snapshot(),
        {},
        await_control=False,
        clock=clock,
        backtest=True,
    )
    strategy.attach_kill_switch(RiskMonitor(venue.tiers, venue.margin_type, venue.leverage))
    return strategy, clock


def _funding(path: Path | None, venue: VenueFile, data: BarData) -> tuple[Funding, list[str]]:
    """The settlements, and what is to be said of them."""
    interval = venue.funding_interval_hours
    if path is None:
        rate = Decimal(str(venue.funding_rate))
        return Funding(constant_rate(rate, interval, data.table.ts[0] - 1), interval), []
    rates = read_rates(path)
    note = funding_note(rates[0], rates[-1], data, interval)
    return Funding(iter(rates), interval), [] if note is None else [note]


def _grid_bars(data: BarData, config: StrategyFile) -> Iterator[Bar] | None:
    seconds = config.execution.bar_seconds
    return None if seconds * SECOND == data.spacing else aggregated(data.table.bars(), data.spacing, seconds)


def write(out: Path, results: Results) -> None:
    """All files of a run; the summary is the last of them."""
    played, time_of = results.played, Times()
    books = played.books
    out.mkdir(parents=True, exist_ok=True)
    files.write_fills(out / "fills.csv", books.fills, time_of)
    files.write_orders(out / "orders.csv", books.orders.values(), time_of)
    files.write_equity(out / "equity.csv", results.stretches, played.data.table, time_of)
    files.write_funding(out / "funding.csv", books.funding, time_of)
    (out / "report.html").write_text(page(results), "utf-8")
    (out / "summary.json").write_text(json.dumps(results.summary, indent=2) + "\n", "utf-8")
