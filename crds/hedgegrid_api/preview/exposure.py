"""What a grid may come to hold and to lose: a whole ladder filled, and a market that goes one way. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from hedgegrid_api.files import VenueFile
from hedgegrid_api.margin import cross_liquidation, isolated_liquidation, maintenance_margin
from hedgegrid_api.preview.ladder import (
    BPS,
    GridTerms,
    Leg,
    PlannedRung,
    centre_of,
    is_tradable,
    rounded,
    rung_price,
    stop_price,
)
from hedgegrid_api.v1alpha1 import Fees, MarginType

_ZERO = Decimal(0)
_STEP_DRIFT = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class FullLadder:
    """A leg whose whole first ladder is filled, nothing closed, and the other leg flat."""

    leg: Leg
    quantity: Decimal
    """Base currency."""
    entry_price: Decimal
    """Average."""
    price: Decimal
    """One recenterTriggerBps beyond the last rung: where the figures below are taken."""
    profit: Decimal
    """At that price, less the commissions of the entries; below 0 a loss."""
    initial_margin: Decimal
    """Notional at entry / leverage."""
    maintenance_margin: Decimal
    """At that price."""
    margin_ratio: Decimal | None
    """Maintenance margin / margin balance at that price; None where the loss has used up the balance."""
    liquidation_price: Decimal | None
    """None where there is none."""


@dataclass(frozen=True, slots=True)
class Move:
    """A market that goes straight to a price, the ladder following, and nothing is taken in profit.

    Entries fill rung by rung, the ladder moves at each recenterTriggerBps (R4), maxInventoryQuote ends them (R9), and
    stops close at their trigger.
    """

    leg: Leg
    """The leg that fills: LONG in a fall, SHORT in a rise."""
    price: Decimal
    """Where the market goes."""
    entries: int
    """Entries filled."""
    quantity: Decimal
    """Held at the end, base currency."""
    profit: Decimal
    """Of open and stopped entries together, less commissions; below 0 a loss."""


def full_ladder(rungs: Sequence[PlannedRung], terms: GridTerms, venue: VenueFile) -> FullLadder | None:
    """A leg with these rungs of its ladder filled; None where there are none."""
    if not rungs:
        return None
    leg, last = rungs[0].leg, rungs[-1]
    quantity = sum((rung.quantity for rung in rungs), _ZERO)
    cost = sum((rung.notional for rung in rungs), _ZERO)
    entry, commissions, margin = cost / quantity, cost * venue.fees.maker, cost / venue.leverage
    price = max(_ZERO, last.price * (1 - leg.sign * terms.recenter_trigger_bps / BPS))
    unrealized, wallet = leg.sign * (quantity * price - cost), venue.starting_balance - commissions
    needed = maintenance_margin(quantity * price, venue.tiers)
    if venue.margin_type is MarginType.ISOLATED:
        balance = margin + unrealized
        liquidation = isolated_liquidation(leg.sign, quantity, entry, margin, venue.tiers)
    else:
        balance = wallet + unrealized
        long, short = (quantity, _ZERO) if leg is Leg.LONG else (_ZERO, quantity)
        liquidation = cross_liquidation(wallet, long, entry, short, entry, venue.tiers, last.price)
    return FullLadder(
        leg=leg,
        quantity=quantity,
        entry_price=entry,
        price=price,
        profit=unrealized - commissions,
        initial_margin=margin,
        maintenance_margin=needed,
        margin_ratio=needed / balance if balance > 0 else None,
        liquidation_price=liquidation,
    )


def straight_move(leg: Leg, price: Decimal, target: Decimal, terms: GridTerms, venue: VenueFile) -> Move:
    """What a straight move from one mid price to another does to the leg that it fills."""
    held = _Held(leg, venue.fees)
    for rung in _met(leg, price, target, terms):
        held.stop_out(rung.price)
        if (held.quantity + rung.size) * rung.price <= terms.cap:
            held.enter(rung)
    held.stop_out(target)
    return Move(leg, target, held.entries, held.quantity, held.cash + leg.sign * held.quantity * target)


class _Met(NamedTuple):
    """A rung that a move meets."""

    price: Decimal
    size: Decimal
    stop: Decimal | None
    """Trigger of its stop."""


class _Held:
    """What a leg holds during a move, oldest entry first."""

    def __init__(self, leg: Leg, fees: Fees) -> None:
        self.quantity = _ZERO
        self.cash = _ZERO
        """Received less paid, commissions included."""
        self.entries = 0
        self._leg = leg
        self._fees = fees
        self._lots: deque[_Met] = deque()

    def enter(self, rung: _Met) -> None:
        """An entry fills."""
        self._lots.append(rung)
        self.entries += 1
        self.quantity += rung.size
        self.cash -= rung.size * rung.price * (self._leg.sign + self._fees.maker)

    def stop_out(self, mark: Decimal) -> None:
        """The market is at a price: stops up to there have closed at their triggers."""
        sign = self._leg.sign
        while self._lots and (stop := self._lots[0].stop) is not None and sign * (stop - mark) >= 0:
            size = self._lots.popleft().size
            self.quantity -= size
            self.cash += size * stop * (sign - self._fees.taker)


def _met(leg: Leg, price: Decimal, target: Decimal, terms: GridTerms) -> Iterator[_Met]:
    """The rungs that a move to the target meets, the ladder following by R4."""
    sign, tick, steps = leg.sign, terms.filters.tick_size, terms.stop_loss_steps
    centre, mid, last = centre_of(price, tick), price, None
    step = centre * terms.step_bps / BPS
    while terms.levels[leg]:
        turn = centre * (1 - sign * terms.recenter_trigger_bps / BPS)
        for level in range(1, terms.levels[leg] + 1):
            rung, size = rung_price(leg, centre, step, level, tick), terms.quantities[level - 1]
            # The ladder moves at a bar's close: by then the market is up to a step beyond the trigger.
            if sign * (rung - target) < 0 or sign * (rung - turn) <= -step:
                break
            crosses = sign * (mid - rung) <= 0
            occupied = last is not None and sign * (last - rung) * 2 < step
            if not crosses and not occupied and is_tradable(size, rung, terms.filters):
                last = rung
                yield _Met(rung, size, stop_price(leg, rung, step, steps, tick) if steps else None)
        if sign * (turn - target) < 0:
            return
        mid = turn if last is None or sign * (last - turn) > 0 else last
        moved = centre_of(mid, tick) if last is None else centre + step * rounded((mid - centre) / step)
        if sign * (moved - centre) >= 0:
            return  # the tick is so coarse that the ladder stays where it is
        centre = moved
        anew = centre * terms.step_bps / BPS
        step = anew if last is None or abs(step - anew) / anew > _STEP_DRIFT else step
