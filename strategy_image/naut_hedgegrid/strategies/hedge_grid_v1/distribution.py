"""A histogram that a running process fills: fixed bounds, one comparison tree and two additions an observation."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observed:
    """A histogram's figures at one moment."""

    bounds: tuple[float, ...]
    """Upper bounds of the buckets, ascending, each included in its bucket; the last bucket has none."""
    counts: tuple[int, ...]
    """Observations in each bucket: one more than there are bounds."""
    total: float
    """Sum of all observations."""

    @property
    def cumulated(self) -> tuple[int, ...]:
        """Observations up to each bound; the last figure is that of all."""
        sums: list[int] = []
        for count in self.counts:
            sums.append(count + (sums[-1] if sums else 0))
        return tuple(sums)


class Distribution:
    """Counts observations by bucket."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` are ascending."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """One more observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def observed(self) -> Observed:
        """The figures of now."""
        return Observed(self._bounds, tuple(self._counts), self._total)
