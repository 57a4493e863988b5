"""Every field of the groups that say how the grid trades: changed alone, it changes what the venue shows.

A test for each, with the field's name. Both rigs of a test get the same market; what is compared are orders, fills,
positions and account figures at the venue, never a configuration.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hedgegrid_api.files import StrategyFile, settled
from hedgegrid_api.types import Model
from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.faults import Faults, RefuseNext
from tests.strategy.direct import Rig, strategy_file, venue_file
from tests.unit.month import month, needs_month

D = Decimal
LONG, SHORT = Leg.LONG, Leg.SHORT
QUICK = {"emaFast": 2, "emaSlow": 3, "adxLength": 2, "adxThreshold": 0, "hysteresisBps": 0}
PROVEN: set[str] = set()
"""Fields that a test here is for."""
CONTROL = {"throttle"}
"""Of the strategy file, but no part of how the grid trades: its tests are those of the controls."""

type Make = Callable[..., Rig]


def shows[T](field: str) -> Callable[[T], T]:
    """Marks a test as the one of a field."""
    PROVEN.add(field)
    return lambda test: test


@pytest.fixture
def rigs(tmp_path: Path) -> Iterator[Make]:
    """Rigs, each with a venue of its own."""
    made: list[Rig] = []

    def build(config: StrategyFile | None = None, **options: Any) -> Rig:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Rig(folder, config, **options))
        return made[-1]

    yield build
    for rig in made:
        rig.close()


def test_every_field_has_a_test_here() -> None:
    fields: set[str] = set()
    for name, info in StrategyFile.model_fields.items():
        group, alias = info.annotation, info.alias or name
        if isinstance(group, type) and issubclass(group, Model):
            fields |= {f"{alias}.{field.alias or key}" for key, field in group.model_fields.items()}
        elif name not in CONTROL:
            fields.add(alias)
    assert fields - PROVEN == set(), "fields without a test"
    assert PROVEN - fields == set(), "tests of fields that are no more"
    assert len(fields) > 30


def entries(rig: Rig, leg: Leg) -> dict[Decimal, Decimal]:
    return rig.resting(leg, opening=True)


def exits(rig: Rig, leg: Leg = LONG) -> dict[Decimal, Decimal]:
    return rig.resting(leg, opening=False)


def started(rig: Rig) -> Rig:
    rig.quote(42000)
    return rig


# -- grid, exits


@shows("grid.stepBps")
def test_step_bps(rigs: Make) -> None:
    near, far = started(rigs(strategy_file())), started(rigs(strategy_file(stepBps=50)))
    assert (max(entries(near, LONG)), min(entries(near, SHORT))) == (41895, 42105)
    assert (max(entries(far, LONG)), min(entries(far, SHORT))) == (41790, 42210)


@shows("grid.levelsLong")
def test_levels_long(rigs: Make) -> None:
    rig = started(rigs(strategy_file(levelsLong=2)))
    assert (len(entries(rig, LONG)), len(entries(rig, SHORT))) == (2, 5)


@shows("grid.levelsShort")
def test_levels_short(rigs: Make) -> None:
    rig = started(rigs(strategy_file(levelsShort=0)))
    assert (len(entries(rig, LONG)), len(entries(rig, SHORT))) == (5, 0)


@shows("grid.baseQty")
def test_base_qty(rigs: Make) -> None:
    rig = started(rigs(strategy_file(baseQty="0.007")))
    rig.quote(41895)
    assert rig.position(LONG) == D("0.007")


@shows("grid.qtyScale")
def test_qty_scale(rigs: Make) -> None:
    rig = started(rigs(strategy_file(qtyScale=1.5, maxInventoryQuote="10000")))
    assert [entries(rig, LONG)[p] for p in sorted(entries(rig, LONG), reverse=True)] == [
        D(q) for q in ("0.010", "0.015", "0.022", "0.033", "0.050")
    ]


@shows("grid.recenterTriggerBps")
def test_recenter_trigger_bps(rigs: Make) -> None:
    found: list[Decimal] = []
    for trigger in (200, 100):
        rig = started(rigs(strategy_file(recenterTriggerBps=trigger, levelsShort=0)))
        rig.bar(42500)
        found.append(max(entries(rig, LONG)))
    assert found == [41895, D("42393.7")], "119 bps away"


@shows("grid.maxInventoryQuote")
def test_max_inventory_quote(rigs: Make) -> None:
    found = [
        sum(entries(started(rigs(strategy_file(maxInventoryQuote=cap))), LONG).values(), D(0))
        for cap in ("5000", "900")
    ]
    assert found == [D("0.050"), D("0.020")]


@shows("exits.takeProfitSteps")
def test_take_profit_steps(rigs: Make) -> None:
    for steps, price in ((2, 42105), (5, 42420)):
        rig = started(rigs(strategy_file(takeProfitSteps=steps)))
        rig.quote(41895)
        assert exits(rig) == {D(price): D("0.010")}


@shows("exits.stopLossSteps")
def test_stop_loss_steps(rigs: Make) -> None:
    for steps, left in ((0, "0.040"), (3, "0.030")):
        rig = started(rigs(strategy_file(stopLossSteps=steps)))
        for price in (41895, 41790, 41685, 41580):
            rig.quote(price)
        assert rig.position(LONG) == D(left), "the first lot's stop is at 41580"


# -- regime, on the real month


def shapes(rig: Rig, bars: int = 240) -> list[tuple[int, int]]:
    """Entries of both legs after each bar of the month: a shorter ladder is a regime that acts."""
    found: list[tuple[int, int]] = []
    for row in real_bars(bars):
        for price, seconds in zip(row, (15, 15, 15, 14.9), strict=True):
            rig.quote(price, seconds=seconds)
        rig.quote(row[-1], seconds=0.1)
        found.append((len(entries(rig, LONG)), len(entries(rig, SHORT))))
    return found


@cache
def real_bars(count: int) -> list[tuple[Decimal, ...]]:
    return [tuple(D(row[name]) for name in ("open", "high", "low", "close")) for row in month()[:count]]


def watched(rigs: Make, **regime: Any) -> list[tuple[int, int]]:
    placement = {"policy": "throttledCounter", "counterLevels": 2}
    grid = {"stepBps": 90, "recenterTriggerBps": 5000, "baseQty": "0.004"}  # so wide that next to nothing fills
    rig = rigs(strategy_file(regime=regime, placement=placement, **grid))
    found = shapes(rig)
    rig.check()
    return found


@needs_month
@shows("regime.enabled")
def test_regime_enabled(rigs: Make) -> None:
    followed, not_followed = watched(rigs), watched(rigs, enabled=False)
    assert {5, 2} <= {count for both in followed for count in both}, "there are trends in those four hours"
    assert 2 not in {count for both in not_followed for count in both}


@needs_month
@pytest.mark.parametrize(
    ("field", "value"),
    [("emaFast", 25), ("emaSlow", 90), ("adxLength", 40), ("adxThreshold", 40), ("hysteresisBps", 25)],
)
def test_regime_field(rigs: Make, field: str, value: float) -> None:
    base, changed = watched(rigs), watched(rigs, **{field: value})
    assert base != changed
    shortened = [sum(min(both) == 2 for both in found) for found in (base, changed)]
    assert shortened[1] < shortened[0] if field != "hysteresisBps" else shortened[1] != shortened[0]


for name in ("emaFast", "emaSlow", "adxLength", "adxThreshold", "hysteresisBps"):
    PROVEN.add(f"regime.{name}")


# -- placement


def rising(rigs: Make, **placement: Any) -> Rig:
    """In UP, where SHORT is the counter leg."""
    rig = started(rigs(strategy_file(regime=QUICK, placement={"policy": "throttledCounter", **placement})))
    for number in range(8):
        rig.bar(42000 + 10 * number)
    return rig


@shows("placement.policy")
def test_placement_policy(rigs: Make) -> None:
    counts = [len(entries(rising(rigs, policy=p), SHORT)) for p in ("symmetric", "throttledCounter", "coreAndScalp")]
    assert counts == [5, 4, 4]
    throttled, scalp = rising(rigs), rising(rigs, policy="coreAndScalp")
    for rig in (throttled, scalp):
        rig.quote(42105)
    assert list(exits(throttled, SHORT)) == [41895]
    assert list(exits(scalp, SHORT)) == [42000]


@shows("placement.counterLevels")
def test_counter_levels(rigs: Make) -> None:
    assert [len(entries(rising(rigs, counterLevels=n), SHORT)) for n in (4, 1, 0)] == [4, 1, 0]


@shows("placement.counterQtyScale")
def test_counter_qty_scale(rigs: Make) -> None:
    found = [set(entries(rising(rigs, counterQtyScale=scale), SHORT).values()) for scale in (0.5, 0.8)]
    assert found == [{D("0.005")}, {D("0.008")}]


# -- funding


def paying(rigs: Make, **funding: Any) -> set[Decimal]:
    """Quantities of LONG entries where LONG will pay 15 bps in 106 minutes."""
    rig = started(rigs(strategy_file(funding=funding), venue=venue_file(fundingRate=0.0015)))
    return set(entries(rig, LONG).values())


@shows("funding.maxCostBps")
def test_max_cost_bps(rigs: Make) -> None:
    assert (paying(rigs), paying(rigs, maxCostBps=15), paying(rigs, maxCostBps=3)) == (
        {D("0.008")},
        {D("0.010")},
        {D("0.002")},
    )


@shows("funding.windowMinutes")
def test_window_minutes(rigs: Make) -> None:
    assert (paying(rigs), paying(rigs, windowMinutes=60)) == ({D("0.008")}, {D("0.010")})


# -- execution


@shows("execution.barSeconds")
def test_bar_seconds(rigs: Make) -> None:
    found: list[Decimal] = []
    for seconds in (60, 10):
        rig = started(rigs(strategy_file(execution={"barSeconds": seconds}, levelsShort=0)))
        for _ in range(2):
            rig.quote(43000, seconds=11)
        found.append(max(entries(rig, LONG)))
    assert found == [41895, D("42892.5")], "a bar's close moves the ladder"


@shows("execution.postOnlyRetries")
def test_post_only_retries(rigs: Make) -> None:
    for retries, placed in ((3, 5), (0, 4)):
        faults = Faults(refuse_next=[RefuseNext(refusals.WOULD_TAKE)])
        rig = started(rigs(strategy_file(execution={"postOnlyRetries": retries}), faults=faults))
        assert len(entries(rig, LONG)) == placed


@shows("execution.staleDataSeconds")
def test_stale_data_seconds(rigs: Make) -> None:
    for limit, left in ((120, 0), (300, 5)):
        rig = started(rigs(strategy_file(execution={"staleDataSeconds": limit})))
        rig.wait(150, step=5)
        assert len(entries(rig, LONG)) == left


# -- leverage, marginType


def settled_rig(rigs: Make, balance: str, **fields: Any) -> Rig:
    """As the runners do it: what the strategy file writes outranks the venue file."""
    config = StrategyFile.model_validate(
        strategy_file(baseQty="0.1", maxInventoryQuote="50000").model_dump(by_alias=True) | fields
    )
    return started(rigs(config, venue=settled(config, venue_file(startingBalance=balance))))


@shows("leverage")
def test_leverage(rigs: Make) -> None:
    """Ten orders of 4,200 need 8,400 of initial margin at 5, 1,680 at 25."""
    placed = [sum(len(entries(settled_rig(rigs, "3000", leverage=n), leg)) for leg in Leg) for n in (5, 25)]
    assert placed == [0, 10], "a refusal for margin closes the gate"


@shows("marginType")
def test_margin_type(rigs: Make) -> None:
    found: list[Decimal | None] = []
    for margin_type in ("CROSSED", "ISOLATED"):
        rig = settled_rig(rigs, "100000", marginType=margin_type)
        rig.quote(41895)
        found.append(rig.book.account().liquidation_price)
    crossed, isolated = found
    assert crossed is None, "the whole wallet stands behind a small position"
    assert isolated is not None
    assert 33000 < isolated < 34000, "a fifth of the entry price"


# -- risk


def lossy(rigs: Make, *, balance: str = "100000", price: int = 39000, seconds: float = 6, **risk: Any) -> Rig:
    """LONG 0.5 at 41685 on average, and the market at a price for some seconds."""
    config = strategy_file(maxInventoryQuote="50000", baseQty="0.1", placement={"policy": "symmetric"}, risk=risk)
    rig = started(rigs(config, venue=venue_file(startingBalance=balance, leverage=50), risk=True))
    rig.wait(4, step=0.5)
    for at in (41895, 41790, 41685, 41580, 41475):
        rig.quote(at)
    assert rig.position(LONG) == D("0.5")
    rig.quote(price, seconds=0.1)
    rig.wait(seconds, step=0.1)
    return rig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maxDrawdownPercent", 1),
        ("maxLossQuote", "1000"),
        ("dailyLossQuote", "1000"),
        ("maxPositionQuote", "15000"),
    ],
)
def test_risk_limit(rigs: Make, field: str, value: Any) -> None:
    base, limited = lossy(rigs), lossy(rigs, **{field: value})
    assert (base.position(LONG), limited.position(LONG)) == (D("0.5"), 0)
    assert limited.book.state(10**12).open_orders == ()


for name in ("maxDrawdownPercent", "maxLossQuote", "dailyLossQuote", "maxPositionQuote"):
    PROVEN.add(f"risk.{name}")
THIN: dict[str, Any] = {"balance": "2400", "maxDrawdownPercent": 100, "minLiquidationDistancePercent": 0.1}
"""Equity of 1,058 under a position of 19,500."""


@shows("risk.maxMarginRatio")
def test_max_margin_ratio(rigs: Make) -> None:
    thin = THIN | {"balance": "1900"}
    base, limited = lossy(rigs, **thin), lossy(rigs, **thin, maxMarginRatio=0.12)
    ratio = base.book.account().maintenance_margin
    assert ratio is not None
    assert (base.position(LONG), limited.position(LONG)) == (D("0.5"), 0)


@shows("risk.minLiquidationDistancePercent")
def test_min_liquidation_distance_percent(rigs: Make) -> None:
    base, limited = lossy(rigs, **THIN), lossy(rigs, **THIN | {"minLiquidationDistancePercent": 6})
    assert (base.position(LONG), limited.position(LONG)) == (D("0.5"), 0)


@shows("risk.maxFundingCostBps")
def test_max_funding_cost_bps(rigs: Make) -> None:
    """LONG alone, at a rate of 15 bps in 8 h."""
    held: list[Decimal] = []
    for limit in (20, 10):
        config = strategy_file(risk={"maxFundingCostBps": limit}, funding={"maxCostBps": 100})
        rig = started(rigs(config, venue=venue_file(fundingRate=0.0015), risk=True))
        rig.wait(4, step=0.5)
        rig.quote(41895)
        rig.wait(5, step=0.5)
        held.append(rig.position(LONG))
    assert held == [D("0.010"), 0]


@shows("risk.confirmations")
def test_confirmations(rigs: Make) -> None:
    held = [lossy(rigs, seconds=1.5, maxLossQuote="1000", confirmations=n).position(LONG) for n in (3, 1)]
    assert held == [D("0.5"), 0]


@shows("risk.action")
def test_action(rigs: Make) -> None:
    flattened = lossy(rigs, maxLossQuote="1000", action="flattenBoth")
    halted = lossy(rigs, maxLossQuote="1000", action="haltEntries")
    assert (flattened.position(LONG), halted.position(LONG)) == (0, D("0.5"))
    assert sum(exits(halted).values()) == D("0.5")
    assert entries(halted, LONG) == entries(halted, SHORT) == {}
