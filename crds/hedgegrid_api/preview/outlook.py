"""What a grid will do at a price: its ladders, its worst case, its costs. Pure; told before the first order is sent."""

from dataclasses import dataclass, replace
from decimal import Decimal

from hedgegrid_api.files import StrategyFile, VenueFile, settled
from hedgegrid_api.preview.exposure import FullLadder, Move, full_ladder, straight_move
from hedgegrid_api.preview.ladder import (
    BPS,
    GridTerms,
    Leg,
    PlannedRung,
    centre_of,
    first_ladder,
    rung_price,
    smallest_step,
    take_profit_price,
)
from hedgegrid_api.simulation import Market

_ZERO = Decimal(0)
_MOVE = Decimal("0.1")
"""The fall and the rise that are told, as a fraction of the price."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """An entry of rung 1 and the nearest take-profit that placement may give it, both as maker."""

    quantity: Decimal
    """Base currency."""
    fees: Decimal
    """Quote currency; below 0 a rebate."""
    fees_bps: Decimal
    """Of the notional."""
    gain: Decimal
    """Of the take-profit before fees, quote currency."""
    gain_bps: Decimal
    """Of the notional: grid steps, the tick left aside."""

    @property
    def earns(self) -> bool:
        """Whether more is gained than paid."""
        return self.gain_bps > self.fees_bps


@dataclass(frozen=True, slots=True)
class Preview:
    """What a grid will do, from a flat account."""

    price: Decimal
    """The mid price that everything is told for."""
    rungs: tuple[PlannedRung, ...]
    """The first ladder, LONG before SHORT, from the centre outward."""
    smallest_step_bps: Decimal | None
    """The smallest legal stepBps where the grid's own puts two rungs on one tick; None where it doesn't."""
    unreachable: dict[Leg, int]
    """Rungs further out than recenterTriggerBps, which no price reaches before the ladder moves."""
    balance: Decimal
    """Wallet at the start."""
    margin: Decimal
    """Initial margin with both ladders full."""
    full: dict[Leg, FullLadder]
    """Each leg's ladder full and the other flat; a leg without rungs is absent."""
    fall: Move
    """The market goes straight down by a tenth."""
    rise: Move
    """The market goes straight up by a tenth."""
    round_trip: RoundTrip | None
    """None without take-profits."""

    def kept(self, leg: Leg) -> tuple[PlannedRung, ...]:
        """Rungs that get an order."""
        return tuple(rung for rung in self.rungs if rung.leg is leg and rung.dropped is None)


def known_price(venue: VenueFile) -> Decimal | None:
    """The price at which a market starts, None where only its file knows it."""
    return venue.sim.start_price if venue.sim.market is Market.SYNTHETIC else None


def preview(strategy: StrategyFile, venue: VenueFile, price: Decimal) -> Preview:
    """What the grid of a strategy file will do at a venue, at a mid price above 0."""
    venue = settled(strategy, venue)
    terms = GridTerms.of(strategy, venue)
    # A trend gives the leg with it back what placement withholds without one.
    whole = [rung for rung in first_ladder(replace(terms, shortened=None), price) if rung.dropped is None]
    full = {leg: full_ladder([rung for rung in whole if rung.leg is leg], terms, venue) for leg in Leg}
    return Preview(
        price=price,
        rungs=first_ladder(terms, price),
        smallest_step_bps=smallest_step(terms, price),
        unreachable=terms.unreachable,
        balance=venue.starting_balance,
        margin=sum((found.initial_margin for found in full.values() if found), _ZERO),
        full={leg: found for leg, found in full.items() if found},
        fall=straight_move(Leg.LONG, price, price * (1 - _MOVE), terms, venue),
        rise=straight_move(Leg.SHORT, price, price * (1 + _MOVE), terms, venue),
        round_trip=_round_trip(terms, venue.fees.maker, price),
    )


def _round_trip(terms: GridTerms, maker: Decimal, price: Decimal) -> RoundTrip | None:
    steps, leg = terms.shortest_take_profit_steps, Leg.LONG if terms.levels[Leg.LONG] else Leg.SHORT
    if not steps:
        return None
    tick, quantity = terms.filters.tick_size, terms.quantities[0]
    step = centre_of(price, tick) * terms.step_bps / BPS
    entry = rung_price(leg, centre_of(price, tick), step, 1, tick)
    target = take_profit_price(leg, entry, step, steps, tick)
    return RoundTrip(
        quantity=quantity,
        fees=quantity * (entry + target) * maker,
        fees_bps=2 * maker * BPS,
        gain=leg.sign * quantity * (target - entry),
        gain_bps=steps * terms.step_bps,
    )
