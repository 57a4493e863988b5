"""The audit of a chaos run finds what it is there for in forged logs that hold it, and nothing in clean ones."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedgegrid_api.types import KillSwitch, LegLevel
from naut_hedgegrid.domain.values import Leg, OrderFilled, OrderKind, Side, VenueOrder, VenuePosition
from naut_hedgegrid.venues.sim.audit import Snapshot
from naut_hedgegrid.venues.sim.records import ACCEPTED, Action, LoggedCommand
from tests.chaos.audit import WIRE_NS, violations
from tests.chaos.evidence import Asked, Case, Ending, Held, Latched, Sighting, asked_levels
from tests.chaos.witness import sighting

D = Decimal
SECOND = 1_000_000_000
LONG, SHORT = Leg.LONG, Leg.SHORT


def asked(generation: int, seconds: float, switch: str, *, deleted: bool = False) -> Asked:
    return Asked(generation, round(seconds * SECOND), asked_levels(KillSwitch(switch), deleted=deleted), switch)


def seen(seconds: float, generation: int, latches: tuple[str, ...] = (), **legs: tuple[str, LegLevel]) -> Sighting:
    at = round(seconds * SECOND)
    held = {Leg(leg): Held(operation, level, at) for leg, (operation, level) in legs.items()}
    return Sighting(at, generation, held, frozenset(latches))


def flat(operation: str = "op-1") -> dict[str, tuple[str, LegLevel]]:
    return {"LONG": (operation, LegLevel.FLAT), "SHORT": (operation, LegLevel.FLAT)}


def order(number: int, seconds: float, leg: Leg = LONG, **changes: Any) -> LoggedCommand:
    """A limit order that opens a leg, accepted."""
    found = LoggedCommand(
        sequence=number,
        wall_ns=round(seconds * SECOND),
        ts=round(seconds * SECOND),
        action=Action.SUBMIT,
        client_order_id=f"E-{number}",
        leg=leg,
        side=leg.opening,
        opening=True,
        kind=OrderKind.LIMIT,
        quantity=D("0.01"),
        price=D(50_000),
        trigger_price=None,
        post_only=True,
        result=ACCEPTED,
    )
    return replace(found, **changes)


def fill(number: int, side: Side, quantity: str, leg: Leg = LONG) -> OrderFilled:
    return OrderFilled(number, f"F-{number}", leg, side, D(quantity), D(50_000), D(0), True, D(0), number)


def venue(long: str = "0", *orders: VenueOrder) -> Snapshot:
    positions = {LONG: VenuePosition(D(long), None), SHORT: VenuePosition(D(0), None)}
    return Snapshot(D(10_000), D(10_000), positions, orders, None, None, 0, 0)


def resting(side: Side) -> VenueOrder:
    return VenueOrder("E-9", LONG, side, OrderKind.LIMIT, D("0.01"), D(0), D(50_000), post_only=True)


CLEAN = Case(
    name="grid",
    uid="uid",
    asked=(asked(1, 0, "none"), asked(2, 10, "flattenBoth"), asked(3, 20, "none"), asked(4, 30, "flattenBoth")),
    sightings=(seen(1, 1), seen(10.1, 2, **flat()), seen(20.1, 3), seen(30.1, 4, **flat("op-2"))),
    commands=(
        order(1, 5),
        order(2, 10.05),
        order(3, 10.2, side=Side.SELL, opening=False, kind=OrderKind.MARKET),
        order(4, 20.05),
        order(5, 30.14),
        order(6, 40, result="-5022 would take"),
        order(7, 41, side=Side.SELL, opening=False),
    ),
    fills=(fill(1, Side.BUY, "0.01"), fill(2, Side.SELL, "0.01")),
    venue=venue(),
    ending=Ending(
        gone=False,
        generation=4,
        wanted=("flattenBoth", 1.0),
        pod_generation=4,
        pod_wanted=("flattenBoth", 1.0),
        status_generation=4,
    ),
)
GONE = replace(CLEAN, ending=Ending(gone=True))


def kinds(case: Case) -> set[str]:
    return {found.kind for found in violations(case)}


def test_nothing_is_wrong_with_a_clean_grid() -> None:
    assert violations(CLEAN) == []
    assert violations(GONE) == []


@pytest.mark.parametrize("seconds", [10.2, 15, 19.99, 30.2, 99])
def test_an_opening_order_while_engaged_is_found(seconds: float) -> None:
    forged = replace(CLEAN, commands=(*CLEAN.commands, order(8, seconds)))
    found = violations(forged)
    assert [one.kind for one in found] == ["opened while engaged"]
    assert "E-8 opened LONG" in found[0].what
    assert found[0].at == round(seconds * SECOND)


@pytest.mark.parametrize("seconds", [9.99, 10.1, 20.0, 29.99, 30.1 + WIRE_NS / 1e9])
def test_one_before_the_answer_on_the_wire_or_after_the_release_is_none(seconds: float) -> None:
    assert violations(replace(CLEAN, commands=(*CLEAN.commands, order(8, seconds)))) == []


def test_the_other_leg_may_open_while_one_is_killed() -> None:
    one_leg = replace(
        CLEAN,
        asked=(asked(1, 0, "none"), asked(2, 10, "flattenLong")),
        sightings=(seen(1, 1), seen(10.1, 2, LONG=("op-1", LegLevel.FLAT))),
        commands=(order(1, 12, SHORT),),
        ending=replace(CLEAN.ending, generation=2, pod_generation=2, status_generation=2),
    )
    assert violations(one_leg) == []
    assert kinds(replace(one_leg, commands=(order(1, 12, LONG),))) == {"opened while engaged"}


def test_a_kill_stands_through_generations_that_change_something_else() -> None:
    throttled = replace(
        CLEAN,
        asked=(
            asked(1, 0, "none"),
            asked(2, 10, "flattenBoth"),
            asked(3, 12, "flattenBoth"),
            asked(4, 14, "haltEntries"),
        ),
        sightings=(seen(10.1, 2, **flat()),),
        commands=(order(1, 15),),
    )
    assert kinds(throttled) == {"opened while engaged"}


def test_time_in_which_the_pod_was_frozen_is_no_time_on_the_wire() -> None:
    case = replace(CLEAN, commands=(order(1, 13.12),))
    assert kinds(case) == {"opened while engaged"}
    assert violations(replace(case, stopped=((round(10.11 * SECOND), round(13.11 * SECOND)),))) == []


def test_a_machine_that_is_late_has_a_longer_wire() -> None:
    case = replace(CLEAN, commands=(order(1, 10.3),))
    assert kinds(case) == {"opened while engaged"}
    late = replace(case, lateness=((10 * SECOND, 30_000_000),))
    assert violations(late) == []
    assert kinds(replace(late, commands=(order(1, 10.5),))) == {"opened while engaged"}
    assert kinds(replace(case, lateness=((5 * SECOND, 30_000_000),))) == {"opened while engaged"}


def test_an_order_that_was_stored_before_the_kill_may_be_long_on_the_wire() -> None:
    case = replace(CLEAN, commands=(order(1, 13),))
    assert kinds(case) == {"opened while engaged"}
    assert violations(replace(case, kept={"E-1": round(10.1 * SECOND)})) == []
    assert kinds(replace(case, kept={"E-1": round(10.11 * SECOND)})) == {"opened while engaged"}
    assert kinds(replace(case, commands=(order(1, 15.2),), kept={"E-1": 10 * SECOND})) == {"opened while engaged"}


def test_what_opens_after_a_close_was_never_on_the_wire() -> None:
    close = order(1, 10.11, side=Side.SELL, opening=False, kind=OrderKind.MARKET)
    assert kinds(replace(CLEAN, commands=(close, order(2, 10.12)))) == {"opened while engaged"}
    assert violations(replace(CLEAN, commands=(close, order(2, 10.12, SHORT)))) == []


def test_a_pod_that_never_had_the_kill_is_not_said_to_have_opened_against_it() -> None:
    late = replace(CLEAN, sightings=(seen(1, 1), seen(30.1, 4, **flat("op-2"))), commands=(order(1, 15),))
    assert violations(late) == []


def test_a_kill_that_the_pod_dropped_is_found() -> None:
    dropped = replace(CLEAN, sightings=(seen(10.1, 2), seen(30.1, 4, **flat("op-2"))), commands=())
    assert kinds(dropped) == {"kill lost"}
    weaker = replace(CLEAN, sightings=(seen(10.1, 2, LONG=("op-1", LegLevel.HALTED), SHORT=("op-1", LegLevel.FLAT)),))
    assert "asks flat of LONG, held is halted" in violations(weaker)[0].what


def test_a_second_operation_is_found_unless_the_leg_was_let_go_or_asked_for_more() -> None:
    twice = (seen(10.1, 2, **flat()), seen(10.4, 2, **flat("op-again")))
    assert kinds(replace(CLEAN, sightings=twice, commands=())) == {"second operation"}
    # Let go for a moment by nobody: it is a second one all the same.
    opened = (seen(10.1, 2, **flat()), seen(10.2, 2), seen(10.4, 2, **flat("op-again")))
    assert kinds(replace(CLEAN, sightings=opened, commands=())) == {"kill lost", "second operation"}
    raised = replace(
        CLEAN,
        asked=(asked(1, 0, "none"), asked(2, 10, "haltEntries"), asked(4, 12, "flattenBoth")),
        sightings=(
            seen(10.1, 2, LONG=("op-1", LegLevel.HALTED), SHORT=("op-1", LegLevel.HALTED)),
            seen(12.1, 4, **flat("op-2")),
        ),
        commands=(),
    )
    assert violations(raised) == []


def test_a_latch_of_the_api_that_vanished_or_let_an_order_through_is_found() -> None:
    latch = Latched("op-7", (LONG,), 4 * SECOND, 6 * SECOND)
    held = (seen(4.1, 1, ("op-7",), LONG=("op-7", LegLevel.FLAT)), seen(6.5, 1), *CLEAN.sightings[1:])
    case = replace(CLEAN, sightings=held, commands=(order(1, 6.2),), latched=(latch,))
    assert violations(case) == []
    assert kinds(replace(case, commands=(order(1, 5),))) == {"opened while engaged"}
    assert kinds(replace(case, sightings=(seen(5, 1), *held[1:]))) == {"latch lost"}


def test_an_order_id_that_is_used_twice_is_found() -> None:
    again = order(8, 6, client_order_id="E-1")
    assert kinds(replace(CLEAN, commands=(*CLEAN.commands, again))) == {"order doubled"}
    refused = replace(again, client_order_id="E-77", result="-4116 ClientOrderId is duplicated.")
    assert kinds(replace(CLEAN, commands=(*CLEAN.commands, refused))) == {"order doubled"}


def test_a_close_of_more_than_there_was_is_found() -> None:
    refused = order(8, 11, side=Side.SELL, opening=False, kind=OrderKind.MARKET, result="-2022 ReduceOnly")
    assert kinds(replace(CLEAN, commands=(*CLEAN.commands, refused))) == {"closed twice"}
    assert kinds(replace(CLEAN, fills=(*CLEAN.fills, fill(3, Side.SELL, "0.01")))) == {"closed twice"}


def test_what_is_left_of_an_object_that_is_gone_is_found() -> None:
    assert kinds(replace(GONE, ending=Ending(gone=True, children=("Service hedgegrid-grid",)))) == {"orphan"}
    assert kinds(replace(GONE, venue=venue("0.01"))) == {"orphan"}
    assert kinds(replace(GONE, venue=venue("0", resting(Side.SELL)))) == {"orphan"}


@pytest.mark.parametrize(
    "change",
    [
        {"pod_generation": 3},
        {"pod_wanted": ("none", 1.0)},
        {"pod_wanted": ("flattenBoth", 0.5)},
        {"status_generation": 2},
    ],
)
def test_a_last_generation_that_was_lost_is_found(change: dict[str, Any]) -> None:
    assert kinds(replace(CLEAN, ending=replace(CLEAN.ending, **change))) == {"last generation lost"}


def test_a_kill_that_is_not_reached_at_the_end_is_found() -> None:
    for left in (venue("0.01"), venue("0", resting(Side.BUY)), venue("0", resting(Side.SELL)), None):
        assert kinds(replace(CLEAN, venue=left)) == {"kill not reached"}
    halted = replace(
        CLEAN,
        asked=(*CLEAN.asked[:3], asked(4, 30, "haltEntries")),
        sightings=(),
        commands=(),
    )
    assert violations(replace(halted, venue=venue("0.01", resting(Side.SELL)))) == []
    assert kinds(replace(halted, venue=venue("0.01", resting(Side.BUY)))) == {"kill not reached"}


def test_a_deletion_asks_for_flat_whatever_the_switch_says() -> None:
    deleted = replace(
        CLEAN,
        asked=(asked(1, 0, "none"), asked(2, 10, "none", deleted=True)),
        sightings=(seen(1, 1), seen(10.1, 2)),
        commands=(),
        ending=Ending(gone=True),
    )
    assert kinds(deleted) == {"kill lost"}


def test_what_a_store_holds_is_read_as_it_stands_there() -> None:
    engagement = {
        "operationID": "op-1",
        "level": "flat",
        "source": "spec",
        "since": "2026-11-24T21:54:25.326317Z",
        "delivered": "2026-11-24T21:54:25.329239Z",
    }
    controls = {"document": {"generation": 7}, "engagements": {"LONG": engagement}, "latches": [{"id": "op-1"}]}
    found = sighting(1, controls)
    assert found == Sighting(1, 7, {LONG: Held("op-1", LegLevel.FLAT, 1795557265329239000)}, frozenset({"op-1"}))
    assert sighting(1, {"document": None, "engagements": {}, "latches": []}) is None
