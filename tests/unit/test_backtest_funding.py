"""Funding rates of a backtest: constant ones and those of a file."""

from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from naut_hedgegrid.backtest.funding import Funding, FundingFileError, Settlement, constant_rate, read_rates

D = Decimal
HOUR = 3_600_000_000_000
T0 = 1_640_995_200_000_000_000
"""2022-01-01 00:00."""


def test_a_constant_rate_is_settled_aligned_to_midnight() -> None:
    found = list(islice(constant_rate(D("0.0001"), 8, T0 - 1), 3))
    assert [it.ts for it in found] == [T0, T0 + 8 * HOUR, T0 + 16 * HOUR]
    assert next(constant_rate(D("0.0001"), 8, T0)).ts == T0 + 8 * HOUR


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,rate\n2022-01-01 00:00:00,0.0001\n2022-01-01T08:00:00Z,-0.00025\n",
        "1640995200000,0.0001\n1641024000000,-0.00025\n",
        "calc_time,funding_interval_hours,last_funding_rate\n1640995200000,8,1e-4\n1641024000000,8,-0.00025\n",
    ],
    ids=["names", "no header", "as published by Binance"],
)
def test_a_file_of_rates(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    assert read_rates(path) == [Settlement(T0, D("0.0001")), Settlement(T0 + 8 * HOUR, D("-0.00025"))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp,rate\nx,0.1\n", "line 2: time 'x'"),
        ("timestamp,rate\n1640995200,x\n", "line 2: rate 'x': must be a fraction"),
        ("timestamp,rate\n1640995200,nan\n", "line 2: rate 'nan'"),
        ("timestamp,rate\n1640995200,1.5\n", "line 2: rate '1.5'"),
        ("timestamp,rate\n1640995200\n", "line 2: 1 fields; a time and a rate"),
        ("timestamp,rate\n1640995200,0\n1640995200,0\n", "line 3: time '1640995200' is not after the line before"),
        ("timestamp,price\n1640995200,0\n", "line 1: no column rate; the columns are timestamp, price"),
        ("timestamp,rate\n", "no settlement in the file"),
        ("", "line 1: no column timestamp"),
    ],
)
def test_what_is_no_rate_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(FundingFileError) as raised:
        read_rates(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FundingFileError, match=r"no\.csv: can't be read"):
        read_rates(tmp_path / "no.csv")


def test_after_the_last_rate_the_next_is_expected_like_it_and_never_due() -> None:
    funding = Funding(iter([Settlement(T0, D("0.0001")), Settlement(T0 + 8 * HOUR, D("0.0002"))]), 8)
    assert funding.coming(T0 - 1) == funding.due == Settlement(T0, D("0.0001"))
    funding.pass_on()
    assert funding.coming(T0 + 1) == Settlement(T0 + 8 * HOUR, D("0.0002"))
    funding.pass_on()
    assert funding.due is None
    assert funding.coming(T0 + 8 * HOUR) == Settlement(T0 + 16 * HOUR, D("0.0002"))
    assert funding.coming(T0 + 40 * HOUR) == Settlement(T0 + 48 * HOUR, D("0.0002"))
    assert funding.due is None
