"""One measurement of a backtest in a process of its own: `python -m tests.bench.backtest_child MODE ARGUMENTS…`.

`whole` runs it as its command does and tells the CPU of each part; `shares` tells which share of the run goes into our
callbacks and into commands to the engine; `empty` runs the engine on the same bars with a strategy that does nothing.
The arguments are those of `naut_hedgegrid.runners.backtest`. Prints one line of JSON.
"""

import io
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from nautilus_trader.model import Bar as EngineBar

from naut_hedgegrid.backtest.books import Books
from naut_hedgegrid.backtest.reading import read_bars
from naut_hedgegrid.backtest.venue import BacktestVenue
from naut_hedgegrid.config import load_venue_file
from naut_hedgegrid.engine.backtest import Carrier
from naut_hedgegrid.engine.backtest_engine import FillRule, engine_for, words_of
from naut_hedgegrid.engine.backtest_run import fed
from naut_hedgegrid.runners import backtest_job as job
from naut_hedgegrid.runners.backtest import Options, parse

CALLBACKS = ("started", "bar", "accepted", "filled", "rejected", "ended")
COMMANDS = ("send", "withdraw", "undo")


class Stopwatch:
    """Puts a clock around functions."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    def put(self, owner: Any, name: str, part: str) -> None:
        """Around a function of an owner; its time counts for a part."""
        function, clock, seconds = getattr(owner, name), self._clock, self.seconds

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = clock()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[part] = seconds.get(part, 0.0) + clock() - began

        setattr(owner, name, timed)


def whole(options: Options) -> dict[str, Any]:
    """CPU of each part, and what was done in it."""
    imports = time.process_time()
    watch = Stopwatch(time.process_time)
    for name, part in (("read_bars", "reading"), ("run", "run"), ("results_of", "writing"), ("write", "writing")):
        watch.put(job, name, part)
    kept: list[Books] = []
    write = job.write
    job.write = lambda out, results: (kept.append(results.played.books), write(out, results))[1]
    job.job(options, io.StringIO(), io.StringIO())
    total = time.process_time() - imports
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"imports": imports, **watch.seconds, "total": total, "rss": rss, **_done(options, kept[0])}


def shares(options: Options) -> dict[str, Any]:
    """Of the run's time, by the wall clock: reading the CPU's would cost more than much of what is measured."""
    watch = Stopwatch(time.perf_counter)
    watch.put(job, "run", "run")
    for name in CALLBACKS:
        watch.put(BacktestVenue, name, "callbacks")
    for name in COMMANDS:
        watch.put(Carrier, name, "commands")
    job.played(options, io.StringIO())
    run = watch.seconds["run"]
    commands = watch.seconds["commands"] / run
    return {"callbacks": watch.seconds["callbacks"] / run - commands, "commands": commands}


class Idle(Carrier):
    """Sees every bar and does nothing."""

    def on_start(self) -> None:
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: EngineBar) -> None:
        pass


def empty(options: Options) -> dict[str, Any]:
    """CPU of the engine alone, its bars included."""
    file = load_venue_file(options.venue_config)
    table = read_bars(options.data, file.filters.tick_size, file.filters.step_size).table
    began = time.process_time()
    words = words_of(file)
    idle = Idle(words)
    engine = engine_for(file, words, idle, FillRule(options.fill))
    for _ in fed(engine, table, idle.bar_type, words):
        pass
    engine.end()
    return {"engine": time.process_time() - began}


def _done(options: Options, books: Books) -> dict[str, Any]:
    figures = json.loads((options.out / "summary.json").read_text())
    fills, orders = books.fills, books.orders.values()
    begin, end = fills[0].ts, fills[-1].ts
    resting = sum((order.closed or end) - order.created for order in orders) / (end - begin)
    return {
        **{name: figures[name] for name in ("bars", "orders", "fills")},
        "entries": len({fill.client_order_id for fill in fills if fill.side is fill.leg.opening}),
        "resting": resting,
    }


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    print(json.dumps({"whole": whole, "shares": shares, "empty": empty}[mode](parse(arguments))))
