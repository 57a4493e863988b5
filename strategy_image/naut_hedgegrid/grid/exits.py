"""Rules R13 to R15: what has to happen so that every held quantity has its take-profit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from naut_hedgegrid.domain.grid import Lot, OrderStatus, WorkingOrder
from naut_hedgegrid.domain.values import ZERO, Instrument
from naut_hedgegrid.grid.precision import is_tradable, take_profit_price


@dataclass(frozen=True, slots=True)
class PlaceExit:
    """Send a take-profit."""

    lot: Lot
    quantity: Decimal
    price: Decimal


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
            replace(self.source, bought=self.source.bought - self.quantity),
            replace(self.target, bought=self.target.bought + self.quantity),
        )


type ExitStep = PlaceExit | CancelExit | MoveRest


def uncovered(lot: Lot, exits: Iterable[WorkingOrder]) -> Decimal:
    """Held quantity of a lot that no exit stands for. `exits` are the lot's that aren't terminal."""
    return lot.open - sum((order.leaves for order in exits), ZERO)


def next_step(
    lot: Lot,
    exits: Sequence[WorkingOrder],
    neighbours: Callable[[], Sequence[Lot]],
    instrument: Instrument,
) -> ExitStep | None:
    """The next step that covers a lot, None when there is nothing to do or to wait for.

    `exits` are the lot's exits that aren't terminal, oldest first; `neighbours` gives the leg's other lots that
    have a resting exit.
    """
    rest = uncovered(lot, exits)
    if rest <= 0 or any(order.status is OrderStatus.CANCELING for order in exits):
        return None
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
