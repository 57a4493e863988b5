"""Whole bar files: the fast way and the slow way say the same, and what is no bar is named."""

import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naut_hedgegrid.backtest.reading import BarData, read_bars
from naut_hedgegrid.barfile import BarFileError
from naut_hedgegrid.grid.bars import Bar, on_grid

D = Decimal
MINUTE = 60_000_000_000
T0 = 1_640_995_200_000_000_000
HEADER = "timestamp,open,high,low,close,volume"
FIRST = "2022-01-01 00:01:00.000000,46319.0,46385.0,46300.5,46377.0,2300413.7295"
SECOND = "2022-01-01 00:02:00.000000,46377.0,46411.0,46377.0,46411.0,1829623.1938"
THIRD = "2022-01-01 00:03:00.000000,46411.0,46425.0,46411.0,46425.0,466452.1722"
EXPECTED = [
    (T0 + MINUTE, 463190, 463850, 463005, 463770, 2300413729),
    (T0 + 2 * MINUTE, 463770, 464110, 463770, 464110, 1829623193),
    (T0 + 3 * MINUTE, 464110, 464250, 464110, 464250, 466452172),
]


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    text = end.join([*lines, ""]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def read(path: Path, tick: str = "0.1", step: str = "0.001") -> BarData:
    return read_bars(path, D(tick), D(step))


def rows(data: BarData) -> list[tuple[int, ...]]:
    return list(zip(*data.table.columns, strict=True))


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_becomes_ticks_and_steps(tmp_path: Path, name: str, end: str) -> None:
    data = read(write(tmp_path / name, HEADER, FIRST, SECOND, THIRD, end=end))
    assert rows(data) == EXPECTED
    assert (data.spacing, data.gaps, data.rounded) == (MINUTE, 0, 0)
    assert [bar.close for bar in data.table.bars()] == [D("46377.0"), D("46411.0"), D("46425.0")]
    assert [bar.volume for bar in data.table.bars()] == [D("2300413.729"), D("1829623.193"), D("466452.172")]


def test_a_file_may_end_without_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("\n".join([HEADER, FIRST, SECOND, THIRD]))
    assert rows(read(path)) == EXPECTED


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((FIRST, SECOND, THIRD), id="no header"),
        pytest.param((HEADER, FIRST, SECOND.replace("46411.0,46377.0", '"46411.0",46377.0'), THIRD), id="quotes"),
        pytest.param((HEADER, FIRST, "", SECOND, THIRD), id="an empty line"),
        pytest.param((HEADER, FIRST, SECOND.replace("46411.0", "4.6411e4"), THIRD), id="an exponent"),
        pytest.param((f"\ufeff{HEADER}", FIRST, SECOND.replace("46411.0", " 46411.00 "), THIRD), id="spaces"),
        pytest.param((HEADER, FIRST, SECOND.replace("2022-01-01 00:02:00.000000", "1640995320"), THIRD), id="times"),
        pytest.param((f"{HEADER},note", *(f"{line},x" for line in (FIRST, SECOND, THIRD))), id="one more column"),
    ],
)
def test_the_same_written_otherwise(tmp_path: Path, lines: Sequence[str]) -> None:
    assert rows(read(write(tmp_path / "bars.csv", *lines))) == EXPECTED


@pytest.mark.parametrize(
    "times",
    [
        ("2022-01-01T00:01:00Z", "2022-01-01T00:02:00Z"),
        ("2022-01-01T01:01:00+01:00", "2022-01-01T01:02:00+01:00"),
        ("1640995260", "1640995320"),
        ("1640995260000", "1640995320000"),
        ("1640995260000000", "1640995320000000"),
    ],
)
def test_times_in_words_and_numbers(tmp_path: Path, times: Sequence[str]) -> None:
    data = read(write(tmp_path / "bars.csv", HEADER, *(f"{time},1,2,1,2,5" for time in times)))
    assert list(data.table.ts) == [T0 + MINUTE, T0 + 2 * MINUTE]


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("micro", ["", "999"])
def test_klines_as_published_by_binance_end_after_their_close_time(tmp_path: Path, header: bool, micro: str) -> None:
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote,ignore"
    zeros = "0" * len(micro)
    lines = [
        f"1640995200000{zeros},46210.5,46250.0,46206.3,46250.0,39.651,1640995259999{micro},1833145.1,1128,2.1,1.7,0",
        f"1640995260000{zeros},46250.0,46276.6,46247.2,46263.5,18.432,1640995319999{micro},852684.7,756,1.8,5.6,0",
    ]
    data = read(write(tmp_path / "BTCUSDT-1m.csv", *([names] if header else []), *lines))
    assert rows(data) == [
        (T0 + MINUTE, 462105, 462500, 462063, 462500, 39651),
        (T0 + 2 * MINUTE, 462500, 462766, 462472, 462635, 18432),
    ]


def test_prices_off_the_tick_are_rounded_and_counted(tmp_path: Path) -> None:
    lines = ("1640995260,10.24,10.31,10.19,10.25,1", "1640995320,10.2,10.3,10.1,10.2,1")
    data = read(write(tmp_path / "bars.csv", HEADER, *lines))
    assert rows(data)[0][1:5] == (102, 104, 101, 103)
    assert data.rounded == 1


