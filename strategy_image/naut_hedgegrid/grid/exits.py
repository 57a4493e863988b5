"""Rules R13, R15 and R16: what has to happen so that every held quantity has its take-profit and its stop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from naut_hedgegrid.domain.grid import Lot, OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument
from naut_hedgegrid.grid.precision import floor_to, is_tradable, stop_price, take_profit_price


@dataclass(frozen=True, slots=True)
class PlaceExit:
    """Send a take-profit."""

    lot: Lot
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class PlaceStop:
    """Send a stop order."""

    lot: Lot
    quantity: Decimal
    trigger: Decimal


@dataclass(frozen=True, slots=True)
class CancelExit:
    """Take an exit back; what it frees is covered again together with the rest, once it is terminal."""

    order: WorkingOrder


@dataclass(frozen=True, slots=True)
class MoveRest:
    """A rest too small for an order of its own becomes part of another lot of the leg."""

    source: Lot
    target: Lot
    quantity: Decimal

    def applied(self) -> tuple[Lot, Lot]:
        """Both lots after the move."""
        return (
            self.source._replace(bought=self.source.bought - self.quantity),
            self.target._replace(bought=self.target.bought + self.quantity),
        )


type ExitStep = PlaceExit | CancelExit | MoveRest


def uncovered(lot: Lot, exits: Iterable[WorkingOrder]) -> Decimal:
    """Held quantity of a lot that no exit of a kind stands for; below 0 where exits stand for more than is held.

    `exits` are the lot's exits of that kind that aren't terminal.
    """
    return lot.open - sum((order.leaves for order in exits), ZERO)


def market_parts(quantity: Decimal, instrument: Instrument) -> list[Decimal]:
    """Quantities of market orders, each at most the largest one, that together are exactly the quantity."""
    largest = floor_to(instrument.market_max_qty, instrument.step_size)
    parts: list[Decimal] = []
    while quantity > largest:
        parts.append(largest)
        quantity -= largest
    return [*parts, quantity]


def next_stop(lot: Lot, stops: Sequence[WorkingOrder], instrument: Instrument) -> PlaceStop | CancelExit | None:
    """The next step that brings a lot's stop in line with what it holds; None: nothing to do, or to wait for.

    One stop a lot, by quantity (several only where the lot is larger than a market order may be). One of another
    quantity is taken back first, and placed anew once it is terminal: stops never stand for more than is held.
    """
    if not lot.stop_loss_steps or any(order.status is not OrderStatus.OPEN for order in stops):
        return None
    rest = uncovered(lot, stops)
    if rest == 0:
        return None
    largest = floor_to(instrument.market_max_qty, instrument.step_size)
    if rest < 0 or any(order.leaves != largest for order in stops):
        return CancelExit(stops[-1])
    if rest < instrument.min_qty:
        return None
    trigger = stop_price(lot.key.leg, lot.price, lot.step, lot.stop_loss_steps, instrument.tick_size)
    return PlaceStop(lot, min(rest, largest), trigger)


def next_step(
    lot: Lot,
    exits: Sequence[WorkingOrder],
    neighbours: Callable[[], Sequence[Lot]],
    instrument: Instrument,
) -> ExitStep | None:
    """The next step that covers a lot with take-profits; None: nothing to do, or to wait for.

    `exits` are the lot's take-profits that aren't terminal, oldest first; `neighbours` gives the leg's other lots that
    have a resting one. Where the lot has lost quantity otherwise than by them, the newest is taken back.
    """
    if not lot.take_profit_steps or any(order.status is OrderStatus.CANCELING for order in exits):
        return None
    rest = uncovered(lot, exits)
    if rest == 0:
        return None
    if rest < 0:
        resting = [order for order in exits if order.status is OrderStatus.OPEN]
        return CancelExit(resting[-1]) if resting else None
    return _place_or_join(lot, rest, exits, neighbours, instrument)


def _place_or_join(
    lot: Lot,
    rest: Decimal,
    exits: Sequence[WorkingOrder],
    neighbours: Callable[[], Sequence[Lot]],
    instrument: Instrument,
) -> ExitStep | None:
    price = take_profit_price(lot.key.leg, lot.price, lot.step, lot.take_profit_steps, instrument.tick_size)
    if is_tradable(rest, price, instrument):
        return PlaceExit(lot, rest, price)
    resting = [order for order in exits if order.status is OrderStatus.OPEN]
    if not lot.entry_done or len(resting) < len(exits):
        return None
    if resting:
        return CancelExit(resting[-1])
    if others := neighbours():
        nearest = min(others, key=lambda other: (abs(other.price - lot.price), -other.seq))
        return MoveRest(lot, nearest, rest)
    return PlaceExit(lot, rest, price)
