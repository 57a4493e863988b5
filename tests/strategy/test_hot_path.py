"""What is skipped on a bar's path changes nothing: with and without it the same orders go out, for the same trips."""

import random
from decimal import Decimal
from typing import Any

import pytest

from naut_hedgegrid.backtest.books import BacktestOrder
from naut_hedgegrid.backtest.clock import MarketClock
from naut_hedgegrid.backtest.funding import Funding, constant_rate
from naut_hedgegrid.backtest.table import BarTable
from naut_hedgegrid.engine.backtest_engine import FillRule
from naut_hedgegrid.engine.backtest_run import Market, run
from naut_hedgegrid.grid.records import Snapshot
from naut_hedgegrid.store.null import NullStore
from naut_hedgegrid.strategies.hedge_grid_v1.entries import Entries
from naut_hedgegrid.strategies.hedge_grid_v1.risk_monitor import RiskMonitor
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.instrument import instrument_of
from tests.strategy.direct import OWNER, START, strategy_file, venue_file

D = Decimal
MINUTE = 60_000_000_000


def market_of(seed: int, bars: int = 3000) -> BarTable:
    """A walk in ticks of 0.1 that jumps now and then."""
    chance, table, price = random.Random(seed), BarTable(D("0.1"), D("0.001")), 420_000
    for number in range(1, bars + 1):
        opened = price
        jump = chance.choice([0] * 60 + [-3000, 3000])
        price = max(300_000, min(560_000, opened + jump + round(chance.gauss(0, 450))))
        spread = abs(round(chance.gauss(0, 200)))
        table.ts.append(START + number * MINUTE)
        table.open.append(opened)
        table.high.append(max(opened, price) + spread)
        table.low.append(min(opened, price) - spread)
        table.close.append(price)
        table.volume.append(5000 + number % 7)
    return table


def played(seed: int, **groups: Any) -> tuple[list[BacktestOrder], object, object]:
    table, file, clock = market_of(seed), venue_file(filters={"maxOrders": 1000}), MarketClock(START)
    strategy = HedgeGridV1(
        strategy_file(baseQty="0.01", **groups),
        instrument_of(file),
        OWNER,
        NullStore(),
        Snapshot(),
        {},
        await_control=False,
        clock=clock,
        backtest=True,
    )
    strategy.attach_kill_switch(RiskMonitor(file.tiers, file.margin_type, file.leverage))
    funding = Funding(constant_rate(D("0.0001"), 8, START), 8)
    outcome = run(strategy, file, Market(table, funding), FillRule.TOUCH, clock)
    assert strategy.errors == 0
    trip = strategy.report().trip
    kept = {rule: (figure.limit, figure.trips) for rule, figure in strategy.risk_figures().items()}
    return list(outcome.books.orders.values()), trip and (trip.reason, trip.observed, trip.time), kept


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "groups",
    [
        {"maxInventoryQuote": "3000"},
        {"maxInventoryQuote": "100000", "placement": {"policy": "coreAndScalp"}},
        {"maxInventoryQuote": "100000", "risk": {"maxDrawdownPercent": 0.4}},
        {"maxInventoryQuote": "50000", "risk": {"dailyLossQuote": "250", "action": "haltEntries"}},
    ],
    ids=["capped", "scalping", "drawdown", "daily loss"],
)
def test_what_is_skipped_changes_no_order_and_no_trip(
    seed: int, groups: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = played(seed, **groups)
    with monkeypatch.context() as slow:
        slow.setattr(Entries, "quiet", lambda *_: False)
        slow.setattr(RiskMonitor, "calm", lambda *_: False)
        slow.setattr("naut_hedgegrid.strategies.hedge_grid_v1.plan.Plan.funding_known", lambda *_: False)
        full = played(seed, **groups)
    assert len(quick[0]) > 50
    assert quick == full
