"""Checks that need nothing but the order, the instrument and the mark price."""

from decimal import Decimal

from naut_hedgegrid.domain.values import ZERO, OrderKind, OrderRequest
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.refusals import Refusal
from naut_hedgegrid.venues.sim.rules import VenueRules


def refusal_by_filters(order: OrderRequest, rules: VenueRules, mark: Decimal | None) -> Refusal | None:
    """First filter that the order breaks: PRICE_FILTER, LOT_SIZE or MARKET_LOT_SIZE, MIN_NOTIONAL.

    A market order's notional is taken at the mark price, a stop's at its trigger; a stop has the market order's lot.
    """
    return _by_price(order, rules) or _by_quantity(order, rules) or _by_notional(order, rules, mark)


def _by_price(order: OrderRequest, rules: VenueRules) -> Refusal | None:
    tick = rules.instrument.tick_size
    if order.kind is OrderKind.MARKET:
        return None
    stop = order.kind is OrderKind.STOP_MARKET
    price = order.trigger_price if stop else order.price
    if price is None or price <= ZERO:
        return refusals.TRIGGER_NOT_POSITIVE if stop else refusals.PRICE_NOT_POSITIVE
    if price % tick:
        return refusals.PRECISION if _digits(price) > _digits(tick) else refusals.PRICE_OFF_TICK
    return None


def _by_quantity(order: OrderRequest, rules: VenueRules) -> Refusal | None:
    quantity, instrument = order.quantity, rules.instrument
    if quantity <= ZERO:
        return refusals.QUANTITY_NOT_POSITIVE
    if quantity % instrument.step_size:
        too_fine = _digits(quantity) > _digits(instrument.step_size)
        return refusals.PRECISION if too_fine else refusals.QUANTITY_OFF_STEP
    if quantity < instrument.min_qty:
        return refusals.QUANTITY_TOO_SMALL
    if quantity > (instrument.max_qty if order.kind is OrderKind.LIMIT else instrument.market_max_qty):
        return refusals.QUANTITY_TOO_LARGE
    return None


def _by_notional(order: OrderRequest, rules: VenueRules, mark: Decimal | None) -> Refusal | None:
    if order.reduce_only and not rules.closes_need_min_notional:
        return None
    price = mark if order.kind is OrderKind.MARKET else order.price or order.trigger_price
    if price is not None and order.quantity * price < rules.instrument.min_notional:
        return refusals.NOTIONAL_TOO_SMALL
    return None


def _digits(value: Decimal) -> int:
    """Decimal places that carry something."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