def test_gaps_are_counted(tmp_path: Path) -> None:
    minutes = (1, 2, 3, 7, 8, 20)
    data = read(write(tmp_path / "bars.csv", HEADER, *(f"{1640995200 + 60 * m},1,1,1,1,1" for m in minutes)))
    assert (data.spacing, data.gaps) == (MINUTE, 2)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "x,46377.0")), "line 3: high price 'x' in column 3"),
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "NaN,46377.0")), "line 3: high price 'NaN' in column 3"),
        ((HEADER, FIRST, SECOND.replace("46377.0,46411.0,1", "-5,46411.0,1")), "line 3: low price '-5' in column 4"),
        ((HEADER, FIRST, SECOND.replace("46377.0,46411.0,1", "0,46411.0,1")), "line 3: low price '0' in column 4"),
        ((HEADER, FIRST, SECOND.replace("46377.0,46411.0,1", "0.01,46411.0,1")), "line 3: a price of 0.0"),
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "1e30,46377.0")), "line 3: a price of 1000"),
        ((HEADER, FIRST, SECOND.replace("1829623.1938", "-1")), "line 3: volume '-1' in column 6: must be a number, 0"),
        ((HEADER, FIRST, SECOND.replace("1829623.1938", "-0.00001")), "line 3: volume '-0.00001' in column 6"),
        ((HEADER, FIRST, SECOND.replace("1829623.1938", "nan")), "line 3: volume 'nan' in column 6"),
        ((HEADER, FIRST, SECOND.replace("1829623.1938", "inf")), "line 3: volume 'inf' in column 6"),
        ((HEADER, FIRST, SECOND.replace("1829623.1938", "1e30")), "line 3: a volume of 1000"),
        ((HEADER, FIRST, SECOND.replace("2022-01-01 00:02", "yesterday")), "line 3: time 'yesterday:00.000000'"),
        ((HEADER, FIRST, SECOND.replace("2022-01-01 00:02:00.000000", "12345")), "line 3: time '12345' in column 1"),
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "46377.5,46377.0")), "line 3: open 46377.0, high 46377.5"),
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "46411.0,46412.0")), "low 46412.0, close 46411.0: high"),
        ((HEADER, FIRST, FIRST), "line 3: time '2022-01-01 00:01:00.000000' is that of the line before again"),
        ((HEADER, SECOND, FIRST), "line 3: time '2022-01-01 00:01:00.000000' is not after the line before"),
        ((HEADER, FIRST, "2022-01-01 00:02:00,46377.0"), "line 3: high price '' in column 3"),
        (("timestamp,open,high,close,volume", "1,2,3,4,5"), "line 1: no column low; the columns are timestamp, open"),
        (("timestamp,open,high,low,close", "1,2,3,4,5"), "line 1: no column volume"),
        ((HEADER,), "no bars in the file"),
        (("",), "no column open, high, low, close, timestamp; the columns are none"),
        ((HEADER, FIRST), "one bar doesn't tell how long a bar is"),
    ],
)
def test_what_is_no_bar_is_named_with_file_line_and_value(tmp_path: Path, lines: Sequence[str], message: str) -> None:
    path = write(tmp_path / "bars.csv", *lines)
    with pytest.raises(BarFileError) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_bad_line_far_down_is_named_by_its_number(tmp_path: Path) -> None:
    """Beyond the first block of text, and after a block that had to be read word for word."""
    good = [f"{1640995200 + 60 * number},46319.0,46385.0,46300.5,46377.0,1829623.1938" for number in range(1, 40_001)]
    good[20] = good[20].replace("46385.0", '"46385.0"')
    path = write(tmp_path / "bars.csv.gz", HEADER, *good, "1650000000,1,2,0,2,1")
    with pytest.raises(BarFileError, match="line 40002: low price '0'"):
        read(path)


def test_files_that_are_not_there_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(BarFileError, match=r"no\.csv: can't be read"):
        read(tmp_path / "no.csv")
    damaged = tmp_path / "bars.csv.gz"
    damaged.write_bytes(gzip.compress("\n".join([HEADER, FIRST, SECOND, ""]).encode())[:-20])
    with pytest.raises(BarFileError, match="can't be read"):
        read(damaged)
    damaged.write_bytes(b"no gzip at all")
    with pytest.raises(BarFileError, match="can't be read"):
        read(damaged)


PRICES = st.integers(1_000, 90_000_000).map(lambda thousandths: D(thousandths) / 1000)
UNITS = st.sampled_from(["0.1", "0.5", "1", "0.01", "0.025"])


@given(
    bars=st.lists(
        st.tuples(st.lists(PRICES, min_size=4, max_size=4).map(sorted), st.booleans(), st.integers(0, 10**9)),
        min_size=2,
        max_size=8,
    ),
    tick=UNITS,
    step=UNITS,
)
def test_any_file_is_what_the_rule_for_bars_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory, bars: list[tuple[list[Decimal], bool, int]], tick: str, step: str
) -> None:
    """ladder.md, Bars: open and close to the nearest tick, high up, low down, volumes floored."""
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    expected: list[tuple[Decimal | None, ...]] = []
    lines: list[str] = []
    for number, ((low, a, b, high), up, volume) in enumerate(bars, 1):
        open_, close = (a, b) if up else (b, a)
        amount = D(volume) / 10_000
        lines.append(f"{1640995200 + 60 * number},{open_},{high},{low},{close},{amount}")
        bar = on_grid(Bar(open_, high, low, close, 0, amount), D(tick), D(step))
        expected.append((bar.open, bar.high, bar.low, bar.close, bar.volume))
    data = read(write(path, HEADER, *lines), tick, step)
    assert [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in data.table.bars()] == expected
