"""Account, risk and regime as metrics, status and history show them, against the venue's book."""

import asyncio
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.ops.figures import Snapshot, snapshot_of
from naut_hedgegrid.ops.metrics import Exporter
from naut_hedgegrid.ops.questions import status
from naut_hedgegrid.ops.sampler import sample_of
from naut_hedgegrid.risk.limits import Rule
from tests.strategy.direct import SECOND, START, Rig, strategy_file, venue_file
from tests.strategy.ops_support import alone

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def loaded(make: Callable[..., Rig], **groups: Any) -> Rig:
    """0.5 BTC LONG on 10,000 USDT, watched by the risk monitor."""
    config = strategy_file(maxInventoryQuote="50000", baseQty="0.1", placement={"policy": "symmetric"}, **groups)
    rig = make(config=config, venue=venue_file(startingBalance="10000", leverage=20), risk=True)
    rig.strategy.start_counting()
    rig.quote(42000)
    rig.wait(4, step=0.5)
    for price in (41895, 41790, 41685, 41580, 41475):
        rig.quote(price)
    rig.wait(1.5, step=0.5)
    assert rig.position(LONG) == D("0.5")
    return rig


def value(snapshot: Snapshot, name: str, *own: str) -> float:
    found = snapshot[name][own]
    assert isinstance(found, float)
    return found


def test_account_figures_are_the_venues(make: Callable[..., Rig]) -> None:
    rig = loaded(make)
    rig.quote(41000)
    rig.wait(1.5, step=0.5)
    account, shown, told = rig.book.account(), snapshot_of(rig.strategy), status(rig.strategy)
    entry = (41895 + 41790 + 41685 + 41580 + 41475) / 5
    loss = 0.5 * (41000 - entry)
    assert value(shown, "account_balance_usdt") == told.account_balance == float(account.wallet)
    assert value(shown, "equity_usdt") == told.equity == pytest.approx(float(account.wallet) + loss)
    assert value(shown, "fees_usdt_total") == pytest.approx(10_000 - float(account.wallet))
    assert value(shown, "drawdown_ratio") == told.drawdown == pytest.approx(1 - told.equity / 10_000, rel=1e-3)
    assert account.liquidation_price is not None
    distance = float((41000 - account.liquidation_price) / 41000)
    assert value(shown, "liquidation_distance_ratio") == told.liquidation_distance == pytest.approx(distance, rel=1e-3)
    assert value(shown, "margin_ratio") == told.margin_ratio
    assert value(shown, "unprotected_quantity", "LONG") == 0
    assert value(shown, "mark_price") == told.mark_price == 41000


def test_every_rule_is_shown_with_its_limit_and_what_it_observes(make: Callable[..., Rig]) -> None:
    rig = loaded(make, risk={"maxPositionQuote": "25000", "maxDrawdownPercent": 30})
    rig.quote(41000)
    rig.wait(1.5, step=0.5)
    shown = snapshot_of(rig.strategy)
    limits = {rule: value(shown, "risk_limit", rule.value) for rule in Rule}
    observed = {rule: value(shown, "risk_observed", rule.value) for rule in Rule}
    assert limits[Rule.POSITION] == 25_000
    assert limits[Rule.DRAWDOWN] == 30
    assert math.isnan(limits[Rule.LOSS]), "no limit is no number"
    assert observed[Rule.POSITION] == pytest.approx(0.5 * 41_000)
    assert observed[Rule.DRAWDOWN] == pytest.approx(100 * value(shown, "drawdown_ratio"))
    assert observed[Rule.MARGIN_RATIO] == pytest.approx(value(shown, "margin_ratio"))
    assert all(value(shown, name, rule.value) == 0 for rule in Rule for name in ("risk_trips_total", "risk_tripped"))


