"""Objects, reports and facts for the tests of the operator's pure parts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hedgegrid_api.control import (
    ControlReport,
    KillSwitchReport,
    LegReport,
    LegReports,
    PodCondition,
    ThrottleReport,
)
from hedgegrid_api.types import KillSwitch, LegLevel, LegState, Source, levels_of, switch_of
from hedgegrid_operator.credentials import Credentials, CredentialSource

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UID = "0f0e5b0e-0000-4000-8000-000000000001"

SPEC: dict[str, Any] = {
    "account": {"name": "main"},
    "instrument": "BTCUSDT-PERP.BINANCE",
    "mode": "sim",
    "grid": {
        "stepBps": 10,
        "levelsLong": 5,
        "levelsShort": 5,
        "baseQty": "0.002",
        "maxInventoryQuote": "5000",
        "recenterTriggerBps": 100,
    },
}


def grid(
    *, generation: int = 1, uid: str = UID, name: str = "btc", metadata: Any = None, **spec: Any
) -> dict[str, Any]:
    """A HedgeGrid as the API server sends it; keyword arguments are fields of its spec."""
    return {
        "apiVersion": "hedgegrid.io/v1alpha1",
        "kind": "HedgeGrid",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid,
            "generation": generation,
            "resourceVersion": str(100 + generation),
            "creationTimestamp": "2026-03-01T11:00:00Z",
            **(metadata or {}),
        },
        "spec": {**SPEC, **spec},
    }


_DONE = {LegLevel.OPEN: LegState.RELEASED, LegLevel.HALTED: LegState.HALTED, LegLevel.FLAT: LegState.FLAT}
_ORDER = list(LegState)


def leg(
    level: LegLevel = LegLevel.OPEN,
    state: LegState | None = None,
    *,
    source: Source | None = Source.SPEC,
    quantity: str | None = "0",
    **more: Any,
) -> LegReport:
    """One leg; its state is that of a finished engagement unless told otherwise."""
    held = level is not LegLevel.OPEN
    return LegReport(
        level=level,
        state=state or _DONE[level],
        source=source if held else None,
        operation_id="op-1" if held else None,
        quantity=None if quantity is None else Decimal(quantity),
        open_orders=0,
        delivered=NOW if held else None,
        reached=NOW if held and (state or _DONE[level]) is _DONE[level] else None,
        **more,
    )


def report(
    desired: KillSwitch = KillSwitch.NONE,
    *,
    long: LegReport | None = None,
    short: LegReport | None = None,
    throttle: float = 1,
    conditions: tuple[PodCondition, ...] | None = None,
    **more: Any,
) -> ControlReport:
    """A pod's report of generation 1, synced, whose legs are as its switch asks unless told otherwise."""
    levels = levels_of(desired)
    legs = LegReports(long=long or leg(levels[0]), short=short or leg(levels[1]))
    held = [found for found in (legs.long, legs.short) if found.level is not LegLevel.OPEN]
    least = min(held, key=lambda found: _ORDER.index(found.state), default=None)
    known: dict[str, Any] = {
        "boot_id": "boot-1",
        "uid": UID,
        "applied_generation": 1,
        "epoch": 1,
        "synced": True,
        "throttle": ThrottleReport(desired=throttle, effective=throttle, source=Source.SPEC),
        "kill_switch": KillSwitchReport(
            desired=desired,
            effective=switch_of(legs.long.level, legs.short.level),
            state=least.state if least else LegState.RELEASED,
            source=least.source if least else None,
            operation_id="op-1" if least else None,
            legs=legs,
        ),
        "conditions": conditions
        if conditions is not None
        else (PodCondition(type="VenueReady", status=True, reason="Reconciled", message="adopted"),),
    }
    return ControlReport(**known | more)


class FixedSource(CredentialSource):
    """A token and a server that stay as they are."""

    def __init__(self, server: str, token: str) -> None:
        super().__init__("", "", "")
        self._found = Credentials(server, authorization=f"Bearer {token}")

    async def load(self) -> Credentials:
        return self._found
