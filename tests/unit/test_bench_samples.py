"""Percentiles of the bench: by nearest rank, so that each was really measured."""

import pytest

from tests.bench.samples import Distribution

MS = 1_000_000


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        ([7], Distribution(1, 7, 7, 7)),
        ([1, 2], Distribution(2, 1, 2, 2)),
        ([3, 1, 2], Distribution(3, 2, 3, 3)),
        (list(range(200, 0, -1)), Distribution(200, 100, 198, 200)),
        ([-0.5, 0.25], Distribution(2, -0.5, 0.25, 0.25)),
    ],
)
def test_distribution(milliseconds: list[float], expected: Distribution) -> None:
    assert Distribution.of([int(value * MS) for value in milliseconds]) == expected
