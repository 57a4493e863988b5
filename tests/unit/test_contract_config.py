"""Strategy and venue files: what loads, and what a person is told about a file that doesn't."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from hedgegrid_api.files import StrategyFile, VenueFile
from hedgegrid_api.types import Model
from naut_hedgegrid.config import ConfigError, load_strategy_file, load_venue_file

ROOT = Path(__file__).parents[2]
STRATEGY = ROOT / "configs" / "strategies" / "hedge_grid_v1.yaml"
VENUE = ROOT / "configs" / "venues" / "binance_futures.yaml"

GRID = """\
grid:
  stepBps: 25
  levelsLong: 5
  levelsShort: 5
  baseQty: "0.002"
  maxInventoryQuote: "2500"
"""

GROUPS = "grid, exits, regime, placement, funding, execution, leverage, marginType, risk, throttle"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "grid.yaml"


def complaint(file: Path, text: str) -> list[str]:
    """What is wrong with a strategy file, line by line, without the file's name."""
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        load_strategy_file(file)
    lines = str(error.value).splitlines()
    assert len(lines) == len(error.value.problems)
    assert all(line.startswith(f"{file}:") for line in lines)
    return [line.removeprefix(f"{file}:").strip() for line in lines]


def test_shipped_files_load() -> None:
    strategy, venue = load_strategy_file(STRATEGY), load_venue_file(str(VENUE))
    assert strategy.grid.base_qty == Decimal("0.004")
    assert venue.instrument == "BTCUSDT-PERP.BINANCE"


def test_shipped_files_write_out_every_field_and_the_venues_defaults() -> None:
    strategy, venue = yaml.safe_load(STRATEGY.read_text("utf-8")), yaml.safe_load(VENUE.read_text("utf-8"))
    optional = {"maxLossQuote", "dailyLossQuote", "maxPositionQuote"}  # stand in comments
    for name, field in StrategyFile.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, Model):
            fields = {inner.alias for inner in group.model_fields.values()}
            assert strategy[name].keys() == fields - optional
            text = STRATEGY.read_text("utf-8")
            assert all(f"# {missing}: " in text for missing in fields & optional)
    assert strategy.keys() == {field.alias for field in StrategyFile.model_fields.values()}
    assert venue.keys() == {field.alias for field in VenueFile.model_fields.values()}
    assert load_venue_file(VENUE) == VenueFile(instrument="BTCUSDT-PERP.BINANCE")


def test_shipped_grid_still_trades_at_half_throttle() -> None:
    strategy, venue = load_strategy_file(STRATEGY), load_venue_file(VENUE)
    grid = strategy.grid
    lowest = venue.sim.start_price * (1 - Decimal(str(grid.step_bps)) * grid.levels_long / 10000)
    assert grid.base_qty / 2 * lowest >= venue.filters.min_notional


def test_only_the_grid_is_required(file: Path) -> None:
    file.write_text(GRID, "utf-8")
    loaded = load_strategy_file(file)
    assert (loaded.exits.take_profit_steps, loaded.execution.bar_seconds, loaded.throttle) == (2, 60, 1)


def test_json_is_read_too(file: Path) -> None:
    """It is YAML, and what the operator may write into the ConfigMap."""
    file.write_text(load_strategy_file(STRATEGY).model_dump_json(by_alias=True), "utf-8")
    assert load_strategy_file(file) == load_strategy_file(STRATEGY)


def test_anchors(file: Path) -> None:
    file.write_text(
        f"{GRID}execution: {{barSeconds: &bar 50, staleDataSeconds: 100}}\nexits: {{takeProfitSteps: *bar}}\n"
    )
    assert load_strategy_file(file).exits.take_profit_steps == 50


def test_value_out_of_range(file: Path) -> None:
    assert complaint(file, GRID.replace("stepBps: 25", "stepBps: 0")) == [
        "2: grid.stepBps is 0; write a number from 1 to 1000. "
        "Distance between two rungs, in basis points of the centre price (arithmetic ladder)."
    ]


