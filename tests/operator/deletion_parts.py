"""What the tests of deletions look at: the venue's book, the children, and what the Events say."""

import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

from naut_hedgegrid.domain.values import Leg, OrderKind, VenueOrder
from tests.kube import wait_until
from tests.operator.grid_parts import POSITIONS_STAY, Field, Grid, merged


def entries(grid: Grid) -> list[VenueOrder]:
    """Open orders at the venue that would open something."""
    return [order for order in grid.venue().open_orders if order.side is order.leg.opening]


def exits(grid: Grid) -> list[VenueOrder]:
    """Open orders at the venue that would close something."""
    return [order for order in grid.venue().open_orders if order.side is order.leg.closing]


def positions(grid: Grid) -> dict[Leg, Decimal]:
    """Quantities at the venue."""
    return {leg: position.quantity for leg, position in grid.venue().positions.items()}


def trading(field: Field, **spec: Any) -> Grid:
    """A grid with a position on both legs, exits for them, and entries."""
    grid = field.running(**merged(POSITIONS_STAY, spec))
    grid.wait_positions()
    wait_until(lambda: entries(grid) and exits(grid), 30, "entries and exits")
    known = "positions in the status"
    grid.wait(lambda seen: "0" not in [seen["telemetry"][leg]["quantity"] for leg in ("long", "short")], known)
    return grid


def only_entries_went(grid: Grid) -> None:
    """Positions stay, each covered by exits as far as the grid had got, and no entry rests."""
    assert entries(grid) == []
    held = positions(grid)
    assert all(held.values())
    for leg, quantity in held.items():
        assert sum(order.quantity for order in exits(grid) if order.leg is leg) == quantity
    assert [command for command in grid.commands() if command.kind == "market"] == []


def closed_once(grid: Grid) -> None:
    """The venue is flat, and what was closed at market is exactly what the other fills had left, leg by leg."""
    with grid.audit() as audit:
        assert audit.snapshot().flat
        log, fills = audit.order_log(), audit.fills()
    closes = {command.client_order_id for command in log if command.kind is OrderKind.MARKET}
    asked: defaultdict[Leg | None, Decimal] = defaultdict(Decimal)
    for command in log:
        if command.kind is OrderKind.MARKET and command.accepted:
            assert command.opening is False
            asked[command.leg] += command.quantity or 0
    for leg in Leg:
        others = [fill for fill in fills if fill.leg is leg and fill.client_order_id not in closes]
        held = sum((fill.quantity if fill.side is leg.opening else -fill.quantity for fill in others), Decimal())
        assert asked[leg] == held, f"{leg}: {asked[leg]} closed of {held}"


def operations(grid: Grid) -> set[str]:
    """Operation ids of the engagements that the Events of the deletion tell of."""
    told = [event["note"] for event in grid.events("KillDelivered") if event["note"].startswith("deletion of")]
    return {found for note in told for found in re.findall(r"\(operation (.+)\)", note)}


def last_words(grid: Grid) -> str:
    """The last Event, once everything of the grid is gone but the volume claim of its store."""
    grid.gone()
    assert grid.all_children() == []
    claim = f"data-{grid.child}-0"
    found = grid.cluster.api.get("v1", "PersistentVolumeClaim", claim, grid.namespace)
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    told = grid.wait_event("Deleted")
    assert claim in told
    return told
