"""The month of real bars that ladder.md's vectors come from."""

import csv
import gzip
import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("HEDGEGRID_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
BARS = DATA / "btc-perp-1m-2022-01.csv.gz"

needs_month = pytest.mark.skipif(
    not BARS.exists(), reason=f"no {BARS.name} beside the checkout; HEDGEGRID_DATA names its folder"
)


def month() -> list[dict[str, str]]:
    """Its rows by column: timestamp, open, high, low, close, volume."""
    with gzip.open(BARS, "rt") as lines:
        return list(csv.DictReader(lines))
