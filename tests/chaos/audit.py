"""Judges the evidence about a grid: nothing lost, nothing doubled, no orphan. Pure."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from hedgegrid_api.types import LegLevel
from naut_hedgegrid.domain.values import Leg, OrderKind
from naut_hedgegrid.venues.sim.records import Action, LoggedCommand
from tests.chaos.evidence import Asked, Case, Latched, Sighting, Violation

WIRE_NS = 50_000_000
"""An entry that is on the wire when a gate closes arrives later, and is cancelled at once."""
LATE_WIRES = 10
"""A ladder on the wire is ten orders, each of them as late as the machine."""
LONGEST_WIRE_NS = 1_000_000_000
LONGEST_SENT_NS = 5_000_000_000
"""The same for an order that stood in the pod's store before the kill did."""
NEAR_NS = 2_000_000_000
"""Lateness counts for what happens so shortly before or after it."""


def violations(case: Case) -> list[Violation]:
    """Everything that is wrong with a grid."""
    found = [
        *opened_while_engaged(case),
        *opened_while_latched(case),
        *engaged_less_than_asked(case),
        *latches_lost(case),
        *second_operations(case),
        *order_ids_used_twice(case),
        *closed_beyond_position(case),
    ]
    return found + list(left_behind(case) if case.ending.gone else not_as_asked(case))


def runs(case: Case, leg: Leg) -> Iterator[tuple[list[Asked], int | None]]:
    """Generations in a row that hold a leg back, and when the request that ended the row was sent (None: it stands)."""
    row: list[Asked] = []
    for asked in case.asked:
        if asked.levels[leg] is not LegLevel.OPEN:
            row.append(asked)
        elif row:
            yield row, asked.sent
            row = []
    if row:
        yield row, None


def engaged(case: Case, leg: Leg, row: list[Asked]) -> tuple[int, int] | None:
    """When the pod is known to have stored one of these generations, and when that was seen; None: it isn't known."""
    for seen in case.sightings:
        if row[0].generation <= seen.generation <= row[-1].generation:
            held = seen.legs.get(leg)
            stored = held.delivered if held is not None else None
            return stored if stored is not None and stored >= row[0].sent else seen.at, seen.at
    return None


def opened_while_engaged(case: Case) -> Iterator[Violation]:
    """Opening orders that arrived at the venue after the pod had stored a kill, and before its release was sent."""
    for leg in Leg:
        for row, until in runs(case, leg):
            known = engaged(case, leg, row)
            if known is not None:
                text = f"though generation {row[0].generation} ({row[0].what}) held {leg} back"
                yield from _openings(case, leg, *known, until, text)


def opened_while_latched(case: Case) -> Iterator[Violation]:
    """The same for what was flattened through the pod's API."""
    for latch in case.latched:
        for leg in latch.legs:
            text = f"though latch {latch.id} held {leg} flat"
            yield from _openings(case, leg, latch.answered, latch.answered, latch.release_sent, text)


def _openings(case: Case, leg: Leg, since: int, seen: int, until: int | None, why: str) -> Iterator[Violation]:
    """Openings from `since` to `until`; `seen`: when somebody saw that the store held the kill, not before `since`."""
    wire = _wire(case, since)
    closed = False
    for command in case.commands:
        if command.leg is not leg or command.wall_ns <= since or (until is not None and command.wall_ns >= until):
            continue
        # A flatten closes only when no entry is on the wire any more: what comes then was sent after it.
        closed = closed or _market_close(command)
        opens = command.action is Action.SUBMIT and command.accepted and command.opening
        late = _running(case, since, command.wall_ns)
        sent_before = case.kept.get(command.client_order_id, seen + 1) <= seen
        if opens and (closed or late > (LONGEST_SENT_NS if sent_before else wire)):
            text = f"{command.client_order_id} opened {leg} {late / 1e9:.3f} s later, {why}"
            yield Violation("opened while engaged", case.name, command.wall_ns, text)


def _wire(case: Case, at: int) -> int:
    """How long something may be on the wire to the venue about that time."""
    late = max((late for when, late in case.lateness if abs(when - at) < NEAR_NS), default=0)
    return min(WIRE_NS + LATE_WIRES * late, LONGEST_WIRE_NS)


def _running(case: Case, since: int, until: int) -> int:
    """Nanoseconds between two moments in which the pod wasn't frozen; below 0 where the second one is earlier."""
    frozen = sum(max(0, min(until, end) - max(since, begin)) for begin, end in case.stopped)
    return until - since - frozen


def engaged_less_than_asked(case: Case) -> Iterator[Violation]:
    """A store that holds a generation, but not what that generation asks for."""
    levels = {asked.generation: asked.levels for asked in case.asked}
    for seen in case.sightings:
        for leg, level in levels.get(seen.generation, {}).items():
            held = seen.legs.get(leg)
            if level.rank > (held.level.rank if held else 0):
                text = f"generation {seen.generation} asks {level} of {leg}, held is {held.level if held else 'open'}"
                yield Violation("kill lost", case.name, seen.at, text)
                return


