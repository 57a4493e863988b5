"""Whether the venue takes an order."""

from decimal import Decimal

from naut_hedgegrid.domain.values import OrderKind, OrderRequest
from naut_hedgegrid.venues.sim import refusals
from naut_hedgegrid.venues.sim.filters import refusal_by_filters
from naut_hedgegrid.venues.sim.margin import free_margin
from naut_hedgegrid.venues.sim.refusals import Refusal
from naut_hedgegrid.venues.sim.rules import VenueRules
from naut_hedgegrid.venues.sim.standing import Standing


def refusal_of(order: OrderRequest, standing: Standing, rules: VenueRules) -> Refusal | None:
    """Why the order is refused; None if it is taken.

    Client order ids are unique among open orders only. Closing needs no margin, but a position of its leg.
    """
    if (refusal := refusal_by_filters(order, rules, standing.mark)) is not None:
        return refusal
    if standing.open.get(order.client_order_id) is not None:
        return refusals.DUPLICATE_ID
    conditional = order.kind is OrderKind.STOP_MARKET
    return _of_stop(order, standing, rules) if conditional else _of_regular(order, standing, rules)


def _of_regular(order: OrderRequest, standing: Standing, rules: VenueRules) -> Refusal | None:
    price = standing.taker_price(order.side) if order.kind is OrderKind.MARKET else order.price
    if price is None:
        return refusals.NO_COUNTERPARTY
    if order.kind is OrderKind.LIMIT and standing.open.regular >= rules.instrument.max_orders:
        return refusals.TOO_MANY_ORDERS
    if (refusal := _by_means(order, price, standing, rules)) is not None:
        return refusal
    return refusals.WOULD_TAKE if order.post_only and standing.crosses(order) else None


def _by_means(order: OrderRequest, price: Decimal, standing: Standing, rules: VenueRules) -> Refusal | None:
    if order.reduce_only:
        closable = standing.closable(order.leg, resting_closes_reserve=rules.resting_closes_reserve)
        return refusals.REDUCE_ONLY if order.quantity > closable else None
    needed = order.quantity * price / rules.leverage
    return refusals.MARGIN_INSUFFICIENT if free_margin(standing, rules) < needed else None


def _of_stop(order: OrderRequest, standing: Standing, rules: VenueRules) -> Refusal | None:
    """Stops only close here. They need no margin, and reserve nothing of the position."""
    if not order.reduce_only:
        return refusals.ORDER_TYPE
    if standing.open.conditional >= rules.instrument.max_conditional_orders:
        return refusals.TOO_MANY_STOPS
    if order.quantity > standing.account.positions[order.leg].quantity:
        return refusals.REDUCE_ONLY
    return refusals.WOULD_TRIGGER if standing.triggers(order) else None
