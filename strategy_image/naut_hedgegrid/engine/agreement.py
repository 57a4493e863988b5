"""Whether the engine has taken over what the venue holds."""

from decimal import Decimal
from typing import Any

from nautilus_trader.common import Cache

from naut_hedgegrid.domain.values import ZERO, Leg, VenueOrder, VenuePosition, VenueState
from naut_hedgegrid.engine.translation import Translation

# The engine's averages are floats.
_RELATIVE_TOLERANCE = Decimal("1e-9")


class VenueDisagreementError(RuntimeError):
    """Engine and venue differ after the start; nothing may be traded on that."""


def differences(cache: Cache, state: VenueState, words: Translation) -> list[str]:
    """What differs between engine's cache and venue: quantities, entry prices, open orders, conditional ones too."""
    return [
        *(found for leg in Leg for found in _of_leg(cache, leg, state.positions[leg], words)),
        *_of_orders(cache, state.open_orders),
    ]


def _of_leg(cache: Cache, leg: Leg, venue: VenuePosition, words: Translation) -> list[str]:
    position = cache.position(words.position_ids[leg])
    quantity = ZERO if position is None or position.is_closed else position.quantity.as_decimal()
    if quantity != venue.quantity:
        return [f"{leg}: engine {quantity}, venue {venue.quantity}"]
    if position is None or venue.entry_price is None:
        return []
    entry = Decimal(repr(position.avg_px_open))
    if abs(entry - venue.entry_price) > venue.entry_price * _RELATIVE_TOLERANCE:
        return [f"{leg} entry price: engine {entry}, venue {venue.entry_price}"]
    return []


def _of_orders(cache: Cache, venue: tuple[VenueOrder, ...]) -> list[str]:
    ours = {str(order.client_order_id): _figures(order) for order in cache.orders_open()}
    theirs = {
        order.client_order_id: (order.quantity, order.filled, order.price, order.trigger_price) for order in venue
    }
    return [
        f"order {identity}: engine {ours.get(identity)}, venue {theirs.get(identity)}"
        for identity in sorted(ours.keys() | theirs.keys())
        if ours.get(identity) != theirs.get(identity)
    ]


def _figures(order: Any) -> tuple[Decimal, Decimal, Decimal | None, Decimal | None]:
    """Limits have a price, stops a trigger price."""
    price, trigger = (getattr(order, name, None) for name in ("price", "trigger_price"))
    return (
        order.quantity.as_decimal(),
        order.filled_qty.as_decimal(),
        None if price is None else price.as_decimal(),
        None if trigger is None else trigger.as_decimal(),
    )