def test_a_trip_is_counted_and_told(make: Callable[..., Rig]) -> None:
    rig = loaded(make, risk={"maxPositionQuote": "20000", "action": "haltEntries"})
    rig.wait(4, step=0.5)
    shown, told = snapshot_of(rig.strategy), status(rig.strategy)
    assert value(shown, "risk_trips_total", "position") == 1
    assert {own: value(shown, "risk_tripped", *own) for own in shown["risk_tripped"]} == {
        (rule.value,): float(rule is Rule.POSITION) for rule in Rule
    }
    assert value(shown, "kill_switch_state", "LONG", "Halted") == 1
    assert told.trip is not None
    assert (told.trip.reason, told.trip.limit) == ("maxPositionQuote", 20_000)
    assert [latch.id for latch in told.latches] == [told.trip.id]
    assert told.kill_switch == "haltEntries"


def test_a_trip_stands_in_the_metrics_until_it_is_released(make: Callable[..., Rig]) -> None:
    rig = loaded(make, risk={"maxPositionQuote": "20000", "action": "haltEntries"})
    rig.wait(4, step=0.5)
    trip = status(rig.strategy).trip
    assert trip is not None
    asyncio.run(rig.strategy.resume(trip.id, "both"))
    shown = snapshot_of(rig.strategy)
    assert value(shown, "risk_tripped", "position") == 0
    assert value(shown, "risk_trips_total", "position") == 1, "what has happened has happened"


def test_the_conditions_are_shown_as_the_report_tells_them(make: Callable[..., Rig]) -> None:
    """StaleData, say, is seen without the operator; a condition that has changed leaves no series behind."""
    rig = loaded(make, execution={"staleDataSeconds": 120})
    assert snapshot_of(rig.strategy)["condition"] == {("VenueReady", "True", "Reconciled"): 1.0}
    rig.wait(130, step=5)
    assert snapshot_of(rig.strategy)["condition"] == {("VenueReady", "False", "StaleData"): 1.0}
    exporter = Exporter("BTC")
    exporter.show(snapshot_of(rig.strategy))
    assert [line for line in exporter.text().splitlines() if line.startswith("hedgegrid_condition{")] == [
        'hedgegrid_condition{instrument="BTC",reason="StaleData",status="False",type="VenueReady"} 1.0'
    ]


def test_funding_paid_is_what_the_settlements_cost(make: Callable[..., Rig]) -> None:
    rig = loaded(make)
    before = value(snapshot_of(rig.strategy), "funding_paid_usdt")
    assert before == 0
    eight_hours = 8 * 3600 * SECOND
    until_settlement = eight_hours - rig.clock.ts % eight_hours
    rig.quote(41475, seconds=until_settlement / SECOND + 1)
    paid = value(snapshot_of(rig.strategy), "funding_paid_usdt")
    assert paid == pytest.approx(0.5 * 41475 * 0.0001)
    sample = sample_of(rig.strategy, START)
    assert sample is not None
    assert sample.funding == -D(str(paid))


def test_the_regime_is_shown_where_it_is_followed(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(regime={"enabled": True}))
    rig.quote(42000)
    shown = snapshot_of(rig.strategy)
    assert {own: value(shown, "regime", *own) for own in shown["regime"]} == {
        ("UP",): 0.0,
        ("DOWN",): 0.0,
        ("SIDEWAYS",): 1.0,
    }
    assert status(rig.strategy).regime == "SIDEWAYS"


def test_no_regime_is_shown_where_none_is_followed(make: Callable[..., Rig]) -> None:
    rig = make(config=strategy_file(regime={"enabled": False}))
    rig.quote(42000)
    assert "regime" not in snapshot_of(rig.strategy)
    assert status(rig.strategy).regime is None


def test_before_the_venue_is_read_every_figure_of_it_is_unknown(tmp_path: Path) -> None:
    exporter = Exporter("BTC")
    exporter.show(snapshot_of(alone(tmp_path)))
    known = {
        line.partition("{")[0].removeprefix("hedgegrid_")
        for line in exporter.text().splitlines()
        if not line.startswith("#") and not line.endswith("NaN")
    }
    of_itself = {"throttle", "kill_switch_state", "uptime_seconds", "callback_errors_total", "info", "regime"}
    assert known == of_itself | {"last_bar_timestamp", "condition", "risk_tripped"}
