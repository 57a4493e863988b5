"""Formulas of strategy.md and ladder.md that risk rests on, and the limits of the spec."""

from decimal import Decimal

import pytest

from hedgegrid_api.files import VenueFile
from hedgegrid_api.margin import maintenance_margin
from hedgegrid_api.risk import Risk, RiskAction
from naut_hedgegrid.risk.formulas import (
    LARGEST_RATIO,
    drawdown,
    drawdown_percent,
    equity,
    liquidation_distance_percent,
    margin_ratio,
)
from naut_hedgegrid.risk.limits import Limits, Rule

D = Decimal


def test_vector_of_the_margin_ratio() -> None:
    """L=.05@41800, S=.03@42300, P=42000, WB=1000, MMR=.004: uPnL 10 + 9, margin ratio 0.01319."""
    tiers = VenueFile(instrument="BTCUSDT-PERP.BINANCE").tiers
    maintenance = maintenance_margin(D(2100), tiers) + maintenance_margin(D(1260), tiers)
    ratio = margin_ratio(maintenance, equity(D(1000), D(10) + D(9)), has_position=True)
    assert ratio is not None
    assert round(ratio, 5) == D("0.01319")


def test_vector_of_the_drawdown_after_a_transfer() -> None:
    assert drawdown(D("444.44"), D(400)) == pytest.approx(D("0.1"), abs=D("0.00001"))
    assert drawdown_percent(D(1000), D(800)) == 20


def test_equity_above_the_peak_is_no_drawdown() -> None:
    assert drawdown(D(1000), D(1001)) == 0


def test_a_loss_of_more_than_everything_is_a_drawdown_above_1() -> None:
    assert drawdown(D(1000), D(-500)) == D("1.5")


@pytest.mark.parametrize(("peak", "now"), [(None, D(1)), (D(1), None), (D(0), D(0)), (D(-1), D(-2))])
def test_f21_a_drawdown_without_a_peak_or_an_equity_is_unknown(peak: Decimal | None, now: Decimal | None) -> None:
    assert drawdown(peak, now) is None
    assert drawdown_percent(peak, now) is None


@pytest.mark.parametrize("balance", [D(0), D(-1)])
def test_a_position_without_a_margin_balance_has_the_largest_margin_ratio(balance: Decimal) -> None:
    assert margin_ratio(D(5), balance, has_position=True) == LARGEST_RATIO
    assert margin_ratio(None, balance, has_position=True) == LARGEST_RATIO
    assert margin_ratio(D(5), D("1e-9"), has_position=True) == LARGEST_RATIO


def test_without_a_position_nothing_has_to_be_maintained() -> None:
    assert margin_ratio(None, D(1000), has_position=False) == 0
    assert margin_ratio(D(0), D(-1), has_position=False) == 0


@pytest.mark.parametrize(
    ("maintenance", "balance", "has_position"), [(None, D(1), True), (D(1), None, True), (D(1), D(1), None)]
)
def test_f21_a_margin_ratio_with_a_number_missing_is_unknown(
    maintenance: Decimal | None, balance: Decimal | None, has_position: bool | None
) -> None:
    assert margin_ratio(maintenance, balance, has_position=has_position) is None


def test_f21_an_equity_with_a_number_missing_is_unknown() -> None:
    assert equity(None, D(1)) is None
    assert equity(D(1), None) is None


def test_the_liquidation_distance_is_in_percent_of_the_mark_price() -> None:
    assert liquidation_distance_percent(D(60000), D("54000")) == 10
    assert liquidation_distance_percent(D(60000), D("66000")) == 10
    assert liquidation_distance_percent(None, D("66000")) is None


def test_no_liquidation_price_is_further_away_than_any_limit() -> None:
    distance = liquidation_distance_percent(D(60000), None)
    assert distance is not None
    assert distance > 10**9


def test_the_limits_are_those_of_the_spec() -> None:
    limits = Limits.of(Risk())
    assert limits.by_rule() == {
        Rule.DRAWDOWN: 20,
        Rule.LOSS: None,
        Rule.DAILY_LOSS: None,
        Rule.POSITION: None,
        Rule.MARGIN_RATIO: D("0.8"),
        Rule.FUNDING_COST: 20,
        Rule.LIQUIDATION_DISTANCE: 5,
    }
    assert (limits.confirmations, limits.action) == (3, RiskAction.FLATTEN_BOTH)


def test_every_limit_of_the_spec_has_its_rule() -> None:
    given = {
        "maxDrawdownPercent": 1.5,
        "maxLossQuote": "2",
        "dailyLossQuote": "3",
        "maxPositionQuote": "4",
        "maxMarginRatio": 0.5,
        "maxFundingCostBps": 6,
        "minLiquidationDistancePercent": 7,
        "confirmations": 8,
        "action": "haltEntries",
    }
    limits = Limits.of(Risk.model_validate(given))
    assert {rule.field: limit for rule, limit in limits.by_rule().items()} == {
        name: D(str(value)) for name, value in given.items() if name not in {"confirmations", "action"}
    }
    assert (limits.confirmations, limits.action) == (8, RiskAction.HALT_ENTRIES)


def test_rules_are_named_as_metrics_and_messages_name_them() -> None:
    assert " ".join(Rule) == "drawdown loss dailyLoss position marginRatio fundingCost liquidationDistance"
