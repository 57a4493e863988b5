"""What a client that starts anew is told of each leg, so that it ends with the venue's position and open orders.

A client builds a position from fills. It needs the real fills of orders that are still open, hence all fills of the
leg from the oldest of those on, and what the leg held before as one opening fill at the average entry price.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from naut_hedgegrid.domain.values import Leg
from naut_hedgegrid.venues.sim.account import Position
from naut_hedgegrid.venues.sim.ledger import Ledger
from naut_hedgegrid.venues.sim.orders import BookOrder
from naut_hedgegrid.venues.sim.records import BookFill
from naut_hedgegrid.venues.sim.standing import Standing


@dataclass(frozen=True, slots=True)
class LegHistory:
    """The recent past of a leg."""

    leg: Leg
    before: Position
    """What it held before the fills."""
    ts: int
    """A time not after the fills."""
    fills: Sequence[BookFill]
    """Oldest first."""
    orders: Sequence[BookOrder]
    """The open orders and those that the fills belong to."""


def history_of(ledger: Ledger, standing: Standing) -> list[LegHistory]:
    """History of both legs."""
    return [_of_leg(ledger, leg, standing) for leg in Leg]


def _of_leg(ledger: Ledger, leg: Leg, standing: Standing) -> LegHistory:
    resting = [order for order in standing.open if order.request.leg is leg]
    fills = _fills_since(ledger, leg, [order.order_id for order in resting if order.filled])
    if not fills:
        return LegHistory(leg, standing.account.positions[leg], standing.ts, fills, resting)
    known = {order.order_id for order in resting}
    closed = ledger.orders(sorted({fill.order_id for fill in fills} - known))
    return LegHistory(leg, fills[0].before, fills[0].event.ts - 1, fills, [*resting, *closed])


def _fills_since(ledger: Ledger, leg: Leg, order_ids: Iterable[int]) -> list[BookFill]:
    """The leg's fills from the oldest of these orders on, widened until no order's fills are told in part."""
    fills: list[BookFill] = []
    first = ledger.first_trade_of(order_ids)
    while first is not None and (not fills or first < fills[0].event.trade_id):
        fills = ledger.fills_of_leg(leg, first)
        first = ledger.first_trade_of({fill.order_id for fill in fills})
    return fills
