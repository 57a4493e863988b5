"""Bar files, and the market that plays them."""

import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.barfile import BarFileError
from naut_hedgegrid.venues.sim.bars import Bar, BarFile
from naut_hedgegrid.venues.sim.market import Market, MarketError, Tick
from naut_hedgegrid.venues.sim.markets import market_of

D = Decimal
MINUTE = 60_000_000_000
T0 = 1_640_995_200_000_000_000
"""2022-01-01 00:00 UTC."""
HEADER = "timestamp,open,high,low,close,volume"
FIRST = "2022-01-01 00:01:00.000000,46319.0,46385.0,46300.5,46377.0,2300413.7295"
SECOND = "2022-01-01 00:02:00.000000,46377.0,46411.0,46377.0,46411.0,1829623.1938"


def write(path: Path, *lines: str) -> Path:
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def bars(path: Path) -> list[Bar]:
    return list(BarFile(path).bars())


def market(path: Path, speed: float = 60) -> Market:
    replay = {"path": str(path), "speed": speed}
    return market_of(
        VenueFile.model_validate({"instrument": "BTCUSDT-PERP.BINANCE", "sim": {"market": "replay", "replay": replay}})
    )


def ticks(path: Path, speed: float = 60) -> list[Tick]:
    return list(market(path, speed).ticks(None))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write(tmp_path / "bars.csv", HEADER, FIRST, SECOND)


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
def test_one_time_column_holds_closes(tmp_path: Path, name: str) -> None:
    first, second = bars(write(tmp_path / name, HEADER, FIRST, SECOND))
    assert (first.open_ts, first.close_ts) == (T0, T0 + MINUTE)
    assert (first.open, first.high, first.low, first.close) == (D(46319), D(46385), D("46300.5"), D(46377))
    assert (second.open_ts, second.close_ts) == (T0 + MINUTE, T0 + 2 * MINUTE)


@pytest.mark.parametrize(
    "times",
    [
        ("2022-01-01T00:01:00Z", "2022-01-01T00:02:00Z"),
        ("2022-01-01T01:01:00+01:00", "2022-01-01T01:02:00+01:00"),
        ("1640995260", "1640995320"),
        ("1640995260000", "1640995320000"),
        ("1640995260000000", "1640995320000000"),
        ("1640995260000000000", "1640995320000000000"),
    ],
)
def test_times_in_words_and_numbers(tmp_path: Path, times: Sequence[str]) -> None:
    path = write(tmp_path / "bars.csv", "time,open,high,low,close", *(f"{time},1,2,1,2" for time in times))
    assert [bar.close_ts for bar in bars(path)] == [T0 + MINUTE, T0 + 2 * MINUTE]


@pytest.mark.parametrize("header", [True, False])
def test_klines_as_published_by_binance(tmp_path: Path, header: bool) -> None:
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote,ignore"
    lines = [
        "1640995200000,46210.57,46250.00,46206.37,46250.00,39.6,1640995259999,1833145.1,1128,24.1,1116223.7,0",
        "1640995260000,46250.00,46276.67,46247.21,46263.54,18.4,1640995319999,852684.7,756,11.8,549434.6,0",
    ]
    first, second = bars(write(tmp_path / "BTCUSDT-1m.csv", *([names] if header else []), *lines))
    assert (first.open_ts, first.close_ts) == (T0, T0 + MINUTE)
    assert (second.open_ts, second.close_ts) == (T0 + MINUTE, T0 + 2 * MINUTE)
    assert first.low == D("46206.37")


