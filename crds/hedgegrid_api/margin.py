"""Maintenance margin and liquidation price of a hedge-mode account with one instrument. Pure.

The venue liquidates where the margin balance has fallen to the maintenance margin:

    wallet + Σ unrealized(P) = Σ (notional(P)·mmr − cum)    over both legs

Solved for P: (wallet + cum_L + cum_S − L·EP_L + S·EP_S) / (L·mmr_L + S·mmr_S − L + S). mmr and cum are those of each
leg's bracket at that very price, so the brackets are looked up anew until they agree with it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from hedgegrid_api.tiers import Tier

_ZERO = Decimal(0)


class Holding(NamedTuple):
    """What an account holds of one instrument."""

    wallet: Decimal
    """Wallet balance, quote currency."""
    long_qty: Decimal
    """LONG position, base currency, ≥ 0."""
    long_entry: Decimal
    """Its average entry; of no account when flat."""
    short_qty: Decimal
    """SHORT position, base currency, ≥ 0."""
    short_entry: Decimal
    """Its average entry; of no account when flat."""


def maintenance(notional: Decimal, tiers: Sequence[Tier]) -> tuple[Decimal, Decimal]:
    """Rate and deducted amount (mmr, cum) of a leg's bracket; beyond the last bracket, the last one's.

    `tiers` ascend; there is at least one.
    """
    tier = next((tier for tier in tiers if notional <= tier.notional_cap), tiers[-1])
    return tier.mmr, tier.cum


def maintenance_margin(notional: Decimal, tiers: Sequence[Tier]) -> Decimal:
    """Maintenance margin of one leg, quote currency: notional·mmr − cum; 0 for a flat one."""
    if not notional:
        return _ZERO
    rate, deducted = maintenance(notional, tiers)
    return notional * rate - deducted


def cross_liquidation(
    wallet: Decimal,
    long_qty: Decimal,
    long_entry: Decimal,
    short_qty: Decimal,
    short_entry: Decimal,
    tiers: Sequence[Tier],
    mark: Decimal,
) -> Decimal | None:
    """Price at which an account in cross margin is liquidated; None where there is no such price above 0.

    Below the mark price where LONG is the larger leg, above it where SHORT is, and where both are equal. On the other
    side of the mark price: the account is already past it. `mark` only picks the brackets to begin with.
    """
    return _settled(Holding(wallet, long_qty, long_entry, short_qty, short_entry), tiers, mark)


def isolated_liquidation(
    leg_sign: int, quantity: Decimal, entry: Decimal, initial_margin: Decimal, tiers: Sequence[Tier]
) -> Decimal | None:
    """Price at which one leg in isolated margin is liquidated; None where there is no such price above 0.

    LONG (+1): (q·entry − margin − cum)/(q·(1 − mmr)); SHORT (−1): (q·entry + margin + cum)/(q·(1 + mmr)): an account
    of its own, with `initial_margin` as wallet.
    """
    long, short = (quantity, _ZERO) if leg_sign > 0 else (_ZERO, quantity)
    return _settled(Holding(initial_margin, long, entry, short, entry), tiers, entry)


def _settled(held: Holding, tiers: Sequence[Tier], start: Decimal) -> Decimal | None:
    """The liquidation price whose brackets are its own."""
    price = start
    # The margin is convex in the price, so each round goes on towards the solution, a bracket or more at a time.
    # Brackets with gaps may have no solution: then the last price is as good as any.
    for _ in range(2 * len(tiers) + 1):
        found = _with_brackets_at(price, held, tiers)
        if found is None or found == price:
            return found
        price = found
    return price


def _with_brackets_at(price: Decimal, held: Holding, tiers: Sequence[Tier]) -> Decimal | None:
    long_rate, long_cum = maintenance(held.long_qty * price, tiers) if held.long_qty else (_ZERO, _ZERO)
    short_rate, short_cum = maintenance(held.short_qty * price, tiers) if held.short_qty else (_ZERO, _ZERO)
    balance = held.wallet + long_cum + short_cum - held.long_qty * held.long_entry + held.short_qty * held.short_entry
    slope = held.long_qty * long_rate + held.short_qty * short_rate - held.long_qty + held.short_qty
    if not slope:
        return None
    found = balance / slope
    return found if found > 0 else None