def test_decimal_without_quotes(file: Path) -> None:
    assert complaint(file, GRID.replace('"0.002"', "0.002")) == [
        '5: grid.baseQty is 0.002; write a decimal number greater than 0, written as a string, like "0.002". '
        "Quantity of the first rung, in base currency (BTC for BTCUSDT)."
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("exits: {takeProfitSteps: 2.5}", "exits.takeProfitSteps is 2.5; write a whole number from 0 to 100."),
        ("exits: {takeProfitSteps: '2'}", 'exits.takeProfitSteps is "2"; write a whole number from 0 to 100.'),
        ("exits: {takeProfitSteps: yes}", "exits.takeProfitSteps is true; write a whole number from 0 to 100."),
        ("exits:", "exits is empty; write a group of fields (takeProfitSteps, stopLossSteps) or remove it."),
        ("exits: 2", "exits is 2; write a group of fields (takeProfitSteps, stopLossSteps) or remove it."),
        ("exits: {}\nthrottle: .nan", "throttle is NaN; write a number from 0 to 1."),
        ("exits: {}\nthrottle: 1e-1", 'throttle is "1e-1"; write a number from 0 to 1.'),
        ("exits: {}\nthrottle: 2001-13-45", 'throttle is "2001-13-45"; write a number from 0 to 1.'),
        ("exits: {}\nthrottle: !secret x", 'throttle is {"!secret": "x"}; write a number from 0 to 1.'),
    ],
)
def test_value_of_another_kind(file: Path, line: str, says: str) -> None:
    (only,) = complaint(file, f"{GRID}{line}\n")
    assert only.startswith(f"{7 + line.count('\n')}: {says}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("throtle: 1", "throtle is not a field; did you mean throttle?"),
        ("stepBps: 25", "stepBps is not a field; did you mean grid.stepBps?"),
        ("execution: {bar_seconds: 60}", "execution.bar_seconds is not a field; did you mean execution.barSeconds?"),
        ("execution: {BarSeconds: 60}", "execution.BarSeconds is not a field; did you mean execution.barSeconds?"),
        ("api: {}", f"api is not a field; remove it. Fields here: {GROUPS}."),
        (
            "execution: {colour: 5}",
            "execution.colour is not a field; remove it. Fields here: barSeconds, postOnlyRetries, staleDataSeconds.",
        ),
        ("execution: {leverage: 5}", "execution.leverage is not a field; did you mean leverage?"),
        ("maxDrawdownPercent: 5", "maxDrawdownPercent is not a field; did you mean risk.maxDrawdownPercent?"),
        ("placement: {policys: symmetric}", "placement.policys is not a field; did you mean placement.policy?"),
        ("1: 2", f"1 is not a field; remove it. Fields here: {GROUPS}."),
    ],
)
def test_unknown_field(file: Path, line: str, says: str) -> None:
    assert complaint(file, f"{GRID}{line}\n") == [f"7: {says}"]


def test_missing_field(file: Path) -> None:
    (only,) = complaint(file, f"throttle: 1\n{GRID.replace('  levelsShort: 5\n', '')}")
    assert only.startswith("2: grid.levelsShort is missing; write a whole number from 0 to 100.")
    (only,) = complaint(file, "throttle: 1\n")
    assert only.startswith("1: grid is missing; write a group of fields (stepBps, ")


def test_misspelt_required_field_is_one_problem(file: Path) -> None:
    assert complaint(file, GRID.replace("stepBps", "step_bps")) == [
        "2: grid.step_bps is not a field; did you mean grid.stepBps?"
    ]


def test_relation_names_its_values(file: Path) -> None:
    assert complaint(file, f"{GRID}execution:\n  barSeconds: 100\n") == [
        "7: staleDataSeconds must be at least 2 * barSeconds, or every bar would look stale "
        "(staleDataSeconds is 120, barSeconds is 100)"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f"{GRID}exits:\n  takeProfitSteps: 0\n",
            "8: takeProfitSteps and stopLossSteps must not both be 0, or nothing would ever close a fill",
        ),
        (
            f"{GRID}exits:\n  stopLossSteps: 100\n".replace("levelsShort: 5", "levelsShort: 76"),
            "8: with stops, grid.levelsLong + grid.levelsShort must be at most 80, or an order for each exit would "
            "exceed what the venue holds open "
            "(grid.levelsLong is 5, grid.levelsShort is 76, exits.stopLossSteps is 100)",
        ),
        (
            f"{GRID}exits:\n  stopLossSteps: 95\n".replace("stepBps: 25", "stepBps: 100"),
            "8: (grid.levelsLong + exits.stopLossSteps) * grid.stepBps must be less than 10000, or the lowest stop "
            "would have no price above 0 (grid.levelsLong is 5, exits.stopLossSteps is 95, grid.stepBps is 100)",
        ),
        (
            f"{GRID}regime:\n  emaFast: 30\n",
            "8: emaFast must be less than emaSlow, or UP and DOWN would be swapped (emaFast is 30, emaSlow is 30)",
        ),
        (
            f"{GRID}risk:\n  maxDrawdownPercent: 0\n",
            "8: risk.maxDrawdownPercent is 0; write a number from 0.1 to 100. "
            "Fall of the account's equity from its peak, in percent of the peak. Transfers don't count.",
        ),
        (
            f"{GRID}risk:\n  maxLossQuote: 500\n",
            '8: risk.maxLossQuote is 500; write a decimal number greater than 0, written as a string, like "0.002". '
            "Loss of this grid since its first start, net of commissions and funding, in quote currency (USDT); "
            "absent: no limit.",
        ),
    ],
)
def test_limits_and_relations_of_the_strategy(file: Path, text: str, says: str) -> None:
    assert complaint(file, text) == [says]


