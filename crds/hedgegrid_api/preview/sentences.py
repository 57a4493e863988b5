"""A preview in words: what is refused, what should be changed, what a person is told. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from hedgegrid_api.files import StrategyFile, VenueFile
from hedgegrid_api.preview.exposure import Move
from hedgegrid_api.preview.ladder import Leg
from hedgegrid_api.preview.outlook import Preview
from hedgegrid_api.rules import plain

_LARGEST_STEP = 1000


def collapsed(strategy: StrategyFile, venue: VenueFile, found: Preview) -> str | None:
    """Why a grid can't run whose rungs fall on one tick, with the smallest legal step; None where they don't."""
    least = found.smallest_step_bps
    if least is None:
        return None
    remedy = f"write at least {number(least)}" if least <= _LARGEST_STEP else "no step is wide enough at this price"
    return (
        f"grid.stepBps is {strategy.grid.step_bps:g}, which at {number(found.price)} is less than the tick of "
        f"{number(venue.filters.tick_size)}: rungs would fall on one price; {remedy}"
    )


def oversized(strategy: StrategyFile, venue: VenueFile) -> str | None:
    """Why a grid can't run whose outermost rung is above the venue's largest order; None where it isn't.

    Throttled to 0 it couldn't either: the throttle may rise at any time.
    """
    grid, largest = strategy.grid, venue.filters.max_qty
    level = max(grid.levels_long, grid.levels_short)
    quantity = grid.base_qty * Decimal(str(grid.qty_scale)) ** (level - 1)
    if max(quantity, grid.base_qty) <= largest:
        return None
    rung, size = (level, quantity) if quantity > grid.base_qty else (1, grid.base_qty)
    return (
        f"grid.baseQty * qtyScale^{rung - 1} is {number(Decimal(f'{size:.8f}'))} for rung {rung}, above the venue's "
        f"largest order of {number(largest)} (maxQty); lower baseQty, qtyScale or the levels"
    )


class Advice(NamedTuple):
    """What a person should change about a grid that runs nevertheless."""

    reason: str
    """CamelCase word, the reason of an Event."""
    text: str
    """One sentence, with the remedy."""


def warnings(found: Preview) -> Iterator[Advice]:
    """What a person should change."""
    trip = found.round_trip
    if trip is not None and not trip.earns:
        yield Advice(
            "FeesExceedGain",
            f"a take-profit gains {number(trip.gain_bps)} bps and its two maker fees cost {number(trip.fees_bps)} bps: "
            "no round trip earns anything; raise takeProfitSteps or stepBps",
        )
    beyond = [f"{count} {leg.value}" for leg, count in found.unreachable.items() if count]
    if beyond:
        yield Advice(
            "RungsOutOfReach",
            f"the outermost rungs ({', '.join(beyond)}) are further out than recenterTriggerBps, so the ladder moves "
            "before a price reaches them; raise recenterTriggerBps, or lower the levels or stepBps",
        )


def summary(found: Preview) -> str:
    """The whole in two or three sentences."""
    ladders = " and ".join(_ladder(found, leg) for leg in Leg)
    return (
        f"at {number(found.price)}: {ladders}; both full need {money(found.margin)} of {money(found.balance)} USDT as "
        f"margin. A fall of 10 % costs {_cost(found.fall)} USDT, a rise of 10 % {_cost(found.rise)} USDT; "
        f"liquidation {liquidations(found)}; {_round_trip(found)}"
    )


def liquidations(found: Preview) -> str:
    """Where each full ladder is liquidated."""
    places = [
        f"of a full {leg.value} ladder at {number(Decimal(money(full.liquidation_price)))}"
        for leg, full in found.full.items()
        if full.liquidation_price is not None
    ]
    return ", ".join(places) or "at no price with one ladder full"


def number(value: Decimal) -> str:
    """A decimal without trailing zeros."""
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Decimal) -> str:
    """An amount to the cent."""
    return f"{value:.2f}"  # of any size, which quantize isn't


def _ladder(found: Preview, leg: Leg) -> str:
    kept = found.kept(leg)
    planned = sum(rung.leg is leg for rung in found.rungs)
    if not kept:
        return f"no {leg.value} rung of {planned}" if planned else f"no {leg.value} ladder"
    prices = f"{number(kept[0].price)} to {number(kept[-1].price)}"
    return f"{len(kept)}{f' of {planned}' if planned > len(kept) else ''} {leg.value} rungs {prices}"


def _round_trip(found: Preview) -> str:
    trip = found.round_trip
    if trip is None:
        return "no take-profits"
    return f"a round trip gains {number(trip.gain_bps)} bps less {number(trip.fees_bps)} bps of fees"


def _cost(move: Move) -> str:
    return money(-move.profit)
