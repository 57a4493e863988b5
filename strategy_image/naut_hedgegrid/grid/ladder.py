"""The ladder: where it stands, when it moves, which rungs are wanted (rules R3 to R6, R9 and R10 of the grid)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from naut_hedgegrid.domain.grid import Ladder, Rung, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument, Leg, Quote, Side
from naut_hedgegrid.grid.precision import floor_to, is_tradable, passive, round_to

_BPS = Decimal(10_000)
_BAD_PRINT = Decimal("0.01")
_STEP_DRIFT = Decimal("0.1")
_CAP_TOLERANCE = Decimal("1.02")
_NO_LIMIT = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class GridSettings:
    """The grid as configured, in decimals."""

    step_bps: Decimal
    levels: Mapping[Leg, int]
    base_qty: Decimal
    """Base currency."""
    qty_scale: Decimal
    recenter_trigger_bps: Decimal
    max_inventory_quote: Decimal
    """Cap on each leg's notional, quote currency."""
    take_profit_steps: int
    """0: none."""
    stop_loss_steps: int = 0
    """0: none."""


class Drop(StrEnum):
    """Why a rung isn't wanted now; the first reason counts."""

    GATE = "gate"
    PLACEMENT = "placement"
    MINIMUM = "minimum"
    OCCUPIED = "occupied"
    CROSSING = "crossing"
    CAP = "cap"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a leg's ladder asks for now."""

    rungs: tuple[Rung, ...]
    """Rungs that should have an order, from the centre outward."""
    dropped: Counter[Drop]
    """Rungs left out, by reason."""
    marks: tuple[Decimal, Decimal] | None
    """The answer stays the same as long as nothing but the price changes, with mark prices above the first and up to
    the second; None where it may change with any price: a rung waits because it would cross."""


def first_ladder(mid: Decimal, settings: GridSettings, tick: Decimal) -> Ladder:
    """Rule R3: centred on mid, the step unrounded."""
    centre = round_to(mid, tick)
    return Ladder(centre, centre * settings.step_bps / _BPS)


def recentred(
    ladder: Ladder, mid: Decimal, mark: Decimal, settings: GridSettings, tick: Decimal, *, has_lots: bool
) -> Ladder | None:
    """Rule R4: the ladder after a bar's close, None where it stays.

    With open lots it moves by whole steps and keeps its step, so that rungs coincide and orders keep their place in
    the queue; a step that has drifted more than 10 % off is set anew. A price more than 1 % off the mark moves nothing.
    """
    distance = mid - ladder.centre
    if abs(distance) * _BPS < settings.recenter_trigger_bps * ladder.centre:
        return None
    if abs(mid - mark) / mark > _BAD_PRINT:
        return None
    if not has_lots:
        return first_ladder(mid, settings, tick)
    steps = (distance / ladder.step).to_integral_value(ROUND_HALF_UP)
    centre = ladder.centre + steps * ladder.step
    step = centre * settings.step_bps / _BPS
    return Ladder(centre, step if abs(ladder.step - step) / step > _STEP_DRIFT else ladder.step)


def rungs(ladder: Ladder, leg: Leg, settings: GridSettings, instrument: Instrument, factor: Decimal) -> list[Rung]:
    """Rule R5, prices and quantities: all rungs 1..levels, droppable ones included. `factor` is throttle·m·f."""
    found: list[Rung] = []
    scaled = settings.base_qty * factor
    for level in range(1, settings.levels[leg] + 1):
        price = passive(ladder.raw_price(leg, level), leg.opening, instrument.tick_size)
        found.append(Rung(leg, level, price, floor_to(scaled, instrument.step_size)))
        scaled *= settings.qty_scale
    return found