def test_a_missing_bar_does_not_stretch_the_next(tmp_path: Path) -> None:
    later = SECOND.replace("00:02:00", "00:07:00")
    more = SECOND.replace("00:02:00", "00:08:00")
    assert [bar.close_ts - bar.open_ts for bar in bars(write(tmp_path / "b.csv", HEADER, FIRST, later, more))] == [
        MINUTE
    ] * 3


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "x,46377.0")), "line 3: high price 'x' in column 3"),
        ((HEADER, FIRST, SECOND.replace("46377.0,46411.0,1", "-5,46411.0,1")), "line 3: low price '-5' in column 4"),
        (
            (HEADER, FIRST, SECOND.replace("2022-01-01 00:02", "yesterday")),
            "line 3: time 'yesterday:00.000000' in column 1",
        ),
        ((HEADER, FIRST, SECOND.replace("46411.0,46377.0", "46377.5,46377.0")), "line 3: open 46377.0, high 46377.5"),
        ((HEADER, FIRST, FIRST), "line 3: time '2022-01-01 00:01:00.000000' is that of the line before again"),
        ((HEADER, FIRST, "2022-01-01 00:02:00,46377.0"), "line 3: high price '' in column 3"),
        (
            ("timestamp,open,high,close", "1,2,3,4"),
            "line 1: no column low; the columns are timestamp, open, high, close",
        ),
        (("open,high,low,close", "1,2,3,4"), "line 1: no column timestamp"),
        ((HEADER,), "no bars in the file"),
        ((HEADER, FIRST), "one bar doesn't tell how long a bar is"),
        (("",), "no column open, high, low, close, timestamp; the columns are none"),
    ],
)
def test_what_is_no_bar_is_named_with_file_line_and_value(tmp_path: Path, lines: Sequence[str], message: str) -> None:
    path = write(tmp_path / "bars.csv", *lines)
    with pytest.raises(BarFileError) as raised:
        bars(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_bad_line_far_down_is_found_when_it_is_reached(tmp_path: Path) -> None:
    good = [f"{1640995200 + 60 * number},1,2,1,2" for number in range(1, 501)]
    path = write(tmp_path / "bars.csv", "time,open,high,low,close", *good, "1641999999,1,2,0,2")
    played: list[Tick] = []
    with pytest.raises(BarFileError, match="line 502: low price '0' in column 4"):
        played.extend(market(path).ticks(None))
    assert len(played) == 4 * 500


def test_a_file_that_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(BarFileError, match=r"no\.csv: can't be read"):
        BarFile(tmp_path / "no.csv")
    damaged = tmp_path / "bars.csv.gz"
    damaged.write_bytes(gzip.compress(f"{HEADER}\n{FIRST}\n{SECOND}\n".encode())[:-20])
    with pytest.raises(BarFileError, match="can't be read"):
        bars(damaged)


def test_a_bar_is_played_open_high_low_close_within_its_span(two: Path) -> None:
    played = ticks(two)
    assert [tick.bid for tick in played[:4]] == [D(46319), D(46385), D("46300.5"), D(46377)]
    assert all(tick.bid == tick.ask for tick in played)
    times = [tick.ts for tick in played if tick.ts is not None]
    assert times == [T0 + MINUTE * eighth // 8 for eighth in (1, 3, 5, 7, 9, 11, 13, 15)]


def test_speed_divides_the_recorded_time(two: Path) -> None:
    assert [round(tick.wait_seconds, 9) for tick in ticks(two, speed=60)] == [0, *[0.25] * 7]
    assert [round(tick.wait_seconds, 9) for tick in ticks(two, speed=1)] == [0, *[15.0] * 7]


def test_prices_off_the_tick_are_rounded_open_and_close_to_the_nearest_high_up_low_down(tmp_path: Path) -> None:
    first = "2022-01-01 00:01:00,100.04,100.31,99.99,100.25,1"
    second = "2022-01-01 00:02:00,100.06,100.31,99.99,100.24,1"
    played = ticks(write(tmp_path / "bars.csv", HEADER, first, second))
    assert [tick.bid for tick in played] == [
        D(text) for text in ("100.0", "100.4", "99.9", "100.3", "100.1", "100.4", "99.9", "100.2")
    ]


finite = st.decimals(min_value=D("0.5"), max_value=D(100_000), places=3)


@given(st.lists(finite, min_size=4, max_size=4))
def test_rounding_keeps_high_the_highest_and_low_the_lowest(
    tmp_path_factory: pytest.TempPathFactory, prices: list[D]
) -> None:
    low, open_, close, high = sorted(prices)
    line = f"{open_},{high},{low},{close},1"
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    played = ticks(write(path, HEADER, f"2022-01-01 00:01:00,{line}", f"2022-01-01 00:02:00,{line}"))
    first = [tick.bid for tick in played[:4]]
    assert first[1] == max(first)
    assert first[2] == min(first)
    assert all(price % D("0.1") == 0 for price in first)


def test_it_goes_on_from_any_place_as_if_it_had_never_stopped(two: Path) -> None:
    whole = ticks(two)
    for stop, tick in enumerate(whole, 1):
        rest = list(market(two).ticks(tick.place))
        assert [(again.bid, again.ts, again.place) for again in rest] == [(t.bid, t.ts, t.place) for t in whole[stop:]]


def test_another_file_does_not_go_on_from_this_place(two: Path) -> None:
    place = ticks(two)[0].place
    other = write(two.with_name("other.csv"), HEADER, FIRST, SECOND)
    with pytest.raises(MarketError, match=r"traded on replay bars\.csv, the venue file says replay other\.csv"):
        market(other).ticks(place)
