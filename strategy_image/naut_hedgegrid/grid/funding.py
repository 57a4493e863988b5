"""Funding: which leg pays, what it will pay, how far its entries are scaled down for it (rule R8).

A settlement moves rate·notional from one leg to the other: LONG pays where the rate is above 0, SHORT where it is below
(strategy.md, Formulas). What isn't known is None and never taken for free.
"""

from dataclasses import dataclass
from decimal import Decimal

from naut_hedgegrid.domain.values import ZERO, Leg
from naut_hedgegrid.grid.precision import floor_to, money

_BPS = Decimal(10_000)
_ONE = Decimal(1)
_TENTH = Decimal("0.1")
_MINUTE = 60_000_000_000
_HOUR = 60 * _MINUTE
_GUARD_HOURS = 8
"""The guard's cost is one of 8 h, whatever the venue's interval."""


@dataclass(frozen=True, slots=True)
class FundingSettings:
    """The scaling as configured."""

    max_cost_bps: Decimal
    """What the paying leg may cost within the window without being scaled down, 0 to 100."""
    window_minutes: int


@dataclass(frozen=True, slots=True)
class FundingTerms:
    """What the venue says of the coming settlements; None where unknown."""

    rate: Decimal | None
    """Of the coming settlement, a fraction of the notional."""
    next_ts: int | None
    """Time of the coming settlement."""
    interval_hours: int | None
    """1, 4 or 8."""


def paying_leg(rate: Decimal) -> Leg | None:
    """The leg that pays at this rate; None at 0."""
    if rate == 0:
        return None
    return Leg.LONG if rate > 0 else Leg.SHORT


def settlements_within(terms: FundingTerms, window_minutes: int, now: int) -> int | None:
    """Settlements from now to the end of the window, both included.

    None where their times aren't known. A coming settlement that lies in the past is such a case: the venue's answer is
    out of date, and with it perhaps the interval.
    """
    if terms.next_ts is None or terms.interval_hours is None or terms.next_ts < now:
        return None
    left = window_minutes * _MINUTE - (terms.next_ts - now)
    return 0 if left < 0 else 1 + left // (terms.interval_hours * _HOUR)


def funding_factor(leg: Leg, terms: FundingTerms, settings: FundingSettings, now: int) -> Decimal | None:
    """f of rule R5 for a leg's entries, 0 to 1 in tenths.

    None where the leg pays or may pay and the cost isn't known: its entries wait until it is (F42). The leg that
    receives is never scaled.
    """
    if terms.rate is None:
        return None
    if paying_leg(terms.rate) is not leg:
        return _ONE
    settlements = settlements_within(terms, settings.window_minutes, now)
    if settlements is None:
        return None
    cost = abs(terms.rate) * _BPS * settlements
    return _ONE if cost <= settings.max_cost_bps else floor_to(settings.max_cost_bps / cost, _TENTH)


def factor_changes_at(terms: FundingTerms, window_minutes: int, now: int) -> int:
    """Time from which on the factor may be another, the terms being the same: when one more settlement comes within the
    window, or the coming one is over; `now` where the times aren't known."""
    settlements = settlements_within(terms, window_minutes, now)
    if settlements is None or terms.next_ts is None or terms.interval_hours is None:
        return now
    enters = terms.next_ts + settlements * terms.interval_hours * _HOUR - window_minutes * _MINUTE
    return min(enters, terms.next_ts + 1)


def settlement_cash(leg: Leg, rate: Decimal, quantity: Decimal, mark: Decimal) -> Decimal:
    """What a leg gets in one settlement, quote currency as it is booked: below 0 where it pays."""
    return money(-leg.sign * rate * quantity * mark)


def projected_1h(terms: FundingTerms, long_notional: Decimal, short_notional: Decimal) -> Decimal | None:
    """What both legs together pay in an hour at the coming rate, quote currency; below 0 where they receive."""
    if terms.rate is None or terms.interval_hours is None:
        return None
    return terms.rate * (long_notional - short_notional) / terms.interval_hours


def guard_bps(terms: FundingTerms, long_notional: Decimal, short_notional: Decimal) -> Decimal | None:
    """What both legs together pay in 8 h, in basis points of their gross notional; 0 where they receive.

    None where rate or interval is unknown, with positions or without: what would be opened may cost anything (F14).
    """
    hourly = projected_1h(terms, long_notional, short_notional)
    if hourly is None:
        return None
    gross = long_notional + short_notional
    return max(ZERO, hourly) * _GUARD_HOURS / gross * _BPS if gross else ZERO
