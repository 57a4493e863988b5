"""What a reader must know to trust the figures, in sentences."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from hedgegrid_api.margin import maintenance_margin
from hedgegrid_api.tiers import Tier
from naut_hedgegrid.backtest.books import Jumped
from naut_hedgegrid.backtest.equity import Stretch
from naut_hedgegrid.backtest.funding import Settlement
from naut_hedgegrid.backtest.reading import BarData
from naut_hedgegrid.backtest.text import MONEY_DIGITS, Times
from naut_hedgegrid.domain.values import ZERO, Leg


def data_notes(data: BarData) -> Iterator[str]:
    """What was odd about the bars."""
    if data.gaps:
        yield f"Bars are missing in {data.gaps} places; nothing is known of what happened there."
    if data.rounded:
        yield f"{data.rounded} bars had prices off the tick of {data.table.tick}, which were rounded."


def funding_note(first: Settlement, last: Settlement, data: BarData, interval_hours: int) -> str | None:
    """Whether a file of rates covers the run; None where it does."""
    begin, end, interval = data.table.ts[0], data.table.ts[-1], interval_hours * 3_600_000_000_000
    if first.ts <= begin + interval and last.ts > end - interval:
        return None
    time = Times()
    return (
        f"The funding rates run from {time(first.ts)} to {time(last.ts)}, the bars from {time(begin)} to {time(end)}: "
        "nothing is settled outside of the rates."
    )


def jumped_note(jumped: Jumped) -> str | None:
    """How much the run owes to prices that jumped over orders; None where none did."""
    if not jumped.fills:
        return None
    return (
        f"{jumped.fills} fills are of orders that the price jumped over: they count at the bar's nearest price, "
        f"together {jumped.gain:,.2f} better than at their limits."
    )


def liquidation_note(stretches: Sequence[Stretch], data: BarData, tiers: Sequence[Tier], bars: int) -> str | None:
    """Where the venue would have taken over; None where it wouldn't have.

    Within a stretch the margin balance less the maintenance margin is concave in the mark price: it is smallest at the
    lowest or the highest.
    """
    table = data.table
    ends = [*(stretch.first for stretch in stretches[1:]), bars]
    highest = max(tier.mmr for tier in tiers) * table.tick * 10**MONEY_DIGITS
    for stretch, end in zip(stretches, ends, strict=True):
        held = stretch.standing.quantity
        gross = held[Leg.LONG] + held[Leg.SHORT]
        marks = table.close[stretch.first : end]
        if not gross or min(stretch.equity) > gross * highest * max(marks):
            continue
        for place in {marks.index(min(marks)), marks.index(max(marks))}:
            mark = marks[place] * table.tick
            equity = Decimal(stretch.equity[place]).scaleb(-MONEY_DIGITS)
            needed = sum((maintenance_margin(quantity * mark, tiers) for quantity in held.values()), ZERO)
            if equity <= needed:
                return (
                    f"The margin balance fell to {equity:,.2f} at {Times()(table.ts[stretch.first + place])}, the "
                    f"maintenance margin was {needed:,.2f}: the venue would have liquidated, this run went on."
                )
    return None
