"""The ladder of a grid that holds nothing yet: rules R3, R5, R7, R9 and R10 at a price. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Self

from hedgegrid_api.files import StrategyFile, VenueFile
from hedgegrid_api.simulation import Filters
from hedgegrid_api.v1alpha1 import PlacementPolicy

BPS = Decimal(10_000)
"""Basis points of the whole."""
_SPARE_ORDERS = 10
"""Open orders that entries leave free for exits (R10)."""
_SHOWN_STEP = Decimal("0.01")


class Leg(StrEnum):
    """One side of a hedge-mode account."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        """+1 for LONG, −1 for SHORT."""
        return 1 if self is Leg.LONG else -1


class Drop(StrEnum):
    """Why a rung gets no order; the first reason counts."""

    GATE = "throttle is 0"
    PLACEMENT = "placement without a trend"
    MINIMUM = "below the venue's smallest order"
    MAXIMUM = "above the venue's largest order"
    CAP = "beyond maxInventoryQuote"
    BUDGET = "beyond the venue's largest number of open orders"


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """An entry of the first ladder."""

    leg: Leg
    level: int
    """From 1, the nearest to the centre."""
    price: Decimal
    quantity: Decimal
    """Base currency."""
    dropped: Drop | None = None
    """Why it gets no order; None: it does."""

    @property
    def notional(self) -> Decimal:
        """Quote currency."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class GridTerms:
    """A grid in decimals, and the venue's limits on its orders."""

    step_bps: Decimal
    levels: dict[Leg, int]
    quantities: tuple[Decimal, ...]
    """Of rung 1 and so on, to the longer ladder's last, floored to the venue's step (R5)."""
    recenter_trigger_bps: Decimal
    cap: Decimal
    """On each leg's notional, quote currency."""
    take_profit_steps: int
    stop_loss_steps: int
    shortened: int | None
    """Rungs that placement leaves to a leg without a trend, all with a take-profit of one step; None: all (R7)."""
    open: bool
    """Whether any entry is sent at all: throttle above 0."""
    filters: Filters

    @classmethod
    def of(cls, strategy: StrategyFile, venue: VenueFile) -> Self:
        """Terms as the two files state them."""
        grid, placement = strategy.grid, strategy.placement
        longest = max(grid.levels_long, grid.levels_short)
        first, scale = grid.base_qty * Decimal(str(strategy.throttle)), Decimal(str(grid.qty_scale))
        scalps = placement.policy is PlacementPolicy.CORE_AND_SCALP
        return cls(
            step_bps=Decimal(str(grid.step_bps)),
            levels={Leg.LONG: grid.levels_long, Leg.SHORT: grid.levels_short},
            quantities=tuple(floor_to(first * scale**rung, venue.filters.step_size) for rung in range(longest)),
            recenter_trigger_bps=Decimal(str(grid.recenter_trigger_bps)),
            cap=grid.max_inventory_quote,
            take_profit_steps=strategy.exits.take_profit_steps,
            stop_loss_steps=strategy.exits.stop_loss_steps,
            shortened=placement.counter_levels if scalps else None,
            open=strategy.throttle > 0,
            filters=venue.filters,
        )

    @property
    def shortest_take_profit_steps(self) -> int:
        """Steps of the nearest take-profit that placement may set; 0: none."""
        return self.take_profit_steps if self.shortened is None else min(self.take_profit_steps, 1)

    @property
    def room(self) -> int:
        """How many entries may rest; with stops each of them will need a conditional order too (R10)."""
        filters = self.filters
        limit = min(filters.max_orders, filters.max_conditional_orders) if self.stop_loss_steps else filters.max_orders
        return limit - _SPARE_ORDERS

    @property
    def unreachable(self) -> dict[Leg, int]:
        """Rungs of each leg that are further out than the trigger: the ladder moves before a price gets there."""
        reachable = int(self.recenter_trigger_bps / self.step_bps)
        return {leg: max(0, levels - reachable) for leg, levels in self.levels.items()}


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """Largest multiple of unit that is at most value."""
    return (value / unit).to_integral_value(ROUND_FLOOR) * unit


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """Smallest multiple of unit that is at least value."""
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def rounded(value: Decimal) -> Decimal:
    """The nearest whole number, halves away from zero."""
    return value.to_integral_value(ROUND_HALF_UP)


