"""Rule R12: where an entry goes after the venue refused it because it would have taken liquidity."""

from collections.abc import Container
from decimal import Decimal

from naut_hedgegrid.domain.values import Leg


def repriced(
    leg: Leg,
    price: Decimal,
    attempt: int,
    *,
    retries: int,
    step: Decimal,
    best: Decimal,
    tick: Decimal,
    taken: Container[Decimal | None],
) -> Decimal | None:
    """Price of the next attempt for a rung; None where the rung waits for the next bar.

    `price` is the rung's own, which it keeps for rules R6 and R11 wherever the order rests; `attempt` counts from 1;
    `best` is the best bid for LONG, the best ask for SHORT; `taken` are the prices of the leg's other entries.
    Each attempt is one tick more passive than the one before. It must stay nearer than half a step to the rung, or the
    lot would stand for the neighbour's place.
    """
    if attempt > retries:
        return None
    back = (attempt - 1) * tick
    found = min(price, best - back) if leg is Leg.LONG else max(price, best + back)
    return None if abs(found - price) * 2 >= step or found in taken else found
