"""`python -m naut_hedgegrid.runners.preview`: what a person reads, and what becomes of files that can't be used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from naut_hedgegrid.runners.preview import main

ROOT = Path(__file__).parents[2]
STRATEGY = ROOT / "configs" / "strategies" / "hedge_grid_v1.yaml"
VENUE = ROOT / "configs" / "venues" / "binance_futures.yaml"

type Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs it with a changed copy of the shipped files: status, lines, errors without the folder."""

    def started(*arguments: str, strategy: tuple[str, str] = ("", ""), venue: tuple[str, str] = ("", "")):
        files = tmp_path / "strategy.yaml", tmp_path / "venue.yaml"
        for file, shipped, (old, new) in zip(files, (STRATEGY, VENUE), (strategy, venue), strict=True):
            assert old in shipped.read_text("utf-8")
            file.write_text(shipped.read_text("utf-8").replace(old, new), "utf-8")
        status = main(["--strategy-config", str(files[0]), "--venue-config", str(files[1]), *arguments])
        told = capsys.readouterr()
        return status, told.out.splitlines(), told.err.replace(f"{tmp_path}/", "")

    return started


def test_tells_ladders_worst_case_moves_and_costs(run: Run) -> None:
    status, lines, errors = run()
    assert (status, errors) == (0, "")
    assert lines[0] == ("BTCUSDT-PERP.BINANCE at 50000 USDT, wallet 10000.00 USDT, leverage 5, CROSSED, step 25 bps")
    for line in (
        "LONG: 5 of 5 rungs, 992.50 USDT",
        "     1         49875         0.004        199.50",
        "     5         50625         0.004        202.50",
        "    margin ratio                  0.0004 (liquidated at 1)",
        "    liquidation price             none",
        "    liquidation price             548172.24",
        "  initial margin with both full   400.00 of 10000.00 USDT",
        "  fall of 10 % to 45000: -198.51 USDT, fees included; 13 LONG entries, 0.052 held at the end",
        "  gain  1.0000 USDT, 50 bps",
        "  fees  0.0800 USDT, 4 bps",
    ):
        assert line in lines
    assert "Warnings" not in lines


def test_a_price_can_be_named(run: Run) -> None:
    _, lines, _ = run("--price", "42000")
    assert lines[0].startswith("BTCUSDT-PERP.BINANCE at 42000 USDT, ")
    assert "     1         41895         0.004        167.58" in lines


def test_rungs_without_an_order_say_why(run: Run) -> None:
    _, lines, _ = run("--price", "12000")
    assert "LONG: 0 of 5 rungs, 0.00 USDT" in lines
    assert any(line.endswith("47.88  no order: below the venue's smallest order") for line in lines)


def test_what_should_be_changed_stands_at_the_end(run: Run) -> None:
    status, lines, _ = run(strategy=("recenterTriggerBps: 200", "recenterTriggerBps: 100"))
    assert status == 0
    assert lines[-2] == "Warnings"
    assert lines[-1].startswith("  the outermost rungs (1 LONG, 1 SHORT) are further out than recenterTriggerBps")


def test_errors_of_both_files_are_told_at_once(run: Run) -> None:
    status, lines, errors = run(
        strategy=("stepBps: 25 ", "stepBps: 0 "), venue=("startingBalance: ", "startingBalanc: ")
    )
    assert (status, lines) == (2, [])
    first, second = errors.splitlines()
    assert first.startswith("strategy.yaml:8: grid.stepBps is 0; write a number from 1 to 1000.")
    assert second.startswith("venue.yaml:8: startingBalanc is not a field; did you mean startingBalance?")


def test_a_grid_that_collapses_on_the_tick_is_an_error_with_the_smallest_legal_step(run: Run) -> None:
    status, _, errors = run("--price", "30")
    assert (status, errors) == (
        2,
        "strategy.yaml: grid.stepBps is 25, which at 30 is less than the tick of 0.1: rungs would fall on one price; "
        "write at least 33.34\n",
    )


def test_a_rung_above_the_largest_order_is_an_error(run: Run) -> None:
    status, _, errors = run(strategy=("qtyScale: 1 ", "qtyScale: 3 "), venue=('maxQty: "1000"', 'maxQty: "0.3"'))
    assert status == 2
    assert errors == (
        "strategy.yaml: grid.baseQty * qtyScale^4 is 0.324 for rung 5, above the venue's largest order of 0.3 "
        "(maxQty); lower baseQty, qtyScale or the levels\n"
    )


def test_a_replayed_market_needs_a_price(run: Run) -> None:
    replay = ("market: synthetic", "market: replay\n  replay: {path: bars.csv}\n ")
    status, _, errors = run(venue=replay)
    assert (status, errors) == (
        2,
        "venue.yaml: the prices are those of sim.replay.path; say one with --price\n",
    )
    assert run("--price", "42000", venue=replay)[0] == 0


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "much"])
def test_a_price_is_a_number_above_zero(run: Run, price: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(f"--price={price}")
    assert ended.value.code == 2
    assert f"{price!r} is no price: a decimal number greater than 0 is" in capsys.readouterr().err
