"""`python -m naut_hedgegrid.runners.backtest`: command line, exit status, progress, table, report."""

import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from naut_hedgegrid.runners.backtest import Options, parse
from naut_hedgegrid.runners.backtest_job import BacktestError, job
from naut_hedgegrid.runners.progress import Progress
from naut_hedgegrid.strategies.hedge_grid_v1.core import GridCore
from tests.strategy import backtest_markets as markets
from tests.strategy.test_backtest_ledger import TERMS, configured

MODULE = [sys.executable, "-m", "naut_hedgegrid.runners.backtest"]


def arguments(folder: Path, files: tuple[Path, Path], data: Path) -> list[str]:
    return [
        *("--strategy-config", str(files[0]), "--venue-config", str(files[1])),
        *("--data", str(data), "--out", str(folder / "out")),
    ]


def started(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MODULE, *options], capture_output=True, text=True, timeout=120, check=False)


def test_the_process_writes_all_files_and_ends_with_a_table(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv.gz", markets.calm(600))
    done = started(*arguments(tmp_path, configured(tmp_path, TERMS), tmp_path / "bars.csv.gz"))
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "summary.json",
        "fills.csv",
        "orders.csv",
        "equity.csv",
        "funding.csv",
        "report.html",
    }
    figures = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert " ".join(figures) == (
        "start end bars wall_seconds bars_per_second fill_model orders fills realized_pnl commissions funding "
        "unrealized_pnl total_pnl starting_equity final_equity max_drawdown maker_ratio long_quantity short_quantity "
        "long_entry_price short_entry_price trips"
    )
    assert figures["fill_model"] == "through"
    assert "BTCUSDT-PERP.BINANCE, fills: through" in done.stdout
    assert f"{figures['orders']:,}, {figures['fills']:,}" in done.stdout
    assert str(tmp_path / "out" / "report.html") in done.stdout


