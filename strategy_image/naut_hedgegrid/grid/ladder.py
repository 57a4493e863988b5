"""The ladder: where it stands, when it moves, which rungs are wanted (rules R3 to R6 and R9 of the grid)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from naut_hedgegrid.domain.grid import Ladder, Lot, Rung, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument, Leg, Quote, Side
from naut_hedgegrid.grid.precision import floor_to, is_tradable, passive, round_to

_BPS = Decimal(10_000)
_BAD_PRINT = Decimal("0.01")
_STEP_DRIFT = Decimal("0.1")
_CAP_TOLERANCE = Decimal("1.02")


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


class Drop(StrEnum):
    """Why a rung isn't wanted now; the first reason counts."""

    GATE = "gate"
    MINIMUM = "minimum"
    OCCUPIED = "occupied"
    CROSSING = "crossing"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a leg's ladder asks for now."""

    rungs: tuple[Rung, ...]
    """Rungs that should have an order, from the centre outward."""
    dropped: Counter[Drop]
    """Rungs left out, by reason."""


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
    if abs(distance) / ladder.centre * _BPS < settings.recenter_trigger_bps:
        return None
    if abs(mid - mark) / mark > _BAD_PRINT:
        return None
    if not has_lots:
        return first_ladder(mid, settings, tick)
    steps = (distance / ladder.step).to_integral_value(ROUND_HALF_UP)
    centre = ladder.centre + steps * ladder.step
    step = centre * settings.step_bps / _BPS
    return Ladder(centre, step if abs(ladder.step - step) / step > _STEP_DRIFT else ladder.step)


def rungs(ladder: Ladder, leg: Leg, settings: GridSettings, instrument: Instrument, throttle: Decimal) -> list[Rung]:
    """Rule R5, prices and quantities: all rungs 1..levels, droppable ones included."""
    found: list[Rung] = []
    scaled = settings.base_qty * throttle
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
    lots: Iterable[Lot],
    entries: Sequence[WorkingOrder],
    quote: Quote,
    settings: GridSettings,
    instrument: Instrument,
) -> Wanted:
    """Rules R5, R6 and R9 for one leg: the rungs that should have an order now.

    A partly filled entry holds its rung as it is. `position` is the leg's; `entries` are the leg's entries that aren't
    terminal, those being cancelled included.
    """
    dropped: Counter[Drop] = Counter()
    lot_prices = [lot.price for lot in lots if lot.open > 0]
    by_price = {entry.price: entry for entry in entries}
    passed: list[Rung] = []
    for rung in candidates:
        live = by_price.get(rung.price)
        if live is not None and live.filled > 0:
            passed.append(rung)
        elif rung.quantity > instrument.max_qty or not is_tradable(rung.quantity, rung.price, instrument):
            dropped[Drop.MINIMUM] += 1
        elif any(abs(price - rung.price) * 2 < ladder.step for price in lot_prices):
            dropped[Drop.OCCUPIED] += 1
        elif live is None and _crosses(rung, quote):
            dropped[Drop.CROSSING] += 1
        else:
            passed.append(rung)
    kept = _within_cap(passed, position, entries, quote, settings)
    dropped[Drop.CAP] += len(passed) - len(kept)
    return Wanted(tuple(kept), +dropped)


def _crosses(rung: Rung, quote: Quote) -> bool:
    return rung.price >= quote.ask if rung.leg.opening is Side.BUY else rung.price <= quote.bid


def _within_cap(
    passed: Sequence[Rung],
    position: Decimal,
    entries: Sequence[WorkingOrder],
    quote: Quote,
    settings: GridSettings,
) -> list[Rung]:
    """Rule R9, from rung 1 outward; the first that doesn't fit ends the ladder (a live one above 1.02 × cap)."""
    prices = {rung.price for rung in passed}
    total = position + sum((e.leaves for e in entries if e.price not in prices), ZERO)
    live = {entry.price: entry for entry in entries}
    kept: list[Rung] = []
    for rung in passed:
        entry = live.get(rung.price)
        total += entry.leaves if entry is not None and entry.filled > 0 else rung.quantity
        limit = settings.max_inventory_quote * (_CAP_TOLERANCE if entry is not None else 1)
        if total * max(quote.mark, rung.price) > limit:
            break
        kept.append(rung)
    return kept
