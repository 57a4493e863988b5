"""What a grid is said to do: the design's vectors, sums done by hand, and the strategy's own ladder beside it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.files import StrategyFile, VenueFile
from hedgegrid_api.preview import Drop, Leg, collapsed, known_price, oversized, preview, summary, warnings
from hedgegrid_api.preview.ladder import stop_price, take_profit_price
from naut_hedgegrid.domain import values
from naut_hedgegrid.grid import ladder
from naut_hedgegrid.strategies.hedge_grid_v1.settings import core_settings
from naut_hedgegrid.venues.instrument import instrument_of

D = Decimal


def strategy(groups: dict[str, Any] | None = None, **grid: Any) -> StrategyFile:
    """Steps of 25 bps, 5 + 5 rungs of 0.004, cap 2,500, unless said otherwise."""
    shape = {"stepBps": 25, "levelsLong": 5, "levelsShort": 5, "baseQty": "0.004", "maxInventoryQuote": "2500"}
    return StrategyFile.model_validate({"grid": shape | grid} | (groups or {}))


def venue(**fields: Any) -> VenueFile:
    """BTCUSDT with 10,000 USDT."""
    return VenueFile.model_validate({"instrument": "BTCUSDT-PERP.BINANCE"} | fields)


def rungs(config: StrategyFile, price: str, leg: Leg, **fields: Any) -> list[tuple[str, str, Drop | None]]:
    found = preview(config, venue(**fields), D(price))
    return [(str(rung.price), str(rung.quantity), rung.dropped) for rung in found.rungs if rung.leg is leg]


def test_r5_vector_of_the_ladder() -> None:
    """c=42000, 25 bps, base .002, scale 1.5, throttle .5: rungs 1 and 2 are below 50 USDT."""
    config = strategy({"throttle": 0.5}, baseQty="0.002", qtyScale=1.5, levelsLong=4, levelsShort=4)
    assert rungs(config, "42000", Leg.LONG) == [
        ("41895.0", "0.001", Drop.MINIMUM),
        ("41790.0", "0.001", Drop.MINIMUM),
        ("41685.0", "0.002", None),
        ("41580.0", "0.003", None),
    ]
    assert rungs(config, "42000", Leg.SHORT)[2:] == [("42315.0", "0.002", None), ("42420.0", "0.003", None)]


def test_r13_vector_of_the_exits() -> None:
    """TP of 2 steps for LONG rung 1 → 42105; a stop on the tick towards the entry."""
    assert take_profit_price(Leg.LONG, D("41895"), D(105), 2, D("0.1")) == D("42105")
    assert take_profit_price(Leg.SHORT, D("42105"), D("105.06"), 2, D("0.1")) == D("41894.8")
    assert stop_price(Leg.LONG, D("41895"), D("105.06"), 2, D("0.1")) == D("41684.9")
    assert stop_price(Leg.SHORT, D("42105"), D("105.06"), 2, D("0.1")) == D("42315.1")


def test_r9_the_first_rung_that_does_not_fit_ends_the_ladder() -> None:
    """q = .03 at 42000: 1 rung is 1260 at mark, 2 are 2520."""
    assert [dropped for *_, dropped in rungs(strategy(baseQty="0.03"), "42000", Leg.LONG)] == [None, *[Drop.CAP] * 4]


def test_r7_without_a_trend_core_and_scalp_shortens_both_legs() -> None:
    config = strategy({"placement": {"policy": "coreAndScalp", "counterLevels": 2}})
    found = preview(config, venue(), D(50_000))
    assert [rung.level for rung in found.kept(Leg.LONG)] == [1, 2]
    assert {rung.dropped for rung in found.rungs if rung.level > 2} == {Drop.PLACEMENT}
    # The leg with a trend gets all of its rungs, and each may fill.
    assert found.full[Leg.LONG].quantity == D("0.020")
    # Its take-profits may be one step away.
    assert found.round_trip is not None
    assert found.round_trip.gain_bps == 25


def test_r10_rungs_beyond_the_venues_open_orders_get_none() -> None:
    few = {"filters": {"maxOrders": 20}}
    config = strategy(levelsLong=8, levelsShort=8, maxInventoryQuote="100000")
    found = preview(config, venue(**few), D(50_000))
    assert (len(found.kept(Leg.LONG)), len(found.kept(Leg.SHORT))) == (8, 2)
    stops = strategy({"exits": {"stopLossSteps": 8}}, maxInventoryQuote="100000")
    found = preview(stops, venue(filters={"maxConditionalOrders": 20}), D(50_000))
    assert len(found.kept(Leg.LONG)) + len(found.kept(Leg.SHORT)) == 10


def test_throttled_to_nothing_no_rung_gets_an_order() -> None:
    assert {dropped for *_, dropped in rungs(strategy({"throttle": 0}), "50000", Leg.LONG)} == {Drop.GATE}


def test_a_rung_above_the_largest_order_gets_none() -> None:
    config = strategy(baseQty="5", qtyScale=2, maxInventoryQuote="10000000")
    limits = {"maxQty": "40", "marketMaxQty": "40"}
    assert rungs(config, "50000", Leg.LONG, filters=limits)[3:] == [
        ("49500.0", "40.000", None),
        ("49375.0", "80.000", Drop.MAXIMUM),
    ]


@given(
    step=st.integers(1, 300),
    levels=st.tuples(st.integers(1, 30), st.integers(0, 30)),
    base=st.decimals("0.001", "2", places=3),
    scale=st.sampled_from([0.5, 0.9, 1, 1.1, 1.5]),
    cap=st.integers(50, 200_000),
    throttle=st.sampled_from([1, 0.5, 0.1]),
    price=st.decimals("2000", "90000", places=2),
)
def test_the_strategy_lays_the_same_ladder(step, levels, base, scale, cap, throttle, price) -> None:
    """Rungs with an order are the ones that the strategy wants when it holds nothing."""
    config = strategy(
        {"throttle": throttle},
        stepBps=step,
        recenterTriggerBps=max(step, 200),
        levelsLong=levels[0],
        levelsShort=levels[1],
        baseQty=str(base),
        qtyScale=scale,
        maxInventoryQuote=str(cap),
    )
    found, limits = preview(config, venue(), price), instrument_of(venue())
    settings = core_settings(config).grid
    laid = ladder.first_ladder(price, settings, limits.tick_size)
    for leg in Leg:
        candidates = ladder.rungs(laid, values.Leg(leg.value), settings, limits, D(str(throttle)))
        wanted = ladder.wanted(
            laid,
            candidates,
            position=D(0),
            held_prices=[],
            entries=[],
            quote=values.Quote(price, price, price, 0),
            settings=settings,
            instrument=limits,
        )
        kept = [(rung.level, rung.price, rung.quantity) for rung in found.kept(leg)]
        assert kept == [(rung.level, rung.price, rung.quantity) for rung in wanted.rungs]


@pytest.mark.parametrize(
    ("step", "price", "least"),
    [(1, "1000", None), (1, "999.9", "1.01"), (1, "500", "2"), (2, "500", None), (3, "300", "3.34")],
)
def test_a_step_below_the_tick_names_the_smallest_legal_one(step: int, price: str, least: str | None) -> None:
    config = strategy(stepBps=step)
    found = preview(config, venue(), D(price))
    told = collapsed(config, venue(), found)
    if least is None:
        assert told is None
    else:
        assert told is not None
        assert told.endswith(f"less than the tick of 0.1: rungs would fall on one price; write at least {least}")
        assert preview(strategy(stepBps=float(least)), venue(), D(price)).smallest_step_bps is None


def test_rungs_of_the_smallest_legal_step_are_apart_and_those_of_less_are_not() -> None:
    apart = [rung.price for rung in preview(strategy(stepBps=2, levelsLong=50), venue(), D(500)).rungs]
    assert len(set(apart)) == len(apart)
    together = [price for price, *_ in rungs(strategy(stepBps=1), "500", Leg.LONG)]
    assert len(set(together)) < len(together)


def test_no_step_is_wide_enough_for_a_tick_of_the_price() -> None:
    config, coarse = strategy(), venue(filters={"tickSize": "1000"})
    assert "no step is wide enough at this price" in str(collapsed(config, coarse, preview(config, coarse, D(5000))))


def test_one_rung_a_leg_cannot_collapse() -> None:
    assert preview(strategy(stepBps=1, levelsLong=1, levelsShort=1), venue(), D(500)).smallest_step_bps is None


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (
            {"baseQty": "0.5", "qtyScale": 3, "levelsLong": 8},
            "qtyScale^7 is 1093.5 for rung 8, above the venue's largest",
        ),
        ({"baseQty": "1001", "qtyScale": 0.5}, "qtyScale^0 is 1001 for rung 1"),
        ({"baseQty": "1000"}, None),
        ({"baseQty": "62.5", "qtyScale": 2}, None),
    ],
)
def test_the_outermost_rung_must_be_an_order_that_the_venue_takes(grid: dict[str, Any], told: str | None) -> None:
    found = oversized(strategy(**grid), venue())
    assert found is None if told is None else told in str(found)


def test_a_full_ladder_by_hand() -> None:
    """5 · .004 at 49875 … 49375: entry 49625, 992.5 USDT; the trigger of 2 % beyond 49375 is 48387.5."""
    full = preview(strategy(), venue(), D(50_000)).full[Leg.LONG]
    assert (full.quantity, full.entry_price, full.price) == (D("0.020"), 49_625, D("48387.5"))
    assert full.initial_margin == D("992.5") / 5
    commissions = D("992.5") * D("0.0002")
    assert full.profit == D("0.020") * (D("48387.5") - 49_625) - commissions
    assert full.maintenance_margin == D("0.020") * D("48387.5") * D("0.004")
    assert full.margin_ratio == full.maintenance_margin / (10_000 + full.profit)
    assert full.liquidation_price is None  # 10,000 USDT cover 992.5 to the last


def test_margin_is_that_of_both_full_ladders_at_the_leverage_that_counts() -> None:
    """Entries of 992.5 and 1007.5 USDT."""
    assert preview(strategy(), venue(), D(50_000)).margin == 400
    assert preview(strategy(), venue(leverage=20), D(50_000)).margin == 100
    assert preview(strategy({"leverage": 10}), venue(leverage=20), D(50_000)).margin == 200


def test_liquidation_of_a_full_ladder_in_cross_and_isolated_margin() -> None:
    """One SHORT rung of 1 at 101 (step 100 bps of 100), maintenance .5 %, no fees, tick 1."""
    terms = {
        "startingBalance": "10",
        "leverage": 10,
        "fees": {"maker": "0", "taker": "0"},
        "tiers": [{"notionalCap": "1000000", "mmr": "0.005", "cum": "0", "maxLeverage": 20}],
        "filters": {"tickSize": "1", "stepSize": "1", "minQty": "1"},
    }
    config = strategy(stepBps=100, levelsLong=0, levelsShort=1, baseQty="1")
    crossed = preview(config, venue(**terms), D(100)).full[Leg.SHORT]
    assert crossed.liquidation_price == (10 + D(101)) / D("1.005")
    isolated = preview(config, venue(**terms, marginType="ISOLATED"), D(100)).full[Leg.SHORT]
    assert isolated.liquidation_price == (D("10.1") + 101) / D("1.005")
    # 2 % beyond 101: 103.02; margin 10.1 less 2.02.
    assert isolated.margin_ratio == D("103.02") * D("0.005") / D("8.08")


def test_where_the_balance_is_used_up_there_is_no_ratio() -> None:
    config = strategy(baseQty="1", maxInventoryQuote="1000000")
    full = preview(config, venue(startingBalance="100"), D(50_000)).full[Leg.LONG]
    assert full.margin_ratio is None
    assert full.profit < -100


def test_a_straight_fall_fills_the_ladder_as_it_follows_up_to_the_cap() -> None:
    """Rungs 0.25 % apart to −1.25 %; the ladder moves at −2 % to 48,375 and goes on there, 0.004 a rung."""
    fall = preview(strategy(maxInventoryQuote="1600"), venue(), D(50_000)).fall
    prices = [49_875, 49_750, 49_625, 49_500, 49_375, 48_875, 48_750, 48_625]
    assert (fall.leg, fall.price, fall.entries, fall.quantity) == (Leg.LONG, 45_000, 8, D("0.032"))
    paid = sum(D("0.004") * price for price in prices)
    assert fall.profit == D("0.032") * 45_000 - paid - paid * D("0.0002")


def test_a_straight_rise_fills_the_other_leg() -> None:
    rise = preview(strategy(levelsLong=0, maxInventoryQuote="450"), venue(), D(50_000)).rise
    assert (rise.leg, rise.entries, rise.quantity) == (Leg.SHORT, 2, D("0.008"))
    paid = D("0.004") * (50_125 + 50_250)
    assert rise.profit == paid - D("0.008") * 55_000 - paid * D("0.0002")
    assert preview(strategy(levelsShort=0), venue(), D(50_000)).rise.entries == 0


def test_stops_bound_what_a_fall_costs() -> None:
    """One rung at 49875, stop 4 steps of 125 below: 49375, as taker."""
    config = strategy({"exits": {"stopLossSteps": 4}}, levelsLong=1, recenterTriggerBps=10000)
    fall = preview(config, venue(), D(50_000)).fall
    assert (fall.entries, fall.quantity) == (1, 0)
    assert fall.profit == D("0.004") * (49_375 - 49_875 - D("0.0002") * 49_875 - D("0.0005") * 49_375)


def test_a_ladder_that_moves_with_each_step_is_met_all_the_way() -> None:
    config = strategy(stepBps=100, recenterTriggerBps=100, maxInventoryQuote="100000")
    assert 9 <= preview(config, venue(), D(50_000)).fall.entries <= 11


def test_fees_of_a_round_trip_against_its_gain() -> None:
    """0.004 at 49875, closed at 50125: 1 USDT for 0.08 of fees."""
    trip = preview(strategy(), venue(), D(50_000)).round_trip
    assert trip is not None
    assert (trip.quantity, trip.gain, trip.gain_bps, trip.fees_bps) == (D("0.004"), 1, 50, 4)
    assert trip.fees == D("0.004") * (49_875 + 50_125) * D("0.0002")
    short = preview(strategy(levelsLong=0), venue(), D(50_000)).round_trip
    assert short is not None
    assert short.gain == D("0.004") * (50_125 - 49_875)
    without = strategy({"exits": {"takeProfitSteps": 0, "stopLossSteps": 2}})
    assert preview(without, venue(), D(50_000)).round_trip is None


@pytest.mark.parametrize(("step", "steps", "loses"), [(2, 2, True), (2, 3, False), (4, 1, True), (4.01, 1, False)])
def test_warns_of_round_trips_that_lose(step: float, steps: int, loses: bool) -> None:
    config = strategy({"exits": {"takeProfitSteps": steps}}, stepBps=step)
    told = list(warnings(preview(config, venue(), D(50_000))))
    assert any("no round trip earns anything; raise takeProfitSteps or stepBps" in text for _, text in told) is loses


@pytest.mark.parametrize(
    ("levels", "trigger", "told"), [(8, 200, None), (9, 200, "(1 LONG)"), (9, 199, "(2 LONG)"), (8, 10000, None)]
)
def test_warns_of_rungs_that_no_price_reaches(levels: int, trigger: float, told: str | None) -> None:
    config = strategy(levelsLong=levels, levelsShort=7, recenterTriggerBps=trigger)
    texts = [advice.text for advice in warnings(preview(config, venue(), D(50_000)))]
    if told is None:
        assert texts == []
    else:
        assert texts == [
            f"the outermost rungs {told} are further out than recenterTriggerBps, so the ladder moves before a price "
            "reaches them; raise recenterTriggerBps, or lower the levels or stepBps"
        ]


def test_summary() -> None:
    assert summary(preview(strategy(), venue(), D(50_000))) == (
        "at 50000: 5 LONG rungs 49875 to 49375 and 5 SHORT rungs 50125 to 50625; both full need 400.00 of 10000.00 "
        "USDT as margin. A fall of 10 % costs 198.51 USDT, a rise of 10 % 176.95 USDT; liquidation of a full SHORT "
        "ladder at 548172.24; a round trip gains 50 bps less 4 bps of fees"
    )
    half = strategy({"throttle": 0.5}, baseQty="0.0021", levelsShort=0)
    assert summary(preview(half, venue(), D(50_000))).startswith("at 50000: no LONG rung of 5 and no SHORT ladder; ")


def test_a_replayed_markets_price_is_known_to_its_file_alone() -> None:
    assert known_price(venue(sim={"startPrice": "42000"})) == 42_000
    assert known_price(venue(sim={"market": "replay", "replay": {"path": "bars.csv"}})) is None


_POSITIVE = st.decimals("0.0000001", "1000000", places=7)
_FILTERS = st.fixed_dictionaries(dict.fromkeys(("tickSize", "stepSize"), _POSITIVE) | {"minNotional": st.just(D(0))})


@given(
    config=st.builds(
        strategy,
        st.fixed_dictionaries(
            {
                "exits": st.sampled_from(
                    [{"takeProfitSteps": 2}, {"takeProfitSteps": 0, "stopLossSteps": 1}, {"stopLossSteps": 5}]
                ),
                "placement": st.fixed_dictionaries(
                    {
                        "policy": st.sampled_from(["symmetric", "throttledCounter", "coreAndScalp"]),
                        "counterLevels": st.integers(0, 5),
                    }
                ),
                "throttle": st.sampled_from([0, 0.001, 1]),
            }
        ),
        stepBps=st.floats(100, 300),
        recenterTriggerBps=st.floats(300, 10000),
        levelsLong=st.integers(1, 10),
        levelsShort=st.integers(0, 10),
        baseQty=st.one_of(_POSITIVE.map("{:f}".format), st.sampled_from(["9" * 32, f"0.{'0' * 29}1"])),
        qtyScale=st.floats(0.1, 3),
    ),
    filters=_FILTERS.map(lambda limits: {name: f"{value:f}" for name, value in limits.items()}),
    margin=st.sampled_from(["CROSSED", "ISOLATED"]),
    price=_POSITIVE,
)
def test_any_grid_at_any_venue_has_a_preview_in_words(config, filters, margin, price) -> None:
    """Ticks above the price included: nothing raises, nothing runs for ever."""
    terms = venue(filters=filters | {"minQty": "0.0000001"}, marginType=margin)
    found = preview(config, terms, price)
    told = [*warnings(found), str(collapsed(config, terms, found)), str(oversized(config, terms)), summary(found)]
    assert told[-1].startswith("at ")
