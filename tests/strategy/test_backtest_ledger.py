"""Backtests from files to files, checked by an independent ledger: the real month, and markets hard on a grid."""

import csv
import gzip
import io
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from naut_hedgegrid.grid.bars import BarSpacingError
from naut_hedgegrid.runners.backtest import Options
from naut_hedgegrid.runners.backtest_job import job
from tests.strategy import backtest_markets as markets
from tests.strategy.backtest_ledger import Ledger, Terms

F = Fraction
MINUTE = timedelta(minutes=1)
DATA = Path(os.environ.get("HEDGEGRID_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
MONTH = DATA / "btc-perp-1m-2022-01.csv.gz"
TERMS = Terms(
    start=F(100_000),
    maker=F("0.0002"),
    taker=F("0.0005"),
    tick=F("0.1"),
    step_bps=F(25),
    take_profit=2,
    cap=F(1_000_000),
    through=True,
    min_notional=F(50),
)


def configured(folder: Path, terms: Terms, **groups: dict[str, Any]) -> tuple[Path, Path]:
    """Strategy and venue file for these terms."""
    strategy = {
        "grid": {
            "stepBps": float(terms.step_bps),
            "levelsLong": 5,
            "levelsShort": 5,
            "baseQty": "0.010",
            "recenterTriggerBps": 200,
            "maxInventoryQuote": str(terms.cap),
        }
        | groups.get("grid", {}),
        "exits": {"takeProfitSteps": terms.take_profit} | groups.get("exits", {}),
        "placement": {"policy": "symmetric"} | groups.get("placement", {}),
        "risk": groups.get("risk", {}),
        "execution": groups.get("execution", {"barSeconds": 60, "staleDataSeconds": 120}),
    }
    venue = {
        "instrument": "BTCUSDT-PERP.BINANCE",
        "startingBalance": str(terms.start),
        "fundingRate": 0.00013,
        "filters": {"maxOrders": 1000},
    } | groups.get("venue", {})
    paths = folder / "strategy.yaml", folder / "venue.yaml"
    for path, content in zip(paths, (strategy, venue), strict=True):
        path.write_text(yaml.safe_dump(content))
    return paths


def played(
    folder: Path, data: Path, files: tuple[Path, Path], *, funding: Path | None = None, fill: str = "through"
) -> Path:
    out = folder / "out"
    options = Options(strategy_config=files[0], venue_config=files[1], data=data, funding=funding, fill=fill, out=out)
    job(options, io.StringIO(), io.StringIO())
    return out


@pytest.mark.parametrize("fill", ["touch", "through"])
@pytest.mark.parametrize("name", markets.MARKETS)
def test_generated_markets(tmp_path: Path, name: str, fill: str) -> None:
    bars = markets.write(tmp_path / "bars.csv", markets.MARKETS[name]())
    terms = replace(TERMS, through=fill == "through", step_bps=F(5) if name == "one_tick" else TERMS.step_bps)
    ledger = Ledger(played(tmp_path, tmp_path / "bars.csv", configured(tmp_path, terms), fill=fill), bars)
    ledger.check(terms)
    assert ledger.summary["fill_model"] == fill
    assert ledger.summary["fills"] > (20 if name not in {"flat", "one_tick"} else 3)
    assert ledger.summary["trips"] == []


@pytest.mark.timeout(300)
@pytest.mark.skipif(not MONTH.exists(), reason=f"no {MONTH.name} beside the checkout; HEDGEGRID_DATA names its folder")
def test_the_real_month(tmp_path: Path) -> None:
    """The vector of ladder.md: 25 bps, 5 + 5, TP 2, symmetric, trigger 200: 1,700 to 2,000 entries."""
    terms = replace(TERMS, start=F(1_000_000))
    files = configured(tmp_path, terms, grid={"baseQty": "0.002"})
    ledger = Ledger(played(tmp_path, MONTH, files), month())
    ledger.check(terms)
    figures = ledger.summary
    assert (figures["bars"], figures["start"], figures["trips"]) == (45_031, "2021-12-31T23:01:00Z", [])
    entries = {fill["client_order_id"] for fill in ledger.fills if fill["role"] == "ENTRY"}
    assert 1_700 <= len(entries) <= 2_000
    live = [int(row["live_entries"]) for row in ledger.equity]
    assert sum(count >= 5 for count in live) >= 0.95 * len(live)


def month() -> list[markets.Bar]:
    """The month's bars, rounded to the tick as ladder.md says."""
    with gzip.open(MONTH, "rt", newline="") as file:
        found = [*csv.DictReader(file)]
    tick = TERMS.tick
    return [
        (
            datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC),
            nearest(F(row["open"])),
            -(-F(row["high"]) // tick) * tick,
            F(row["low"]) // tick * tick,
            nearest(F(row["close"])),
            F(row["volume"]),
        )
        for row in found
    ]


def nearest(price: Fraction) -> Fraction:
    """The nearest tick, halves up."""
    return (price / TERMS.tick + F(1, 2)) // 1 * TERMS.tick


@pytest.mark.parametrize("fill", ["touch", "through"])
def test_a_crash_that_trips_a_limit_ends_flat(tmp_path: Path, fill: str) -> None:
    """F21: the drawdown trips, both legs are flattened at market, nothing opens any more."""
    bars = markets.write(tmp_path / "bars.csv.gz", markets.crash())
    terms = replace(TERMS, start=F(10_000), through=fill == "through")
    files = configured(tmp_path, terms, risk={"maxDrawdownPercent": 1, "confirmations": 1})
    ledger = Ledger(played(tmp_path, tmp_path / "bars.csv.gz", files, fill=fill), bars)
    ledger.check(terms)
    [trip] = ledger.summary["trips"]
    assert (trip["rule"], F(trip["limit"])) == ("maxDrawdownPercent", 1)
    assert F(trip["observed"]) > 1
    closes = [row for row in ledger.fills if row["role"] == "FLATTEN"]
    assert closes
    assert {row["ts"] for row in closes} == {trip["time"]}, "at the close of the very bar"
    assert (ledger.summary["long_quantity"], ledger.summary["short_quantity"]) == ("0", "0")
    assert all(row["created"] <= trip["time"] for row in ledger.orders)
    assert not [row for row in ledger.orders if row["status"] == "OPEN"]


@pytest.mark.parametrize("name", ["calm", "crash", "gaps", "no_volume"])
def test_stops_close_their_own_lots(tmp_path: Path, name: str) -> None:
    """R16: one stop a lot beside its take-profit; whichever comes first on the bar's way ends the other."""
    bars = markets.write(tmp_path / "bars.csv", markets.MARKETS[name]())
    files = configured(tmp_path, TERMS, exits={"stopLossSteps": 3})
    ledger = Ledger(played(tmp_path, tmp_path / "bars.csv", files), bars)
    ledger.check(TERMS)
    assert [row for row in ledger.fills if row["role"] == "STOP_LOSS"]
    assert {row["liquidity"] for row in ledger.fills if row["role"] == "STOP_LOSS"} == {"TAKER"}


def test_a_small_cap_is_kept(tmp_path: Path) -> None:
    """R9, in a market that falls through all rungs."""
    terms = replace(TERMS, cap=F(1_500))
    bars = markets.write(tmp_path / "bars.csv", markets.crash())
    ledger = Ledger(played(tmp_path, tmp_path / "bars.csv", configured(tmp_path, terms)), bars)
    ledger.check(terms)
    assert ledger.summary["fills"] > 20


def test_funding_rates_come_from_a_file(tmp_path: Path) -> None:
    """Settled at their times and rates, those outside of the bars left out; also between two bars."""
    bars = markets.write(tmp_path / "bars.csv", markets.calm())
    rates = tmp_path / "rates.csv"
    rates.write_text(
        "timestamp,rate\n2021-12-31 16:00:00,0.01\n2022-01-01 08:00:00,0.00012345\n2022-01-01 16:00:00,-0.0002\n"
        "2022-01-02 00:00:30,0.0003\n2022-01-20 00:00:00,0.02\n"
    )
    out = played(tmp_path, tmp_path / "bars.csv", configured(tmp_path, TERMS), funding=rates)
    ledger = Ledger(out, bars)
    ledger.check(TERMS)
    assert [(row["ts"], row["rate"]) for row in ledger.funding] == [
        ("2022-01-01T08:00:00Z", "0.00012345"),
        ("2022-01-01T16:00:00Z", "-0.0002"),
        ("2022-01-02T00:00:30Z", "0.0003"),
    ]
    assert F(ledger.summary["funding"]) != 0


def test_two_runs_write_the_same_but_for_the_wall_clock(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv", markets.gaps())
    found: list[dict[str, str]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files = configured(tmp_path / name, TERMS, risk={"maxDrawdownPercent": 0.2})
        out = played(tmp_path / name, tmp_path / "bars.csv", files)
        texts = {path.name: path.read_text() for path in out.iterdir()}
        texts["summary.json"] = re.sub(r'"(wall_seconds|bars_per_second)": [\d.]+', "", texts["summary.json"])
        found.append(texts)
    assert set(found[0]) == {"summary.json", "fills.csv", "orders.csv", "equity.csv", "funding.csv", "report.html"}
    assert found[0] == found[1]


def test_longer_bars_are_made_of_the_file_s(tmp_path: Path) -> None:
    """barSeconds 300 on minutes: entries move every five minutes, fills come in any of them."""
    bars = markets.write(tmp_path / "bars.csv", markets.gaps())
    files = configured(tmp_path, TERMS, execution={"barSeconds": 300, "staleDataSeconds": 600})
    ledger = Ledger(played(tmp_path, tmp_path / "bars.csv", files), bars)
    ledger.check(TERMS)
    assert ledger.summary["bars"] == len(bars)
    moved = {row["created"] for row in ledger.orders if row["role"] == "ENTRY"}
    first_after_gap = {f"{later[0]:%Y-%m-%dT%H:%M:%SZ}" for now, later in pairwise(bars) if later[0] - now[0] > MINUTE}
    assert all(int(ts[14:16]) % 5 == 0 or ts in first_after_gap for ts in moved)
    assert any(int(row["ts"][14:16]) % 5 for row in ledger.fills)


def test_a_bar_length_that_the_file_does_not_give_is_refused(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv", markets.calm(10))
    files = configured(tmp_path, TERMS, execution={"barSeconds": 90, "staleDataSeconds": 180})
    with pytest.raises(BarSpacingError, match="barSeconds is 90, but the file's bars are 60 s apart"):
        played(tmp_path, tmp_path / "bars.csv", files)
