"""What stopped a grid by its risk limits, in words. Pure."""

from decimal import Decimal

from hedgegrid_api.control import Trip
from hedgegrid_api.preview import number
from hedgegrid_api.types import Source
from hedgegrid_operator.facts import Facts
from hedgegrid_operator.objects import timestamp


def trip_told(trip: Trip) -> str:
    """Rule, observed value, limit and time of a trip."""
    found, allowed = _figure(trip.observed), _figure(trip.limit)
    return f"risk.{trip.reason} was exceeded at {timestamp(trip.time)}: {found}, the limit is {allowed}"


def risk_told(facts: Facts) -> str:
    """Why risk holds a grid back, and what releases it."""
    latch = next((latch for latch in facts.latches if latch.source is Source.RISK), None)
    if facts.trip is not None:
        why = trip_told(facts.trip)
    else:
        why = (latch.message if latch else None) or "the pod's risk monitor gave no reason"
    needed = max(facts.controls.rearm, facts.rearm_consumed) + 1
    by_hand = f", or POST /resume with the id {latch.id}" if latch else ""
    return f"{why}; it stands until it is released: raise spec.rearm to {needed}{by_hand}"


def _figure(value: Decimal | None) -> str:
    return "unknown" if value is None else number(Decimal(f"{value:.6f}"))
