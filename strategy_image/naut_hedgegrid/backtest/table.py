"""Bars as columns of whole numbers: a month of minutes in 2 MB, and nothing to round any more."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import repeat
from operator import mul
from typing import cast

from naut_hedgegrid.grid.bars import Bar

LARGEST = 10**13
"""Prices and volumes stay below: the engine's numbers end soon after it."""

_new_bar = cast("Callable[[type[Bar], Iterable[object]], Bar]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""A named tuple's own constructor takes three times as long."""


def column(values: Iterable[int] = ()) -> "array[int]":
    """A column of a table."""
    return array("q", values)


@dataclass(frozen=True, slots=True)
class BarTable:
    """Bars of one instrument, oldest first: prices in ticks, volumes in steps, times in ns since the epoch."""

    tick: Decimal
    step: Decimal
    ts: "array[int]" = field(default_factory=column)
    """Ends of the bars."""
    open: "array[int]" = field(default_factory=column)
    high: "array[int]" = field(default_factory=column)
    low: "array[int]" = field(default_factory=column)
    close: "array[int]" = field(default_factory=column)
    volume: "array[int]" = field(default_factory=column)

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def columns(self) -> "tuple[array[int], ...]":
        """ts, open, high, low, close, volume."""
        return (self.ts, self.open, self.high, self.low, self.close, self.volume)

    def bars(self) -> Iterator[Bar]:
        """The bars in decimals."""
        price = _Multiples(self.tick).__getitem__
        prices = (map(price, prices) for prices in (self.open, self.high, self.low, self.close))
        fields = zip(*prices, self.ts, map(mul, self.volume, repeat(self.step)), strict=True)
        return map(_new_bar, repeat(Bar), fields)


class _Multiples(dict[int, Decimal]):
    """Multiples of a unit, each made once."""

    def __init__(self, unit: Decimal) -> None:
        super().__init__()
        self._unit = unit

    def __missing__(self, count: int) -> Decimal:
        value = self[count] = count * self._unit
        return value
