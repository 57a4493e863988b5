"""Durations and what is said about them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """Durations of one kind, in milliseconds."""

    n: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, nanoseconds: Sequence[int]) -> "Distribution":
        """Of at least one duration; percentiles by nearest rank, so that each was really measured."""
        ordered = sorted(nanoseconds)

        def rank(share: float) -> float:
            return round(ordered[math.ceil(share * len(ordered)) - 1] / 1e6, 3)

        return cls(len(ordered), rank(0.5), rank(0.99), rank(1))