def test_every_problem_at_once_in_the_order_of_the_file(file: Path) -> None:
    text = """\
throttle: 2
grid:
  stepBps: 0
  levelsLong: 5
  levelsLong: 6
  baseQty: "none"
  maxInventoryQuote: "1"
execution:
  barSeconds: 1000
"""
    lines = [line.partition(":")[0] for line in complaint(file, text)]
    assert lines == ["1", "2", "3", "5", "6", "8"]


def test_field_twice(file: Path) -> None:
    assert complaint(file, f"{GRID}  stepBps: 30\n") == [
        "7: grid.stepBps is already written in line 2; remove one of the two"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- 1\n", "1: must hold fields, like `grid:`, at its top level"),
        ("grid: {stepBps: 25\n", "2: is not valid YAML: expected ',' or '}', but got '<stream end>'"),
        ("grid:\n\tstepBps: 25\n", "2: is not valid YAML: found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 2\n", "2: is not valid YAML: but found another document"),
        ("grid: *other\n", "1: is not valid YAML: found undefined alias 'other'"),
    ],
)
def test_text_that_is_no_file_of_ours(file: Path, text: str, says: str) -> None:
    assert complaint(file, text) == [says]


def test_odd_yaml_is_refused_not_followed(file: Path) -> None:
    assert "1: grid.x refers to itself" in complaint(file, "grid: &g {x: *g}\n")
    assert "7: the name of a field must be text" in complaint(file, f"{GRID}? [a]\n: 1\n")
    assert complaint(file, "a: \x01\n")[0].startswith("is not valid YAML: unacceptable character")


def test_item_of_a_list(file: Path) -> None:
    file.write_text(
        'instrument: BTCUSDT-PERP.BINANCE\ntiers:\n  - {notionalCap: "1", mmr: "1.5", cum: "0", maxLeverage: 5}\n',
        "utf-8",
    )
    with pytest.raises(ConfigError) as error:
        load_venue_file(file)
    (problem,) = error.value.problems
    assert (problem.field, problem.line) == ("tiers[0].mmr", 3)
    assert problem.message.startswith('tiers[0].mmr is "1.5"; write a decimal number from 0 to less than 1')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mode: live", 'mode is "live"; write sim.'),
        ("venue: BYBIT", 'venue is "BYBIT"; write BINANCE.'),
        ("leverage: 126", "leverage is 126; write a whole number from 1 to 125."),
        ("marginType: cross", 'marginType is "cross"; write one of CROSSED, ISOLATED.'),
        (
            "filters: {maxConditionalOrders: 10}",
            "filters.maxConditionalOrders is 10; write a whole number from 20 to 10000.",
        ),
        ("tiers: []", "tiers is []; write a list of 1 to 32 items."),
        ("sim: {market: random}", 'sim.market is "random"; write one of synthetic, replay.'),
        ("sim: {market: replay}", "market: replay needs replay.path, a file of bars in the pod"),
        ("filters: {minQty: '2', marketMaxQty: '1'}", "minQty must be at most maxQty and marketMaxQty (minQty is 2, "),
        (
            "tiers: [{notionalCap: '2', mmr: '0', cum: '0', maxLeverage: 1},"
            " {notionalCap: '1', mmr: '0', cum: '0', maxLeverage: 1}]",
            "tiers must ascend: each notionalCap above the one before",
        ),
    ],
)
def test_venue_file(file: Path, text: str, says: str) -> None:
    file.write_text(f"instrument: BTCUSDT-PERP.BINANCE\n{text}\n", "utf-8")
    with pytest.raises(ConfigError) as error:
        load_venue_file(file)
    assert str(error.value).startswith(f"{file}:2: {says}")


def test_swapped_files() -> None:
    with pytest.raises(ConfigError, match="is a venue file; a strategy file is needed here"):
        load_strategy_file(VENUE)
    with pytest.raises(ConfigError, match="is a strategy file; a venue file is needed here"):
        load_venue_file(STRATEGY)


def test_missing_and_unreadable_files_are_one_sentence(tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"
    with pytest.raises(ConfigError) as error:
        load_strategy_file(absent)
    assert str(error.value) == f"{absent}: there is no such file; check the path"
    with pytest.raises(ConfigError) as error:
        load_strategy_file(tmp_path)
    assert str(error.value) == f"{tmp_path}: can't be read: Is a directory"
    binary = tmp_path / "bars.gz"
    binary.write_bytes(b"\x1f\x8b\x08\xff")
    with pytest.raises(ConfigError) as error:
        load_venue_file(binary)
    assert str(error.value) == f"{binary}: is not text in UTF-8; is it the right file?"