def latches_lost(case: Case) -> Iterator[Violation]:
    """A flatten through the API that doesn't stand any more, though nobody has released it."""
    for latch in case.latched:
        for seen in case.sightings:
            if latch.answered < seen.at and not _released(latch, seen) and latch.id not in seen.latches:
                yield Violation("latch lost", case.name, seen.at, f"latch {latch.id} is gone, and nobody released it")
                break


def _released(latch: Latched, seen: Sighting) -> bool:
    return latch.release_sent is not None and seen.at >= latch.release_sent


def second_operations(case: Case) -> Iterator[Violation]:
    """A new operationID for a leg that was never asked to let go in between."""
    levels = {asked.generation: asked.levels for asked in case.asked}
    for leg in Leg:
        before: Sighting | None = None
        for seen in case.sightings:
            held, known = seen.legs.get(leg), before.legs.get(leg) if before else None
            if held is None:
                continue
            if before is not None and known is not None and known.operation != held.operation:
                between = range(before.generation, seen.generation + 1)
                least = min((levels[one][leg].rank for one in between if one in levels), default=0)
                if least >= held.level.rank:
                    text = (
                        f"{leg} had operation {known.operation}, then {held.operation}, though every generation from "
                        f"{before.generation} to {seen.generation} asked for {held.level} or more"
                    )
                    yield Violation("second operation", case.name, seen.at, text)
            before = seen


def order_ids_used_twice(case: Case) -> Iterator[Violation]:
    """A client order id that was sent to the venue a second time, whether it took it or not."""
    submits = [command for command in case.commands if command.action is Action.SUBMIT]
    taken = Counter(command.client_order_id for command in submits if command.accepted)
    for command in submits:
        if taken[command.client_order_id] > 1 or command.result.startswith("-4116"):
            text = f"{command.client_order_id} was sent twice: {command.result}"
            yield Violation("order doubled", case.name, command.wall_ns, text)


def closed_beyond_position(case: Case) -> Iterator[Violation]:
    """Market closes of more than there was, sent or filled."""
    for command in case.commands:
        if _market_close(command) and command.result.startswith("-2022"):
            text = f"{command.client_order_id} closes {command.quantity} {command.leg}, more than there was"
            yield Violation("closed twice", case.name, command.wall_ns, text)
    position = dict.fromkeys(Leg, Decimal(0))
    for fill in case.fills:
        position[fill.leg] += fill.quantity if fill.side is fill.leg.opening else -fill.quantity
        if position[fill.leg] < 0:
            text = f"{fill.client_order_id} sold {-position[fill.leg]} {fill.leg} more than there was"
            yield Violation("closed twice", case.name, None, text)
            return


def _market_close(command: LoggedCommand) -> bool:
    return command.action is Action.SUBMIT and command.kind is OrderKind.MARKET and command.opening is False


def left_behind(case: Case) -> Iterator[Violation]:
    """What is still there of an object that is gone."""
    for child in case.ending.children:
        yield Violation("orphan", case.name, None, f"the object is gone, {child} isn't")
    if case.venue is not None and not case.venue.flat:
        held = ", ".join(f"{leg} {position.quantity}" for leg, position in case.venue.positions.items())
        orders = len(case.venue.open_orders)
        yield Violation("orphan", case.name, None, f"the object is gone, the venue has {held} and {orders} orders")


def not_as_asked(case: Case) -> Iterator[Violation]:
    """A pod, a status or a venue that isn't as the last generation asks, when all has come to rest."""
    end = case.ending
    if end.pod_generation != end.generation or end.pod_wanted != end.wanted:
        text = (
            f"the object is at generation {end.generation} {end.wanted}, "
            f"its pod holds {end.pod_generation} {end.pod_wanted}"
        )
        yield Violation("last generation lost", case.name, None, text)
    if end.status_generation != end.generation:
        text = f"the object is at generation {end.generation}, its status says {end.status_generation} is applied"
        yield Violation("last generation lost", case.name, None, text)
    for leg in Leg:
        level = case.asked[-1].levels[leg] if case.asked else LegLevel.OPEN
        yield from _not_reached(case, leg, level)


def _not_reached(case: Case, leg: Leg, level: LegLevel) -> Iterator[Violation]:
    if level is LegLevel.OPEN:
        return
    if case.venue is None:
        yield Violation("kill not reached", case.name, None, f"{leg} is to be {level}, the venue is unknown")
        return
    orders = [order for order in case.venue.open_orders if order.leg is leg]
    entries = [order for order in orders if order.side is leg.opening]
    position = case.venue.positions[leg].quantity
    if entries or (level is LegLevel.FLAT and (orders or position)):
        text = (
            f"{leg} is to be {level}, the venue has {position} and {len(orders)} orders, {len(entries)} of them open it"
        )
        yield Violation("kill not reached", case.name, None, text)
