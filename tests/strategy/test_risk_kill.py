"""The risk monitor at the venue: what trips, what doesn't, what stands until it is released."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.types import LegState
from naut_hedgegrid.domain.values import Leg, Side
from tests.strategy.direct import Rig, strategy_file, venue_file

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT


def grid(**risk: Any) -> Any:
    """Room for a position that can lose something; regime and placement aside."""
    return strategy_file(maxInventoryQuote="50000", baseQty="0.1", placement={"policy": "symmetric"}, risk=risk)


def watched(make: Callable[..., Rig], *, balance: str = "100000", **risk: Any) -> Rig:
    """A grid that trades: its risk samples have had their say."""
    rig = make(config=grid(**risk), venue=venue_file(startingBalance=balance), risk=True)
    rig.quote(42000)
    settle(rig)
    return rig


def settle(rig: Rig, seconds: float = 4) -> None:
    rig.wait(seconds, step=0.5)


def loaded(rig: Rig) -> Rig:
    for price in (41895, 41790, 41685, 41580, 41475):
        rig.quote(price)
    assert rig.position(LONG) == D("0.5")
    return rig


def trip(rig: Rig) -> Any:
    return rig.strategy.report().trip


def assert_flat(rig: Rig) -> None:
    assert all(rig.position(leg) == 0 for leg in Leg)
    assert not rig.book.state(10**12).open_orders


def test_after_a_start_entries_wait_until_risk_has_had_its_say(make: Callable[..., Rig]) -> None:
    rig = make(config=grid(), risk=True)
    rig.quote(42000)
    rig.wait(1.2, step=0.1)
    assert rig.venue.submitted == []
    rig.wait(1.2, step=0.1)
    assert len(rig.resting(LONG, opening=True)) == 5
    rig.check()


def test_f22_one_bad_sample_trips_nothing_and_three_do(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make, maxLossQuote="900"))
    rig.quote(39000, seconds=0.1)
    rig.wait(1.2, step=0.1)
    assert trip(rig) is None
    rig.quote(41475, seconds=0.1)
    settle(rig)
    assert trip(rig) is None
    rig.quote(39000, seconds=0.1)
    settle(rig)
    found = trip(rig)
    assert (found.reason, found.limit) == ("maxLossQuote", 900)
    assert found.observed > 900
    settle(rig)
    assert_flat(rig)
    legs = rig.strategy.report().kill_switch.legs
    assert (legs.long.state, legs.short.state) == (LegState.FLAT, LegState.FLAT)
    assert legs.long.source == "risk"


@pytest.mark.parametrize(
    ("risk", "price", "field"),
    [
        ({"maxDrawdownPercent": 1}, 39000, "maxDrawdownPercent"),
        ({"maxLossQuote": "1000"}, 39000, "maxLossQuote"),
        ({"dailyLossQuote": "1000"}, 39000, "dailyLossQuote"),
        ({"maxPositionQuote": "20000"}, 41470, "maxPositionQuote"),
    ],
)
def test_each_limit_trips_and_flattens(make: Callable[..., Rig], risk: dict[str, Any], price: int, field: str) -> None:
    rig = loaded(watched(make, **risk))
    rig.quote(price)
    settle(rig, 6)
    assert trip(rig).reason == field
    assert_flat(rig)


@pytest.mark.parametrize(
    ("risk", "field"),
    [
        (
            {"maxMarginRatio": 0.1, "maxDrawdownPercent": 100, "minLiquidationDistancePercent": 0.1},
            "maxMarginRatio",
        ),
        ({"minLiquidationDistancePercent": 8, "maxDrawdownPercent": 100}, "minLiquidationDistancePercent"),
    ],
)
def test_margin_ratio_and_liquidation_distance_trip_on_a_thin_account(
    make: Callable[..., Rig], risk: dict[str, Any], field: str
) -> None:
    rig = make(
        config=grid(**risk),
        venue=venue_file(startingBalance="2600", leverage=125),
        risk=True,
    )
    rig.quote(42000)
    settle(rig)
    loaded(rig)
    rig.quote(37700)
    settle(rig, 6)
    assert trip(rig).reason == field
    assert_flat(rig)


@pytest.mark.parametrize(("rate", "tripped"), [(-0.01, None), (0.01, "maxFundingCostBps")])
def test_f14_funding_that_is_received_never_trips_and_paid_does(
    make: Callable[..., Rig], rate: float, tripped: str | None
) -> None:
    rig = make(config=grid(), venue=venue_file(fundingRate=rate), risk=True)
    rig.quote(42000)
    settle(rig)
    rig.foreign(Side.BUY, LONG, 43000, "0.1", name="hg-0badcafe-L9-E-zz")
    rig.strategy._step(rig.strategy._core.audit())
    rig.pump()
    settle(rig, 6)
    found = trip(rig)
    assert (found and found.reason) == tripped


def test_halting_action_stops_entries_and_keeps_exits_and_position(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make, maxLossQuote="900", action="haltEntries"))
    rig.quote(39000)
    settle(rig)
    assert trip(rig) is not None
    assert rig.resting(LONG, opening=True) == rig.resting(SHORT, opening=True) == {}
    assert rig.position(LONG) == D("0.5")
    assert sum(rig.resting(LONG, opening=False).values()) == D("0.5")


def test_f21_an_unknown_figure_stops_entries_and_flattens_nothing(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = loaded(watched(make))
    with monkeypatch.context() as dark:
        dark.setattr(rig.venue, "account", lambda: None)
        rig.strategy._core.account = rig.venue.account
        settle(rig)
        assert rig.resting(SHORT, opening=True) == {}
        assert rig.position(LONG) == D("0.5")
        assert len(rig.resting(LONG, opening=False)) == 5
        ready = rig.strategy.report().conditions[0]
        assert (ready.status, ready.reason) == (False, "RiskUnknown")
        assert "maxDrawdownPercent" in ready.message
    rig.strategy._core.account = rig.venue.account
    rig.quote(41480)
    settle(rig)
    assert len(rig.resting(SHORT, opening=True)) == 5
    assert trip(rig) is None


async def test_a_trip_stands_over_none_and_restart_until_it_is_released(make: Callable[..., Rig]) -> None:
    rig = make(config=grid(maxLossQuote="900"), venue=venue_file(), stored=True, risk=True)
    rig.quote(42000)
    settle(rig)
    loaded(rig)
    rig.quote(39000)
    settle(rig, 6)
    held = trip(rig)
    assert_flat(rig)
    await rig.control(1, killSwitch="none")
    rig.bar()
    assert_flat(rig)
    rig.crash()
    rig.boot()
    rig.quote(39000)
    settle(rig, 6)
    assert trip(rig) == held
    assert_flat(rig)
    await rig.strategy.resume(held.id, "both")
    rig.pump()
    settle(rig, 6)
    assert trip(rig) is None, "measured from the present, it doesn't trip again at once"
    assert len(rig.resting(LONG, opening=True)) == 5
    rig.check()


async def test_rearm_releases_the_trip_that_status_showed(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make, maxLossQuote="900"))
    await rig.control(1)
    rig.quote(39000)
    settle(rig, 6)
    held = trip(rig)
    await rig.control(2, rearm=1, rearmLatches=["another"])
    assert trip(rig) == held
    await rig.control(3, rearm=2, rearmLatches=[held.id])
    assert trip(rig) is None
    settle(rig, 6)
    rig.bar()
    assert len(rig.resting(LONG, opening=True)) == 5


async def test_limits_arrive_by_a_document_without_a_restart(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make))
    rig.quote(40000)
    settle(rig)
    assert trip(rig) is None
    boot = rig.strategy.boot_id
    await rig.control(1, risk={"maxLossQuote": "500"})
    settle(rig, 6)
    assert trip(rig).reason == "maxLossQuote"
    assert rig.strategy.boot_id == boot
    assert_flat(rig)


def test_f23_a_drawdown_that_happened_while_down_trips_after_the_start_and_nothing_opens_before(
    make: Callable[..., Rig],
) -> None:
    rig = make(config=grid(maxDrawdownPercent=2), venue=venue_file(startingBalance="30000"), stored=True, risk=True)
    rig.quote(42000)
    settle(rig)
    loaded(rig)
    settle(rig)
    rig.crash()
    rig.market(39500)
    rig.boot()
    sent = len(rig.venue.submitted)
    rig.quote(39500)
    settle(rig, 8)
    assert trip(rig).reason == "maxDrawdownPercent"
    opened = [order for order in rig.venue.submitted[sent:] if not order.reduce_only]
    assert opened == []
    assert_flat(rig)


def test_f44_a_price_five_percent_away_for_one_tick_trips_nothing(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make, maxLossQuote="900", maxDrawdownPercent=1))
    for _ in range(3):
        rig.quote(39300, seconds=0.2)
        rig.quote(41475, seconds=0.2)
        settle(rig)
    assert trip(rig) is None
    rig.check()


async def test_f38_latches_of_a_lost_store_come_back_with_the_document(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make, maxLossQuote="900"))
    await rig.control(1)
    rig.quote(39000)
    settle(rig, 6)
    latches = [latch.model_dump(mode="json", by_alias=True) for latch in rig.strategy.report().latches]
    rig.crash()
    rig.boot(await_control=True)  # a memory store: nothing is left
    rig.quote(39000)
    assert rig.strategy.report().latches == ()
    await rig.control(1, latches=latches)
    settle(rig, 6)
    assert [latch.id for latch in rig.strategy.report().latches] == [latches[0]["id"]]
    assert rig.venue.submitted == []
    assert_flat(rig)


def test_risk_a_margin_balance_used_up_trips_at_once(make: Callable[..., Rig]) -> None:
    """Equity at or below 0 with a position: one sample is enough, whatever the limits."""
    risk = {
        "maxDrawdownPercent": 100,
        "minLiquidationDistancePercent": 0.1,
        "maxMarginRatio": 0.95,
        "confirmations": 10,
    }
    rig = make(config=grid(**risk), venue=venue_file(startingBalance="2000", leverage=125), risk=True)
    rig.quote(42000)
    settle(rig, 12)
    loaded(rig)
    account = rig.book.account()
    worse = replace(account, wallet=D(100), unrealized_pnl=D(-200))
    rig.strategy._core.account = lambda: worse
    rig.wait(1.2, step=0.1)
    assert trip(rig).reason == "maxMarginRatio"
    settle(rig)
    assert_flat(rig)


async def test_risk_a_limit_that_is_still_exceeded_trips_again_after_a_resume(make: Callable[..., Rig]) -> None:
    rig = loaded(watched(make, maxPositionQuote="20000", action="haltEntries"))
    settle(rig)
    first = trip(rig)
    assert first.reason == "maxPositionQuote"
    await rig.strategy.resume(first.id, "both")
    rig.pump()
    assert trip(rig) is None
    settle(rig, 6)
    assert trip(rig).id != first.id
    assert rig.resting(SHORT, opening=True) == {}
    assert rig.position(LONG) == D("0.5")
