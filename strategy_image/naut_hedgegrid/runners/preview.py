"""`python -m naut_hedgegrid.runners.preview`: what a grid will do, told before anything runs."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from hedgegrid_api.files import StrategyFile, VenueFile, settled
from hedgegrid_api.preview import (
    FullLadder,
    Leg,
    Move,
    PlannedRung,
    Preview,
    collapsed,
    known_price,
    money,
    number,
    oversized,
    preview,
    warnings,
)
from naut_hedgegrid.config import ConfigError, load_strategy_file, load_venue_file

PROGRAM = "python -m naut_hedgegrid.runners.preview"
ABOUT = (
    "Tells what a grid will do: both ladders, margin and liquidation price in the worst case, what a straight move of "
    "10 % costs, fees of a round trip. Nothing runs. Ends with status 0, or 2 for files that can't be used."
)


def main(arguments: Sequence[str]) -> int:
    """Print the preview; the exit status."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=ABOUT)
    parser.add_argument("--strategy-config", type=Path, required=True, metavar="FILE", help="strategy file")
    parser.add_argument("--venue-config", type=Path, required=True, metavar="FILE", help="venue file")
    parser.add_argument(
        "--price", type=_price, metavar="PRICE", help="mid price at the start [sim.startPrice of the venue file]"
    )
    chosen = parser.parse_args(arguments)
    strategy, venue, problems = _loaded(chosen.strategy_config, chosen.venue_config)
    if strategy is None or venue is None:
        sys.stderr.write("".join(f"{problem}\n" for problem in problems))
        return 2
    price = chosen.price or known_price(venue)
    if price is None:
        sys.stderr.write(f"{chosen.venue_config}: the prices are those of sim.replay.path; say one with --price\n")
        return 2
    found = preview(strategy, venue, price)
    for objection in filter(None, (collapsed(strategy, venue, found), oversized(strategy, venue))):
        problems.append(f"{chosen.strategy_config}: {objection}")
    sys.stdout.write("".join(f"{line}\n" for line in page(strategy, settled(strategy, venue), found)))
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 2 if problems else 0


def page(strategy: StrategyFile, venue: VenueFile, found: Preview) -> Iterator[str]:
    """The preview, line by line."""
    yield (
        f"{venue.instrument} at {number(found.price)} USDT, wallet {money(found.balance)} USDT, "
        f"leverage {venue.leverage}, {venue.margin_type.value}, step {strategy.grid.step_bps:g} bps"
    )
    for leg in Leg:
        rungs = [rung for rung in found.rungs if rung.leg is leg]
        if rungs:
            yield from _ladder(leg, rungs)
    yield from ("", "Worst case: one ladder full, the other leg flat, the price one recenterTriggerBps beyond")
    for full in found.full.values():
        yield from _full(full)
    yield f"  initial margin with both full   {money(found.margin)} of {money(found.balance)} USDT"
    yield from ("", "A straight move, the ladder following, nothing taken in profit")
    yield _move("fall of 10 %", found.fall)
    yield _move("rise of 10 %", found.rise)
    yield from _round_trip(found)
    told = list(warnings(found))
    if told:
        yield from ("", "Warnings")
        yield from (f"  {advice.text}" for advice in told)


def _ladder(leg: Leg, rungs: Sequence[PlannedRung]) -> Iterator[str]:
    kept = [rung for rung in rungs if rung.dropped is None]
    notional = sum((rung.notional for rung in kept), Decimal(0))
    yield from ("", f"{leg.value}: {len(kept)} of {len(rungs)} rungs, {money(notional)} USDT")
    yield f"  {'rung':>4}  {'price':>12}  {'quantity':>12}  {'notional':>12}"
    for rung in rungs:
        why = "" if rung.dropped is None else f"  no order: {rung.dropped.value}"
        row = (number(rung.price), number(rung.quantity), money(rung.notional))
        yield f"  {rung.level:>4}  {row[0]:>12}  {row[1]:>12}  {row[2]:>12}{why}"


def _full(full: FullLadder) -> Iterator[str]:
    liquidation = full.liquidation_price
    rows = {
        "position": f"{number(full.quantity)} at {money(full.entry_price)}, the price at {money(full.price)}",
        "profit, fees included": f"{money(full.profit)} USDT",
        "initial margin": f"{money(full.initial_margin)} USDT",
        "maintenance margin": f"{money(full.maintenance_margin)} USDT",
        "margin ratio": "1 or more: liquidated on the way"
        if full.margin_ratio is None
        else f"{full.margin_ratio:.4f} (liquidated at 1)",
        "liquidation price": "none" if liquidation is None else money(liquidation),
    }
    yield f"  {full.leg.value}"
    yield from (f"    {name:<28}  {value}" for name, value in rows.items())


def _move(name: str, move: Move) -> str:
    return (
        f"  {name} to {number(move.price)}: {money(move.profit)} USDT, fees included; {move.entries} {move.leg.value} "
        f"entries, {number(move.quantity)} held at the end"
    )


def _round_trip(found: Preview) -> Iterator[str]:
    trip = found.round_trip
    yield from ("", "A round trip of rung 1, both sides as maker")
    if trip is None:
        yield "  none: there is no take-profit"
        return
    yield f"  gain  {trip.gain:.4f} USDT, {number(trip.gain_bps)} bps"
    yield f"  fees  {trip.fees:.4f} USDT, {number(trip.fees_bps)} bps"


def _loaded(strategy: Path, venue: Path) -> tuple[StrategyFile | None, VenueFile | None, list[str]]:
    """Both files, and what is wrong with either."""
    problems: list[str] = []
    strategy_file, venue_file = None, None
    try:
        strategy_file = load_strategy_file(strategy)
    except ConfigError as error:
        problems.append(str(error))
    try:
        venue_file = load_venue_file(venue)
    except ConfigError as error:
        problems.append(str(error))
    return strategy_file, venue_file, problems


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not price.is_finite() or price <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no price: a decimal number greater than 0 is")
    return price


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