def centre_of(price: Decimal, tick: Decimal) -> Decimal:
    """Centre of the first ladder: the price on the tick (R3)."""
    return rounded(price / tick) * tick


def rung_price(leg: Leg, centre: Decimal, step: Decimal, level: int, tick: Decimal) -> Decimal:
    """Price of a rung, on the tick away from the centre (R5). `step` in quote currency."""
    raw = centre - leg.sign * level * step
    return floor_to(raw, tick) if leg is Leg.LONG else ceil_to(raw, tick)


def take_profit_price(leg: Leg, price: Decimal, step: Decimal, steps: int, tick: Decimal) -> Decimal:
    """Price of an entry's take-profit, on the tick away from it (R13)."""
    raw = price + leg.sign * steps * step
    return ceil_to(raw, tick) if leg is Leg.LONG else floor_to(raw, tick)


def stop_price(leg: Leg, price: Decimal, step: Decimal, steps: int, tick: Decimal) -> Decimal:
    """Trigger of an entry's stop, on the tick towards it (R13)."""
    raw = price - leg.sign * steps * step
    return ceil_to(raw, tick) if leg is Leg.LONG else floor_to(raw, tick)


def is_tradable(quantity: Decimal, price: Decimal, filters: Filters) -> bool:
    """Whether the venue takes an entry of this size."""
    return filters.min_qty <= quantity <= filters.max_qty and quantity * price >= filters.min_notional


def first_ladder(terms: GridTerms, price: Decimal) -> tuple[PlannedRung, ...]:
    """Every rung of the first ladder at a mid price, LONG before SHORT, from the centre outward."""
    tick = terms.filters.tick_size
    centre = centre_of(price, tick)
    step = centre * terms.step_bps / BPS
    planned = [rung for leg in Leg for rung in _within_cap(_leg(terms, leg, centre, step), price, terms.cap)]
    beyond = set([rung for rung in planned if rung.dropped is None][terms.room :])
    return tuple(replace(rung, dropped=Drop.BUDGET) if rung in beyond else rung for rung in planned)


def smallest_step(terms: GridTerms, price: Decimal) -> Decimal | None:
    """The smallest legal stepBps where the grid's own collapses at a price; None where it doesn't.

    A step below the tick puts two rungs of a leg on one tick, at this centre or at a later one. Rounded up to 0.01.
    """
    least = terms.filters.tick_size * BPS / price
    several = max(terms.levels.values()) > 1
    return ceil_to(least, _SHOWN_STEP) if several and terms.step_bps < least else None


def _leg(terms: GridTerms, leg: Leg, centre: Decimal, step: Decimal) -> Iterator[PlannedRung]:
    for level in range(1, terms.levels[leg] + 1):
        price = rung_price(leg, centre, step, level, terms.filters.tick_size)
        rung = PlannedRung(leg, level, price, terms.quantities[level - 1])
        yield replace(rung, dropped=_own_reason(rung, terms))


def _own_reason(rung: PlannedRung, terms: GridTerms) -> Drop | None:
    """Why a rung gets no order, whatever the others get."""
    filters = terms.filters
    if not terms.open:
        return Drop.GATE
    if terms.shortened is not None and rung.level > terms.shortened:
        return Drop.PLACEMENT
    if rung.quantity > filters.max_qty:
        return Drop.MAXIMUM
    return None if is_tradable(rung.quantity, rung.price, filters) else Drop.MINIMUM


def _within_cap(rungs: Iterable[PlannedRung], mark: Decimal, cap: Decimal) -> Iterator[PlannedRung]:
    """From rung 1 outward; the first that doesn't fit ends the ladder (R9)."""
    total, full = Decimal(0), False
    for rung in rungs:
        if rung.dropped is None:
            total += rung.quantity
            full = full or total * max(mark, rung.price) > cap
        yield replace(rung, dropped=Drop.CAP) if full and rung.dropped is None else rung
