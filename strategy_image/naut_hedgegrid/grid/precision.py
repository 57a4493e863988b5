"""Rounding to the venue's tick and step, and of money. Quantities only ever shrink: one floor at the end, never up."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from naut_hedgegrid.domain.values import Instrument, Leg, Side

_MONEY_QUANTUM = Decimal("1e-8")


def money(value: Decimal) -> Decimal:
    """An amount of quote currency as it is booked: 8 digits, half to even, like the engine's commissions."""
    return value.quantize(_MONEY_QUANTUM, ROUND_HALF_EVEN)


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """Largest multiple of unit that is at most value."""
    return (value / unit).to_integral_value(ROUND_FLOOR) * unit


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """Smallest multiple of unit that is at least value."""
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def round_to(value: Decimal, unit: Decimal) -> Decimal:
    """Nearest multiple of unit, halves away from zero."""
    return (value / unit).to_integral_value(ROUND_HALF_UP) * unit


def passive(value: Decimal, side: Side, tick: Decimal) -> Decimal:
    """The tick on the passive side of a price: a BUY rounds down, a SELL up."""
    return floor_to(value, tick) if side is Side.BUY else ceil_to(value, tick)


def is_tradable(quantity: Decimal, price: Decimal, instrument: Instrument) -> bool:
    """A limit order of this size is one that the venue takes (minQty, minNotional)."""
    return quantity >= instrument.min_qty and quantity * price >= instrument.min_notional


def stop_price(leg: Leg, price: Decimal, step: Decimal, steps: int, tick: Decimal) -> Decimal:
    """Rule R13: trigger of a stop, `steps` grid steps against the entry, rounded towards it."""
    raw = price - leg.sign * steps * step
    return ceil_to(raw, tick) if leg is Leg.LONG else floor_to(raw, tick)


def take_profit_price(leg: Leg, price: Decimal, step: Decimal, steps: int, tick: Decimal) -> Decimal:
    """Rule R13: `steps` grid steps beyond the entry, rounded away from it."""
    return passive(price + leg.sign * steps * step, leg.closing, tick)