def wanted(
    ladder: Ladder,
    candidates: Sequence[Rung],
    *,
    position: Decimal,
    held_prices: Sequence[Decimal],
    entries: Sequence[WorkingOrder],
    quote: Quote,
    settings: GridSettings,
    instrument: Instrument,
    placed: int | None = None,
) -> Wanted:
    """Rules R5, R6, R7 and R9 for one leg: the rungs that should have an order now.

    A partly filled entry holds its rung as it is. `position` is the leg's; `held_prices` are the entry prices of its
    open lots, ascending; `entries` are its entries that aren't terminal, those being cancelled included; `placed` is
    the number of rungs that the placement has, None: all.
    """
    dropped: Counter[Drop] = Counter()
    by_price = {entry.price: entry for entry in entries}
    passed: list[Rung] = []
    for rung in candidates:
        live = by_price.get(rung.price)
        if placed is not None and rung.level > placed:
            dropped[Drop.PLACEMENT] += 1
        elif live is not None and live.filled > 0:
            passed.append(rung)
        elif rung.quantity > instrument.max_qty or not is_tradable(rung.quantity, rung.price, instrument):
            dropped[Drop.MINIMUM] += 1
        elif _occupied(rung.price, held_prices, ladder.step):
            dropped[Drop.OCCUPIED] += 1
        elif live is None and _crosses(rung, quote):
            dropped[Drop.CROSSING] += 1
        else:
            passed.append(rung)
    kept, marks = _within_cap(passed, position, by_price, quote, settings)
    if len(passed) > len(kept):
        dropped[Drop.CAP] += len(passed) - len(kept)
    return Wanted(tuple(kept), dropped, None if Drop.CROSSING in dropped else marks)


def beside_live(
    missing: Sequence[Rung], position: Decimal, entries: Sequence[WorkingOrder], quote: Quote, settings: GridSettings
) -> list[Rung]:
    """Rule R9: of the rungs that have to be created, those that fit beside all that lives; the others wait.

    What is being cancelled to make room for them may still be filled. Once it is gone all of them fit, since a live
    entry that is wanted lies within 1.02 × the cap.
    """
    total = position + sum((entry.leaves for entry in entries), ZERO)
    largest = settings.max_inventory_quote * _CAP_TOLERANCE
    for count, rung in enumerate(missing):
        total += rung.quantity
        if total * max(quote.mark, rung.price) > largest:
            return list(missing[:count])
    return list(missing)


def _occupied(price: Decimal, held_prices: Sequence[Decimal], step: Decimal) -> bool:
    """Rule R6: an open lot is less than half a step away."""
    at = bisect_left(held_prices, price)
    above = at < len(held_prices) and (held_prices[at] - price) * 2 < step
    return above or (at > 0 and (price - held_prices[at - 1]) * 2 < step)


def _crosses(rung: Rung, quote: Quote) -> bool:
    return rung.price >= quote.ask if rung.leg.opening is Side.BUY else rung.price <= quote.bid


def _within_cap(
    passed: Sequence[Rung],
    position: Decimal,
    live: Mapping[Decimal | None, WorkingOrder],
    quote: Quote,
    settings: GridSettings,
) -> tuple[list[Rung], tuple[Decimal, Decimal]]:
    """Rule R9, from rung 1 outward; the first that doesn't fit ends the ladder (a live one above 1.02 × cap).

    With the mark prices between which the answer is the same: rung j's limit / the quantity up to rung j. Above it a
    rung that fits would fit no more; down to it one that doesn't fit at its own price would.
    """
    prices = {rung.price for rung in passed}
    total = position + sum((entry.leaves for price, entry in live.items() if price not in prices), ZERO)
    kept: list[Rung] = []
    lowest, highest = ZERO, _NO_LIMIT
    cap = settings.max_inventory_quote
    for rung in passed:
        entry = live.get(rung.price)
        if entry is None:
            total += rung.quantity
        elif entry.filled > 0:
            total += entry.leaves
        else:  # one that is replaced counts whole until it is gone
            total += max(entry.leaves, rung.quantity)
        limit = cap if entry is None else cap * _CAP_TOLERANCE
        if total * max(quote.mark, rung.price) > limit:
            lowest = limit / total if total * rung.price <= limit else ZERO
            break
        highest = min(highest, limit / total)
        kept.append(rung)
    return kept, (lowest, highest)
