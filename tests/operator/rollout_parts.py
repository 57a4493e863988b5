"""What the tests of rollouts and drains share."""

from decimal import Decimal
from typing import Any

from tests.kube import ApiError, wait_until
from tests.operator.grid_parts import Field, Grid, Json

EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction"}


class Exits:
    """The exits of a grid at one moment, and what became of them at the venue."""

    def __init__(self, grid: Grid[Any]) -> None:
        self._grid = grid
        self._sequence = max((command.sequence for command in grid.commands()), default=0)
        venue = grid.venue()
        self._open = {order.client_order_id for order in venue.open_orders if order.side is not order.leg.opening}
        self._positions = {leg: position.quantity for leg, position in venue.positions.items()}
        assert self._open, "a position without exits proves nothing"

    def were_kept(self) -> None:
        """By the venue's order log: no exit was cancelled since, every one is still open, no position is smaller."""
        with self._grid.audit() as audit:
            later = audit.order_log(self._sequence)
        assert [command for command in later if command.action == "cancel" and command.opening is False] == []
        venue = self._grid.venue()
        assert self._open <= {order.client_order_id for order in venue.open_orders}
        assert all(venue.positions[leg].quantity >= quantity > Decimal(0) for leg, quantity in self._positions.items())


def revision(grid: Grid) -> str:
    """Revision of the pod, empty where there is none."""
    found = grid.pod.get()
    return found["metadata"]["annotations"]["hedgegrid.io/revision"] if found else ""


def container(grid: Grid) -> Json:
    """The strategy container of the pod."""
    found = grid.pod.get()
    assert found is not None
    inside: Json = found["spec"]["containers"][0]
    return inside


def another_pod(grid: Grid, before: str | None, timeout: float = 90) -> str:
    """Uid of the next pod, once it holds the newest document."""
    wait_until(lambda: grid.pod.uid not in {None, before}, timeout, "another pod")
    uid = grid.pod.uid
    grid.wait(
        lambda seen: seen.get("podUID") == uid and seen["control"].get("appliedGeneration") == grid.generation,
        "the new pod to hold its document",
        timeout=timeout,
    )
    assert uid is not None
    return uid


def evict(grid: Grid) -> int:
    """Ask for an eviction as `kubectl drain` does; the API server's answer, 201 or 429."""
    name = f"{grid.child}-0"
    path = f"/api/v1/namespaces/{grid.namespace}/pods/{name}/eviction"
    try:
        grid.cluster.api.request("POST", path, EVICTION | {"metadata": {"name": name, "namespace": grid.namespace}})
    except ApiError as error:
        return error.status
    return 201


def drained(grid: Grid, before: str | None, timeout: float = 60) -> None:
    """Ask for evictions, as a drain does, until one passes."""
    wait_until(lambda: evict(grid) == 201 or grid.pod.uid != before, timeout, "the eviction to pass")


def restart(field: Field) -> None:
    """Kill the operator, and start another one."""
    field.operator.kill()
    field.start()