def test_the_columns_are_the_documented_ones(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv", markets.calm(600))
    files = configured(tmp_path, TERMS)
    job(parse(arguments(tmp_path, files, tmp_path / "bars.csv")), io.StringIO(), io.StringIO())
    heads = {path.name: path.read_text().partition("\n")[0] for path in (tmp_path / "out").glob("*.csv")}
    assert heads == {
        "fills.csv": "trade_id,ts,client_order_id,leg,role,side,price,quantity,liquidity,commission,realized_pnl",
        "orders.csv": "client_order_id,leg,role,side,type,price,quantity,filled,status,created,closed,reason",
        "equity.csv": "ts,wallet,unrealized,equity,long_quantity,short_quantity,mark,live_entries",
        "funding.csv": "ts,rate,mark,long,short",
    }
    for path in (tmp_path / "out").glob("*.csv"):
        assert not re.search(r"[0-9]e[-+]?[0-9]", path.read_text(), re.IGNORECASE), "no exponents"


def test_with_no_fill_what_is_unknown_is_null(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv", markets.calm(2))
    files = configured(tmp_path, TERMS)
    job(parse(arguments(tmp_path, files, tmp_path / "bars.csv")), io.StringIO(), io.StringIO())
    figures = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (figures["fills"], figures["maker_ratio"], figures["max_drawdown"]) == (0, None, 0)
    assert (figures["long_entry_price"], figures["short_entry_price"]) == (None, None)
    assert (figures["realized_pnl"], figures["total_pnl"], figures["long_quantity"]) == ("0", "0", "0")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("2022-01-01 03:00:00,1,2,3,4,5", ["bars.csv, line 4", "high must be the largest"]),
        ("2021-01-01 03:00:00,1,1,1,1,5", ["bars.csv, line 4", "not after the line before"]),
    ],
)
def test_bad_bars_end_with_2_and_a_sentence(tmp_path: Path, line: str, named: list[str]) -> None:
    markets.write(tmp_path / "bars.csv", markets.calm(2))
    with (tmp_path / "bars.csv").open("a") as file:
        file.write(line + "\n")
    done = started(*arguments(tmp_path, configured(tmp_path, TERMS), tmp_path / "bars.csv"))
    assert done.returncode == 2
    assert all(text in done.stderr for text in named), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_bad_files_end_with_2_and_name_themselves(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv", markets.calm(10))
    strategy, venue = configured(tmp_path, TERMS)
    done = started(*arguments(tmp_path, (venue, strategy), tmp_path / "bars.csv"))
    assert (done.returncode, "is a venue file; a strategy file is needed here" in done.stderr) == (2, True)
    rates = tmp_path / "rates.csv"
    rates.write_text("timestamp,rate\n2022-01-01,much\n")
    done = started(*arguments(tmp_path, (strategy, venue), tmp_path / "bars.csv"), "--funding", str(rates))
    assert (done.returncode, "rates.csv, line 2: rate 'much'" in done.stderr) == (2, True)


def test_options_have_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    needed = ["--strategy-config", "s", "--venue-config", "v", "--data", "d", "--out", "o"]
    assert parse(needed) == Options(
        strategy_config=Path("s"), venue_config=Path("v"), data=Path("d"), funding=None, fill="through", out=Path("o")
    )
    assert parse([*needed, "--fill", "touch"]).fill == "touch"
    with pytest.raises(SystemExit) as ended:
        parse([*needed, "--fill", "guess"])
    assert ended.value.code == 2
    assert "guess" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_with_the_time_left_on_a_terminal() -> None:
    now, stream = [0.0], Terminal()
    progress = Progress(1_000, "bars", stream, lambda: now[0])
    progress(100)
    assert stream.getvalue() == "", "too early"
    now[0] = 10
    progress(250)
    assert stream.getvalue().startswith("\r███")
    assert "25%  250 of 1,000 bars  25/s  ETA 0:00:30" in stream.getvalue()
    progress.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_is_a_line_now_and_then_anywhere_else() -> None:
    now, stream = [0.0], io.StringIO()
    progress = Progress(1_000, "bars", stream, lambda: now[0])
    for second in range(25):
        now[0] = second
        progress(second * 40)
    progress.clear()
    assert stream.getvalue().splitlines() == [
        " 40%  400 of 1,000 bars  40/s  ETA 0:00:15",
        " 80%  800 of 1,000 bars  40/s  ETA 0:00:05",
    ]


class Page(HTMLParser):
    """Tags that fit into each other, and what would be loaded."""

    EMPTY = frozenset({"meta", "br", "path", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_the_report_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    markets.write(tmp_path / "bars.csv", markets.gaps())
    files = configured(tmp_path, TERMS)
    job(parse(arguments(tmp_path, files, tmp_path / "bars.csv")), io.StringIO(), io.StringIO())
    text = (tmp_path / "out" / "report.html").read_text()
    page = Page()
    page.feed(text.replace("</title></path>", "</title>"))
    assert not page.open
    assert page.loads == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert page.seen.count("svg") == 5
    figures = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert f"{figures['fills']:,}" in text
    assert "Bars are missing in 5 places" in text
    assert "that the price jumped over" in text
    found = re.search(r'id="points">(.*?)</script>', text)
    assert found is not None
    points = json.loads(found[1])
    assert len({len(points[name]) for name in ("t", "price", "equity", "drawdown", "long", "short")}) == 1
    assert points["equity"][-1] == round(float(figures["final_equity"]), 2)


def test_a_run_that_the_venue_would_have_ended_says_so(tmp_path: Path) -> None:
    """The engine doesn't liquidate; with limits that never trip the run goes on."""
    markets.write(tmp_path / "bars.csv", markets.crash())
    risk = {
        "maxDrawdownPercent": 100,
        "maxMarginRatio": 0.95,
        "minLiquidationDistancePercent": 0.1,
        "confirmations": 10,
    }
    files = configured(
        tmp_path, TERMS, risk=risk | {"action": "haltEntries"}, venue={"startingBalance": "320", "leverage": 125}
    )
    out = io.StringIO()
    job(parse(arguments(tmp_path, files, tmp_path / "bars.csv")), out, io.StringIO())
    assert "the venue would have liquidated, this run went on" in out.getvalue()


def test_a_run_with_errors_in_the_strategy_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategy stops its entries and goes on; figures of such a run are worth nothing."""
    markets.write(tmp_path / "bars.csv", markets.calm(20))

    def broken(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(GridCore, "on_bar", broken)
    with pytest.raises(BacktestError, match="20 errors in the strategy's callbacks"):
        job(
            parse(arguments(tmp_path, configured(tmp_path, TERMS), tmp_path / "bars.csv")), io.StringIO(), io.StringIO()
        )
    assert not (tmp_path / "out").exists()
